/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pages are written by the vCPU's own CPU before an entry, with a version that is odd while
 * they change, so that the guest can read without a lock.
 */
#include "vmm/kvm_pv.h"

#include "vmm/cpuid.h"
#include "vmm/gpa_space.h"
#include "vmm/platform.h"
#include "vmm/timer.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

#include <errno.h>

#define FEATURE_CLOCKSOURCE	   (1u << 0)
#define FEATURE_NOP_IO_DELAY	   (1u << 1)
#define FEATURE_CLOCKSOURCE2	   (1u << 3)
#define FEATURE_STEAL_TIME	   (1u << 5)
#define FEATURE_PV_UNHALT	   (1u << 7)
#define FEATURE_PV_SEND_IPI	   (1u << 11)
#define FEATURE_SCHED_YIELD	   (1u << 13)
#define FEATURE_CLOCKSOURCE_STABLE (1u << 24)

#define CLOCK_FLAG_STABLE (1u << 0)

#define HYPERCALL_KICK_CPU    5
#define HYPERCALL_SEND_IPI    10
#define HYPERCALL_SCHED_YIELD 11
#define HYPERCALL_ENOSYS      1000
#define HYPERCALL_EPERM	      1

/* struct pvclock_vcpu_time_info. Guests align it to 4 bytes: less than its fields want. */
struct HV_PACKED HV_ALIGNED(4) clock_page {
	uint32_t version;
	uint32_t pad0;
	uint64_t tsc_timestamp;
	uint64_t system_time; /* ns */
	uint32_t tsc_to_system_mul;
	int8_t tsc_shift;
	uint8_t flags;
	uint8_t pad[2];
};
_Static_assert(sizeof(struct clock_page) == 32, "pvclock_vcpu_time_info");

/* struct pvclock_wall_clock */
struct wall_clock_page {
	uint32_t version;
	uint32_t sec;
	uint32_t nsec;
};

/* struct kvm_steal_time */
struct steal_page {
	uint64_t steal; /* ns */
	uint32_t version;
	uint32_t flags;
	uint8_t preempted;
	uint8_t pad8[3];
	uint32_t pad[11];
};
_Static_assert(sizeof(struct steal_page) == 64, "kvm_steal_time");

uint32_t kvm_pv_features(void)
{
	return FEATURE_CLOCKSOURCE | FEATURE_NOP_IO_DELAY | FEATURE_CLOCKSOURCE2 |
	       FEATURE_STEAL_TIME | FEATURE_PV_UNHALT | FEATURE_PV_SEND_IPI | FEATURE_SCHED_YIELD |
	       FEATURE_CLOCKSOURCE_STABLE;
}

void kvm_pv_reset(struct vcpu *vcpu)
{
	uint64_t steal_ticks = vcpu->pv.steal_ticks;
	uint64_t runnable_since = vcpu->pv.runnable_since;

	vcpu->pv = (struct vcpu_pv){.steal_ticks = steal_ticks, .runnable_since = runnable_since};
}

/* Factors such that ns = ((ticks << shift) * mul) >> 32, where a negative shift goes right. */
static void clock_scale(uint64_t hz, uint32_t *mul, int8_t *shift)
{
	int8_t by = 0;

	/* Between 1 and 2 GHz after the shift, so that mul is below 1 and uses all its bits. */
	for (; hz <= 1000000000; hz <<= 1)
		by++;
	for (; hz > 2000000000; hz >>= 1)
		by--;
	*mul = (uint32_t)timer_muldiv(1000000000, (uint64_t)1 << 32, hz);
	*shift = by;
}

/* Changes a page under an odd version. `page` is in guest RAM, checked when the guest named it. */
static void publish_clock(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	gpa_t at = gpa_make(vcpu->pv.clock_msr & ~(uint64_t)1);
	volatile struct clock_page *page = gpa_pointer(&vm->space, at, sizeof(*page), GPA_WRITE);
	uint64_t now = platform_now();
	uint32_t mul;
	int8_t shift;

	if (page == NULL)
		return;
	clock_scale(platform_tick_hz(), &mul, &shift);
	page->version = ++vcpu->pv.clock_version;
	atomic_thread_fence(memory_order_seq_cst);
	page->tsc_timestamp = now + vm->tsc_offset + vcpu->msrs.tsc_adjust;
	page->system_time = timer_ticks_to_ns(now - vm->start_tick);
	page->tsc_to_system_mul = mul;
	page->tsc_shift = shift;
	page->flags = CLOCK_FLAG_STABLE;
	atomic_thread_fence(memory_order_seq_cst);
	page->version = ++vcpu->pv.clock_version;
}

static void publish_steal(struct vcpu *vcpu)
{
	gpa_t at = gpa_make(vcpu->pv.steal_msr & ~(uint64_t)63);
	volatile struct steal_page *page =
		gpa_pointer(&vcpu->vm->space, at, sizeof(*page), GPA_WRITE);

	if (page == NULL)
		return;
	page->version = ++vcpu->pv.steal_version;
	atomic_thread_fence(memory_order_seq_cst);
	page->steal = timer_ticks_to_ns(vcpu->pv.steal_ticks);
	page->preempted = 0;
	atomic_thread_fence(memory_order_seq_cst);
	page->version = ++vcpu->pv.steal_version;
}

