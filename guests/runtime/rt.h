/* SPDX-License-Identifier: Apache-2.0
   The guest runtime's services, for compiled cases and for hand-written guest programs (which define
   `int main(void)`; what it returns is written to the debug exit port). Freestanding: no libc, no SSE.
   Everything about the machine is found at run time from CPUID; the runtime holds no CPU model.
   NOT provided: memory allocation, paging changes, devices besides serial port and local APIC. */
#ifndef PMUSIM_GUEST_RT_H
#define PMUSIM_GUEST_RT_H

#include <stddef.h>
#include <stdint.h>

#include "arch/evtsel.h"
#include "arch/pmu_registers.h"
#include "offsets.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

enum {
  RT_MAX_CPUS = 16,
  RT_EXIT_PASS = 0,
  RT_EXIT_FAIL = 1,
  RT_EXIT_SKIP = 38,  /* everything skipped */
  RT_EXIT_ABORT = 63, /* an unexpected exception or an internal error */
  RT_VECTOR_PMI = 0x40,
  RT_VECTOR_IPI = 0x41,
  RT_VECTOR_SOFTWARE = 0x50, /* INT n of measured programs: one IRETQ */
  RT_VECTOR_TIMER = 0x51,    /* wakes a measured HLT: one IRETQ, acknowledged after the measurement */
  RT_VECTOR_SPURIOUS = 0xff,
  RT_NO_FAULT = -1,
};

struct rt_frame {
  u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
  u64 vector, error, rip, cs, rflags, rsp, ss;
};

struct rt_cpu {
  struct rt_cpu* self;
  u64 index;
  u64 recover;         /* where a fault of a safe access continues; 0: none */
  u64 user_return_rsp; /* rt_user_call */
  u64 protected_rsp;   /* rt_protected_call; 0: not inside one */
  int fault_vector;    /* the last recovered fault, RT_NO_FAULT if none */
  u64 fault_error, fault_rip, fault_value;
  u32 apic_id;
};

static inline struct rt_cpu* rt_this_cpu(void) {
  struct rt_cpu* cpu;
  __asm__ volatile("mov %%gs:0, %0" : "=r"(cpu));
  return cpu;
}

/* --- instructions ----------------------------------------------------------------------------------- */
struct rt_cpuid {
  u32 eax, ebx, ecx, edx;
};
static inline struct rt_cpuid rt_cpuid(u32 leaf, u32 subleaf) {
  struct rt_cpuid r;
  __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
  return r;
}
static inline u64 rt_rdmsr(u32 msr) {
  u32 lo, hi;
  __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
  return lo | (u64)hi << 32;
}
static inline void rt_wrmsr(u32 msr, u64 value) {
  __asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}
