/* SPDX-License-Identifier: Apache-2.0
   When a pending interrupt is taken: after STI at POPF, IRET, HLT and MOV CR8 (SDM Vol. 3, 6.8; Vol. 2, STI,
   HLT; 10.8.3). The interrupt is the CPU's own IPI, sent with IF clear; how many iterations of REP come
   before one is not probed. */
#include "probe.h"

enum { kVector = 0x90, kIcr = 0x300, kSelf = 0x40000 };

CODE(sti_nop, "sti\nnop\nnop");
CODE(sti_cli, "sti\ncli\nnop");
CODE(sti_hlt, "sti\nhlt\nnop");
CODE(sti_sti, "sti\nsti\nnop");
CODE(popf_, "popfq\nnop");
CODE(iret_, "iretq\nnop");
CODE(nops, "nop\nnop");
CODE(to_cr8, "mov %rax, %cr8\nnop");
CODE(sti_div, "sti\ndiv %ecx");

static void pend(void) {
  rt_apic_write(kIcr, kSelf | kVector);
}

#define PENDING(label, title, section, ...)                    \
  do {                                                         \
    pend();                                                    \
    PROBE(label, title, section, .mode = KERNEL, __VA_ARGS__); \
    rt_apic_eoi();                                             \
  } while (0)

int main(void) {
  static u64 words[16];
  probe_init();
  if (!rt_apic_present()) {
    probe_skip("everything", "no local APIC");
    return RT_EXIT_SKIP;
  }
  PENDING(sti_nop, "STI: after the next instruction", "Vol. 2 STI", FAULT(kVector, 2), .flags_set = F_IF);
  PENDING(sti_sti, "STI, STI: the second does not extend the shadow", "Vol. 2 STI", FAULT(kVector, 2),
          .flags_set = F_IF);
  PENDING(sti_hlt, "STI, HLT: HLT is woken", "Vol. 2 STI, HLT", FAULT(kVector, 2), .flags_set = F_IF);
  pend();
  PROBE(sti_div, "STI, a fault in its shadow comes first", "Vol. 2 STI", .mode = KERNEL, .de = 1, FAULT(0, 1),
        .flags_set = F_IF);
  PROBE(sti_cli, "STI, CLI: not taken", "Vol. 2 STI", .mode = KERNEL);
  PROBE(nops, "IF clear: not taken", "6.8.1", .mode = KERNEL);
  PROBE(nops, "IF: taken", "6.8.1", .mode = KERNEL, .set = {.rflags = F_IF}, FAULT(kVector, 0));
  rt_apic_eoi();
  words[8] = F_IF;
  PENDING(popf_, "POPF: before the next instruction", "6.8.1", .set = {.rsp = (u64)(words + 8)},
          FAULT(kVector, 1), .rsp = 8, .flags_set = F_IF);
  words[8] = (u64)iret_ + 2, words[9] = KERNEL_CODE, words[10] = F_IF, words[11] = (u64)(words + 8),
  words[12] = KERNEL_DATA;
  PENDING(iret_, "IRET: before the next instruction", "6.8.1", .set = {.rsp = (u64)(words + 8)},
          FAULT(kVector, 2), .flags_set = F_IF);
  pend();
  PROBE(nops, "CPL 3, IF: taken", "6.8.1", .mode = USER, .set = {.rflags = F_IF}, FAULT(kVector, 0));
  rt_apic_eoi();
  /* Behind CR8 = 9 priority class 9 waits; MOV to CR8 lets it in before the next instruction. */
  __asm__ volatile("mov %0, %%cr8" : : "r"(9ul));
  pend();
  PROBE(nops, "CR8 9: an interrupt of class 9 waits", "10.8.3.1", .mode = KERNEL, .set = {.rflags = F_IF});
  PROBE(to_cr8, "CR8 8: it is taken", "10.8.3.1", .mode = KERNEL, .set = {.rflags = F_IF, .rax = 8},
        FAULT(kVector, 4));
  rt_apic_eoi();
  __asm__ volatile("mov %0, %%cr8" : : "r"(0ul));
  return probe_result();
}
