/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The emulator against a vCPU: memory through the guest's own page tables with the rights of the
 * code that runs, RAM or devices behind them, ports, control registers; and the faults that follow.
 *
 * The guest may change its instruction between the exit and the look at it. So nothing here relies
 * on what the processor checked: an instruction put there meanwhile can do what its code could have
 * done by executing it, no more. Each of its bytes is read once.
 */
#include "vmm/emulate_internal.h"

#include "vmm/bus.h"
#include "vmm/cpuid.h"
#include "vmm/cr.h"
#include "vmm/format.h"
#include "vmm/gpa_space.h"
#include "vmm/guest_walk.h"
#include "vmm/log.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"
#include "vmm/x86_defs.h"

#include <errno.h>
#include <string.h>

/* The 32-bit TSS: SDM 3A, 8.2.1; SDM 1, 19.5.2. */
#define TSS_IO_MAP_BASE 0x66
#define TSS_LIMIT_MIN	0x67

/* A translation that this instruction has made already, as a TLB would keep it. */
struct emul_memo {
	bool valid;
	uint64_t page; /* linear */
	uint64_t gpa;
};

struct emul_vcpu {
	struct emulation emulation;
	struct vcpu *vcpu;
	struct guest_paging paging;
	unsigned access;	   /* WALK_USER in user mode, else 0 */
	unsigned width;		   /* of the code: 2, 4, 8 */
	struct emul_memo memos[2]; /* of reads and of writes */
	unsigned segments_loaded;
	struct segment segments[SEG_GS + 1];
};

/* What of an access lies in one page. */
struct piece {
	gpa_t gpa;
	unsigned size;
};

static struct emul_vcpu *emul_vcpu_of(struct emulation *emulation)
{
	return CONTAINER_OF(emulation, struct emul_vcpu, emulation);
}

static const struct segment *get_segment(struct emulation *emulation, enum vcpu_seg seg)
{
	struct emul_vcpu *self = emul_vcpu_of(emulation);

	if (!(self->segments_loaded & 1u << seg)) {
		backend->get_seg(self->vcpu, seg, &self->segments[seg]);
		self->segments_loaded |= 1u << seg;
	}
	return &self->segments[seg];
}

static int page_fault(struct emul_vcpu *self, uint64_t linear, uint32_t error_code)
{
	self->emulation.fault = (struct emul_fault){
		.vector = VECTOR_PF,
		.has_error_code = true,
		.error_code = error_code,
		.address = linear,
	};
	return -EFAULT;
}

/* A right to write is a right to read; so a read takes either memo. */
static const struct emul_memo *find_memo(const struct emul_vcpu *self, uint64_t page, bool write)
{
	const struct emul_memo *memos = self->memos;

	if (memos[1].valid && memos[1].page == page)
		return &memos[1];
	return !write && memos[0].valid && memos[0].page == page ? &memos[0] : NULL;
}

static int translate(struct emul_vcpu *self, uint64_t linear, bool write, gpa_t *gpa)
{
	uint64_t page = linear & PAGE_MASK;
	const struct emul_memo *memo = find_memo(self, page, write);
	uint32_t error_code;

	if (memo) {
		*gpa = gpa_make(memo->gpa | (linear & ~PAGE_MASK));
		return 0;
	}
	if (guest_walk(&self->vcpu->vm->space, &self->paging, linear,
		       self->access | (write ? WALK_WRITE : WALK_READ), gpa, &error_code) != 0)
		return page_fault(self, linear, error_code);
	self->memos[write] =
		(struct emul_memo){.valid = true, .page = page, .gpa = gpa->value & PAGE_MASK};
	return 0;
}

/* Translates an access, in one piece or, across a page, two: both before any is made. Returns how
 * many, or -EFAULT. */
static int translate_range(struct emul_vcpu *self, uint64_t linear, unsigned size, bool write,
			   struct piece pieces[2])
{
	uint64_t room = PAGE_SIZE - (linear & ~PAGE_MASK);
	uint64_t next;

