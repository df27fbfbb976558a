# SPDX-License-Identifier: BSD-2-Clause
#
# Bulkhead's build. `make help` lists the targets. Everything goes to build/.
#
# Sources are found by their place in the tree; a new file needs no line here. The parts:
#   mk/config.mk      what is compiled into what: source lists, third-party files, common flags
#   mk/hypervisor.mk  build/bulkhead.elf (two links: the second has the symbol table)
#   mk/loader.mk      build/BOOTX64.EFI, which embeds it
#   mk/host.mk        unit tests, fuzz targets and coverage of the pure code on this machine
#   mk/payload.mk     tiny guests for tests and benchmarks
#   mk/lint.mk        style and static checks

MAKEFLAGS += --no-builtin-rules --no-builtin-variables
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
SHELL     := /bin/bash
.SHELLFLAGS := -o pipefail -c
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

# A command-line or environment CC wins: make CC=clang-14.
ifneq ($(filter default undefined,$(origin CC)),)
CC := gcc
endif
CLANG ?= clang-14
AR    := ar
LD    := ld
NM    := nm
NASM  := nasm
OBJCOPY := objcopy
BUILD := build
VERSION := 0.1.0

V ?= 0
ifeq ($(V),0)
Q := @
say = @printf '  %-7s %s\n' '$(1)' '$(2)';
else
Q :=
say =
endif

# Packages and fetched sources first. Make starts again when this file changes, that is after
# something was installed, so that the wildcards below see it.
QUIET_GOALS := clean help deps
ifneq ($(filter-out $(QUIET_GOALS),$(or $(MAKECMDGOALS),all)),)
-include $(BUILD)/deps.mk
endif
$(BUILD)/deps.mk: FORCE
	@tools/deps
	@mkdir -p $(BUILD)
	@[ -e $@ ] || echo '# tools/deps has run' > $@

include mk/config.mk
include mk/hypervisor.mk
include mk/loader.mk
include mk/host.mk
include mk/payload.mk
include mk/lint.mk

.PHONY: all run image guests test test-long bench fuzz lint deps clean help coverage unit e2e reproducible FORCE
FORCE:

## all: the hypervisor (build/bulkhead.elf) and the UEFI loader (build/BOOTX64.EFI)
all: $(BUILD)/bulkhead.elf $(BUILD)/BOOTX64.EFI

## run: the demo of two Debian guests in QEMU, on its management console (ACCEL=kvm uses KVM)
run: all
	$(Q)tools/demo/run

## image: a disk image for a USB stick: make image CONFIG=<ini> FILES=<dir> OUT=<img>
image: $(BUILD)/BOOTX64.EFI
	$(Q)[ -n '$(CONFIG)' ] && [ -n '$(OUT)' ] || \
		{ echo 'usage: make image CONFIG=<ini> [FILES=<dir>] OUT=<img>' >&2; exit 2; }
	$(Q)tools/mkimage --loader $< --config '$(CONFIG)' $(if $(FILES),--files '$(FILES)') --output '$(OUT)'

## guests: kernels, initrd and memtest86+ for the demo and the tests (build/guests)
guests:
	$(Q)tools/mkguests

## test: lint, unit tests, short fuzzing, reproducibility, end-to-end tests; the last line counts them
test:
	$(Q)tests/run lint unit fuzz reproducible e2e

## test-long: the same with longer fuzzing and the end-to-end cases marked long
test-long:
	$(Q)FUZZ_SECONDS=$${FUZZ_SECONDS:-300} E2E_LONG=1 tests/run lint unit fuzz reproducible e2e

## reproducible: builds the committed tree in two places and compares the results
reproducible:
	$(Q)tools/check-reproducible

## e2e: the end-to-end tests alone; one case: make e2e ONLY=<pattern>
e2e: all payloads
	$(Q)tests/e2e/run $(if $(ONLY),-k '$(ONLY)')

## bench: round trips and boot times in instructions, beside the peers' figures
bench: all bench-guests
	$(Q)tests/bench/run $(BENCH_OPTIONS)

## deps: installs missing Debian packages and fetches the sources that are compiled in
deps:
	$(Q)tools/deps

## clean: removes everything that was built, but not fetched sources and guests
clean:
	$(Q)find $(BUILD) -mindepth 1 -maxdepth 1 ! -name third_party ! -name guests \
		-exec rm -rf {} + 2>/dev/null || true

## help: this list
help:
	@sed -n 's/^## /  make /p' Makefile mk/*.mk
	@echo '  V=1 shows commands; CC=clang-14 builds with clang; ACCEL=kvm runs QEMU on KVM'
