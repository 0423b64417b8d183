/* SPDX-License-Identifier: Apache-2.0
   Virtual-8086 mode: entry by IRET, exit by every interrupt and exception through the gates of protected mode
   with the segments on the handler's stack, instructions that IOPL holds back, the I/O permission bitmap,
   real mode's segments and instructions with user rights (SDM Vol. 3, 20.2 and 20.3). CR4.VME is off. */
#include "probe.h"

enum { kCs = REAL_MODE_PROBE >> 4, kWords = 0xb000, kDenied = 0xd000, kVector = 0x90 };
enum { kGateError = kVector * 8 + 2 };

CODE16(int90, "nop\nint $0x90");
CODE16(breakpoint, "int3");
CODE16(overflow, "into");
CODE16(div16, "div %cl");
CODE16(nop16, "nop");
CODE16(iret16, "iretw");
CODE16(iret32, "iretl");
CODE16(pushfw, "pushfw\npop %ax");
CODE16(pushfl, "pushfl\npopl %eax");
CODE16(popfw, "popfw");
CODE16(popfl, "popfl");
CODE16(cli16, "cli");
CODE16(sti16, "sti");
CODE16(out80, "out %al, $0x80");
CODE16(in80, "in $0x80, %al\nxor %al, %al");
CODE16(load_ds, "mov %ax, %ds");
CODE16(through_ds, "mov %ax, %ds\nmov (%bx), %cx");
CODE16(load_ss, "mov %ax, %ss\npop %cx\nmov %dx, %ss");
CODE16(load_bx, "mov (%bx), %ax");
CODE16(store_cs, "movw %ax, %cs:(%bx)");
CODE16(load_bp, "mov (%bp), %ax");
CODE16(load_eax32, "mov (%ebx), %al");
CODE16(pushl_eax, "pushl %eax");
CODE16(far_call, "lcall *(%bx)");
CODE16(far_return, "lretw");
CODE16(jump_beyond, "movl $0x10000, %eax\njmp *%eax");
CODE16(lar_ax, "lar %ax, %cx");
CODE16(lsl_ax, "lsl %ax, %cx");
CODE16(verr_ax, "verr %ax");
CODE16(sldt_ax, "sldt %ax");
CODE16(str_ax, "str %ax");
CODE16(lldt_ax, "lldt %ax");
CODE16(ltr_ax, "ltr %ax");
CODE16(arpl, "arpl %ax, %cx");
CODE16(vex, ".byte 0xc5, 0xf8, 0x77");
CODE16(hlt16, "hlt");
CODE16(clts16, "clts");
CODE16(lmsw16, "lmsw %ax");
CODE16(smsw16, "smsw %ax\nand $1, %ax");
CODE16(lgdt16, "lgdt (%bx)");
CODE16(lidt16, "lidt (%bx)");
CODE16(invd16, "invd");
CODE16(wbinvd16, "wbinvd");
CODE16(invlpg16, "invlpg (%bx)");
CODE16(rdmsr16, "rdmsr");
CODE16(wrmsr16, "wrmsr");
CODE16(from_cr0, "mov %cr0, %eax");
CODE16(to_cr0, "mov %eax, %cr0");
CODE16(from_dr7, "mov %dr7, %eax");
CODE16(sysexit16, "sysexit");

#define AT(m, label, title, section, ...) PROBE(label, title, section, .mode = m, __VA_ARGS__)
#define LENGTH(label) ((int)(label##_end - label))

static volatile u16* low(u32 address) { /* of memory below 1 MiB, through which C and the mode talk */
  return (volatile u16*)(u64)address;
}
static volatile u32* wide(u32 address) {
  return (volatile u32*)low(address);
}

