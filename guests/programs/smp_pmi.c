/* SPDX-License-Identifier: Apache-2.0
   Four processors contend for one lock, send each other interrupts, and each samples itself: counter 0 counts
   instructions and raises a PMI at every `period`. Prints per processor what it counted, how many samples it
   took at the lock and in all, and a hash of where and when; all of it is the same in every run of one
   machine. Little text: while it is printed, three processors wait. */
#include "rt.h"

enum { kCpus = 4, kRounds = 600, kPeriod = 997 };
enum { kSelector = 0xc0 | RT_COUNT | EVTSEL_Int }; /* instructions retired, on both vendors */

static volatile u32 lock;
static u64 under_lock;
static volatile u64 received[RT_MAX_CPUS];
static struct {
  volatile u64 samples, waiting;
  u64 rounds, instructions, hash;
} per_cpu[RT_MAX_CPUS];

static void arm(void) {
  rt_wrmsr(rt_gp_counter(0), -(u64)kPeriod & ((1ull << rt_pmu.gp_width) - 1));
}

static void global(u64 value) {
  if (rt_pmu.has_global_ctrl) rt_wrmsr(rt_global_ctrl(), value);
}

__attribute__((noinline, noclone)) static void take_lock(void) {
  while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE)) rt_pause();
}

static void on_pmi(struct rt_frame* frame) {
  const u64 cpu = rt_this_cpu()->index;
  if (rt_pmu.has_global_ctrl) {
    rt_wrmsr(rt_global_ctrl(), 0);
    rt_wrmsr(rt_global_status_reset(), rt_rdmsr(rt_global_status()) & 1);
  }
  per_cpu[cpu].samples = per_cpu[cpu].samples + 1;
  if (frame->rip >= (u64)take_lock && frame->rip < (u64)take_lock + 64)
    per_cpu[cpu].waiting = per_cpu[cpu].waiting + 1;
  /* Where and when: any difference of a sample's place or time changes it. */
  per_cpu[cpu].hash = (per_cpu[cpu].hash ^ frame->rip ^ rt_rdtsc() << 20) * 0x100000001b3ull;
  arm();
  rt_apic_eoi();
  rt_apic_write(RT_APIC_LVTPC, RT_VECTOR_PMI); /* Intel's APIC masks it at delivery */
  global(1);
}

static void on_ipi(struct rt_frame* frame) {
  (void)frame;
  const u64 cpu = rt_this_cpu()->index;
  received[cpu] = received[cpu] + 1;
  rt_apic_eoi();
}

static void work(void) {
  const u64 cpu = rt_this_cpu()->index;
  const int samples = rt_pmu.version && rt_apic_present();
  if (samples) {
    rt_apic_write(RT_APIC_LVTPC, RT_VECTOR_PMI);
    global(0);
    arm();
    rt_wrmsr(rt_gp_selector(0), kSelector);
    global(1);
  }
  rt_sti();
  for (u32 i = 0; i < kRounds; ++i) {
    take_lock();
    ++under_lock;
    __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
    ++per_cpu[cpu].rounds;
    if (i % 64 == 0) rt_apic_ipi((u32)(cpu + 1) % kCpus, RT_VECTOR_IPI);
  }
  rt_cli();
  if (samples) {
    global(0);
    rt_wrmsr(rt_gp_selector(0), 0);
    per_cpu[cpu].instructions = rt_rdmsr(rt_gp_counter(0)) & ((1ull << rt_pmu.gp_width) - 1);
    per_cpu[cpu].instructions += (per_cpu[cpu].samples + 1) * kPeriod;
    per_cpu[cpu].instructions &= (1ull << rt_pmu.gp_width) - 1;
  }
  rt_sti(); /* for interrupts that are on their way */
}

int main(void) {
  rt_set_handler(RT_VECTOR_PMI, on_pmi);
  rt_set_handler(RT_VECTOR_IPI, on_ipi);
  const u32 cpus = rt_start_cpus(kCpus, 10000000);
  if (cpus != kCpus) {
    rt_printf("%u CPUs run, %u are needed\n", cpus, kCpus);
    return RT_EXIT_SKIP;
  }
  for (u32 i = 1; i < cpus; ++i) rt_run_on(i, work);
  work();
  for (u32 i = 1; i < cpus; ++i) rt_wait_for(i);
  for (u32 spins = 2000; spins; --spins) rt_pause(); /* for interrupts that are on their way */
  u64 interrupts = 0, least = ~0ull, hash = 0;
  for (u32 i = 0; i < cpus; ++i) {
    interrupts += received[i];
    hash = hash * 31 + per_cpu[i].hash;
    if (per_cpu[i].samples < least) least = per_cpu[i].samples;
  }
  for (u32 i = 0; i < cpus; ++i)
    rt_printf("%lu instructions, %lu/%lu\n", per_cpu[i].instructions, per_cpu[i].waiting, per_cpu[i].samples);
  rt_printf("%lu locked, %lu IPIs, %lx\n", under_lock, interrupts, hash);
  const int good = under_lock == (u64)kCpus * kRounds && interrupts && (least || !rt_pmu.version);
  return good ? RT_EXIT_PASS : RT_EXIT_FAIL;
}
