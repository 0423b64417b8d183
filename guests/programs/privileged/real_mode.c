/* SPDX-License-Identifier: Apache-2.0
   Real-address mode: interrupts and IRET with 16-bit frames, the limit of the vector table, segment limits,
   far transfers, instructions that do not exist there, and the way to protected mode and back (SDM Vol.
   3, 20.1 and 9.9). */
#include "probe.h"

enum { kCs = REAL_MODE_PROBE >> 4 };

CODE16(int90, "nop\nint $0x90");
CODE16(iret16, "iretw");
CODE16(iret32, "iretl");
CODE16(load_bx, "mov (%bx), %ax");
CODE16(load4_bx, "mov (%bx), %eax");
CODE16(load_bp, "mov (%bp), %ax");
CODE16(load_eax32, "mov (%ebx), %al");
CODE16(push_ax, "push %ax");
CODE16(pushl_eax, "pushl %eax");
CODE16(load_ds, "mov %ax, %ds");
CODE16(through_ds, "mov %ax, %ds\nmov (%bx), %cx");
CODE16(lar_ax, "lar %ax, %cx");
CODE16(verr_ax, "verr %ax");
CODE16(sldt_ax, "sldt %ax");
CODE16(str_ax, "str %ax");
CODE16(lldt_ax, "lldt %ax");
CODE16(ltr_ax, "ltr %ax");
CODE16(arpl, "arpl %ax, %cx");
CODE16(syscall16, "syscall");
CODE16(sysenter16, "sysenter");
CODE16(smsw, "smsw %ax\nand $1, %ax");
CODE16(cli_sti, "cli\nsti\npushfw\npop %ax\nand $0x200, %ax");
CODE16(popfw, "popfw");
CODE16(popfl, "popfl");
CODE16(far_call, "lcall *(%bx)");
CODE16(far_return, "lretw");
CODE16(jump_beyond, "movl $0x10000, %eax\njmp *%eax");
CODE16(protected_and_back,
       "mov %cr0, %eax\nor $1, %eax\nmov %eax, %cr0\njmp 1f\n1: and $~1, %eax\nmov %eax, %cr0\n"
       "ljmp $0xa00, $2f - protected_and_back\n2: mov $0x1234, %ax");
CODE16(unreal,
       "mov %cr0, %eax\nor $1, %eax\nmov %eax, %cr0\nmov $0x10, %cx\nmov %cx, %ds\nand $~1, %eax\n"
       "mov %eax, %cr0\nljmp $0xa00, $2f - unreal\n2: mov $0, %cx\nmov %cx, %ds\nmov (%ebx), %edx");
CODE16(div16, "div %cl");

static volatile u16* low(u32 address) { /* of memory below 1 MiB, through which C and real mode talk */
  return (volatile u16*)(u64)address;
}
enum { kWords = 0xb000 }; /* below the stack */

#define AT(label, title, section, ...) PROBE(label, title, section, .mode = REAL, __VA_ARGS__)

static void interrupts(void) {
  AT(int90, "INT n", "20.1.4", .set = {.rflags = F_IF}, FAULT(0x90, 3));
  AT(div16, "#DE", "20.1.4", .de = 1, FAULT(0, 0));
  AT(int90, "INT n clears AC, TF, IF of the handler", "Vol. 2 INT n",
     .set = {.rflags = F_IF | F_DF | F_IOPL | F_NT}, FAULT(0x90, 3));
  probe_set_real_limit(0x90 * 4 + 3);
  AT(int90, "the last vector inside the limit", "20.1.4", FAULT(0x90, 3));
  probe_set_real_limit(0x90 * 4 + 2);
  AT(int90, "a vector at the limit", "20.1.4", FAULT(GP, 1));
  probe_set_real_limit(0x3ff);
  low(kWords)[0] = (u16)(iret16_end - iret16), low(kWords)[1] = kCs,
  low(kWords)[2] = F_ZF | F_IF | F_IOPL | F_NT;
  AT(iret16, "IRET", "Vol. 2 IRET", .set = {.rsp = kWords}, .rsp = 6,
     .flags_set = F_ZF | F_IF | F_IOPL | F_NT);
  volatile u32* wide = (volatile u32*)low(kWords);
  wide[0] = (u32)(iret32_end - iret32), wide[1] = kCs, wide[2] = F_CF;
  AT(iret32, "IRETD", "Vol. 2 IRET", .set = {.rsp = kWords}, .rsp = 12, .flags_set = F_CF);
}