static void interrupts(void) {
  AT(V86, int90, "INT n", "20.3.1.1", .set = {.rflags = F_IF | F_DF | F_NT}, FAULT(kVector, 3));
  AT(V86, int90, "INT n with data segments", "20.3.1.1",
     .set = {.ds = 0x1111, .es = 0x2222, .fs = 0x3333, .gs = 0x4444}, FAULT(kVector, 3));
  AT(V86_IOPL0, int90, "INT n", "20.2.7", FAULT_CODE(GP, 0, 1));
  AT(V86, breakpoint, "INT3", "20.3.1.1", FAULT(BP, 1));
  AT(V86_IOPL0, breakpoint, "INT3 is not sensitive", "20.2.7", FAULT(BP, 1));
  AT(V86_IOPL0, overflow, "INTO is not sensitive", "20.2.7", .set = {.rflags = F_OF}, FAULT(OF, 1));
  for (enum probe_mode m = V86; m <= V86_IOPL0; ++m) AT(m, div16, "#DE", "20.3.1.1", .de = 1, FAULT(0, 0));
  AT(V86, nop16, "a single step", "17.3.1.4", .set = {.rflags = F_TF}, FAULT(DB, 1), .dr6 = 1 << 14);

  const u32 stub = (u32)(u64)probe_legacy_stubs + 16 * kVector;
  probe_legacy_gate(kVector, stub, KERNEL_CODE32, 0x8e);
  AT(V86, int90, "a gate of DPL 0", "20.3.1.1", FAULT_CODE(GP, kGateError, 1));
  probe_legacy_gate(kVector, stub, KERNEL_CODE32, 0xef);
  AT(V86, int90, "a trap gate", "20.3.1.1", .set = {.rflags = F_IF}, FAULT(kVector, 3), .trap_gate = 1);
  probe_legacy_gate(kVector, stub, USER_CODE32, 0xee);
  AT(V86, int90, "a handler of DPL 3", "20.3.1.1", FAULT_CODE(GP, USER_CODE32, 1));
  probe_gdt[FREE_SELECTOR / 8] = 0x00cf9f000000ffff;
  probe_legacy_gate(kVector, stub, FREE_SELECTOR, 0xee);
  AT(V86, int90, "a conforming handler", "20.3.1.1", FAULT_CODE(GP, FREE_SELECTOR, 1));
  probe_legacy_restore_gate(kVector);
}

static void returns(void) {
  low(kWords)[0] = (u16)LENGTH(iret16), low(kWords)[1] = kCs, low(kWords)[2] = F_ZF | F_IF | F_NT;
  AT(V86, iret16, "IRET keeps IOPL", "Vol. 2 IRET", .set = {.rsp = kWords}, .rsp = 6,
     .flags_set = F_ZF | F_IF | F_NT);
  AT(V86_IOPL0, iret16, "IRET", "20.2.7", .set = {.rsp = kWords}, FAULT_CODE(GP, 0, 0));
  wide(kWords)[0] = (u32)LENGTH(iret32), wide(kWords)[1] = kCs, wide(kWords)[2] = F_CF | F_AC;
  AT(V86, iret32, "IRETD keeps IOPL and VM", "Vol. 2 IRET", .set = {.rsp = kWords}, .rsp = 12,
     .flags_set = F_CF | F_AC);
  AT(V86_IOPL0, iret32, "IRETD", "20.2.7", .set = {.rsp = kWords}, FAULT_CODE(GP, 0, 0));
  low(kWords)[0] = (u16)LENGTH(iret16), low(kWords)[1] = kCs, low(kWords)[2] = 0;
  AT(V86, iret16, "IRET with NT is no task return", "Vol. 2 IRET", .set = {.rsp = kWords, .rflags = F_NT},
     .rsp = 6, .flags_clear = F_NT);
}

