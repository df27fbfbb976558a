# SPDX-License-Identifier: BSD-2-Clause
# What is compiled into what.

# EXCLUDE=<files> leaves sources out, say of a branch in pieces: make unit EXCLUDE='guest/dev/lapic.c'.
find_sources = $(filter-out $(EXCLUDE),$(sort $(shell find $(1) -name '*.$(2)' 2>/dev/null)))

# The hypervisor: everything under these but the UEFI loader.
HV_C   := $(filter-out boot/uefi/%,$(call find_sources,boot arch vmm guest drivers,c))
HV_ASM := $(filter-out boot/uefi/%,$(call find_sources,boot arch vmm guest drivers,asm))

# The UEFI loader, and the files that it shares with the hypervisor.
LOADER_C      := $(call find_sources,boot/uefi,c)
LOADER_ASM    := $(call find_sources,boot/uefi,asm)
LOADER_SHARED := boot/boot_info.c boot/boot_tables.c arch/x86/paging.c vmm/config_files.c vmm/format.c

# Pure code: no hardware in it, so it runs on this machine under tests, sanitizers and fuzzers.
# All of vmm/ and guest/, and those files elsewhere that touch no hardware. Add yours here.
PURE_OTHER := \
	$(sort $(wildcard arch/x86/acpi*.c)) \
	arch/x86/acpi_aml.c \
	arch/x86/acpi_madt.c \
	arch/x86/acpi_tables.c \
	arch/x86/rtc_time.c \
	arch/x86/tsc_math.c \
	arch/x86/ksyms.c \
	arch/x86/paging.c \
	$(addprefix arch/x86/svm/,asid.c check.c decode.c features.c inject.c maps.c npt.c) \
	$(addprefix arch/x86/vmx/,capabilities.c check.c decode.c ept.c flush.c maps.c) \
	boot/boot_info.c \
	boot/multiboot2/parse.c
PURE_C := $(call find_sources,vmm guest,c) $(wildcard $(PURE_OTHER))

# Guest ACPI tables: guest/tables/dsdt.asl becomes build/gen/dsdt.h, included as "dsdt.h", with
# `static const unsigned char dsdt_aml_code[]` in it.
ASL         := $(call find_sources,guest/tables,asl)
GEN_HEADERS := $(patsubst guest/tables/%.asl,$(BUILD)/gen/%.h,$(ASL)) $(BUILD)/gen/version.h

# Third-party code, compiled from Debian's sources (tools/fetch-sources) with our flags.
ZYDIS := $(BUILD)/third_party/zydis
INIH  := $(BUILD)/third_party/libinih
ZYDIS_C := $(addprefix $(ZYDIS)/src/,Decoder.c DecoderData.c MetaInfo.c Mnemonic.c Register.c \
	Segment.c SharedData.c Utils.c Zydis.c)
THIRD_PARTY_C := $(ZYDIS_C) $(INIH)/ini.c

# These change the libraries' interfaces, so every file sees the same.
THIRD_PARTY_DEFINES := \
	-DZYDIS_STATIC_BUILD -DZYCORE_STATIC_BUILD -DZYAN_NO_LIBC -DZYDIS_DISABLE_FORMATTER \
	-DZYDIS_DISABLE_ENCODER -DZYDIS_DISABLE_AVX512 -DZYDIS_DISABLE_KNC \
	-DINI_HANDLER_LINENO=1 -DINI_USE_STACK=1 -DINI_MAX_LINE=2304 -DINI_ALLOW_MULTILINE=0 \
	-DINI_STOP_ON_FIRST_ERROR=0 -DINI_CALL_HANDLER_ON_NEW_SECTION=1 -DINI_ALLOW_NO_VALUE=1 -DINI_ALLOW_BOM=0
THIRD_PARTY_INCLUDES := -isystem $(ZYDIS)/include -isystem $(ZYDIS)/src -isystem $(INIH)

WARNINGS := -Wall -Wextra -Wconversion -Wno-sign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wundef -Wvla -Werror
LANGUAGE := -std=gnu11 -fno-strict-aliasing -ffile-prefix-map=$(CURDIR)=. -Ulinux -Uunix

# Each compilation also depends on a file that holds its flags: a change of them rebuilds.
# $(call flags_file,name,flags)
define flags_file
$(BUILD)/flags/$(1): FORCE
	@mkdir -p $$(@D)
	@printf '%s\n' '$(subst ','\'',$(2))' | cmp -s - $$@ || printf '%s\n' '$(subst ','\'',$(2))' > $$@
endef

$(BUILD)/gen/%.h: guest/tables/%.asl mk/config.mk
	$(call say,IASL,$<)
	$(Q)mkdir -p $(@D)
	$(Q)iasl -tc -ve -p $(@D)/$* $< > $(@D)/$*.log 2>&1 || { cat $(@D)/$*.log >&2; exit 1; }
	$(Q)sed -n 's/^unsigned char/static const unsigned char/; /^static/,/^};/p' $(@D)/$*.hex > $@

# "version.h": BULKHEAD_VERSION, the text.
$(BUILD)/gen/version.h: Makefile
	$(Q)mkdir -p $(@D)
	$(Q)printf '%s\n' '/* Generated. */' '#pragma once' '#define BULKHEAD_VERSION "$(VERSION)"' > $@
