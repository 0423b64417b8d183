/* SPDX-License-Identifier: Apache-2.0
   Each exception's vector, error code, return address and flags (SDM Vol. 3, 6.15), at CPL 0, at CPL 3, in
   32-bit code under long mode, in protected and in real mode; and which of two comes first (6.9). Page
   faults, debug exceptions and those of descriptors have programs of their own. */
#include "probe.h"

#define HOLE 0x0000800000000000ull

CODE(nothing, "nop");
CODE(div_zero, "nop\ndiv %ecx");
CODE32(div_zero32, "nop\ndiv %ecx");
CODE16(div_zero16, "nop\ndiv %ecx");
CODE(idiv_overflow, "idiv %rcx");
CODE(int3, "nop\nint3\nnop");
CODE32(int3_32, "nop\nint3\nnop");
CODE16(int3_16, "nop\nint3\nnop");
CODE(ud2, "nop\nud2");
CODE32(ud2_32, "nop\nud2");
CODE16(ud2_16, "nop\nud2");
CODE32(into, "nop\ninto\nnop");
CODE16(into16, "nop\ninto\nnop");
CODE32(bound, "bound %eax, (%ecx)");
CODE16(bound16, "bound %ax, (%bx)");

static void each_mode(void) {
  static const u32 bounds[2] = {10, 20};
  for (enum probe_mode m = KERNEL; m <= USER; ++m) {
    PROBE(nothing, "nothing happens", "6.12", .mode = m);
    PROBE(div_zero, "DIV by 0", "6.15 Interrupt 0", .mode = m, .de = 1, FAULT(0, 1));
    PROBE(idiv_overflow, "IDIV of the most negative number by -1", "Vol. 2 IDIV", .mode = m, .de = 1,
          FAULT(0, 0), .set = {.rdx = ~0ul, .rax = 0x8000000000000000, .rcx = ~0ul});
    PROBE(int3, "INT3", "6.15 Interrupt 3", .mode = m, FAULT(BP, 2));
    PROBE(ud2, "UD2", "6.15 Interrupt 6", .mode = m, FAULT(UD, 1));
  }
  for (enum probe_mode m = COMPAT0; m <= LEGACY3; ++m) {
    PROBE(div_zero32, "DIV by 0", "6.15 Interrupt 0", .mode = m, .de = 1, FAULT(0, 1));
    PROBE(int3_32, "INT3", "6.15 Interrupt 3", .mode = m, FAULT(BP, 2));
    PROBE(ud2_32, "UD2", "6.15 Interrupt 6", .mode = m, FAULT(UD, 1));
    PROBE(into, "INTO without OF", "Vol. 2 INT n", .mode = m);
    PROBE(into, "INTO with OF", "6.15 Interrupt 4", .mode = m, .set = {.rflags = F_OF}, FAULT(OF, 2));
    const u64 alias = m == COMPAT3 ? USER_ALIAS : 0;
    PROBE(bound, "BOUND inside", "Vol. 2 BOUND", .mode = m, .set = {.rax = 20, .rcx = (u64)bounds + alias});
    PROBE(bound, "BOUND outside", "6.15 Interrupt 5", .mode = m,
          .set = {.rax = 21, .rcx = (u64)bounds + alias}, FAULT(BR, 0));
  }
  PROBE(div_zero16, "DIV by 0", "6.15 Interrupt 0", .mode = REAL, .de = 1, FAULT(0, 1));
  PROBE(int3_16, "INT3", "6.15 Interrupt 3", .mode = REAL, FAULT(BP, 2));
  PROBE(ud2_16, "UD2", "6.15 Interrupt 6", .mode = REAL, FAULT(UD, 1));
  PROBE(into16, "INTO with OF", "6.15 Interrupt 4", .mode = REAL, .set = {.rflags = F_OF}, FAULT(OF, 2));
}

CODE(push_es, ".byte 0x06");
CODE(pusha, ".byte 0x60");
CODE(into64, ".byte 0xce");
CODE(daa, ".byte 0x27");
CODE(far_call_direct, ".byte 0x9a,0,0,0,0,8,0");
CODE(lock_nop, ".byte 0xf0,0x90");
CODE(lock_load, ".byte 0xf0,0x8b,0x01");
CODE(mov_to_cs, ".byte 0x8e,0xc8");
CODE(lea_register, ".byte 0x8d,0xc0");
CODE(too_long, ".byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x90");
CODE(fifteen, ".byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x90");
CODE(mov_cr1, "mov %cr1, %rax");
CODE(mov_cr5, "mov %rax, %cr5");

