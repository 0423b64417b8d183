/* SPDX-License-Identifier: Apache-2.0
   Symbolic registers to MSR numbers, per vendor. A register that the machine's vendor does not define at all
   is reported, not guessed; one that this CPU lacks still has its number, so that cases can test the fault.
 */
#include "case.h"

/* What one vendor alone has follows from the table; what both have, the runtime knows. AMD's own are tried on
   Intel too: KVM answers accesses to the K7 registers there. */
#define ADDRESS(constant, name, address, stride, count, saved) (count > 1 ? address + stride * i : address)
#define OF_INTEL(reg, id, access, storage, asset, place) \
  case CASE_REG_##id:                                    \
    *msr = ADDRESS place;                                \
    return !amd;
#define OF_AMD(reg, id, access, storage, asset, place) \
  case CASE_REG_##id:                                  \
    *msr = ADDRESS place;                              \
    return 1;

int case_resolve(u32 reg, u64 index, u32* msr, const char** why) {
  const int amd = rt_pmu.vendor == RT_VENDOR_AMD;
  const u32 i = (u32)index;
  *why = "AMD has no such register";
  switch ((enum case_register)reg) {
    case CASE_REG_gp_selector:
      *msr = rt_gp_selector(i);
      return 1;
    case CASE_REG_gp_counter:
      *msr = rt_gp_counter(i);
      return 1;
    case CASE_REG_global_ctrl:
      *msr = rt_global_ctrl();
      return 1;
    case CASE_REG_global_status:
      *msr = rt_global_status();
      return 1;
    case CASE_REG_global_status_reset:
      *msr = rt_global_status_reset();
      return 1;
    case CASE_REG_global_status_set:
      *msr = amd ? MSR_AmdGlobalStatusSet : MSR_GlobalStatusSet;
      return 1;
      PMU_REGISTERS_OF_INTEL(OF_INTEL)
      PMU_REGISTERS_OF_AMD(OF_AMD)
    case CASE_REG_debugctl:
      *msr = 0x1d9;
      return 1;
    case CASE_REG_core_selector:
      *msr = MSR_AmdPerfCtl0 + 2 * i;
      return 1;
    case CASE_REG_core_counter:
      *msr = MSR_AmdPerfCtr0 + 2 * i;
      return 1;
    case CASE_REG_intel_selector:
      *msr = MSR_PerfEvtSel0 + i;
      return 1;
    case CASE_REG_intel_counter:
      *msr = MSR_PerfCtr0 + i;
      return 1;
    case CASE_REG_misc_enable:
      *msr = 0x1a0;
      return !amd;
    case CASE_REG_tsc:
      *msr = 0x10;
      return 1;
    case CASE_REG_lvtpc:
      *msr = 0x834;
      *why = "no local APIC";
      return rt_apic_present();
    case CASE_REG_msr:
    case CASE_REGISTER_COUNT:
      break;
  }
  *msr = i;
  return 1;
}

int case_read_register(u32 reg, u32 msr, u64* value) {
  if (reg != CASE_REG_lvtpc) return rt_rdmsr_safe(msr, value);
  *value = rt_apic_read(RT_APIC_LVTPC);
  return RT_NO_FAULT;
}

int case_write_register(u32 reg, u32 msr, u64 value) {
  if (reg != CASE_REG_lvtpc || rt_pmu.x2apic) return rt_wrmsr_safe(msr, value);
  rt_apic_write(RT_APIC_LVTPC, (u32)value);
  return RT_NO_FAULT;
}

void case_write_counter(u32 fixed, u32 index, u64 value) {
  if (fixed) {
    rt_wrmsr_safe(MSR_FixedCtr0 + index, value & case_values[CASE_NAME_fixed_width_mask]);
  } else if (rt_pmu.full_width_writes) {
    rt_wrmsr_safe(MSR_APmc0 + index, value & case_values[CASE_NAME_width_mask]);
  } else {
    rt_wrmsr_safe(rt_gp_counter(index), value & case_values[CASE_NAME_width_mask]);
  }
}

void case_clear(void) {
  if (!rt_pmu.version) return;
  if (rt_pmu.has_global_ctrl) rt_wrmsr_safe(rt_global_ctrl(), 0);
  if (rt_pmu.fixed_mask) rt_wrmsr_safe(MSR_FixedCtrCtrl, 0);
  for (u32 i = 0; i < rt_pmu.gp_count; ++i) {
    rt_wrmsr_safe(rt_gp_selector(i), 0);
    rt_wrmsr_safe(rt_gp_counter(i), 0);
  }
  for (u32 i = 0; i < 32; ++i) {
    if (rt_pmu.fixed_mask >> i & 1) rt_wrmsr_safe(MSR_FixedCtr0 + i, 0);
  }
  if (rt_pmu.has_global_ctrl) rt_wrmsr_safe(rt_global_status_reset(), case_values[CASE_NAME_counter_mask]);
}
