/* SPDX-License-Identifier: Apache-2.0
   Processor start: GDT with ring-3 segments, IDT, one TSS per CPU (RSP0; IST1 for NMI, IST2 for double
   fault), GS base to the per-CPU block; exceptions and interrupts; safe accesses. An exception that nobody
   expects prints its frame and ends the guest with RT_EXIT_ABORT. */
#include "rt.h"

_Static_assert(offsetof(struct rt_cpu, index) == CPU_INDEX, "offsets.h");
_Static_assert(offsetof(struct rt_cpu, recover) == CPU_RECOVER, "offsets.h");
_Static_assert(offsetof(struct rt_cpu, user_return_rsp) == CPU_USER_RETURN_RSP, "offsets.h");
_Static_assert(offsetof(struct rt_cpu, protected_rsp) == CPU_PROTECTED_RSP, "offsets.h");

enum { kIstNmi = 1, kIstDoubleFault = 2, kStack = 0x4000 };

struct gate {
  u16 low, selector;
  u8 ist, type;
  u16 middle;
  u32 high, zero;
} __attribute__((packed));

struct tss {
  u32 reserved0;
  u64 rsp[3], reserved1, ist[7], reserved2;
  u16 reserved3, io_map;
} __attribute__((packed));

struct descriptor {
  u16 limit;
  u64 base;
} __attribute__((packed));

static u64 gdt[RT_TSS / 8 + 2 * RT_MAX_CPUS] __attribute__((aligned(16)));
static struct gate idt[256] __attribute__((aligned(16)));
static struct tss tss[RT_MAX_CPUS];
static u8 interrupt_stacks[RT_MAX_CPUS][3][kStack] __attribute__((aligned(16)));
struct rt_cpu rt_cpus[RT_MAX_CPUS];
static rt_handler handlers[256];

extern char rt_vector_stubs[], rt_bare_iret[], rt_user_return[], rt_protected_return[];
extern char rt_user_rdpmc[], rt_user_rdpmc_end[];
void rt_serial_init(void);
void rt_apic_init(void);
void rt_ap_loop(u32 index);

void rt_set_gate(u8 vector, u64 address, u8 ist) {
  struct gate g = {(u16)address, RT_KERNEL_CODE, ist, 0xee, (u16)(address >> 16), (u32)(address >> 32), 0};
  idt[vector] = g; /* DPL 3, so that INT n works at every CPL */
}

void rt_restore_gate(u8 vector) {
  const u8 ist = vector == 2 ? kIstNmi : vector == 8 ? kIstDoubleFault : 0;
  rt_set_gate(vector, (u64)rt_vector_stubs + 16 * (u64)vector, ist);
}

void rt_set_handler(u8 vector, rt_handler handler) {
  handlers[vector] = handler;
}