	pieces[0].size = (unsigned)min_u64(size, room);
	if (translate(self, linear, write, &pieces[0].gpa) != 0)
		return -EFAULT;
	if (pieces[0].size == size)
		return 1;
	next = linear + room;
	if (self->width != 8)
		next = (uint32_t)next;
	pieces[1].size = size - pieces[0].size;
	return translate(self, next, write, &pieces[1].gpa) != 0 ? -EFAULT : 2;
}

/* Devices are accessed in sizes that a bus has; a part of an access that crossed a page, bytewise.
 */
static unsigned device_step(unsigned size)
{
	return (size & (size - 1)) == 0 ? size : 1;
}

static uint64_t read_piece(struct emul_vcpu *self, const struct piece *piece)
{
	struct vm *vm = self->vcpu->vm;
	unsigned step = device_step(piece->size);
	const void *memory = gpa_pointer(&vm->space, piece->gpa, piece->size, GPA_READ);
	uint64_t value = 0;

	if (memory) {
		memcpy(&value, memory, piece->size);
		return value;
	}
	for (unsigned i = 0; i < piece->size; i += step)
		value |= bus_read(&vm->mmio, self->vcpu, piece->gpa.value + i, step) << (i * 8);
	return value;
}

static void write_piece(struct emul_vcpu *self, const struct piece *piece, uint64_t value)
{
	struct vm *vm = self->vcpu->vm;
	unsigned step = device_step(piece->size);
	void *memory = gpa_pointer(&vm->space, piece->gpa, piece->size, GPA_WRITE);

	if (memory) {
		memcpy(memory, &value, piece->size);
		return;
	}
	for (unsigned i = 0; i < piece->size; i += step)
		bus_write(&vm->mmio, self->vcpu, piece->gpa.value + i, step,
			  value >> (i * 8) & mask_of_bytes(step));
}

static int memory_read(struct emulation *emulation, uint64_t linear, unsigned size, uint64_t *value)
{
	struct emul_vcpu *self = emul_vcpu_of(emulation);
	struct piece pieces[2];
	int count = translate_range(self, linear, size, false, pieces);

	if (count < 0)
		return count;
	*value = read_piece(self, &pieces[0]);
	if (count == 2)
		*value |= read_piece(self, &pieces[1]) << (pieces[0].size * 8);
	return 0;
}

static int memory_write(struct emulation *emulation, uint64_t linear, unsigned size, uint64_t value)
{
	struct emul_vcpu *self = emul_vcpu_of(emulation);
	struct piece pieces[2];
	int count = translate_range(self, linear, size, true, pieces);

	if (count < 0)
		return count;
	write_piece(self, &pieces[0], value & mask_of_bytes(pieces[0].size));
	if (count == 2)
		write_piece(self, &pieces[1], value >> (pieces[0].size * 8));
	return 0;
}

static int memory_probe_write(struct emulation *emulation, uint64_t linear, unsigned size)
{
	struct piece pieces[2];
	int count = translate_range(emul_vcpu_of(emulation), linear, size, true, pieces);

	return count < 0 ? count : 0;
}

/* Replaces `size` bytes at byte `at` of an aligned word. -EAGAIN where they are not `expected`, or
 * where the word changed meanwhile. */
static int exchange_in_word(uint64_t *word, unsigned at, unsigned size, uint64_t expected,
			    uint64_t desired)
{
	uint64_t current = __atomic_load_n(word, __ATOMIC_RELAXED);
	uint64_t mask = mask_of_bytes(size) << (at * 8);
	uint64_t replaced = (current & ~mask) | desired << (at * 8);

	if ((current & mask) != expected << (at * 8))
		return -EAGAIN;
	return __atomic_compare_exchange_n(word, &current, replaced, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST)
		       ? 0
		       : -EAGAIN;
}

/*
 * Atomic where the place is RAM inside an aligned word of 8 bytes. A split lock is written plainly:
 * compilers and kernels avoid them, and here only a locked access that reaches into a device as
 * well, or races with a change of its code, gets this far.
 */