static inline u64 rt_rdtsc(void) {
  u32 lo, hi;
  __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
  return lo | (u64)hi << 32;
}
static inline void rt_out8(u16 port, u8 value) {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
static inline void rt_out32(u16 port, u32 value) {
  __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}
static inline u8 rt_in8(u16 port) {
  u8 value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static inline u32 rt_in32(u16 port) {
  u32 value;
  __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
  return value;
}
static inline u64 rt_read_cr4(void) {
  u64 value;
  __asm__ volatile("mov %%cr4, %0" : "=r"(value));
  return value;
}
static inline void rt_write_cr4(u64 value) {
  __asm__ volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}
static inline void rt_cli(void) {
  __asm__ volatile("cli" : : : "memory");
}
static inline void rt_sti(void) {
  __asm__ volatile("sti" : : : "memory");
}
static inline void rt_pause(void) {
  __asm__ volatile("pause" : : : "memory");
}

/* --- accesses that may fault: the vector, or RT_NO_FAULT ------------------------------------------------ */
int rt_rdmsr_safe(u32 msr, u64* value);
int rt_wrmsr_safe(u32 msr, u64 value);
int rt_rdpmc_safe(u32 ecx, u64* value);
int rt_rdpmc_user(u32 ecx, u64* value); /* at CPL 3 */
int rt_has_forced_emulation(void);      /* KVM's UD2 'k' 'v' 'm' prefix */

u64 rt_user_call(u64 rip, u64 rsp, u64 argument);
void rt_protected_call(u64 code, void* frame);

/* --- output and end ---------------------------------------------------------------------------------- */
void rt_putc(char c);
void rt_puts(const char* text);
/* %s %c %d %u %x %lu %lx %% and a width with optional 0 or -, as in printf; a long is 64 bits. */
void rt_printf(const char* format, ...) __attribute__((format(printf, 1, 2)));
void rt_exit(u32 value) __attribute__((noreturn));
const char* rt_command_line(void);

/* --- interrupts -------------------------------------------------------------------------------------- */
typedef void (*rt_handler)(struct rt_frame* frame);
void rt_set_handler(u8 vector, rt_handler handler); /* for vectors 0x20 and up, and 2 (NMI) */
void rt_set_gate(u8 vector, u64 address, u8 ist);   /* a raw IDT entry, e.g. for an emitted landing */
void rt_restore_gate(u8 vector);

/* --- local APIC -------------------------------------------------------------------------------------- */
enum {
  RT_APIC_ID = 0x20,
  RT_APIC_EOI = 0xb0,
  RT_APIC_SVR = 0xf0,
  RT_APIC_ICR = 0x300,
  RT_APIC_LVTT = 0x320,
  RT_APIC_LVTPC = 0x340,
  RT_APIC_TMICT = 0x380,
  RT_APIC_TMCCT = 0x390,
  RT_APIC_TDCR = 0x3e0
};
enum { RT_LVT_NMI = 0x400, RT_LVT_MASKED = 0x10000 };
int rt_apic_present(void);
u32 rt_apic_read(u32 reg);
void rt_apic_write(u32 reg, u32 value);
void rt_apic_eoi(void);
void rt_apic_ipi(u32 cpu, u8 vector);

/* --- more processors ---------------------------------------------------------------------------------- */
/* Starts all application processors, waits at most `spins` PAUSEs until `wanted` CPUs run; returns how many
 * do. */
u32 rt_start_cpus(u32 wanted, u64 spins);
void rt_run_on(u32 cpu, void (*work)(void)); /* starts `work` there */
void rt_wait_for(u32 cpu);                   /* until its work is done */

/* --- PMU as CPUID enumerates it ---------------------------------------------------------------------------
 */
enum rt_vendor { RT_VENDOR_OTHER, RT_VENDOR_INTEL, RT_VENDOR_AMD };
struct rt_pmu {
  enum rt_vendor vendor;
  u32 version; /* Intel: leaf 0AH. AMD: 2 with PerfMonV2, 1 without. 0: no PMU */
  u32 gp_count, gp_width, fixed_count, fixed_width, fixed_mask;
  u32 events_missing; /* Intel: leaf 0AH EBX and the vector's length: bit n set = architectural event n absent
                       */
  u8 pdcm, full_width_writes, perfctr_core, amd_v2, has_global_ctrl, freeze, x2apic, hypervisor, rtm, fep;
  u64 perf_capabilities;
  u32 family, model;
};
extern struct rt_pmu rt_pmu;
/* MSR_PerfEvtSel0 and so on: addresses of PMU registers, of index 0. */
#define RT_MSR(constant, name, address, stride, count, saved) MSR_##constant = address,
#define RT_MSRS_OF_BOTH(reg, id, access, storage, asset, intel, amd) RT_MSR intel RT_MSR amd
#define RT_MSRS_OF_ONE(reg, id, access, storage, asset, place) RT_MSR place
enum rt_msr {
  PMU_REGISTERS_OF_BOTH(RT_MSRS_OF_BOTH) PMU_REGISTERS_OF_INTEL(RT_MSRS_OF_ONE)
      PMU_REGISTERS_OF_AMD(RT_MSRS_OF_ONE)
};
/* EVTSEL_En and so on: the fields of event selectors. RT_COUNT: at every privilege level, enabled. */
#define RT_EVTSEL(name, low, bits) EVTSEL_##name = ((1ull << bits) - 1) << low,
enum rt_evtsel {
  EVTSEL_FIELDS_OF_BOTH(RT_EVTSEL) EVTSEL_FIELDS_OF_INTEL(RT_EVTSEL) EVTSEL_FIELDS_OF_AMD(RT_EVTSEL)
      RT_COUNT = EVTSEL_En | EVTSEL_Os | EVTSEL_Usr
};
void rt_detect_pmu(void);
u32 rt_gp_selector(u32 i);
u32 rt_gp_counter(u32 i);
u32 rt_global_ctrl(void);
u32 rt_global_status(void);
u32 rt_global_status_reset(void);

int main(void);

#endif
