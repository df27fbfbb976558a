# SPDX-License-Identifier: BSD-2-Clause
# Tiny guests for tests and benchmarks: tests/payload/NAME.asm becomes the flat binary
# build/payload/NAME.bin. A file of tests/e2e/cases.txt names it by that path.

PAYLOADS := $(patsubst tests/payload/%.asm,$(BUILD)/payload/%.bin,$(wildcard tests/payload/*.asm))

$(BUILD)/payload/%.bin: tests/payload/%.asm $(wildcard tests/payload/*.inc) mk/payload.mk
	$(call say,NASM,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(NASM) -f bin -I./ -Itests/payload/ -w+all -Werror -MD $@.d -MP -o $@ $<

.PHONY: payloads
payloads: $(PAYLOADS)

-include $(PAYLOADS:=.d)

# The benchmarks' guests (tests/bench): a flat binary in C, what is put behind a Linux kernel, and the
# first process there.
BENCH_CFLAGS := -std=gnu11 -O2 -ffreestanding -fno-pic -fno-pie -mno-red-zone -mgeneral-regs-only \
	-fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables $(WARNINGS)

# build/bench/rows-all.bin measures all rows, rows-ROW.bin one over and over (tests/bench/trace).
BENCH_PAYLOAD := $(addprefix tests/bench/payload/,start.asm bench.c payload.ld)

$(BUILD)/bench/rows-%.bin: $(BENCH_PAYLOAD) mk/payload.mk
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(NASM) -f elf64 -w+all -Werror -o $(@:.bin=.start.o) tests/bench/payload/start.asm
	$(Q)$(CC) $(BENCH_CFLAGS) $(if $(filter-out all,$*),-DTRACED_ROW=measure_$*) -c -o $(@:.bin=.o) tests/bench/payload/bench.c
	$(Q)$(LD) -nostdlib -static --no-warn-rwx-segments -T tests/bench/payload/payload.ld \
		-o $(@:.bin=.elf) $(@:.bin=.start.o) $(@:.bin=.o)
	$(Q)$(OBJCOPY) -O binary $(@:.bin=.elf) $@

$(BUILD)/bench/entry_hook.bin: tests/bench/linux/entry_hook.asm mk/payload.mk
	$(call say,NASM,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(NASM) -f bin -w+all -Werror -o $@ $<

$(BUILD)/bench/init: tests/bench/linux/init.c mk/payload.mk
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)gcc -std=gnu11 -O2 -static $(WARNINGS) -o $@ $<

.PHONY: bench-guests
bench-guests: $(addprefix $(BUILD)/bench/,rows-all.bin entry_hook.bin init)
