/* SPDX-License-Identifier: Apache-2.0
   The IDT in IA-32e mode: gate types, DPL, checks of the gate and of the handler's segment, IST, alignment of
   the new stack, double faults (SDM Vol. 3, 6.11 to 6.15; Vol. 2, INT n). */
#include "probe.h"

enum { kVector = 0x90, kError = kVector * 8 + 2 };
#define HOLE 0x0000800000000000ull

CODE(interrupt, "int $0x90");
CODE(int13, "int $13");
CODE(int14, "int $14");
CODE(int3, "int3");
CODE(int1, ".byte 0xf1");
CODE(ud2, "ud2");
CODE(load_rcx, "mov (%rcx), %rax");
CODE(through_conforming, "int $0x90\nnop");
CODE32(interrupt32, "int $0x90");

#define GATE(type, ist) probe_gate(kVector, probe_stub(kVector), KERNEL_CODE, type, ist)
#define TO(selector) probe_gate(kVector, probe_stub(kVector), selector, 0xee, 0)
#define INT(title, section, m, ...) PROBE(interrupt, title, section, .mode = m, __VA_ARGS__)

static void types(void) {
  for (enum probe_mode m = KERNEL; m <= USER; ++m) {
    GATE(0xee, 0);
    INT("an interrupt gate clears IF", "6.12.1.3", m, .set = {.rflags = F_IF}, FAULT(kVector, 2));
    INT("NT is cleared on the way", "6.12.1.3", m, .set = {.rflags = F_NT}, FAULT(kVector, 2));
    INT("AC, DF and IOPL are kept", "6.12.1.3", m, .set = {.rflags = F_AC | F_DF | F_IOPL},
        FAULT(kVector, 2));
    GATE(0xef, 0);
    INT("a trap gate leaves IF", "6.12.1.3", m, .set = {.rflags = F_IF}, FAULT(kVector, 2), .trap_gate = 1);
    GATE(0x6e, 0);
    INT("a gate that is not present", "6.15 Interrupt 11", m, FAULT_CODE(NP, kError, 0));
    for (u32 type = 0; type < 32; ++type) {
      static char title[] = "a gate of type 00";
      title[15] = "0123456789abcdef"[type >> 4];
      title[16] = "0123456789abcdef"[type & 15];
      if (type == 0xe || type == 0xf) continue;
      GATE((u8)(0xe0 | type), 0);
      INT(title, "6.14.1", m, FAULT_CODE(GP, kError, 0));
    }
    GATE(0xee, 0);
    probe_load_idt(kVector * 16 + 15);
    INT("the last gate inside the limit", "6.10", m, FAULT(kVector, 2));
    probe_load_idt(kVector * 16 + 14);
    PROBE(ud2, "the same limit, a lower vector", "6.10", .mode = m, FAULT(UD, 0));
    INT("a gate at the limit", "6.10", m, FAULT_CODE(GP, kError, 0));
    probe_load_idt(0xfff);
    PROBE(int13, "INT 13 pushes no error code", "6.15 Interrupt 13", .mode = m, FAULT(GP, 2),
          .flags_clear = F_RF);
    PROBE(int14, "INT 14 leaves CR2", "6.15 Interrupt 14", .mode = m, FAULT(PF, 2), .flags_clear = F_RF);
  }
  GATE(0x8e, 0);
  INT("a gate of DPL 0", "6.12.1.2", KERNEL, FAULT(kVector, 2));
  INT("a gate of DPL 0", "6.12.1.2", USER, FAULT_CODE(GP, kError, 0));
  PROBE(interrupt32, "a gate of DPL 0", "6.12.1.2", .mode = COMPAT3, FAULT_CODE(GP, kError, 0));
  GATE(0x0e, 0);
  INT("DPL is checked before P", "Vol. 2 INT n", USER, FAULT_CODE(GP, kError, 0));
  probe_gate(BP, probe_stub(BP), KERNEL_CODE, 0x8e, 0);
  probe_gate(DB, probe_stub(DB), KERNEL_CODE, 0x8e, 0);
  probe_gate(UD, probe_stub(UD), KERNEL_CODE, 0x8e, 0);
  PROBE(int3, "INT3 through a gate of DPL 0", "6.12.1.2", .mode = USER, FAULT_CODE(GP, BP * 8 + 2, 0));
  PROBE(int1, "INT1 through a gate of DPL 0", "Vol. 2 INT n", .mode = USER, FAULT(DB, 1));
  PROBE(ud2, "an exception through a gate of DPL 0", "6.12.1.2", .mode = USER, FAULT(UD, 0));
  probe_restore_gate(BP);
  probe_restore_gate(DB);
  probe_restore_gate(UD);
}