static int memory_exchange(struct emulation *emulation, uint64_t linear, unsigned size,
			   uint64_t expected, uint64_t desired)
{
	struct emul_vcpu *self = emul_vcpu_of(emulation);
	unsigned at = (unsigned)(linear & 7);
	uint64_t *word;
	gpa_t gpa;

	if (at + size > 8)
		return memory_write(emulation, linear, size, desired);
	if (translate(self, linear, true, &gpa) != 0)
		return -EFAULT;
	word = gpa_pointer(&self->vcpu->vm->space, gpa_make(gpa.value - at), 8,
			   GPA_READ | GPA_WRITE);
	if (!word)
		return memory_write(emulation, linear, size, desired);
	return exchange_in_word(word, at, size, expected, desired);
}

/* A read that the processor makes on its own account: with the kernel's rights, and to no user page
 * under SMAP whatever AC says (SDM 3A, 4.6.1). No memo may pass from one kind of access to the
 * other. */
static int system_read(struct emul_vcpu *self, uint64_t linear, unsigned size, uint64_t *value)
{
	unsigned access = self->access;
	uint64_t rflags = self->paging.rflags;
	int error;

	memset(self->memos, 0, sizeof(self->memos));
	self->access = 0;
	self->paging.rflags &= ~RFLAGS_AC;
	error = memory_read(&self->emulation, linear, size, value);
	self->access = access;
	self->paging.rflags = rflags;
	memset(self->memos, 0, sizeof(self->memos));
	return error;
}

/* SDM 1, 19.5.2: every bit of the ports accessed must be clear, in a 32-bit TSS. */
static int check_io_map(struct emul_vcpu *self, uint16_t port, unsigned size)
{
	struct emulation *emulation = &self->emulation;
	struct segment tss;
	uint64_t base, bits;
	uint32_t type;

	backend->get_seg(self->vcpu, SEG_TR, &tss);
	type = tss.attributes & 0x1f;
	if ((tss.attributes & SEG_ATTR_UNUSABLE) || !(tss.attributes & SEG_ATTR_PRESENT) ||
	    (type != 9 && type != 11) || tss.limit < TSS_LIMIT_MIN)
		return emul_fault(emulation, VECTOR_GP);
	if (system_read(self, tss.base + TSS_IO_MAP_BASE, 2, &base) != 0)
		return -EFAULT;
	/* Two bytes are always read, so both must be within the limit. */
	base += port / 8;
	if (base + 1 > tss.limit)
		return emul_fault(emulation, VECTOR_GP);
	if (system_read(self, tss.base + base, 2, &bits) != 0)
		return -EFAULT;
	if (bits >> (port % 8) & ((1u << size) - 1))
		return emul_fault(emulation, VECTOR_GP);
	return 0;
}

static int port_check(struct emulation *emulation, uint16_t port, unsigned size)
{
	unsigned iopl = (unsigned)((emulation->rflags & RFLAGS_IOPL) >> 12);

	if (!emul_is_protected(emulation))
		return 0;
	if (!(emulation->rflags & RFLAGS_VM) && emulation->cpl <= iopl)
		return 0;
	return check_io_map(emul_vcpu_of(emulation), port, size);
}

static int port_in(struct emulation *emulation, uint16_t port, unsigned size, uint64_t *value)
{
	struct vcpu *vcpu = emul_vcpu_of(emulation)->vcpu;

	*value = bus_read(&vcpu->vm->ports, vcpu, port, size);
	return 0;
}

static int port_out(struct emulation *emulation, uint16_t port, unsigned size, uint64_t value)
{
	struct vcpu *vcpu = emul_vcpu_of(emulation)->vcpu;

	bus_write(&vcpu->vm->ports, vcpu, port, size, value);
	return 0;
}

static int cr_read(struct emulation *emulation, unsigned cr, uint64_t *value)
{
	if (vcpu_cr_read(emul_vcpu_of(emulation)->vcpu, cr, value) != 0)
		return emul_fault(emulation, VECTOR_GP);
	return 0;
}

static int cr_write(struct emulation *emulation, unsigned cr, uint64_t value)
{
	if (vcpu_cr_write(emul_vcpu_of(emulation)->vcpu, cr, value) != 0)
		return emul_fault(emulation, VECTOR_GP);
	return 0;
}

