/* SPDX-License-Identifier: Apache-2.0
   The local APIC: x2APIC where CPUID has it, else the memory-mapped page at its reset address; start of the
   other processors. LVTPC keeps its reset value until somebody programs it. NOT handled: I/O APIC,
   relocation, logical destinations. */
#include "rt.h"

enum { kApicBase = 0x1b, kTrampoline = 0x8000 };

extern struct rt_cpu rt_cpus[RT_MAX_CPUS];
extern volatile u32 rt_next_cpu;
extern const char rt_trampoline[], rt_trampoline_end[];

static int present, x2apic;
static volatile u32 running = 1;
static void (*volatile work[RT_MAX_CPUS])(void);

int rt_apic_present(void) {
  return present;
}

u32 rt_apic_read(u32 reg) {
  if (x2apic) return (u32)rt_rdmsr(0x800 + reg / 16);
  return *(volatile u32*)(0xfee00000ull + reg);
}

void rt_apic_write(u32 reg, u32 value) {
  if (x2apic) {
    rt_wrmsr(0x800 + reg / 16, value);
  } else {
    *(volatile u32*)(0xfee00000ull + reg) = value;
  }
}

void rt_apic_eoi(void) {
  rt_apic_write(RT_APIC_EOI, 0);
}

void rt_apic_init(void) {
  const struct rt_cpuid id = rt_cpuid(1, 0);
  present = id.edx >> 9 & 1;
  x2apic = present && (id.ecx >> 21 & 1);
  if (!present) return;
  u64 base = rt_rdmsr(kApicBase) | 1u << 11;
  rt_wrmsr(kApicBase, base);
  if (x2apic) rt_wrmsr(kApicBase, base | 1u << 10);
  rt_apic_write(RT_APIC_LVTT, RT_LVT_MASKED);
  rt_apic_write(RT_APIC_SVR, 0x100 | RT_VECTOR_SPURIOUS);
}

static void send(u32 destination, u32 command) {
  if (x2apic) {
    rt_wrmsr(0x830, (u64)destination << 32 | command);
    return;
  }
  rt_apic_write(RT_APIC_ICR + 0x10, destination << 24);
  rt_apic_write(RT_APIC_ICR, command);
  while (rt_apic_read(RT_APIC_ICR) & 1u << 12) rt_pause();
}

void rt_apic_ipi(u32 cpu, u8 vector) {
  send(rt_cpus[cpu].apic_id, 0x4000u | vector);
}

u32 rt_start_cpus(u32 wanted, u64 spins) {
  const u64 size = (u64)(rt_trampoline_end - rt_trampoline);
  for (u64 i = 0; i < size; ++i) ((volatile char*)kTrampoline)[i] = rt_trampoline[i];
  const u32 all_but_self = 3u << 18;
  send(0, all_but_self | 0x4500); /* INIT */
  for (u32 i = 0; i < 10000; ++i) rt_pause();
  send(0, all_but_self | 0x4600 | kTrampoline >> 12); /* SIPI */
  while (running < wanted && spins--) rt_pause();
  return running;
}

void rt_ap_loop(u32 index) {
  __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
  for (;;) {
    if (work[index]) {
      work[index]();
      __atomic_store_n(&work[index], (void (*)(void))0, __ATOMIC_SEQ_CST);
    }
    rt_pause();
  }
}

void rt_run_on(u32 cpu, void (*function)(void)) {
  __atomic_store_n(&work[cpu], function, __ATOMIC_SEQ_CST);
}

void rt_wait_for(u32 cpu) {
  while (__atomic_load_n(&work[cpu], __ATOMIC_SEQ_CST)) rt_pause();
}