static void handler_segments(void) {
  for (enum probe_mode m = KERNEL; m <= USER; ++m) {
    TO(0);
    INT("a null selector", "Vol. 2 INT n", m, FAULT_CODE(GP, 0, 0));
    TO(GDT_ENTRIES * 8);
    INT("a selector beyond the table", "Vol. 2 INT n", m, FAULT_CODE(GP, GDT_ENTRIES * 8, 0));
    TO(KERNEL_DATA);
    INT("a data segment", "Vol. 2 INT n", m, FAULT_CODE(GP, KERNEL_DATA, 0));
    TO(KERNEL_CODE32);
    INT("a 32-bit code segment", "6.14.1", m, FAULT_CODE(GP, KERNEL_CODE32, 0));
    TO(TSS64);
    INT("a system segment", "Vol. 2 INT n", m, FAULT_CODE(GP, TSS64, 0));
    probe_gdt[FREE_SELECTOR / 8] = 0x00ef9b000000ffff;
    TO(FREE_SELECTOR);
    INT("a code segment with L and D", "Vol. 2 INT n", m, FAULT_CODE(GP, FREE_SELECTOR, 0));
    probe_gdt[FREE_SELECTOR / 8] = 0x00af1b000000ffff;
    INT("a code segment that is not present", "Vol. 2 INT n", m, FAULT_CODE(NP, FREE_SELECTOR, 0));
    probe_gdt[FREE_SELECTOR / 8] = 0x00af9b000000ffff;
    INT("another code segment", "6.12.1", m, FAULT(kVector, 2), .handler_cs = FREE_SELECTOR);
    TO(FREE_SELECTOR | 3);
    INT("the RPL does not matter", "6.12.1.1", m, FAULT(kVector, 2), .handler_cs = FREE_SELECTOR);
    probe_gate(kVector, HOLE, KERNEL_CODE, 0xee, 0);
    INT("a non-canonical handler", "Vol. 2 INT n", m, FAULT_CODE(GP, 0, 0));
  }
  TO(USER_CODE);
  INT("a code segment of an outer level", "Vol. 2 INT n", KERNEL, FAULT_CODE(GP, USER_CODE, 0));
  /* Conforming: the handler stays at CPL 3, on the interrupted stack; it is the byte behind INT. */
  probe_gdt[FREE_SELECTOR / 8] = 0x00af9f000000ffff;
  probe_gate(kVector, user_address(through_conforming) + 2, FREE_SELECTOR, 0xee, 0);
  PROBE(through_conforming, "a conforming code segment", "6.12.1.1", .mode = USER, .cs = FREE_SELECTOR | 3,
        .rsp = -40);
  probe_restore_gate(kVector);
}

static void stacks(void) {
  static u8 ist_stack[0x400] __attribute__((aligned(16)));
  const u64 top = (u64)ist_stack + sizeof ist_stack, rsp0 = probe_tss.rsp[0];
  for (enum probe_mode m = KERNEL; m <= USER; ++m) {
    probe_tss.ist[6] = top;
    GATE(0xee, 7);
    INT("IST 7", "6.14.5", m, FAULT(kVector, 2), .stack = top);
    probe_tss.ist[6] = top - 7;
    INT("IST, not aligned", "6.14.2", m, FAULT(kVector, 2), .stack = top - 16);
    probe_tss.ist[6] = HOLE + 0x1000;
    INT("IST, not canonical", "Vol. 2 INT n", m, FAULT_CODE(SS, 0, 0));
    probe_load_tss(0x5a);
    INT("IST 7 beyond the TSS", "Vol. 2 INT n", m, FAULT_CODE(TS, TSS64, 0));
    probe_load_tss(0x67);
    GATE(0xee, 0);
  }
  for (u64 odd = 1; odd < 16; odd += 6) {
    static char title[] = "a stack not aligned by 0";
    title[23] = (char)('0' + odd % 10);
    static u8 stack[64] __attribute__((aligned(16)));
    INT(title, "6.14.2", KERNEL, .set = {.rsp = (u64)stack + 64 - odd}, FAULT(kVector, 2));
  }
  probe_tss.rsp[0] = rsp0 - 5;
  INT("RSP0, not aligned", "6.14.2", USER, FAULT(kVector, 2));
  probe_tss.rsp[0] = HOLE + 0x1000;
  PROBE(interrupt, "RSP0, not canonical", "Vol. 2 INT n", .mode = USER, FAULT_CODE(SS, 0, 0), .own_stack = 1);
  PROBE(ud2, "RSP0, not canonical, for an exception", "Vol. 2 INT n", .mode = USER, FAULT_CODE(SS, 1, 0),
        .own_stack = 1);
  probe_tss.rsp[0] = WINDOW + 0x1000;
  PROBE(interrupt, "RSP0 on a page that is not present", "6.15 Interrupt 14", .mode = USER,
        FAULT_CODE(PF, 2, 0), .cr2 = WINDOW + 0xff8, .own_stack = 1);
  probe_tss.rsp[0] = rsp0;
  probe_restore_gate(kVector);
}

static void double_faults(void) {
  for (enum probe_mode m = KERNEL; m <= USER; ++m) {
    probe_idt[UD].type = 0x6e;
    PROBE(ud2, "#NP delivering a benign exception", "6.15 Interrupt 8", .mode = m,
          FAULT_CODE(NP, UD * 8 + 3, 0));
    probe_restore_gate(UD);
    probe_idt[UD].selector = 0;
    PROBE(ud2, "#GP delivering a benign exception", "6.15 Interrupt 8", .mode = m, FAULT_CODE(GP, 1, 0));
    probe_restore_gate(UD);
    probe_idt[GP].type = 0x6e;
    PROBE(load_rcx, "#NP delivering #GP", "6.15 Interrupt 8", .mode = m, .set = {.rcx = HOLE},
          FAULT_CODE(DF, 0, 0));
    probe_restore_gate(GP);
    probe_idt[PF].selector = KERNEL_DATA;
    PROBE(load_rcx, "#GP delivering #PF", "6.15 Interrupt 8", .mode = m, .set = {.rcx = WINDOW},
          FAULT_CODE(DF, 0, 0), .cr2 = WINDOW);
    probe_restore_gate(PF);
  }
}

int main(void) {
  probe_init();
  types();
  handler_segments();
  stacks();
  double_faults();
  return probe_result();
}
