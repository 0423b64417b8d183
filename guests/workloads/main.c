/* SPDX-License-Identifier: Apache-2.0
   Runs a workload and prints its checksum. With the word "count" on the command line every counter runs
   meanwhile, the first of them sampling every 100,000 instructions, as under a profiler; the number of
   samples is printed too. Serial output and exit status are otherwise the same on every machine. */
#include "workload.h"

enum { kPeriod = 100000 };

static volatile u64 samples;

/* Intel only: the status is cleared through GLOBAL_OVF_CTRL, and the LVTPC mask that delivery set is lifted.
 */
static void on_pmi(struct rt_frame* frame) {
  (void)frame;
  const u64 status = rt_rdmsr(rt_global_status());
  ++samples;
  rt_wrmsr(rt_gp_counter(0), (u32)-kPeriod);
  rt_wrmsr(rt_global_status_reset(), status);
  rt_apic_write(RT_APIC_LVTPC, RT_VECTOR_PMI);
  rt_apic_eoi();
}

static int asked_to_count(void) {
  const char* text = rt_command_line();
  for (; *text; ++text)
    if (text[0] == 'c' && text[1] == 'o' && text[2] == 'u' && text[3] == 'n' && text[4] == 't') return 1;
  return 0;
}

static void count_everything(void) {
  rt_set_handler(RT_VECTOR_PMI, on_pmi);
  rt_apic_write(RT_APIC_LVTPC, RT_VECTOR_PMI);
  const u64 instructions = 0xc0 | RT_COUNT, branches = 0xc4 | RT_COUNT;
  for (u32 i = 0; i < rt_pmu.gp_count; ++i) {
    rt_wrmsr(rt_gp_selector(i), (i & 1 ? branches : instructions) | (i == 0 ? EVTSEL_Int : 0));
    rt_wrmsr(rt_gp_counter(i), i == 0 ? (u32)-kPeriod : 0);
  }
  for (u32 i = 0; i < 3; ++i) rt_wrmsr(MSR_FixedCtr0 + i, 0);
  rt_wrmsr(MSR_FixedCtrCtrl, 0x333);
  rt_wrmsr(rt_global_ctrl(), ((1ull << rt_pmu.gp_count) - 1) | 7ull << 32);
  rt_sti();
}

int main(void) {
  const int count = asked_to_count();
  if (count && (rt_pmu.vendor != RT_VENDOR_INTEL || rt_pmu.version < 2)) {
    rt_printf("no Intel PMU to count with\n");
    return RT_EXIT_SKIP;
  }
  if (count) count_everything();
  const u64 sum = workload();
  if (count) {
    rt_cli();
    rt_wrmsr(rt_global_ctrl(), 0);
    rt_printf("%lu samples\n", samples);
  }
  rt_printf("checksum %lx\n", sum);
  return RT_EXIT_PASS;
}