static const struct emul_ops vcpu_ops = {
	.read = memory_read,
	.write = memory_write,
	.probe_write = memory_probe_write,
	.exchange = memory_exchange,
	.port_check = port_check,
	.port_in = port_in,
	.port_out = port_out,
	.cr_read = cr_read,
	.cr_write = cr_write,
	.segment = get_segment,
};

static void init(struct emul_vcpu *self, struct vcpu *vcpu)
{
	unsigned cpl = vcpu_cpl(vcpu);

	self->vcpu = vcpu;
	self->segments_loaded = 0;
	self->memos[0].valid = self->memos[1].valid = false;
	self->access = cpl == 3 ? WALK_USER : 0;
	self->paging = (struct guest_paging){
		.cr0 = vcpu_get_reg(vcpu, REG_CR0),
		.cr3 = vcpu_get_reg(vcpu, REG_CR3),
		.cr4 = vcpu_get_reg(vcpu, REG_CR4),
		.efer = vcpu_get_reg(vcpu, REG_EFER),
		.rflags = vcpu->rflags,
		.physical_bits = cpuid_policy.physical_bits,
		.has_1g_pages = cpuid_policy.has_1g_pages,
	};
	self->emulation = (struct emulation){
		.ops = &vcpu_ops,
		.gpr = vcpu->gpr,
		.rip = vcpu->rip,
		.rflags = vcpu->rflags,
		.cr0 = self->paging.cr0,
		.cr4 = self->paging.cr4,
		.efer = self->paging.efer,
		.cpl = cpl,
	};
	self->width = emul_code_width(&self->emulation);
}

/* Where the byte `at` after RIP lies, and how many may be fetched from there before the page or the
 * segment ends. */
static int fetch_place(struct emul_vcpu *self, unsigned at, uint64_t *linear, uint64_t *room)
{
	const struct segment *cs = get_segment(&self->emulation, SEG_CS);
	uint64_t offset = self->vcpu->rip + at;

	*linear = offset;
	*room = UINT64_MAX;
	if (self->width != 8) {
		offset = (uint32_t)offset;
		if (offset > cs->limit)
			return emul_fault(&self->emulation, VECTOR_GP);
		*linear = (uint32_t)(cs->base + offset);
		*room = (uint64_t)cs->limit - offset + 1;
	}
	*room = min_u64(*room, PAGE_SIZE - (*linear & ~PAGE_MASK));
	return 0;
}

/* Adds the bytes that the next page has. -ENOTSUP where the guest executes what is no memory. */
static int fetch_more(struct emul_vcpu *self, struct insn_bytes *fetched)
{
	uint64_t linear, room;
	uint32_t error_code;
	const void *from;
	size_t count;
	gpa_t gpa;

	if (fetch_place(self, fetched->length, &linear, &room) != 0)
		return -EFAULT;
	if (guest_walk(&self->vcpu->vm->space, &self->paging, linear, self->access | WALK_FETCH,
		       &gpa, &error_code) != 0)
		return page_fault(self, linear, error_code);
	count = min_u64(room, INSN_BYTES_MAX - fetched->length);
	from = gpa_pointer(&self->vcpu->vm->space, gpa, count, GPA_READ);
	if (!from)
		return -ENOTSUP;
	memcpy(fetched->bytes + fetched->length, from, count);
	fetched->length += (unsigned)count;
	return 0;
}

/* For diagnosis: the VM is about to be stopped, or a process of its to be told. */
static void log_unsupported(struct vcpu *vcpu, const struct insn_bytes *fetched)
{
	char text[INSN_BYTES_MAX * 3 + 1] = "";

	for (unsigned i = 0; i < fetched->length; i++)
		(void)hv_snprintf(text + i * 3, sizeof(text) - i * 3, " %02x", fetched->bytes[i]);
	log_warning("vm %s: vcpu %u: instruction at rip 0x%llx is not emulated:%s",
		    vcpu->vm->config->name, vcpu->id, (unsigned long long)vcpu->rip, text);
}

