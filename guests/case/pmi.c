/* SPDX-License-Identifier: Apache-2.0
   The performance monitoring interrupt as cases use it: as a fixed vector or as an NMI, with a handler that
   counts, notes status and place, and does what the case told it to. */
#include "case.h"

static struct {
  volatile u64 count, nmis, status, rip, cpl;
  u32 flags, counter;
  u64 rearm;
  u32 lvtpc;
} pmi;

static void publish(void) {
  case_set(CASE_NAME_pmi_count, pmi.count);
  case_set(CASE_NAME_nmi_count, pmi.nmis);
  if (!(pmi.count + pmi.nmis)) return;
  case_set(CASE_NAME_pmi_status, pmi.status);
  case_set(CASE_NAME_pmi_rip, pmi.rip);
  case_set(CASE_NAME_pmi_cpl, pmi.cpl);
}

static void on_pmi(struct rt_frame* f) {
  u64 status = 0;
  if (pmi.flags & ON_PMI_STOP) {
    if (rt_pmu.has_global_ctrl) rt_wrmsr_safe(rt_global_ctrl(), 0);
  }
  if (rt_pmu.has_global_ctrl) rt_rdmsr_safe(rt_global_status(), &status);
  pmi.status = status;
  pmi.rip = f->rip;
  pmi.cpl = f->cs & 3;
  if (f->vector == 2) {
    pmi.nmis = pmi.nmis + 1;
  } else {
    pmi.count = pmi.count + 1;
  }
  if (pmi.flags & ON_PMI_REARM) case_write_counter(pmi.counter >= 32, pmi.counter & 31, pmi.rearm);
  if ((pmi.flags & ON_PMI_ACK) && rt_pmu.has_global_ctrl) rt_wrmsr_safe(rt_global_status_reset(), status);
  publish();
  if (f->vector != 2) rt_apic_eoi();
  if (pmi.flags & ON_PMI_UNMASK) rt_apic_write(RT_APIC_LVTPC, pmi.lvtpc);
}

void case_pmi_init(void) {
  rt_set_handler(RT_VECTOR_PMI, on_pmi);
  rt_set_handler(2, on_pmi);
  pmi.flags = ON_PMI_ACK;
}

void case_set_lvtpc(u32 nmi, u32 masked) {
  pmi.lvtpc = (nmi ? RT_LVT_NMI : RT_VECTOR_PMI) | (masked ? RT_LVT_MASKED : 0);
  rt_apic_write(RT_APIC_LVTPC, pmi.lvtpc);
}

void case_on_pmi(u32 flags, u32 counter, u64 value) {
  pmi.flags = flags;
  pmi.counter = counter;
  pmi.rearm = value;
  pmi.count = pmi.nmis = 0;
  publish();
}

void case_wait_pmi(const struct case_op* op, u64 count, u64 spins) {
  rt_sti();
  while (pmi.count + pmi.nmis < count && spins--) rt_pause();
  rt_cli();
  case_store(op, op->target, pmi.count + pmi.nmis >= count);
}
