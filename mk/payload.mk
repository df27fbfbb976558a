# SPDX-License-Identifier: BSD-2-Clause
# Tiny guests for tests and benchmarks: tests/payload/NAME.asm becomes the flat binary
# build/payload/NAME.bin. A file of tests/e2e/cases.txt names it by that path.

PAYLOADS := $(patsubst tests/payload/%.asm,$(BUILD)/payload/%.bin,$(wildcard tests/payload/*.asm))

$(BUILD)/payload/%.bin: tests/payload/%.asm mk/payload.mk
	$(call say,NASM,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(NASM) -f bin -I./ -Itests/payload/ -w+all -Werror -MD $@.d -MP -o $@ $<

.PHONY: payloads
payloads: $(PAYLOADS)

-include $(PAYLOADS:=.d)