static void sensitive(void) {
  const struct {
    const char *name, *code, *end;
  } k[] = {{"PUSHF", pushfw, pushfw_end}, {"PUSHFD", pushfl, pushfl_end}, {"POPF", popfw, popfw_end},
           {"POPFD", popfl, popfl_end},   {"CLI", cli16, cli16_end},      {"STI", sti16, sti16_end}};
  for (u32 i = 0; i < sizeof k / sizeof *k; ++i)
    probe_run(&(struct probe){.name = k[i].name,
                              .manual = "20.2.7",
                              .code = k[i].code,
                              .end = k[i].end,
                              .mode = V86_IOPL0,
                              FAULT_CODE(GP, 0, 0)});
  AT(V86, pushfw, "PUSHF", "Vol. 2 PUSHF", .set = {.rflags = F_IF | F_CF},
     .change = {{R_AX, 2 | F_IOPL | F_IF | F_CF}});
  AT(V86, pushfl, "PUSHFD clears VM in its image", "Vol. 2 PUSHF", .set = {.rflags = F_AC},
     .change = {{R_AX, 2 | F_IOPL | F_AC}});
  low(kWords)[0] = 0xffff & ~(F_TF | F_IOPL), low(kWords)[1] = 0;
  AT(V86, popfw, "POPF keeps IOPL", "Vol. 2 POPF", .set = {.rsp = kWords}, .rsp = 2,
     .flags_set = F_ARITHMETIC | F_IF | F_DF | F_NT);
  low(kWords)[1] = F_AC >> 16;
  AT(V86, popfl, "POPFD keeps IOPL and VM", "Vol. 2 POPF", .set = {.rsp = kWords}, .rsp = 4,
     .flags_set = F_ARITHMETIC | F_IF | F_DF | F_NT | F_AC);
  AT(V86, cli16, "CLI", "20.2.7", .set = {.rflags = F_IF}, .flags_clear = F_IF);
  AT(V86, sti16, "STI", "20.2.7", .flags_set = F_IF);
}

/* IOPL is not asked, only the bitmap. */
static void io(void) {
  probe_tss32.io_map = (u16)(u64)((char*)probe_tss32.map - (char*)&probe_tss32);
  probe_tss32.map[0x10] = 0xfe;
  AT(V86, out80, "OUT, permitted", "20.2.8.1");
  AT(V86_IOPL0, out80, "OUT, permitted", "20.2.8.1", FAULT_CODE(GP, 0, LENGTH(out80)));
  probe_tss32.map[0x10] = 0x01;
  for (enum probe_mode m = V86; m <= V86_IOPL0; ++m) {
    AT(m, out80, "OUT, denied", "20.2.8.1", FAULT_CODE(GP, 0, 0));
    AT(m, in80, "IN, denied", "20.2.8.1", FAULT_CODE(GP, 0, 0));
  }
  probe_tss32.io_map = sizeof probe_tss32;
  AT(V86, out80, "OUT without a bitmap", "20.2.8.1", FAULT_CODE(GP, 0, 0));
}

static void segments(void) {
  AT(V86, load_ds, "MOV to DS takes any value", "20.1.1", .set = {.rax = 0x1235}, .change = {{R_DS, 0x1235}});
  low(kWords)[0] = 0x7788;
  AT(V86, through_ds, "the base is the selector times 16", "20.1.1",
     .set = {.rax = (kWords >> 4) - 1, .rbx = 16}, .change = {{R_DS, (kWords >> 4) - 1}, {R_CX, 0x7788}});
  AT(V86, load_ss, "MOV to SS", "20.1.1", .set = {.rax = (kWords >> 4) - 1, .rsp = 16}, .rsp = 2,
     .change = {{R_CX, 0x7788}});
  AT(V86, store_cs, "the code segment is writable", "20.1.1", .set = {.rax = 0x9999, .rbx = 0x1000});
  probe_check("what was stored there", "20.1.1", low(REAL_MODE_PROBE + 0x1000)[0], 0x9999);
  AT(V86, load_bx, "a load across the end of the segment", "20.1.1", .set = {.rbx = 0xffff},
     FAULT_CODE(GP, 0, 0));
  AT(V86, load_bp, "a load by BP across the end", "20.1.1", .set = {.rbp = 0xffff}, FAULT_CODE(SS, 0, 0));
  AT(V86, load_eax32, "a load beyond 64 KiB", "20.1.1", .set = {.rbx = 0x10000}, FAULT_CODE(GP, 0, 0));
  low(REAL_MODE_PROBE + 0x10000)[0] = 0xcd | DONE << 8; /* where a CPU without limits would go on */
  AT(V86, jump_beyond, "JMP beyond 64 KiB", "20.1.1", FAULT_CODE(GP, 0, 6), .change = {{R_AX, 0x10000}});
  AT(V86, pushl_eax, "PUSH of 4 bytes", "Vol. 2 PUSH", .rsp = -4);
  low(kWords)[0] = (u16)LENGTH(far_call), low(kWords)[1] = kCs;
  AT(V86, far_call, "far CALL", "Vol. 2 CALL", .set = {.rbx = kWords}, .rsp = -4);
  low(kWords)[0] = (u16)LENGTH(far_return), low(kWords)[1] = kCs;
  AT(V86, far_return, "far RET", "Vol. 2 RET", .set = {.rsp = kWords}, .rsp = 4);
}

