# SPDX-License-Identifier: BSD-2-Clause
# build/BOOTX64.EFI: the UEFI loader with the stripped hypervisor inside, between the symbols
# hypervisor_elf_start and hypervisor_elf_end.

EFI := $(BUILD)/efi
EFI_LDS  := /usr/lib/elf_x86_64_efi.lds
EFI_CRT0 := /usr/lib/crt0-efi-x86_64.o

EFI_CFLAGS := $(LANGUAGE) -O2 -ffreestanding -fpic -fshort-wchar -mno-red-zone -mgeneral-regs-only \
	-fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
	$(if $(findstring clang,$(CC)),,-maccumulate-outgoing-args) -DGNU_EFI_USE_MS_ABI \
	$(THIRD_PARTY_DEFINES) -I. -I$(BUILD)/gen -isystem /usr/include/efi \
	-isystem /usr/include/efi/x86_64 $(HV_INCLUDES)
EFI_LDFLAGS := -nostdlib -shared -Bsymbolic -znocombreloc -z noexecstack --no-undefined \
	--build-id=none --no-warn-rwx-segments -T $(EFI_LDS)
EFI_SECTIONS := .text .sdata .data .dynamic .dynsym .rel .rela .rel.* .rela.* .reloc

EFI_OBJECTS := $(LOADER_C:%.c=$(EFI)/%.o) $(LOADER_ASM:%.asm=$(EFI)/%.asm.o) \
	$(LOADER_SHARED:%.c=$(EFI)/%.o) $(EFI)/third_party/libinih/ini.o $(EFI)/hypervisor_elf.o

$(eval $(call flags_file,efi,$(CC) $(EFI_CFLAGS) $(WARNINGS) $(EFI_LDFLAGS) $(EFI_OBJECTS)))

$(EFI)/third_party/%.o: $(BUILD)/third_party/%.c $(BUILD)/flags/efi $(SYSROOT)/.done mk/loader.mk
	$(call say,CC,$< (loader))
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(EFI_CFLAGS) -w -MMD -MP -c -o $@ $<

$(EFI)/%.o: %.c $(BUILD)/flags/efi $(SYSROOT)/.done mk/loader.mk | $(GEN_HEADERS)
	$(call say,CC,$< (loader))
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(EFI_CFLAGS) $(WARNINGS) -MMD -MP -c -o $@ $<

$(EFI)/third_party/%.o: $(BUILD)/third_party/%.c $(BUILD)/flags/efi $(SYSROOT)/.done mk/loader.mk
	$(call say,CC,$< (loader))
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(EFI_CFLAGS) -w -MMD -MP -c -o $@ $<

$(EFI)/%.asm.o: %.asm mk/loader.mk
	$(call say,NASM,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(NASM) -f elf64 -I./ -MD $(@:.o=.d) -MP -o $@ $<

$(EFI)/hypervisor_elf.o: $(BUILD)/gen/hypervisor.elf mk/loader.mk
	$(Q)mkdir -p $(@D)
	$(Q)printf '%s\n' 'global hypervisor_elf_start, hypervisor_elf_end' \
		'section .rodata align=16' 'hypervisor_elf_start: incbin "$<"' \
		'hypervisor_elf_end:' > $(@:.o=.asm)
	$(Q)$(NASM) -f elf64 -o $@ $(@:.o=.asm)

$(EFI)/loader.so: $(EFI_OBJECTS) $(BUILD)/flags/efi
	$(call say,LD,$@)
	$(Q)$(LD) $(EFI_LDFLAGS) -o $@ $(EFI_CRT0) $(EFI_OBJECTS) -L/usr/lib -lgnuefi $(OBJ)/libc.a

$(BUILD)/BOOTX64.EFI: $(EFI)/loader.so
	$(call say,EFI,$@)
	$(Q)$(OBJCOPY) $(EFI_SECTIONS:%=-j '%') --target efi-app-x86_64 --subsystem=10 $< $@

-include $(EFI_OBJECTS:.o=.d)
