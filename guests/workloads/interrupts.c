/* SPDX-License-Identifier: Apache-2.0
   Interrupts and MSRs: an interrupt to itself through the local APIC, an MSR write and read, and some
   arithmetic, in turns. */
#include "workload.h"

enum { kRounds = 500000, kKernelGsBase = 0xc0000102 };

static volatile u64 taken;

static void on_ipi(struct rt_frame* frame) {
  (void)frame;
  ++taken;
  rt_apic_eoi();
}

u64 workload(void) {
  rt_set_handler(RT_VECTOR_IPI, on_ipi);
  rt_sti();
  u64 sum = 0;
  for (u32 i = 0; i < kRounds; ++i) {
    const u64 before = taken;
    rt_apic_ipi(0, RT_VECTOR_IPI);
    while (taken == before) rt_pause();
    rt_wrmsr(kKernelGsBase, i);
    sum += rt_rdmsr(kKernelGsBase);
    for (u32 k = 0; k < 20; ++k) sum = sum * 5 + k;
  }
  rt_cli();
  return sum + taken;
}