static void undefined(void) {
  for (enum probe_mode m = KERNEL; m <= USER; ++m) {
    PROBE(push_es, "PUSH ES in 64-bit mode", "Vol. 2 PUSH", .mode = m, FAULT(UD, 0));
    PROBE(pusha, "PUSHA in 64-bit mode", "Vol. 2 PUSHA", .mode = m, FAULT(UD, 0));
    PROBE(into64, "INTO in 64-bit mode", "Vol. 2 INT n", .mode = m, FAULT(UD, 0));
    PROBE(daa, "DAA in 64-bit mode", "Vol. 2 DAA", .mode = m, FAULT(UD, 0));
    PROBE(far_call_direct, "CALL ptr16:32 in 64-bit mode", "Vol. 2 CALL", .mode = m, FAULT(UD, 0));
    PROBE(lock_nop, "LOCK NOP", "Vol. 2 LOCK", .mode = m, FAULT(UD, 0));
    PROBE(lock_load, "LOCK MOV", "Vol. 2 LOCK", .mode = m, FAULT(UD, 0));
    PROBE(mov_to_cs, "MOV to CS", "Vol. 2 MOV", .mode = m, FAULT(UD, 0));
    PROBE(lea_register, "LEA of a register", "Vol. 2 LEA", .mode = m, FAULT(UD, 0));
    PROBE(fifteen, "an instruction of 15 bytes", "Vol. 2 2.3.11", .mode = m);
    PROBE(too_long, "an instruction of 16 bytes", "6.15 Interrupt 13", .mode = m, FAULT_CODE(GP, 0, 0));
  }
  PROBE(mov_cr1, "MOV from CR1", "Vol. 2 MOV CR", .mode = KERNEL, FAULT(UD, 0));
  PROBE(mov_cr5, "MOV to CR5", "Vol. 2 MOV CR", .mode = KERNEL, FAULT(UD, 0));
}

CODE(load_rcx, "mov (%rcx), %rax");
CODE(store_rcx, "mov %rax, (%rcx)");
CODE(load_rbp, "mov (%rbp), %rax");
CODE(pop_rax, "pop %rax");
CODE(push_rax, "push %rax");
CODE(jump_rcx, "jmp *%rcx");
CODE(call_rcx, "call *%rcx");
CODE(return_near, "ret");
CODE(movaps, "movaps (%rcx), %xmm0");
CODE(movups, "movups (%rcx), %xmm0");

static void general_protection(void) {
  for (enum probe_mode m = KERNEL; m <= USER; ++m) {
    const u64 alias = m == USER ? USER_ALIAS : 0;
    static u64 hole[4] __attribute__((aligned(16))) = {HOLE, HOLE};
    PROBE(load_rcx, "a load from a non-canonical address", "Vol. 1 3.3.7.1", .mode = m, .set = {.rcx = HOLE},
          FAULT_CODE(GP, 0, 0));
    PROBE(store_rcx, "a store to a non-canonical address", "Vol. 1 3.3.7.1", .mode = m,
          .set = {.rcx = 0xffff7fffffffffff}, FAULT_CODE(GP, 0, 0));
    PROBE(load_rbp, "a load by RBP, non-canonical", "6.15 Interrupt 12", .mode = m, .set = {.rbp = HOLE},
          FAULT_CODE(SS, 0, 0));
    PROBE(pop_rax, "POP, non-canonical", "6.15 Interrupt 12", .mode = m, .set = {.rsp = HOLE},
          FAULT_CODE(SS, 0, 0), .own_stack = 1);
    PROBE(push_rax, "PUSH, non-canonical", "6.15 Interrupt 12", .mode = m, .set = {.rsp = 0xffff800000000000},
          FAULT_CODE(SS, 0, 0), .own_stack = 1);
    PROBE(jump_rcx, "JMP to a non-canonical address", "Vol. 2 JMP", .mode = m, .set = {.rcx = HOLE},
          FAULT_CODE(GP, 0, 0));
    PROBE(call_rcx, "CALL to a non-canonical address", "Vol. 2 CALL", .mode = m, .set = {.rcx = HOLE},
          FAULT_CODE(GP, 0, 0));
    PROBE(return_near, "RET to a non-canonical address", "Vol. 2 RET", .mode = m,
          .set = {.rsp = (u64)hole + alias}, FAULT_CODE(GP, 0, 0), .stack = m == KERNEL ? (u64)hole : 0);
    PROBE(movaps, "MOVAPS aligned", "Vol. 2 MOVAPS", .mode = m, .set = {.rcx = (u64)hole + alias});
    PROBE(movaps, "MOVAPS misaligned", "6.15 Interrupt 13", .mode = m, .set = {.rcx = (u64)hole + 8 + alias},
          FAULT_CODE(GP, 0, 0));
    PROBE(movups, "MOVUPS misaligned", "Vol. 2 MOVUPS", .mode = m, .set = {.rcx = (u64)hole + 8 + alias});
  }
}

