/* SPDX-License-Identifier: Apache-2.0
   Four processors: each takes a contended spin lock and adds to shared counters, by LOCK instructions; the
   first then sends every other an inter-processor interrupt. Prints the totals, which do not depend on the
   order. */
#include "rt.h"

enum { kCpus = 4, kRounds = 2000 };

static volatile u32 lock, acknowledged;
static u64 under_lock, per_cpu[RT_MAX_CPUS], instructions[RT_MAX_CPUS];
static volatile u64 atomically;

static void count_start(void) {
  if (!rt_pmu.version) return;
  rt_wrmsr(rt_gp_selector(0), 0xc0 | RT_COUNT); /* instructions retired, on both vendors */
  rt_wrmsr(rt_gp_counter(0), 0);
  if (rt_pmu.has_global_ctrl) rt_wrmsr(rt_global_ctrl(), 1);
}

static u64 count_stop(void) {
  if (!rt_pmu.version) return 0;
  rt_wrmsr(rt_gp_selector(0), 0);
  return rt_rdmsr(rt_gp_counter(0));
}

static void work(void) {
  const u64 cpu = rt_this_cpu()->index;
  count_start();
  for (u32 i = 0; i < kRounds; ++i) {
    while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE)) rt_pause();
    ++under_lock;
    __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
    __atomic_add_fetch(&atomically, 1, __ATOMIC_SEQ_CST);
    ++per_cpu[cpu];
  }
  instructions[cpu] = count_stop();
  rt_sti(); /* for the interrupt that follows */
}

static void on_ipi(struct rt_frame* frame) {
  (void)frame;
  __atomic_add_fetch(&acknowledged, 1, __ATOMIC_SEQ_CST);
  rt_apic_eoi();
}

int main(void) {
  rt_set_handler(RT_VECTOR_IPI, on_ipi);
  const u32 cpus = rt_start_cpus(kCpus, 10000000);
  rt_printf("%u CPUs run\n", cpus);
  if (cpus != kCpus) rt_printf("FAIL: this program is for exactly %u CPUs\n", kCpus);
  for (u32 i = 1; i < cpus; ++i) rt_run_on(i, work);
  work();
  rt_cli();
  for (u32 i = 1; i < cpus; ++i) rt_wait_for(i);
  for (u32 i = 1; i < cpus; ++i) rt_apic_ipi(i, RT_VECTOR_IPI);
  for (u64 spins = 10000000; acknowledged + 1 < cpus && spins; --spins) rt_pause();

  rt_printf("under the lock %lu, atomically %lu, expected %u\n", under_lock, atomically, cpus * kRounds);
  for (u32 i = 0; i < cpus; ++i)
    rt_printf("cpu %u: %lu rounds, %lu instructions\n", i, per_cpu[i], instructions[i]);
  rt_printf("%u interrupts acknowledged\n", acknowledged);
  const int good = under_lock == (u64)cpus * kRounds && atomically == under_lock && acknowledged + 1 == cpus;
  return good && cpus == kCpus ? RT_EXIT_PASS : RT_EXIT_FAIL;
}