static void init_cpu(u32 index) {
  struct tss* t = &tss[index];
  t->rsp[0] = (u64)interrupt_stacks[index][0] + kStack;
  t->ist[kIstNmi - 1] = (u64)interrupt_stacks[index][1] + kStack;
  t->ist[kIstDoubleFault - 1] = (u64)interrupt_stacks[index][2] + kStack;
  t->io_map = sizeof(struct tss);
  const u64 base = (u64)t;
  const u32 slot = RT_TSS / 8 + 2 * index;
  gdt[slot] = (sizeof(struct tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
  gdt[slot + 1] = base >> 32;

  const struct descriptor g = {sizeof gdt - 1, (u64)gdt}, i = {sizeof idt - 1, (u64)idt};
  __asm__ volatile("lgdt %0; lidt %1; ltr %w2" : : "m"(g), "m"(i), "r"(RT_TSS + 16 * index) : "memory");
  __asm__ volatile("push %0; lea 1f(%%rip), %%rax; push %%rax; lretq; 1:"
                   :
                   : "i"(RT_KERNEL_CODE)
                   : "rax", "memory");
  __asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss" : : "r"(RT_KERNEL_DATA));

  struct rt_cpu* cpu = &rt_cpus[index];
  cpu->self = cpu;
  cpu->index = index;
  cpu->fault_vector = RT_NO_FAULT;
  rt_wrmsr(0xc0000101, (u64)cpu); /* GS_BASE */
  rt_apic_init();
  cpu->apic_id = rt_cpuid(1, 0).ebx >> 24;
}

void rt_start_bsp(void) {
  gdt[RT_KERNEL_CODE / 8] = 0x00af9b000000ffff;
  gdt[RT_KERNEL_DATA / 8] = 0x00cf93000000ffff;
  gdt[RT_USER_DATA / 8] = 0x00cff3000000ffff;
  gdt[RT_USER_CODE / 8] = 0x00affb000000ffff;
  for (u32 v = 0; v < 256; ++v) rt_restore_gate((u8)v);
  rt_set_gate(RT_VECTOR_SOFTWARE, (u64)rt_bare_iret, 0);
  rt_set_gate(RT_VECTOR_TIMER, (u64)rt_bare_iret, 0);
  rt_out8(0x21, 0xff); /* legacy interrupt controllers: mask everything */
  rt_out8(0xa1, 0xff);
  rt_serial_init();
  init_cpu(0);
  rt_detect_pmu();
  rt_exit((u32)main());
}

void rt_start_ap(u32 index) {
  if (index >= RT_MAX_CPUS) {
    for (;;) __asm__ volatile("cli; hlt");
  }
  init_cpu(index);
  rt_ap_loop(index);
}

static void unexpected(const struct rt_frame* f) {
  rt_printf("@abort exception %lu error 0x%lx rip 0x%lx rsp 0x%lx cpu %lu\n", f->vector, f->error, f->rip,
            f->rsp, rt_this_cpu()->index);
  rt_exit(RT_EXIT_ABORT);
}

void rt_interrupt(struct rt_frame* f) {
  struct rt_cpu* cpu = rt_this_cpu();
  if (f->vector >= 32 || f->vector == 2) {
    if (f->vector == RT_VECTOR_SPURIOUS) return;
    if (!handlers[f->vector]) unexpected(f);
    handlers[f->vector](f);
    return;
  }
  cpu->fault_vector = (int)f->vector;
  cpu->fault_error = f->error;
  cpu->fault_rip = f->rip;
  if ((f->cs & 3) == 0 && cpu->recover) {
    f->rip = cpu->recover;
    cpu->recover = 0;
    return;
  }
  if (cpu->protected_rsp) {
    f->rip = (u64)rt_protected_return;
  } else if ((f->cs & 3) == 3) {
    cpu->fault_value = (u32)f->rax | f->rdx << 32;
    f->rdi = cpu->fault_value;
    f->rip = (u64)rt_user_return;
  } else {
    unexpected(f);
  }
  f->cs = RT_KERNEL_CODE;
  f->ss = RT_KERNEL_DATA;
  f->rflags = 2;
  /* Both return points load their own stack pointer; until then any valid one will do. */
  f->rsp = cpu->protected_rsp ? cpu->protected_rsp : cpu->user_return_rsp;
}

int rt_rdmsr_safe(u32 msr, u64* value) {
  struct rt_cpu* cpu = rt_this_cpu();
  u32 lo = 0, hi = 0;
  cpu->fault_vector = RT_NO_FAULT;
  __asm__ volatile("movq $1f, %%gs:%c3; rdmsr; 1: movq $0, %%gs:%c3"
                   : "+a"(lo), "+d"(hi)
                   : "c"(msr), "i"(CPU_RECOVER)
                   : "memory");
  *value = lo | (u64)hi << 32;
  return cpu->fault_vector;
}

int rt_wrmsr_safe(u32 msr, u64 value) {
  struct rt_cpu* cpu = rt_this_cpu();
  cpu->fault_vector = RT_NO_FAULT;
  __asm__ volatile("movq $1f, %%gs:%c3; wrmsr; 1: movq $0, %%gs:%c3"
                   :
                   : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)), "i"(CPU_RECOVER)
                   : "memory");
  return cpu->fault_vector;
}

int rt_rdpmc_safe(u32 ecx, u64* value) {
  struct rt_cpu* cpu = rt_this_cpu();
  u32 lo = 0, hi = 0;
  cpu->fault_vector = RT_NO_FAULT;
  __asm__ volatile("movq $1f, %%gs:%c3; rdpmc; 1: movq $0, %%gs:%c3"
                   : "+a"(lo), "+d"(hi)
                   : "c"(ecx), "i"(CPU_RECOVER)
                   : "memory");
  *value = lo | (u64)hi << 32;
  return cpu->fault_vector;
}

int rt_rdpmc_user(u32 ecx, u64* value) {
  static u8 stack[1024] __attribute__((aligned(16)));
  struct rt_cpu* cpu = rt_this_cpu();
  *value = rt_user_call((u64)rt_user_rdpmc, (u64)stack + sizeof stack, ecx);
  if (cpu->fault_rip == (u64)rt_user_rdpmc_end) cpu->fault_vector = RT_NO_FAULT;
  return cpu->fault_vector;
}

int rt_has_forced_emulation(void) {
  struct rt_cpu* cpu = rt_this_cpu();
  cpu->fault_vector = RT_NO_FAULT;
  __asm__ volatile("movq $1f, %%gs:%c0; ud2; .ascii \"kvm\"; nop; 1: movq $0, %%gs:%c0"
                   :
                   : "i"(CPU_RECOVER)
                   : "memory");
  return cpu->fault_vector == RT_NO_FAULT;
}
