/* SPDX-License-Identifier: Apache-2.0
   The smallest profiler, to copy: counter 1 counts instructions, and counter 0 raises a PMI at every `period`
   of them, the last argument. Prints both; where a global control stops both counters in the handler there
   are exactly instructions / period samples. NOT handled: several CPUs (smp_pmi.c). */
#include "rt.h"

enum { kSelector = 0xc0 | RT_COUNT }; /* instructions retired, on both vendors */
/* More than what is counted from the overflow to the handler's first write. */
enum { kLeast = 1000 };

static u64 period;
static volatile u64 samples;

static void global(u64 value) {
  if (rt_pmu.has_global_ctrl) rt_wrmsr(rt_global_ctrl(), value);
}

/* The next overflow is a period after the last one, however late this one is served. */
static void arm(void) {
  const u64 past = rt_rdmsr(rt_gp_counter(0));
  rt_wrmsr(rt_gp_counter(0), (past - period) & ((1ull << rt_pmu.gp_width) - 1));
}

static void on_pmi(struct rt_frame* frame) {
  (void)frame; /* the registers of what was interrupted; rip says where */
  global(0);
  samples = samples + 1;
  arm();
  if (rt_pmu.has_global_ctrl) rt_wrmsr(rt_global_status_reset(), 1);
  rt_apic_eoi();
  rt_apic_write(RT_APIC_LVTPC, RT_VECTOR_PMI); /* Intel's APIC masks it at delivery */
  global(3);
}

/* The command line is the image's path and the arguments; 0: the last word is no number. */
static u64 last_number(void) {
  const char* word = rt_command_line();
  for (const char* c = word; *c; ++c) {
    if (*c == ' ') word = c + 1;
  }
  u64 number = 0;
  for (; *word >= '0' && *word <= '9'; ++word) number = 10 * number + (u64)(*word - '0');
  return *word ? 0 : number;
}

int main(void) {
  if (rt_pmu.gp_count < 2 || !rt_apic_present()) {
    rt_puts("this sampler needs a PMU with two counters, and a local APIC\n");
    return RT_EXIT_SKIP;
  }
  period = last_number();
  if (period < kLeast || period >> 31) { /* a counter is written with 32 bits, sign-extended */
    rt_printf("the last argument is the period in instructions, %u to %u\n", kLeast, 0x7fffffff);
    return RT_EXIT_FAIL;
  }
  rt_set_handler(RT_VECTOR_PMI, on_pmi);
  rt_apic_write(RT_APIC_LVTPC, RT_VECTOR_PMI);
  global(0);
  rt_wrmsr(rt_gp_counter(0), 0);
  rt_wrmsr(rt_gp_counter(1), 0);
  arm();
  rt_wrmsr(rt_gp_selector(0), kSelector | EVTSEL_Int);
  rt_wrmsr(rt_gp_selector(1), kSelector);
  rt_sti();
  global(3);
  for (u32 i = 0; i < 1000000; ++i) __asm__ volatile("nop"); /* what is measured */
  global(0);
  rt_cli();
  rt_wrmsr(rt_gp_selector(0), 0);
  rt_wrmsr(rt_gp_selector(1), 0);
  rt_printf("%lu instructions, %lu samples\n", rt_rdmsr(rt_gp_counter(1)), samples);
  return RT_EXIT_PASS;
}