struct refused {
  const char *name, *code, *end;
};
static void refused(const struct refused* k, u32 n, int vector, int has_error) {
  for (u32 i = 0; i < n; ++i)
    probe_run(&(struct probe){.name = k[i].name,
                              .manual = "20.2.7, Vol. 2",
                              .code = k[i].code,
                              .end = k[i].end,
                              .mode = V86,
                              .set = {.rbx = kWords, .rcx = 0x1b},
                              FAULT(vector, 0),
                              .has_error = has_error});
}
static void instructions(void) {
  static const struct refused undefined[] = {
      {"LAR", lar_ax, lar_ax_end},    {"LSL", lsl_ax, lsl_ax_end}, {"VERR", verr_ax, verr_ax_end},
      {"SLDT", sldt_ax, sldt_ax_end}, {"STR", str_ax, str_ax_end}, {"LLDT", lldt_ax, lldt_ax_end},
      {"LTR", ltr_ax, ltr_ax_end},    {"ARPL", arpl, arpl_end},    {"VZEROUPPER", vex, vex_end}};
  static const struct refused privileged[] = {{"HLT", hlt16, hlt16_end},
                                              {"CLTS", clts16, clts16_end},
                                              {"LMSW", lmsw16, lmsw16_end},
                                              {"LGDT", lgdt16, lgdt16_end},
                                              {"LIDT", lidt16, lidt16_end},
                                              {"INVD", invd16, invd16_end},
                                              {"WBINVD", wbinvd16, wbinvd16_end},
                                              {"INVLPG", invlpg16, invlpg16_end},
                                              {"RDMSR", rdmsr16, rdmsr16_end},
                                              {"WRMSR", wrmsr16, wrmsr16_end},
                                              {"MOV from CR0", from_cr0, from_cr0_end},
                                              {"MOV to CR0", to_cr0, to_cr0_end},
                                              {"MOV from DR7", from_dr7, from_dr7_end},
                                              {"SYSEXIT", sysexit16, sysexit16_end}};
  refused(undefined, sizeof undefined / sizeof *undefined, UD, 0);
  refused(privileged, sizeof privileged / sizeof *privileged, GP, 1);
  AT(V86, smsw16, "CR0.PE is 1", "2.5", .flags_any = F_ARITHMETIC, .change = {{R_AX, 1}});
}

/* The mode has user rights. */
static void paging(void) {
  enum { P = 1, W = 2, U = 4, PS = 0x80, kPse = 0x10 };
  static u32 directory[1024] __attribute__((aligned(4096)));
  static u32 table[1024] __attribute__((aligned(4096)));
  for (u32 i = 0; i < 1024; ++i) table[i] = i << 12 | P | W | U;
  for (u32 i = 1; i < 4; ++i) directory[i] = i << 22 | P | W | PS;
  directory[0] = (u32)(u64)table | P | W | U;
  table[kDenied >> 12] = kDenied | P | W;
  low(kWords)[0] = 0x5566;
  probe_legacy_cr3 = (u32)(u64)directory;
  probe_legacy_cr4 = kPse;
  AT(V86, load_bx, "a load from a user page", "4.6", .set = {.rbx = kWords}, .change = {{R_AX, 0x5566}});
  AT(V86, load_bx, "a load from a supervisor page", "4.6", .set = {.rbx = kDenied}, FAULT_CODE(PF, P | U, 0),
     .cr2 = kDenied);
  probe_legacy_cr3 = 0;
}

int main(void) {
  probe_init();
  interrupts();
  returns();
  sensitive();
  io();
  segments();
  instructions();
  paging();
  return probe_result();
}