CODE(hlt, "hlt");
CODE(read_cr0_, "mov %cr0, %rax");
CODE(write_cr3_, "mov %rax, %cr3");
CODE(read_dr7, "mov %dr7, %rax");
CODE(clts, "clts");
CODE(lmsw, "lmsw %ax");
CODE(invd, "invd");
CODE(wbinvd, "wbinvd");
CODE(invlpg_rcx, "invlpg (%rcx)");
CODE(lgdt_rcx, "lgdt (%rcx)");
CODE(lidt_rcx, "lidt (%rcx)");
CODE(lldt_ax, "lldt %ax");
CODE(ltr_ax, "ltr %ax");
CODE(rdmsr_, "rdmsr");
CODE(wrmsr_, "wrmsr");
CODE(swapgs_, "swapgs");
CODE(sysretq_, "sysretq");
CODE(xsetbv_, "xsetbv");

static void privileged(void) {
#define DENIED(label, title) PROBE(label, title, "5.9", .mode = USER, FAULT_CODE(GP, 0, 0))
  DENIED(hlt, "HLT");
  DENIED(read_cr0_, "MOV from CR0");
  DENIED(write_cr3_, "MOV to CR3");
  DENIED(read_dr7, "MOV from DR7");
  DENIED(clts, "CLTS");
  DENIED(lmsw, "LMSW");
  DENIED(invd, "INVD");
  DENIED(wbinvd, "WBINVD");
  DENIED(invlpg_rcx, "INVLPG");
  DENIED(lgdt_rcx, "LGDT");
  DENIED(lidt_rcx, "LIDT");
  DENIED(lldt_ax, "LLDT");
  DENIED(ltr_ax, "LTR");
  DENIED(rdmsr_, "RDMSR");
  DENIED(wrmsr_, "WRMSR");
  DENIED(swapgs_, "SWAPGS");
}

CODE(fld1, "fld1");
CODE(fwait, "fwait");
CODE(xorps, "xorps %xmm0, %xmm0");
CODE(emms, "emms");
CODE(x87_pending, "nop\nfldz\nfld1\nfdivp\nfwait");
CODE(x87_not_waiting, "fldz\nfld1\nfdivp\nfnstsw %ax\nfninit");
CODE(divss, "divss %xmm1, %xmm0");
CODE(x87_then_div, "fldz\nfld1\nfdivp\nfld1");

static void floating_point(void) {
  const u64 cr0 = read_cr0() & ~0xeul, cr4 = read_cr4() | 0x600;
  enum { kMp = 2, kEm = 4, kTs = 8, kNe = 0x20 };
  for (enum probe_mode m = KERNEL; m <= USER; ++m) {
    write_cr4(cr4);
    write_cr0(cr0 | kMp | kTs);
    PROBE(fld1, "FLD1 with TS", "2.5 CR0.TS", .mode = m, FAULT(NM, 0));
    PROBE(fwait, "FWAIT with TS and MP", "2.5 CR0.MP", .mode = m, FAULT(NM, 0));
    PROBE(xorps, "XORPS with TS", "2.5 CR0.TS", .mode = m, FAULT(NM, 0));
    write_cr0(cr0 | kTs);
    PROBE(fwait, "FWAIT with TS without MP", "2.5 CR0.MP", .mode = m);
    write_cr0(cr0 | kEm);
    PROBE(fld1, "FLD1 with EM", "2.5 CR0.EM", .mode = m, FAULT(NM, 0));
    PROBE(xorps, "XORPS with EM", "2.5 CR0.EM", .mode = m, FAULT(UD, 0));
    PROBE(emms, "EMMS with EM", "2.5 CR0.EM", .mode = m, FAULT(UD, 0));
    write_cr0(cr0 | kMp | kNe);
    write_cr4(cr4 & ~0x200ul);
    PROBE(xorps, "XORPS without OSFXSR", "2.5 CR4.OSFXSR", .mode = m, FAULT(UD, 0));
    write_cr4(cr4);

    static const u16 unmask_zero_divide = 0x37b;
    __asm__ volatile("fninit; fldcw %0" : : "m"(unmask_zero_divide));
    PROBE(x87_pending, "#MF at the next waiting x87 instruction", "6.15 Interrupt 16", .mode = m,
          FAULT(MF, 7));
    __asm__ volatile("fninit; fldcw %0" : : "m"(unmask_zero_divide));
    PROBE(x87_then_div, "#MF before an x87 instruction", "6.15 Interrupt 16", .mode = m, FAULT(MF, 6));
    __asm__ volatile("fninit; fldcw %0" : : "m"(unmask_zero_divide));
    PROBE(x87_not_waiting, "instructions that do not wait see no #MF", "Vol. 1 8.3.11", .mode = m,
          .change = {{R_AX, 0xb084}});
    static const u32 zero_divide_unmasked = 0x1d80, masked = 0x1f80;
    static const float one = 1;
    __asm__ volatile("xorps %%xmm1, %%xmm1; movss %1, %%xmm0; ldmxcsr %0"
                     :
                     : "m"(zero_divide_unmasked), "m"(one));
    PROBE(divss, "#XM", "6.15 Interrupt 19", .mode = m, FAULT(XM, 0));
    write_cr4(cr4 & ~0x400ul);
    PROBE(divss, "an unmasked SIMD exception without OSXMMEXCPT", "6.15 Interrupt 6", .mode = m,
          FAULT(UD, 0));
    write_cr4(cr4);
    __asm__ volatile("ldmxcsr %0" : : "m"(masked));
  }
}

