// SPDX-License-Identifier: Apache-2.0
// The one table of PMU registers, for C++ and for the guests' C. Addresses as in Linux 7.2 msr-index.h and
// perf_event.h. Not modelled: LBR, IBS, uncore, v6 aliases.
// clang-format off
// A row says what a register is:
//   reg      value of pmu::Reg
//   id       name in conformance cases
//   access   how its value is kept (pmu::RegAccess): Stored; WriteOnesToClear or WriteOnesToSet bits of `storage`;
//            Computed. Rules (pmu/rules.h) say who may access it and with what
//   storage  member of pmu::Registers; aliases name the same one
//   asset    what a policy calls it (hv::Asset)
// and for each vendor that has it, in parentheses:
//   constant msr::kConstant in C++, MSR_Constant in guests
//   name     as the manual prints it, "n" standing for the index
//   address  of index 0; stride; count: most that the architecture has room for here
//   saved    Saved: KVM_GET_MSR_INDEX_LIST names it where the host has it (msrs_to_save_pmu in Linux 7.2)
#ifndef PMUSIM_ARCH_PMU_REGISTERS_H
#define PMUSIM_ARCH_PMU_REGISTERS_H

// X(reg, id, access, storage, asset, (Intel's), (AMD's))
#define PMU_REGISTERS_OF_BOTH(X) \
  X(GpSelector, gp_selector, Stored, selector, EventSelectors, \
    (PerfEvtSel0, "IA32_PERFEVTSELn", 0x186, 1, 16, Saved), \
    (AmdPerfCtl0, "PERF_CTLn", 0xc0010200, 2, 6, Saved)) \
  X(GpCounter, gp_counter, Stored, gp, GpCounters, \
    (PerfCtr0, "IA32_PERFCTRn", 0xc1, 1, 16, Saved), \
    (AmdPerfCtr0, "PERF_CTRn", 0xc0010201, 2, 6, Saved)) \
  X(GlobalCtrl, global_ctrl, Stored, global_ctrl, GlobalCtrl, \
    (GlobalCtrl, "IA32_PERF_GLOBAL_CTRL", 0x38f, 1, 1, Saved), \
    (AmdGlobalCtl, "PerfCntrGlobalCtl", 0xc0000301, 1, 1, Saved)) \
  X(GlobalStatus, global_status, Stored, global_status, GlobalStatus, \
    (GlobalStatus, "IA32_PERF_GLOBAL_STATUS", 0x38e, 1, 1, Saved), \
    (AmdGlobalStatus, "PerfCntrGlobalStatus", 0xc0000300, 1, 1, Saved)) \
  X(GlobalStatusReset, global_status_reset, WriteOnesToClear, global_status, GlobalStatusReset, \
    (GlobalStatusReset, "IA32_PERF_GLOBAL_STATUS_RESET", 0x390, 1, 1, NotSaved), /* v2, v3: GLOBAL_OVF_CTRL */ \
    (AmdGlobalStatusClr, "PerfCntrGlobalStatusClr", 0xc0000302, 1, 1, Saved)) \
  X(GlobalStatusSet, global_status_set, WriteOnesToSet, global_status, GlobalStatusSet, \
    (GlobalStatusSet, "IA32_PERF_GLOBAL_STATUS_SET", 0x391, 1, 1, NotSaved), \
    (AmdGlobalStatusSet, "PerfCntrGlobalStatusSet", 0xc0000303, 1, 1, Saved))

// X(reg, id, access, storage, asset, (Intel's))
#define PMU_REGISTERS_OF_INTEL(X) \
  X(GpCounterFull, gp_counter_full, Stored, gp, FullWidthAliases, (APmc0, "IA32_A_PMCn", 0x4c1, 1, 16, NotSaved)) \
  X(FixedCounter, fixed_counter, Stored, fixed, FixedCounters, (FixedCtr0, "IA32_FIXED_CTRn", 0x309, 1, 16, Saved)) \
  X(FixedCtrl, fixed_ctrl, Stored, fixed_ctrl, FixedCtrCtrl, \
    (FixedCtrCtrl, "IA32_FIXED_CTR_CTRL", 0x38d, 1, 1, Saved)) \
  X(GlobalInuse, global_inuse, Computed, none, GlobalInuse, \
    (GlobalInuse, "IA32_PERF_GLOBAL_INUSE", 0x392, 1, 1, NotSaved)) \
  X(PerfCapabilities, perf_capabilities, Computed, none, PerfCapabilities, \
    (PerfCapabilities, "IA32_PERF_CAPABILITIES", 0x345, 1, 1, NotSaved)) /* saved as a feature MSR */ \
  X(PerfMetrics, perf_metrics, Stored, perf_metrics, PerfMetrics, \
    (PerfMetrics, "MSR_PERF_METRICS", 0x329, 1, 1, NotSaved)) \
  X(PebsEnable, pebs_enable, Stored, pebs_enable, Pebs, (PebsEnable, "IA32_PEBS_ENABLE", 0x3f1, 1, 1, Saved)) \
  X(PebsDataCfg, pebs_data_cfg, Stored, pebs_data_cfg, Pebs, \
    (PebsDataCfg, "MSR_PEBS_DATA_CFG", 0x3f2, 1, 1, Saved)) \
  X(DsArea, ds_area, Stored, ds_area, DsArea, (DsArea, "IA32_DS_AREA", 0x600, 1, 1, Saved))

// X(reg, id, access, storage, asset, (AMD's))
#define PMU_REGISTERS_OF_AMD(X) \
  X(K7Selector, k7_selector, Stored, selector, EventSelectors, (K7EvntSel0, "PerfEvtSeln", 0xc0010000, 1, 4, Saved)) \
  X(K7Counter, k7_counter, Stored, gp, GpCounters, (K7PerfCtr0, "PerfCtrn", 0xc0010004, 1, 4, Saved))
// clang-format on

#endif