/* The length of what was fetched, or the error of emul_decode(). */
static int measure(const struct emul_vcpu *self, const struct insn_bytes *fetched)
{
	return emul_decode_length(fetched->bytes, fetched->length, self->width);
}

/* The same, and the whole instruction in *insn. */
static int decode(struct emul_vcpu *self, const struct insn_bytes *fetched, struct insn *insn)
{
	const struct insn *known = emul_cache_find(self->vcpu, fetched, self->width);
	int error = 0;

	if (known)
		*insn = *known;
	else
		error = emul_decode(insn, fetched->bytes, fetched->length, self->width);
	if (error != 0)
		return error;
	if (!known)
		emul_cache_add(self->vcpu, fetched, insn);
	return insn->length;
}

/*
 * Fetches and decodes what is at RIP, or measures it where insn is NULL: from the bytes that the
 * hardware saved, and more by way of the guest's tables where these are none or end too early.
 * Returns the length; -EFAULT with the fault filled; or what emul_decode() does.
 */
static int fetch(struct emul_vcpu *self, struct insn *insn)
{
	struct insn_bytes fetched = {.words = {0, 0}};
	int result = -ENODATA;

	if (backend->insn_bytes)
		fetched.length = backend->insn_bytes(self->vcpu, fetched.bytes);
	for (;;) {
		if (fetched.length > 0)
			result = insn ? decode(self, &fetched, insn) : measure(self, &fetched);
		if (result != -ENODATA)
			break;
		result = fetched.length < INSN_BYTES_MAX ? fetch_more(self, &fetched) : -E2BIG;
		if (result != 0)
			break;
	}
	if (result == -ENOTSUP && self->emulation.cpl == 0)
		log_unsupported(self->vcpu, &fetched);
	return result;
}

static void inject_fault(struct vcpu *vcpu, const struct emul_fault *fault)
{
	if (fault->vector == VECTOR_PF)
		vcpu_inject_pf(vcpu, fault->address, fault->error_code);
	else
		vcpu_inject_exception(vcpu, fault->vector, fault->has_error_code,
				      fault->error_code);
}

static enum emul_result execute(struct emul_vcpu *self)
{
	struct insn insn;
	int length = fetch(self, &insn);

	if (length > 0)
		return emul_execute(&self->emulation, &insn);
	return length == -EFAULT ? EMUL_FAULT : emul_decode_fault(&self->emulation, length);
}

/* After an instruction: what vcpu_advance() does, and the trap of single-stepping. */
static void complete(struct vcpu *vcpu, const struct emulation *emulation)
{
	bool single_step = vcpu->rflags & RFLAGS_TF;

	vcpu->rip = emulation->rip;
	vcpu->rflags = emulation->rflags;
	vcpu->interrupt_shadow = false;
	if (!single_step)
		return;
	vcpu_set_reg(vcpu, REG_DR6, vcpu_get_reg(vcpu, REG_DR6) | DR6_BS);
	vcpu_inject_exception(vcpu, VECTOR_DB, false, 0);
}

int vcpu_emulate(struct vcpu *vcpu)
{
	struct emul_vcpu self;

	init(&self, vcpu);
	switch (execute(&self)) {
	case EMUL_DONE:
		complete(vcpu, &self.emulation);
		return 0;
	case EMUL_CONTINUE:
		vcpu->rflags = self.emulation.rflags;
		return 0;
	case EMUL_FAULT:
		inject_fault(vcpu, &self.emulation.fault);
		return 0;
	default:
		if (self.emulation.cpl == 0)
			return -ENOTSUP;
		/* A user process must not be able to stop its whole VM. */
		vcpu_inject_ud(vcpu);
		return 0;
	}
}

unsigned vcpu_instruction_length(struct vcpu *vcpu)
{
	struct emul_vcpu self;
	int length;

	init(&self, vcpu);
	length = fetch(&self, NULL);
	if (length > 0)
		return (unsigned)length;
	if (length != -EFAULT && emul_decode_fault(&self.emulation, length) != EMUL_FAULT)
		(void)emul_fault(&self.emulation, VECTOR_UD);
	inject_fault(vcpu, &self.emulation.fault);
	return 0;
}