CODE(load4, "mov (%rcx), %eax");
CODE(load2, "mov (%rcx), %ax");
CODE(store8, "mov %rax, (%rcx)");
CODE(exchange_ac, "lock xadd %eax, (%rcx)");

static void alignment(void) {
  static u64 data[4] __attribute__((aligned(16)));
  const u64 cr0 = read_cr0(), at = (u64)data + USER_ALIAS + 1;
  data[0] = 0x1122334455667788;
  write_cr0(cr0 | 1 << 18);
  PROBE(load4, "a misaligned load with AM and AC", "6.15 Interrupt 17", .mode = USER,
        .set = {.rflags = F_AC, .rcx = at}, FAULT_CODE(AC, 0, 0));
  PROBE(load2, "a misaligned load of 2 bytes with AM and AC", "6.15 Interrupt 17", .mode = USER,
        .set = {.rflags = F_AC, .rcx = at}, FAULT_CODE(AC, 0, 0));
  PROBE(store8, "a misaligned store with AM and AC", "6.15 Interrupt 17", .mode = USER,
        .set = {.rflags = F_AC, .rcx = at + 19}, FAULT_CODE(AC, 0, 0));
  PROBE(load4, "an aligned load with AM and AC", "6.15 Interrupt 17", .mode = USER,
        .set = {.rflags = F_AC, .rcx = at + 3}, .change = {{R_AX, 0x11223344}});
  PROBE(load4, "a misaligned load with AM without AC", "6.15 Interrupt 17", .mode = USER, .set = {.rcx = at},
        .change = {{R_AX, 0x44556677}});
  PROBE(load4, "a misaligned load with AM and AC", "6.15 Interrupt 17", .mode = KERNEL,
        .set = {.rflags = F_AC, .rcx = (u64)data + 1}, .change = {{R_AX, 0x44556677}});
  write_cr0(cr0 & ~(1ul << 18));
  PROBE(load4, "a misaligned load with AC without AM", "6.15 Interrupt 17", .mode = USER,
        .set = {.rflags = F_AC, .rcx = at}, .change = {{R_AX, 0x44556677}});
}

CODE(div_absent, "divl (%rcx)");

static void priority(void) {
  PROBE(div_absent, "#PF of the operand before #DE", "6.9", .mode = USER, .set = {.rcx = WINDOW},
        FAULT_CODE(PF, 4, 0), .cr2 = WINDOW);
  write_cr0(read_cr0() | 8);
  PROBE(movaps, "#NM before #GP of the operand", "6.9", .mode = USER, .set = {.rcx = HOLE}, FAULT(NM, 0));
  write_cr0(read_cr0() & ~8ul);
  write_cr0(read_cr0() | 1 << 18);
  PROBE(load4, "#PF before #AC", "6.9", .mode = USER, .set = {.rflags = F_AC, .rcx = WINDOW + 1},
        FAULT_CODE(PF, 4, 0), .cr2 = WINDOW + 1);
  write_cr0(read_cr0() & ~(1ul << 18));
}

int main(void) {
  probe_init();
  write_cr4(read_cr4() | 0x600);
  write_cr0((read_cr0() & ~0xeul) | 0x22);
  each_mode();
  undefined();
  general_protection();
  privileged();
  floating_point();
  alignment();
  priority();
  return probe_result();
}
