/* SPDX-License-Identifier: Apache-2.0
   A profiler inside the guest: counts instructions, branches and cycles of a workload of three phases, takes
   a sample of where it is at every `period` instructions by PMI, and prints counts and a histogram. Without a
   global control (AMD before PerfMonV2) status is not visible; the handler then takes every PMI as counter
   0's. NOT handled: more than one sampled event. */
#include "rt.h"

enum { kPeriod = 20011, kRounds = 400, kItems = 1024 };

static volatile u64 samples, unattributed;
static u64 histogram[3];
static u32 items[kItems];
static volatile u64 sink;

/* The three phases; kept out of line so that a sample's RIP tells them apart. */
__attribute__((noinline, noclone)) static void phase_arithmetic(void) {
  u64 x = sink + 1;
  for (u32 i = 0; i < 3000; ++i) x = x * 6364136223846793005ull + 1442695040888963407ull;
  sink = x;
}

__attribute__((noinline, noclone)) static void phase_memory(void) {
  u64 sum = 0;
  for (u32 round = 0; round < 2; ++round) {
    for (u32 i = 0; i < kItems; ++i) sum += items[i]++;
  }
  sink = sum;
}

__attribute__((noinline, noclone)) static void phase_branches(void) {
  u32 state = (u32)sink | 1, odd = 0;
  for (u32 i = 0; i < 1500; ++i) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    if (state & 1) __asm__ volatile("incl %0" : "+r"(odd)); /* a branch that depends on data */
  }
  sink = odd;
}

static const struct {
  const char* name;
  void (*code)(void);
} phases[3] = {{"arithmetic", phase_arithmetic}, {"memory", phase_memory}, {"branches", phase_branches}};

static void arm(void) {
  rt_wrmsr(rt_gp_counter(0), -(u64)kPeriod & ((1ull << rt_pmu.gp_width) - 1));
}

static void on_pmi(struct rt_frame* frame) {
  if (rt_pmu.has_global_ctrl) {
    rt_wrmsr(rt_global_ctrl(), 0);
    rt_wrmsr(rt_global_status_reset(), rt_rdmsr(rt_global_status()) & 1);
  }
  /* The phase whose code begins nearest below the interrupted instruction. */
  int found = -1;
  for (int i = 0; i < 3; ++i) {
    const u64 start = (u64)phases[i].code;
    if (frame->rip >= start && frame->rip < start + 512 && (found < 0 || start > (u64)phases[found].code))
      found = i;
  }
  if (found < 0) {
    unattributed = unattributed + 1;
  } else {
    ++histogram[found];
  }
  samples = samples + 1;
  arm();
  rt_apic_eoi();
  rt_apic_write(RT_APIC_LVTPC, RT_VECTOR_PMI); /* Intel's APIC masks it at delivery */
  if (rt_pmu.has_global_ctrl) rt_wrmsr(rt_global_ctrl(), 0xf);
}

int main(void) {
  static const char* const names[] = {"", "instructions", "branches", "cycles"};
  const int amd = rt_pmu.vendor == RT_VENDOR_AMD;
  const u32 events[] = {0, 0xc0, amd ? 0xc2 : 0xc4, amd ? 0x76 : 0x3c};
  if (!rt_pmu.version || rt_pmu.gp_count < 4 || !rt_apic_present()) {
    rt_puts("this profiler needs a PMU with four counters, and a local APIC\n");
    return RT_EXIT_SKIP;
  }
  rt_set_handler(RT_VECTOR_PMI, on_pmi);
  rt_apic_write(RT_APIC_LVTPC, RT_VECTOR_PMI);
  if (rt_pmu.has_global_ctrl) rt_wrmsr(rt_global_ctrl(), 0);
  arm();
  for (u32 i = 1; i < 4; ++i) rt_wrmsr(rt_gp_counter(i), 0);
  for (u32 i = 1; i < 4; ++i) rt_wrmsr(rt_gp_selector(i), events[i] | RT_COUNT);
  rt_wrmsr(rt_gp_selector(0), 0xc0 | RT_COUNT | EVTSEL_Int);
  rt_sti();
  if (rt_pmu.has_global_ctrl) rt_wrmsr(rt_global_ctrl(), 0xf);
  for (u32 round = 0; round < kRounds; ++round) {
    for (u32 i = 0; i < 3; ++i) phases[i].code();
  }
  if (rt_pmu.has_global_ctrl) rt_wrmsr(rt_global_ctrl(), 0);
  rt_cli();
  for (u32 i = 0; i < 4; ++i) rt_wrmsr(rt_gp_selector(i), 0);

  u64 counts[4];
  for (u32 i = 1; i < 4; ++i) counts[i] = rt_rdmsr(rt_gp_counter(i));
  for (u32 i = 1; i < 4; ++i) rt_printf("%14lu  %s\n", counts[i], names[i]);
  rt_printf("%14lu  samples, one per %u instructions\n", samples, kPeriod);
  for (u32 i = 0; i < 3; ++i) {
    const u64 percent = samples ? histogram[i] * 100 / samples : 0;
    rt_printf("%10s %6lu %3lu%% ", phases[i].name, histogram[i], percent);
    for (u64 n = 0; n < percent / 2; ++n) rt_putc('#');
    rt_putc('\n');
  }
  rt_printf("%10s %6lu\n", "elsewhere", unattributed);
  return samples ? RT_EXIT_PASS : RT_EXIT_FAIL;
}