void kvm_pv_update(struct vcpu *vcpu)
{
	if (vcpu->pv.steal_msr & 1)
		publish_steal(vcpu);
}

void kvm_pv_tsc_moved(struct vcpu *vcpu)
{
	if (vcpu->pv.clock_msr & 1)
		publish_clock(vcpu);
}

/* Seconds and nanoseconds at the VM's clock's zero, once, where the guest asks. */
static int write_wall_clock(struct vcpu *vcpu, uint64_t address)
{
	struct wall_clock_page page = {.version = 2, .sec = (uint32_t)vcpu->vm->wall_clock_start};

	if (address == 0) /* off */
		return 0;
	return gpa_write(&vcpu->vm->space, gpa_make(address), &page, sizeof(page)) == 0 ? 0
											: -EACCES;
}

static int write_clock(struct vcpu *vcpu, uint64_t value)
{
	gpa_t at = gpa_make(value & ~(uint64_t)1);

	if ((value & 2) != 0)
		return -EACCES;
	if ((value & 1) &&
	    gpa_pointer(&vcpu->vm->space, at, sizeof(struct clock_page), GPA_WRITE) == NULL)
		return -EACCES;
	vcpu->pv.clock_msr = value;
	vcpu->pv.clock_version = 0;
	/* The TSC is stable and never scaled while the VM runs, so that once is enough. */
	if (value & 1)
		publish_clock(vcpu);
	return 0;
}

static int write_steal(struct vcpu *vcpu, uint64_t value)
{
	gpa_t at = gpa_make(value & ~(uint64_t)63);

	if ((value & 0x3e) != 0)
		return -EACCES;
	if ((value & 1) &&
	    gpa_pointer(&vcpu->vm->space, at, sizeof(struct steal_page), GPA_WRITE) == NULL)
		return -EACCES;
	vcpu->pv.steal_msr = value;
	vcpu->pv.steal_version = 0;
	kvm_pv_update(vcpu);
	return 0;
}

int kvm_pv_msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	switch (msr) {
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
		*value = vcpu->pv.clock_msr;
		return 0;
	case MSR_KVM_STEAL_TIME:
		*value = vcpu->pv.steal_msr;
		return 0;
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
		*value = 0;
		return 0;
	default:
		return -EACCES;
	}
}

int kvm_pv_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
	switch (msr) {
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
		return write_clock(vcpu, value);
	case MSR_KVM_STEAL_TIME:
		return write_steal(vcpu, value);
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
		return write_wall_clock(vcpu, value);
	default:
		return -EACCES;
	}
}

/* A lock holder lets a halted waiter go on: KVM_HC_KICK_CPU, RCX the APIC ID. */
static int64_t kick_vcpu(struct vm *vm, uint64_t apic_id)
{
	if (apic_id < vm->vcpu_count)
		vcpu_request(vm->vcpus[apic_id], VCPU_REQUEST_WAKE);
	return 0;
}

static int64_t send_ipis(struct vcpu *vcpu, bool wide)
{
	uint64_t mask[2] = {vcpu->gpr[GPR_RBX], vcpu->gpr[GPR_RCX]};
	struct vm *vm = vcpu->vm;
	int sent;

	/* The two halves of the mask are as wide as the guest's registers. */
	if (!wide) {
		mask[0] = (uint32_t)mask[0] | mask[1] << 32;
		mask[1] = 0;
	}
	sent = vm->irqs.intc->send_ipis(vm, mask, vcpu_gpr32(vcpu, GPR_RDX),
					vcpu_gpr32(vcpu, GPR_RSI));
	return sent < 0 ? -HYPERCALL_ENOSYS : sent;
}

static int64_t hypercall(struct vcpu *vcpu, bool wide)
{
	uint64_t used = wide ? UINT64_MAX : UINT32_MAX;

	switch (vcpu->gpr[GPR_RAX] & used) {
	case HYPERCALL_KICK_CPU:
		return kick_vcpu(vcpu->vm, vcpu->gpr[GPR_RCX] & used);
	case HYPERCALL_SEND_IPI:
		return send_ipis(vcpu, wide);
	case HYPERCALL_SCHED_YIELD:
		atomic_fetch_or(&vcpu->requests, VCPU_REQUEST_YIELD);
		return 0;
	default:
		return -HYPERCALL_ENOSYS;
	}
}

void kvm_pv_hypercall(struct vcpu *vcpu)
{
	/* Only the guest's kernel may call. */
	bool wide = vcpu_code_width(vcpu) == 8;
	int64_t result = vcpu_cpl(vcpu) == 0 ? hypercall(vcpu, wide) : -HYPERCALL_EPERM;

	vcpu->gpr[GPR_RAX] = wide ? (uint64_t)result : (uint32_t)result;
}
