/* SPDX-License-Identifier: Apache-2.0
   Descriptor tables, task state and paging of the probes. The first GiB is mapped to itself for CPL 0 alone;
   the image is mapped again, for every CPL, at USER_ALIAS; PML4 entry 1 is a window whose entries the probes
   write. */
#include "probe.h"

enum { kPresent = 1, kWritable = 2, kUser = 4, kAccessed = 0x20, kDirty = 0x40, kLarge = 0x80 };
enum { kGib = 1 << 30, kLargeShift = 21 };

u64 probe_gdt[GDT_ENTRIES] __attribute__((aligned(16)));
struct probe_gate probe_idt[256] __attribute__((aligned(16)));
struct probe_tss probe_tss;
static u8 interrupt_stack[0x2000] __attribute__((aligned(16)));
static u8 spare_stack[0x1000] __attribute__((aligned(16)));

#define TABLE(name) u64 name[512] __attribute__((aligned(4096)))
TABLE(probe_pml4);
TABLE(probe_window_pdpt);
TABLE(probe_window_pd);
TABLE(probe_window_pt);
static TABLE(pdpt);
static TABLE(pd_low);
static TABLE(pd_high);

struct table_register {
  u16 limit;
  u64 base;
} __attribute__((packed));

/* Outside long mode: an IDT of 8-byte gates, a 32-bit TSS of which only the stack of CPL 0 is used, and real
   mode's vectors at address 0. */
struct table_register probe_idtr;
static u64 legacy_idt[256];
struct probe_tss32 probe_tss32;
struct table_register probe_legacy_idtr = {sizeof legacy_idt - 1, (u64)legacy_idt};
struct table_register probe_real_idtr = {0x3ff, 0};
u32 probe_legacy_cr3, probe_legacy_cr4;
static u8 legacy_interrupt_stack[0x1000] __attribute__((aligned(16)));
extern const char probe_legacy_stubs[], probe_real_stubs[], probe_real_begin[];

void probe_gate(u8 vector, u64 offset, u16 selector, u8 type, u8 ist) {
  const struct probe_gate g = {(u16)offset, selector, ist, type, (u16)(offset >> 16), (u32)(offset >> 32), 0};
  probe_idt[vector] = g;
}

void probe_restore_gate(u8 vector) {
  probe_gate(vector, probe_stub(vector), KERNEL_CODE, 0xee,
             vector == DF); /* DPL 3: INT n works at every CPL */
}

void probe_load_idt(u16 limit) {
  probe_idtr = (struct table_register){limit, (u64)probe_idt};
  __asm__ volatile("lidt %0" : : "m"(probe_idtr));
}

void probe_legacy_gate(u8 vector, u32 offset, u16 selector, u8 type) {
  legacy_idt[vector] = (offset & 0xffff) | (u64)selector << 16 | (u64)type << 40 | (u64)(offset >> 16) << 48;
}
void probe_legacy_restore_gate(u8 vector) {
  probe_legacy_gate(vector, (u32)(u64)probe_legacy_stubs + 16u * vector, KERNEL_CODE32, 0xee);
}

void probe_system_descriptor(u16 selector, u64 base, u32 limit, u8 type) {
  probe_gdt[selector / 8] = (limit & 0xffff) | (base & 0xffffff) << 16 | (u64)type << 40 |
                            (u64)(limit >> 16 & 15) << 48 | (base >> 24 & 0xff) << 56;
  probe_gdt[selector / 8 + 1] = base >> 32;
}

void probe_load_tss(u32 limit) {
  probe_system_descriptor(TSS64, (u64)&probe_tss, limit, 0x89);
  __asm__ volatile("ltr %w0" : : "r"(TSS64) : "memory");
}

/* The vectors of real mode point into the copy of the real-mode code. */
static void set_real_vectors(void) {
  volatile u32* vector = (volatile u32*)0;
  __asm__("" : "+r"(vector)); /* the address is meant */
  const u32 stubs = (u32)(probe_real_stubs - probe_real_begin);
  for (u32 v = 0; v < 256; ++v) vector[v] = (REAL_MODE_BASE >> 4) << 16 | (stubs + 16 * v);
}

static void build_page_tables(void) {
  const u64 all = kPresent | kWritable | kAccessed;
  for (u64 i = 0; i < 512; ++i) pd_low[i] = i << kLargeShift | all | kDirty | kLarge;
  for (u64 i = 0; i < 4; ++i) pd_high[i] = i << kLargeShift | all | kDirty | kLarge | kUser;
  for (u64 i = 503; i < 512; ++i) /* the APICs' registers */
    pd_high[i] = (3ul * kGib + (i << kLargeShift)) | all | kDirty | kLarge | 0x18;
  pdpt[0] = (u64)pd_low | all;
  pdpt[3] = (u64)pd_high | all | kUser;
  probe_pml4[0] = (u64)pdpt | all | kUser;
  probe_pml4[1] = (u64)probe_window_pdpt | all | kUser;
  probe_window_pdpt[0] = (u64)probe_window_pd | all | kUser;
  probe_window_pd[0] = (u64)probe_window_pt | all | kUser;
  write_cr3((u64)probe_pml4);
}

static void load_segments(void) {
  const struct table_register gdtr = {sizeof probe_gdt - 1, (u64)probe_gdt};
  __asm__ volatile(
      "lgdt %0\n\t"
      "pushq %1\n\tpushq $1f\n\tlretq\n1:\t"
      "mov %2, %%ds\n\tmov %2, %%es\n\tmov %2, %%ss"
      :
      : "m"(gdtr), "i"(KERNEL_CODE), "r"(KERNEL_DATA)
      : "memory");
}

void probe_init(void) {
  probe_gdt[KERNEL_CODE / 8] = 0x00af9b000000ffff;
  probe_gdt[KERNEL_DATA / 8] = 0x00cf93000000ffff;
  probe_gdt[USER_CODE32 / 8] = 0x00cffb000000ffff;
  probe_gdt[USER_DATA / 8] = 0x00cff3000000ffff;
  probe_gdt[USER_CODE / 8] = 0x00affb000000ffff;
  probe_gdt[USER_DATA_AGAIN / 8] = 0x00cff3000000ffff;
  probe_gdt[KERNEL_CODE32 / 8] = 0x00cf9b000000ffff;
  probe_gdt[KERNEL_CODE16 / 8] = 0x00009b000000ffff;
  probe_gdt[KERNEL_DATA16 / 8] = 0x000093000000ffff;
  build_page_tables();
  load_segments();
  for (u32 v = 0; v < 256; ++v) probe_restore_gate((u8)v);
  probe_load_idt(sizeof probe_idt - 1);
  probe_tss.ist[0] = (u64)spare_stack + sizeof spare_stack;
  probe_tss.rsp[0] = (u64)interrupt_stack + sizeof interrupt_stack;
  probe_tss.io_map = sizeof probe_tss;
  probe_load_tss(0x67);

  for (u32 v = 0; v < 256; ++v) probe_legacy_restore_gate((u8)v);
  probe_tss32.esp0 = (u32)(u64)legacy_interrupt_stack + sizeof legacy_interrupt_stack;
  probe_tss32.ss0 = KERNEL_DATA;
  probe_tss32.io_map = sizeof probe_tss32;
  const u64 base = (u64)&probe_tss32;
  probe_gdt[TSS32 / 8] =
      (sizeof probe_tss32 - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24) << 56;
  set_real_vectors();
}

void probe_set_real_limit(u16 limit) {
  probe_real_idtr.limit = limit;
}

int probe_intel(void) {
  return rt_cpuid(0, 0).ebx == 0x756e6547; /* "Genu" */
}
