# SPDX-License-Identifier: BSD-2-Clause
# build/bulkhead.elf, with symbols; build/gen/hypervisor.elf is the same without, for embedding.

OBJ := $(BUILD)/hv

# Of the C library only what follows is linked, so that nothing with hidden state (stdio, malloc,
# errno's TLS) comes in by accident: such a call is a link error.
LIBC_PARTS := memchr memcmp memcpy memmove memrchr memset mempcpy stpcpy stpncpy strcasecmp \
	strcat strchr strchrnul strcmp strcpy strlcat strlcpy strlen strncasecmp strncat \
	strncmp strncpy strnlen strrchr \
	isalnum isalpha isascii isblank iscntrl isdigit isgraph islower isprint ispunct isspace \
	isupper isxdigit tolower toupper
MUSL_INCLUDE := /usr/include/x86_64-linux-musl
MUSL_LIBC    := /usr/lib/x86_64-linux-musl/libc.a

# The only headers besides the compiler's and musl's: links to those that we use, no more.
SYSROOT := $(BUILD)/sysroot
SYSROOT_LINKS := bsd stb Zycore xen linux asm asm-generic video

HV_MACHINE := -ffreestanding -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone -mgeneral-regs-only \
	-fno-asynchronous-unwind-tables -fno-stack-protector -fcf-protection=none \
	-fno-omit-frame-pointer -ffunction-sections -fdata-sections -fno-common
HV_INCLUDES := -I. -I$(BUILD)/gen -nostdinc -isystem $(shell $(CC) -print-file-name=include) \
	-isystem $(MUSL_INCLUDE) -isystem $(SYSROOT) $(THIRD_PARTY_INCLUDES)
HV_CFLAGS := $(LANGUAGE) -O2 -g $(HV_MACHINE) $(THIRD_PARTY_DEFINES) $(HV_INCLUDES)
HV_NASMFLAGS := -f elf64 -I./ -w+all -Werror
HV_LDFLAGS := -nostdlib -static -z max-page-size=0x1000 -z noexecstack --gc-sections \
	--build-id=none --no-warn-rwx-segments --orphan-handling=error

HV_OBJECTS := $(HV_C:%.c=$(OBJ)/%.o) $(HV_ASM:%.asm=$(OBJ)/%.asm.o)
HV_THIRD   := $(THIRD_PARTY_C:$(BUILD)/%.c=$(OBJ)/%.o)
HV_LINK    := $(HV_OBJECTS) $(OBJ)/third_party.a $(OBJ)/libc.a
HV_COMPILE_DEPS = $(BUILD)/flags/hv $(SYSROOT)/.done Makefile mk/config.mk mk/hypervisor.mk

$(eval $(call flags_file,hv,$(CC) $(HV_CFLAGS) $(WARNINGS) $(HV_NASMFLAGS)))
$(eval $(call flags_file,hv-link,$(HV_LDFLAGS) $(HV_LINK)))

$(SYSROOT)/.done: mk/hypervisor.mk
	$(call say,GEN,$(SYSROOT))
	$(Q)rm -rf $(SYSROOT) && mkdir -p $(SYSROOT)
	$(Q)for d in $(SYSROOT_LINKS); do \
		for at in /usr/include/x86_64-linux-gnu/$$d /usr/include/$$d; do \
			if [ -e $$at ]; then ln -s $$at $(SYSROOT)/$$d; break; fi; \
		done; \
		[ -e $(SYSROOT)/$$d ] || { echo "no /usr/include/$$d: make deps" >&2; exit 1; }; \
	done; touch $@

$(OBJ)/third_party/%.o: $(BUILD)/third_party/%.c $(HV_COMPILE_DEPS)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(HV_CFLAGS) -w -MMD -MP -c -o $@ $<

$(OBJ)/%.o: %.c $(HV_COMPILE_DEPS) | $(GEN_HEADERS)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(HV_CFLAGS) $(WARNINGS) -MMD -MP -c -o $@ $<

$(OBJ)/%.asm.o: %.asm $(HV_COMPILE_DEPS)
	$(call say,NASM,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(NASM) $(HV_NASMFLAGS) -MD $(@:.o=.d) -MP -o $@ $<

$(OBJ)/third_party.a: $(HV_THIRD)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcsD $@ $^

$(OBJ)/libc.a: $(MUSL_LIBC) mk/hypervisor.mk
	$(call say,AR,$@)
	$(Q)rm -rf $(OBJ)/libc $@ && mkdir -p $(OBJ)/libc
	$(Q)cd $(OBJ)/libc && $(AR) x $(MUSL_LIBC) $(LIBC_PARTS:%=%.lo)
	$(Q)$(AR) rcsD $@ $(LIBC_PARTS:%=$(OBJ)/libc/%.lo)

# The table of symbols (arch/x86/ksyms.h) is made from a first link with an empty one, and made once
# more from the result to see that no function moved.
$(BUILD)/gen/ksyms-empty.asm: tools/mksyms
	$(Q)mkdir -p $(@D)
	$(Q)tools/mksyms /dev/null 2>/dev/null > $@

$(BUILD)/gen/ksyms-%.o: $(BUILD)/gen/ksyms-%.asm
	$(Q)$(NASM) -f elf64 -o $@ $<

$(OBJ)/first.elf: $(HV_LINK) $(BUILD)/gen/ksyms-empty.o linker.ld $(BUILD)/flags/hv-link
	$(call say,LD,$@)
	$(Q)$(LD) $(HV_LDFLAGS) -T linker.ld -o $@ $(HV_LINK) $(BUILD)/gen/ksyms-empty.o

$(BUILD)/gen/ksyms-final.asm: $(OBJ)/first.elf tools/mksyms
	$(Q)NM=$(NM) tools/mksyms $< > $@

$(BUILD)/bulkhead.elf: $(OBJ)/first.elf $(BUILD)/gen/ksyms-final.o
	$(call say,LD,$@)
	$(Q)$(LD) $(HV_LDFLAGS) -T linker.ld -o $@.tmp $(HV_LINK) $(BUILD)/gen/ksyms-final.o
	$(Q)NM=$(NM) tools/mksyms $@.tmp | cmp - $(BUILD)/gen/ksyms-final.asm || \
		{ echo 'the symbol table moved the text: see linker.ld' >&2; exit 1; }
	$(Q)mv $@.tmp $@

$(BUILD)/gen/hypervisor.elf: $(BUILD)/bulkhead.elf
	$(Q)$(OBJCOPY) --strip-all $< $@

-include $(HV_OBJECTS:.o=.d) $(HV_THIRD:.o=.d)
