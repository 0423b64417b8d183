/* SPDX-License-Identifier: Apache-2.0
   What PMU there is, from CPUID (Intel leaf 0AH; AMD leaves 80000001H and 80000022H). Three things CPUID does
   not say are probed: full-width writes (PERF_CAPABILITIES, itself enumerated), freeze-on-PMI on Intel (a
   write of DEBUGCTL bit 12), and AMD's four legacy counters, which CPUID can neither promise nor hide: as
   Linux does, a value is written to counter 0 and read back. NOT handled: leaf 23H bitmaps with holes, hybrid
   core types. */
#include "rt.h"

struct rt_pmu rt_pmu;

enum { kDebugCtl = 0x1d9 };

static void detect_intel(u32 max_leaf) {
  struct rt_pmu* p = &rt_pmu;
  if (max_leaf < 0xa) return;
  const struct rt_cpuid a = rt_cpuid(0xa, 0);
  p->version = a.eax & 0xff;
  if (!p->version) return;
  p->gp_count = a.eax >> 8 & 0xff;
  p->gp_width = a.eax >> 16 & 0xff;
  const u32 events = a.eax >> 24;
  p->events_missing = a.ebx | (events < 32 ? ~0u << events : 0);
  if (p->version >= 2) {
    p->fixed_count = a.edx & 0x1f;
    p->fixed_width = a.edx >> 5 & 0xff;
    p->fixed_mask = (1u << p->fixed_count) - 1;
    if (p->version >= 5) p->fixed_mask |= a.ecx;
    p->has_global_ctrl = 1;
    u64 old, probe;
    if (rt_rdmsr_safe(kDebugCtl, &old) == RT_NO_FAULT &&
        rt_wrmsr_safe(kDebugCtl, old | 1u << 12) == RT_NO_FAULT) {
      p->freeze = rt_rdmsr_safe(kDebugCtl, &probe) == RT_NO_FAULT && (probe >> 12 & 1);
      rt_wrmsr_safe(kDebugCtl, old);
    }
  }
  u64 caps = 0;
  if (p->pdcm && rt_rdmsr_safe(MSR_PerfCapabilities, &caps) == RT_NO_FAULT) {
    p->perf_capabilities = caps;
    p->full_width_writes = caps >> 13 & 1;
  }
}

static void detect_amd(u32 max_extended) {
  struct rt_pmu* p = &rt_pmu;
  p->gp_width = 48;
  if (max_extended >= 0x80000001) p->perfctr_core = rt_cpuid(0x80000001, 0).ecx >> 23 & 1;
  if (max_extended >= 0x80000022) {
    const struct rt_cpuid v2 = rt_cpuid(0x80000022, 0);
    p->amd_v2 = v2.eax & 1;
    if (p->amd_v2) p->gp_count = v2.ebx & 0xf;
    p->freeze = p->amd_v2 && (v2.eax >> 2 & 1);
  }
  p->has_global_ctrl = p->amd_v2;
  if (p->amd_v2) {
    p->version = 2;
  } else if (p->perfctr_core) {
    p->version = 1;
    p->gp_count = 6;
  } else {
    u64 back = 0;
    p->version = rt_wrmsr_safe(MSR_K7PerfCtr0, 0xabcd) == RT_NO_FAULT &&
                 rt_rdmsr_safe(MSR_K7PerfCtr0, &back) == RT_NO_FAULT && back == 0xabcd;
    if (p->version) rt_wrmsr_safe(MSR_K7PerfCtr0, 0);
    p->gp_count = p->version ? 4 : 0;
    if (!p->version) p->gp_width = 0;
  }
}

void rt_detect_pmu(void) {
  struct rt_pmu* p = &rt_pmu;
  const struct rt_cpuid id = rt_cpuid(0, 0), one = rt_cpuid(1, 0);
  const u32 max_extended = rt_cpuid(0x80000000, 0).eax;
  p->family = one.eax >> 8 & 0xf;
  p->model = one.eax >> 4 & 0xf;
  if (p->family == 0xf || p->family == 6) p->model |= one.eax >> 12 & 0xf0;
  if (p->family == 0xf) p->family += one.eax >> 20 & 0xff;
  p->pdcm = one.ecx >> 15 & 1;
  p->x2apic = one.ecx >> 21 & 1;
  p->hypervisor = one.ecx >> 31;
  if (id.eax >= 7) p->rtm = rt_cpuid(7, 0).ebx >> 11 & 1;
  p->fep = (u8)rt_has_forced_emulation();
  if (id.ebx == 0x756e6547 && id.edx == 0x49656e69 && id.ecx == 0x6c65746e) {
    p->vendor = RT_VENDOR_INTEL;
    detect_intel(id.eax);
  } else if ((id.ebx == 0x68747541 && id.edx == 0x69746e65 && id.ecx == 0x444d4163) ||
             (id.ebx == 0x6f677948 && id.edx == 0x6e65476e && id.ecx == 0x656e6975)) {
    p->vendor = RT_VENDOR_AMD; /* AuthenticAMD, HygonGenuine */
    detect_amd(max_extended >= 0x80000000 ? max_extended : 0);
  }
}

u32 rt_gp_selector(u32 i) {
  if (rt_pmu.vendor != RT_VENDOR_AMD) return MSR_PerfEvtSel0 + i;
  return rt_pmu.perfctr_core || rt_pmu.amd_v2 ? MSR_AmdPerfCtl0 + 2 * i : MSR_K7EvntSel0 + i;
}
u32 rt_gp_counter(u32 i) {
  if (rt_pmu.vendor != RT_VENDOR_AMD) return MSR_PerfCtr0 + i;
  return rt_pmu.perfctr_core || rt_pmu.amd_v2 ? MSR_AmdPerfCtr0 + 2 * i : MSR_K7PerfCtr0 + i;
}
u32 rt_global_ctrl(void) {
  return rt_pmu.vendor == RT_VENDOR_AMD ? MSR_AmdGlobalCtl : MSR_GlobalCtrl;
}
u32 rt_global_status(void) {
  return rt_pmu.vendor == RT_VENDOR_AMD ? MSR_AmdGlobalStatus : MSR_GlobalStatus;
}
u32 rt_global_status_reset(void) {
  return rt_pmu.vendor == RT_VENDOR_AMD ? MSR_AmdGlobalStatusClr : MSR_GlobalStatusReset;
}