static void limits(void) {
  low(kWords)[0] = 0x5566;
  AT(load_bx, "a load", "20.1.1", .set = {.rbx = kWords}, .change = {{R_AX, 0x5566}});
  AT(load_bx, "a load across the end of the segment", "20.1.1", .set = {.rbx = 0xffff}, FAULT(GP, 0));
  AT(load4_bx, "a load of 4 bytes across the end", "20.1.1", .set = {.rbx = 0xfffd}, FAULT(GP, 0));
  AT(load_bp, "a load by BP across the end", "20.1.1", .set = {.rbp = 0xffff}, FAULT(SS, 0));
  AT(load_eax32, "a load beyond 64 KiB", "20.1.1", .set = {.rbx = 0x10000}, FAULT(GP, 0));
  low(REAL_MODE_PROBE + 0x10000)[0] = 0xcd | DONE << 8; /* where a CPU without limits would go on */
  AT(jump_beyond, "JMP beyond 64 KiB", "20.1.1", FAULT(GP, 6), .change = {{R_AX, 0x10000}});
  AT(push_ax, "PUSH keeps the upper half of ESP", "Vol. 2 PUSH", .set = {.rsp = 0x50000 + kWords}, .rsp = -2);
  AT(pushl_eax, "PUSH of 4 bytes", "Vol. 2 PUSH", .rsp = -4);
}

static void segments(void) {
  AT(load_ds, "MOV to DS takes any value", "20.1.1", .set = {.rax = 0x1235}, .change = {{R_DS, 0x1235}});
  low(kWords)[0] = 0x7788;
  AT(through_ds, "the base is the selector times 16", "20.1.1", .set = {.rax = (kWords >> 4) - 1, .rbx = 16},
     .change = {{R_DS, (kWords >> 4) - 1}, {R_CX, 0x7788}});
  low(kWords)[0] = (u16)(far_call_end - far_call), low(kWords)[1] = kCs;
  AT(far_call, "far CALL", "Vol. 2 CALL", .set = {.rbx = kWords}, .rsp = -4);
  low(kWords)[0] = (u16)(far_return_end - far_return), low(kWords)[1] = kCs;
  AT(far_return, "far RET", "Vol. 2 RET", .set = {.rsp = kWords}, .rsp = 4);
}

static void instructions(void) {
  AT(lar_ax, "LAR", "Vol. 2 LAR", FAULT(UD, 0));
  AT(verr_ax, "VERR", "Vol. 2 VERR", FAULT(UD, 0));
  AT(sldt_ax, "SLDT", "Vol. 2 SLDT", FAULT(UD, 0));
  AT(str_ax, "STR", "Vol. 2 STR", FAULT(UD, 0));
  AT(lldt_ax, "LLDT", "Vol. 2 LLDT", FAULT(UD, 0));
  AT(ltr_ax, "LTR", "Vol. 2 LTR", FAULT(UD, 0));
  AT(arpl, "ARPL", "Vol. 2 ARPL", FAULT(UD, 0));
  AT(syscall16, "SYSCALL", "Vol. 2 SYSCALL", FAULT(UD, 0));
  AT(sysenter16, "SYSENTER", "Vol. 2 SYSENTER", FAULT(GP, 0));
  AT(smsw, "CR0.PE is 0", "2.5", .flags_any = F_ARITHMETIC);
  AT(cli_sti, "CLI and STI need no IOPL", "Vol. 2 STI", .flags_any = F_ARITHMETIC, .flags_set = F_IF,
     .change = {{R_AX, F_IF}});
  low(kWords)[0] = 0xffff & ~(F_TF | F_IF), low(kWords)[1] = 0;
  AT(popfw, "POPF", "Vol. 2 POPF", .set = {.rsp = kWords}, .rsp = 2,
     .flags_set = F_ARITHMETIC | F_DF | F_IOPL | F_NT);
  AT(popfl, "POPFD", "Vol. 2 POPF", .set = {.rsp = kWords}, .rsp = 4,
     .flags_set = F_ARITHMETIC | F_DF | F_IOPL | F_NT);
}

static void modes(void) {
  const u64 cr0 = read_cr0() & 0x7ffffffe;
  AT(protected_and_back, "to protected mode and back", "9.9", .flags_any = F_ARITHMETIC,
     .change = {{R_AX, (cr0 & 0xffff0000) | 0x1234}});
  static u32 above = 0x99aabbcc; /* beyond 1 MiB */
  AT(unreal, "a limit loaded in protected mode stays", "9.9.2", .set = {.rbx = (u64)&above},
     .flags_any = F_ARITHMETIC, .change = {{R_AX, cr0}, {R_DX, above}});
}

int main(void) {
  probe_init();
  interrupts();
  limits();
  segments();
  instructions();
  modes();
  return probe_result();
}
