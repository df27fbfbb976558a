# SPDX-License-Identifier: BSD-2-Clause
# Style and static checks. One stamp a file and check under build/lint/, so that only what changed
# is looked at again; a failed check leaves no stamp.

LINT := $(BUILD)/lint
LINT_C := $(HV_C) $(LOADER_C) $(call find_sources,tests/unit tests/fuzz,c)
LINT_H := $(call find_sources,boot arch vmm guest drivers tests,h)
LINT_FORMAT := $(LINT_C) $(LINT_H)

# How a file is compiled: tests on the host, the loader by gnu-efi, the rest like the hypervisor.
# Always with clang, which also makes this the build with the second compiler.
CLANG_INCLUDES := $(patsubst %,-isystem %,$(shell $(CLANG) -print-file-name=include 2>/dev/null))
to_clang = $(filter-out -maccumulate-outgoing-args,$(subst \
	-nostdinc -isystem $(shell $(CC) -print-file-name=include),-nostdinc $(CLANG_INCLUDES),$(1)))
LINT_FLAGS_HV   := $(call to_clang,$(HV_CFLAGS)) $(WARNINGS)
LINT_FLAGS_EFI  := $(call to_clang,$(EFI_CFLAGS)) $(WARNINGS)
LINT_FLAGS_HOST := $(HOST_FLAGS) $(WARNINGS)
lint_flags = $(if $(filter tests/%,$(1)),$(LINT_FLAGS_HOST),$(if $(filter boot/uefi/%,$(1)),$(LINT_FLAGS_EFI),$(LINT_FLAGS_HV)))

LINT_CHECKS := $(LINT_FORMAT:%=$(LINT)/format/%) $(LINT_H:%=$(LINT)/alone/%) \
	$(LINT_C:%=$(LINT)/clang/%) $(LINT_C:%=$(LINT)/tidy/%) $(LINT_C:%=$(LINT)/cppcheck/%) \
	$(LINT)/layering $(LINT)/limits

# Suppressed: linker symbols are compared and subtracted, void pointers count bytes (GNU C), and
# unsigned wrap-around is defined.
CPPCHECK := cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	--error-exitcode=1 --template=gcc --suppress=missingIncludeSystem \
	--suppress=comparePointers --suppress=arithOperationsOnVoidPointer \
	--suppress=integerOverflowCond --suppress=signConversionCond \
	--suppress=unknownMacro --suppress=*:$(BUILD)/* --suppress=*:/usr/* -I. -D__x86_64__ -D__GNUC__

$(eval $(call flags_file,lint,$(LINT_FLAGS_HV) $(LINT_FLAGS_EFI) $(LINT_FLAGS_HOST) $(CPPCHECK)))

$(LINT)/format/%: % .clang-format
	$(call say,FORMAT,$<)
	$(Q)mkdir -p $(@D) && rm -f $@
	$(Q)clang-format-14 --dry-run -Werror $< && touch $@

# Compiling an including line rather than the header keeps `pragma once in main file` quiet.
$(LINT)/alone/%: % $(BUILD)/flags/lint $(SYSROOT)/.done | $(GEN_HEADERS)
	$(call say,ALONE,$<)
	$(Q)mkdir -p $(@D) && rm -f $@
	$(Q)echo '#include "$<"' | $(CLANG) $(call lint_flags,$<) -fsyntax-only -MMD -MP -MF $@.d -MT $@ \
		-x c - && touch $@

$(LINT)/clang/%: % $(BUILD)/flags/lint $(SYSROOT)/.done | $(GEN_HEADERS)
	$(call say,CLANG,$<)
	$(Q)mkdir -p $(@D) && rm -f $@
	$(Q)$(CLANG) $(call lint_flags,$<) -fsyntax-only -MMD -MP -MF $@.d -MT $@ $< && touch $@

$(LINT)/tidy/%: $(LINT)/clang/% .clang-tidy
	$(call say,TIDY,$*)
	$(Q)mkdir -p $(@D) && rm -f $@
	$(Q)clang-tidy-14 --quiet $* -- $(call lint_flags,$*) 2> $@.err || \
		{ grep -v 'warnings generated\|^Suppressed\|^Use -header' $@.err || true; exit 1; }
	$(Q)touch $@

$(LINT)/cppcheck/%: $(LINT)/clang/% mk/lint.mk
	$(call say,CHECK,$*)
	$(Q)mkdir -p $(@D) && rm -f $@
	$(Q)$(CPPCHECK) $* && touch $@

$(LINT)/layering: tools/check-layering $(LINT_FORMAT)
	$(call say,CHECK,layering)
	$(Q)mkdir -p $(@D) && rm -f $@
	$(Q)tools/check-layering > $@.log || { cat $@.log; exit 1; }
	$(Q)touch $@

$(LINT)/limits: tools/check-limits $(LINT_FORMAT) $(HV_ASM) $(LOADER_ASM)
	$(call say,CHECK,limits)
	$(Q)mkdir -p $(@D) && rm -f $@
	$(Q)tools/check-limits && touch $@

.PHONY: lint-checks lint-count
lint-checks: $(LINT_CHECKS)
lint-count:
	@passed=0 failed=0; for stamp in $(LINT_CHECKS); do \
		if [ -e $$stamp ]; then passed=$$((passed + 1)); \
		else failed=$$((failed + 1)); echo "FAIL $${stamp#$(LINT)/}"; fi; done; \
	echo "$$passed passed, $$failed failed"; [ $$failed = 0 ]

## lint: clang-format, clang-tidy, cppcheck, clang's warnings, headers alone, layering, limits
lint:
	$(Q)$(MAKE) --no-print-directory -k lint-checks || true
	$(Q)$(MAKE) --no-print-directory lint-count

-include $(shell find $(LINT) -name '*.d' 2>/dev/null)
