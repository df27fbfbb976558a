/* SPDX-License-Identifier: BSD-2-Clause */
/* Switches machine-check banks on and reads them. Every access may fault: emulators have gaps. */
#include "arch/x86/machine_check.h"

#include "vmm/log.h"
#include "arch/x86/cpuid.h"
#include "arch/x86/msr.h"

#define MCG_CAP_BANKS 0xff
#define MCG_CAP_CTL_P (UINT64_C(1) << 8)

#define MC_STATUS_VALID	     (UINT64_C(1) << 63)
#define MC_STATUS_MISC_VALID (UINT64_C(1) << 59)
#define MC_STATUS_ADDR_VALID (UINT64_C(1) << 58)

/* Four MSRs a bank. */
enum mc_register {
	MC_CTL,
	MC_STATUS,
	MC_ADDR,
	MC_MISC,
};

static uint32_t mc_msr(unsigned bank, enum mc_register which)
{
	return MSR_MC0_CTL + bank * 4 + which;
}

/* 0 where the CPU has no machine-check architecture. */
static unsigned mc_banks(uint64_t *capabilities)
{
	uint32_t features = cpuid(1, 0).edx;

	*capabilities = 0;
	if (!(features & CPUID_1_EDX_MCE) || !(features & CPUID_1_EDX_MCA) ||
	    msr_read_safe(MSR_MCG_CAP, capabilities) != 0)
		return 0;
	return *capabilities & MCG_CAP_BANKS;
}

void machine_check_cpu_enable(void)
{
	uint64_t capabilities, status;
	unsigned banks = mc_banks(&capabilities);

	if (capabilities & MCG_CAP_CTL_P)
		(void)!msr_write_safe(MSR_MCG_CTL, UINT64_MAX);
	for (unsigned bank = 0; bank < banks; bank++) {
		if (msr_read_safe(mc_msr(bank, MC_STATUS), &status) != 0)
			continue;
		if (status & MC_STATUS_VALID)
			log_warning("machine check bank %u held 0x%llx from before", bank,
				    (unsigned long long)status);
		(void)!msr_write_safe(mc_msr(bank, MC_STATUS), 0);
		(void)!msr_write_safe(mc_msr(bank, MC_CTL), UINT64_MAX);
	}
}

void machine_check_report(HV_PRINTF(1, 2) void (*print)(const char *format, ...))
{
	uint64_t capabilities, status, address = 0, misc = 0;
	unsigned banks = mc_banks(&capabilities);

	if (banks != 0 && msr_read_safe(MSR_MCG_STATUS, &status) == 0)
		print("machine check status 0x%llx\n", (unsigned long long)status);
	for (unsigned bank = 0; bank < banks; bank++) {
		if (msr_read_safe(mc_msr(bank, MC_STATUS), &status) != 0 ||
		    !(status & MC_STATUS_VALID))
			continue;
		if (!(status & MC_STATUS_ADDR_VALID) ||
		    msr_read_safe(mc_msr(bank, MC_ADDR), &address) != 0)
			address = 0;
		if (!(status & MC_STATUS_MISC_VALID) ||
		    msr_read_safe(mc_msr(bank, MC_MISC), &misc) != 0)
			misc = 0;
		print("bank %u: status 0x%016llx address 0x%llx misc 0x%llx\n", bank,
		      (unsigned long long)status, (unsigned long long)address,
		      (unsigned long long)misc);
	}
}
