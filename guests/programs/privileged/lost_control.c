/* SPDX-License-Identifier: Apache-2.0
   Writes of CR0, CR3 and CR4 that would take paging away from under the program or set reserved bits, and
   fault instead (SDM Vol. 3, 2.5, 4.1.2 and 4.10.1). A machine that does them is lost, so they stand alone.
 */
#include "probe.h"

CODE(to_cr0, "mov %rax, %cr0");
CODE(to_cr3, "mov %rax, %cr3");
CODE(to_cr4, "mov %rax, %cr4");
CODE32(to_cr4_32, "mov %eax, %cr4");
CODE32(to_cr0_32, "mov %eax, %cr0");

CODE(lgdt_rcx, "lgdt (%rcx)");
CODE(lidt_rcx, "lidt (%rcx)");

#define HOLE 0x0000800000000000ull
#define DENIED(label, title, section, m, value) \
  PROBE(label, title, section, .mode = m, .set = {.rax = (value)}, FAULT_CODE(GP, 0, 0))

static void tables(void) {
  static const struct {
    u16 limit;
    u64 base;
  } __attribute__((packed)) bad = {0xfff, HOLE};
  PROBE(lgdt_rcx, "LGDT, non-canonical", "Vol. 2 LGDT", .mode = KERNEL, .set = {.rcx = (u64)&bad},
        FAULT_CODE(GP, 0, 0));
  PROBE(lidt_rcx, "LIDT, non-canonical", "Vol. 2 LIDT", .mode = KERNEL, .set = {.rcx = (u64)&bad},
        FAULT_CODE(GP, 0, 0));
}

int main(void) {
  probe_init();
  tables();
  const u64 cr0 = read_cr0(), cr3 = read_cr3(), cr4 = read_cr4();
  DENIED(to_cr0, "CR0, PG without PE", "Vol. 2 MOV CR", KERNEL, cr0 & ~1ull);
  DENIED(to_cr0, "CR0, PG cleared in 64-bit mode", "4.1.2", KERNEL, cr0 & ~0x80000000ull);
  DENIED(to_cr3, "CR3, bit 62", "2.5", KERNEL, cr3 | 1ull << 62);
  DENIED(to_cr3, "CR3, bit 52", "2.5", KERNEL, cr3 | 1ull << 52);
  DENIED(to_cr4, "CR4, bit 15", "2.5", KERNEL, cr4 | 1 << 15);
  DENIED(to_cr4, "CR4, bit 31", "2.5", KERNEL, cr4 | 1u << 31);
  DENIED(to_cr4, "CR4, bit 63", "2.5", KERNEL, cr4 | 1ull << 63);
  DENIED(to_cr4, "CR4, PAE cleared in IA-32e mode", "4.1.2", KERNEL, cr4 & ~0x20ull);
  DENIED(to_cr4_32, "CR4, PAE cleared in IA-32e mode", "4.1.2", COMPAT0, cr4 & ~0x20ull);
  if (rt_cpuid(1, 0).ecx >> 17 & 1) {
    write_cr4(cr4 | 1 << 17);
    DENIED(to_cr0_32, "CR0, PG cleared with PCIDE", "4.10.1", COMPAT0, cr0 & ~0x80000000ull);
    write_cr4(cr4);
  } else {
    probe_skip("CR0, PG cleared with PCIDE (compat cpl0)", "not in CPUID");
  }
  return probe_result();
}
