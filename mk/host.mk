# SPDX-License-Identifier: BSD-2-Clause
# The pure code on this machine: unit tests (gcc, ASan, UBSan), fuzz targets (clang, libFuzzer) and
# coverage.
#
# tests/unit/test_NAME.c becomes build/tests/test_NAME: a cmocka program linked with libpure.a (all
# pure code) and libfake.a (tests/unit/fake_*.c: the machine that vmm/platform.h asks for). Both are
# archives, so a test that defines a fake's functions itself gets its own. libfake.a comes first and
# its hv_alloc() is malloc's, so that the sanitizer watches the heap; the tests in REAL_HEAP_TESTS get
# vmm/heap.c instead.
# tests/fuzz/fuzz_NAME.c becomes build/fuzz/fuzz_NAME; its seeds are in tests/fuzz/corpus/NAME/.

# musl declares strlcpy() and strlcat() in <string.h>; here libbsd does, over glibc's.
HOST_INCLUDES := -DLIBBSD_OVERLAY -isystem /usr/include/bsd -I. -I$(BUILD)/gen -Itests/unit $(THIRD_PARTY_INCLUDES)
HOST_FLAGS    := $(LANGUAGE) -g -O1 -fno-omit-frame-pointer $(THIRD_PARTY_DEFINES) $(HOST_INCLUDES)

SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
TEST_CC  := gcc
TEST_FLAGS := $(HOST_FLAGS) $(SANITIZE)
FUZZ_FLAGS := $(HOST_FLAGS) $(SANITIZE)
COV_FLAGS  := $(HOST_FLAGS) -O0 --coverage

REAL_HEAP_TESTS := test_heap

TEST_LIBS = -lcmocka
TEST_LIBS_test_emulate := -lunicorn

TESTS := $(patsubst tests/unit/%.c,%,$(sort $(wildcard tests/unit/test_*.c)))
FAKES := $(sort $(wildcard tests/unit/fake_*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_SECONDS ?= 10

# Of unit tests that share a prefix with a library's test (test_emulate_mmio): the same libraries.
test_libs = $(TEST_LIBS) $(if $(filter test_emulate%,$(1)),$(TEST_LIBS_test_emulate))

# $(call host_build,name,compiler,flags for ours,flags for third-party code): objects and libraries
# of one kind under build/NAME/.
define host_build
$(call flags_file,$(1),$(2) $(3) $(WARNINGS))
$(BUILD)/$(1)/third_party/%.o: $(BUILD)/third_party/%.c $(BUILD)/flags/$(1) mk/host.mk mk/config.mk
	$$(call say,CC,$$< ($(1)))
	$(Q)mkdir -p $$(@D)
	$(Q)$(2) $(4) -w -MMD -MP -c -o $$@ $$<
$(BUILD)/$(1)/%.o: %.c $(BUILD)/flags/$(1) mk/host.mk mk/config.mk | $(GEN_HEADERS)
	$$(call say,CC,$$< ($(1)))
	$(Q)mkdir -p $$(@D)
	$(Q)$(2) $(3) $(WARNINGS) -MMD -MP -c -o $$@ $$<
$(BUILD)/$(1)/libpure.a: $(PURE_C:%.c=$(BUILD)/$(1)/%.o) \
		$(THIRD_PARTY_C:$(BUILD)/%.c=$(BUILD)/$(1)/%.o) $(BUILD)/flags/pure-list
	$(Q)rm -f $$@ && ar rcsD $$@ $$(filter %.o,$$^)
$(BUILD)/$(1)/libfake.a: $(FAKES:%.c=$(BUILD)/$(1)/%.o) $(BUILD)/flags/pure-list
	$(Q)rm -f $$@ && ar rcsD $$@ $$(filter %.o,$$^)
-include $$(shell find $(BUILD)/$(1) -name '*.d' 2>/dev/null)
endef

$(eval $(call flags_file,pure-list,$(PURE_C) $(FAKES)))
$(eval $(call host_build,host,$(TEST_CC),$(TEST_FLAGS),$(TEST_FLAGS)))
$(eval $(call host_build,fuzzobj,$(CLANG),$(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,$(FUZZ_FLAGS) -fsanitize=fuzzer-no-link))
$(eval $(call host_build,cov,$(TEST_CC),$(COV_FLAGS),$(HOST_FLAGS)))

# The heap is asked for first of all, or the first who needs it would take the real one from libpure.
COMMA := ,
# A cycle between the two archives is allowed: pure code calls the platform, fakes call pure code.
# $(call host_link,kind,test)
host_link = -Wl,--start-group $(if $(filter $(REAL_HEAP_TESTS),$(2)),$(BUILD)/$(1)/vmm/heap.o,-Wl,-u$(COMMA)hv_alloc) \
	$(BUILD)/$(1)/libfake.a $(BUILD)/$(1)/libpure.a -Wl,--end-group -lbsd

$(BUILD)/tests/%: $(BUILD)/host/tests/unit/%.o $(BUILD)/host/libpure.a $(BUILD)/host/libfake.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(TEST_CC) $(SANITIZE) -o $@ $< $(call host_link,host,$*) $(call test_libs,$*)

$(BUILD)/cov/bin/%: $(BUILD)/cov/tests/unit/%.o $(BUILD)/cov/libpure.a $(BUILD)/cov/libfake.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(TEST_CC) --coverage -o $@ $< $(call host_link,cov,$*) $(call test_libs,$*)

$(BUILD)/fuzz/%: $(BUILD)/fuzzobj/tests/fuzz/%.o $(BUILD)/fuzzobj/libpure.a $(BUILD)/fuzzobj/libfake.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(SANITIZE) -fsanitize=fuzzer -o $@ $< $(call host_link,fuzzobj,$*)

.PHONY: unit-programs fuzz-programs
unit-programs: $(TESTS:%=$(BUILD)/tests/%)
fuzz-programs: $(FUZZERS:%=$(BUILD)/fuzz/%)

## unit: unit tests of the pure code; one: make unit ONLY=test_bus
unit: $(if $(ONLY),$(BUILD)/tests/$(ONLY),unit-programs)
	$(Q)tests/unit/run $(or $(ONLY:%=$(BUILD)/tests/%),$(TESTS:%=$(BUILD)/tests/%))

## fuzz: every fuzz target for FUZZ_SECONDS each (10); one: make fuzz ONLY=fuzz_config
fuzz: $(if $(ONLY),$(BUILD)/fuzz/$(ONLY),fuzz-programs)
	$(Q)FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run $(or $(ONLY:%=$(BUILD)/fuzz/%),$(FUZZERS:%=$(BUILD)/fuzz/%))

## coverage: line coverage of the pure code by its unit tests
coverage: $(TESTS:%=$(BUILD)/cov/bin/%)
	$(Q)find $(BUILD)/cov -name '*.gcda' -delete
	$(Q)for t in $(TESTS:%=$(BUILD)/cov/bin/%); do $$t > $$t.log 2>&1 || \
		echo "$$t failed: $$t.log"; done
	$(Q)gcovr --root . --object-directory $(BUILD)/cov $(PURE_C:%=--filter '%') --exclude-unreachable-branches --print-summary
