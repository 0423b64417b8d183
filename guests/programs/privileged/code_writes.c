/* SPDX-License-Identifier: Apache-2.0
   Code that changes code: ahead in the same straight line, behind a branch, in a loop that has run, itself by
   REP MOVS, across the end of a page, through another linear address of the same page, and from CPL 0 under
   code that CPL 3 has executed (SDM Vol. 3, 8.1.3 and 11.6). A serializing instruction or a branch stands
   between the write and the changed bytes wherever the manual wants one; without one only a write through the
   same linear address is probed. */
#include "probe.h"

/* B8 imm32 is MOV EAX, imm32. The code is copied to a writable page in the window, with every right. */
CODE(ahead, "movb $0x22, 1f + 1(%rip)\n1: mov $0x11, %eax");
CODE(ahead_far, "movb $0x22, 1f + 1(%rip)\nnop\nnop\nnop\nnop\nnop\nnop\nnop\nnop\n1: mov $0x11, %eax");
CODE(behind_branch, "movb $0x22, 1f + 1(%rip)\njmp 1f\nnop\n1: mov $0x11, %eax");
CODE(called,
     "call 1f\nmovb $0x22, 1f + 1(%rip)\nmov %eax, %edx\ncall 1f\njmp 2f\n1: mov $0x11, %eax\nret\n2: nop");
CODE(loop, "xor %edx, %edx\n1: mov $0x11, %eax\nadd %eax, %edx\nincb 1b + 1(%rip)\ndec %ecx\njnz 1b");
CODE(length_changes, "movl $0x90909090, 1f(%rip)\nmovb $0x90, 1f + 4(%rip)\njmp 1f\n1: mov $0x11, %eax");
CODE(opcode_changes, "movb $0xb9, 1f(%rip)\njmp 1f\n1: mov $0x11, %eax");
CODE(by_rep,
     "lea 1f(%rip), %rdi\nlea 2f(%rip), %rsi\nmov $5, %ecx\nrep movsb\nxor %esi, %esi\nxor %edi, %edi\n1: "
     "mov $0x11, %eax\njmp 3f\n"
     "2: mov $0x22, %eax\n3: nop");
CODE(by_alias,
     "movb $0x22, 1f - by_alias + 1(%r9)\nxor %eax, %eax\npush %rbx\ncpuid\npop %rbx\n"
     "1: mov $0x11, %eax\nxor %ecx, %ecx\nxor %edx, %edx");
CODE(by_exchange, "mov $0x22, %dl\nlock xchg %dl, 1f + 1(%rip)\njmp 1f\n1: mov $0x11, %eax");
CODE(by_push,
     "lea 1f + 8(%rip), %rsp\nmov 2f(%rip), %rdx\npush %rdx\nmov %r10, %rsp\nxor %edx, %edx\njmp 1f\n1: mov "
     "$0x11, %eax\nnop\n"
     "nop\nnop\njmp 3f\n2: mov $0x22, %eax\nnop\nnop\nnop\n3: nop");
CODE(whole_block,
     "lea 1f(%rip), %rdi\nmov $0x90, %al\nmov $5, %ecx\nrep stosb\nxor %edi, %edi\nxor %eax, %eax\njmp "
     "1f\n1: mov $0x11, %eax");

enum { kRights = 7 };
#define ALIAS (WINDOW + 0x100000) /* a second linear address of the same pages */
static u8 pages[2][4096] __attribute__((aligned(4096)));

/* Copies the code so that its byte `split` is the first of the second page; 0: to the beginning of the first.
 */
static u64 place(const char* code, const char* end, u64 split) {
  const u64 at = split ? 4096 - split : 0;
  u8* to = &pages[0][0] + at;
  for (const char* p = code; p < end + 2; ++p) *to++ = (u8)*p;
  return WINDOW + at;
}

static void run(const char* title, enum probe_mode m, const char* code, const char* end, u64 split, u64 eax,
                u64 edx, u64 ecx) {
  const u64 at = place(code, end, split);
  struct probe p = {.name = title,
                    .manual = "11.6",
                    .code = code,
                    .end = end,
                    .mode = m,
                    .flags_any = F_ARITHMETIC,
                    .rip = at + (u64)(end - code) + 2,
                    .set = {.rip = at, .rcx = ecx, .r9 = ALIAS + (at - WINDOW)}};
  struct probe_regs* in = &p.set;
  in->rsp = m == USER ? USER_ALIAS : 0;
  static u8 stack[256] __attribute__((aligned(16)));
  in->rsp += (u64)stack + sizeof stack;
  in->r10 = in->rsp;
  u32 n = 0;
#define CHANGES(r, now, before) \
  if ((now) != (before)) p.change[n].reg = r, p.change[n++].value = (now)
  CHANGES(R_AX, eax, 0);
  CHANGES(R_CX, 0, ecx);
  CHANGES(R_DX, edx, 0);
  probe_run(&p);
}

#define RUN(label, title, eax, edx, ecx)                                                                     \
  do {                                                                                                       \
    for (enum probe_mode m = KERNEL; m <= USER; ++m) {                                                       \
      run(title, m, label, label##_end, 0, eax, edx, ecx);                                                   \
      run(title ", across pages", m, label, label##_end, (u64)(label##_end - label) / 2 + 2, eax, edx, ecx); \
    }                                                                                                        \
  } while (0)

int main(void) {
  probe_init();
  for (u32 i = 0; i < 2; ++i) probe_window_pt[i] = probe_window_pt[256 + i] = (u64)pages[i] | kRights;
  RUN(ahead, "the next instruction", 0x22, 0, 0);
  RUN(ahead_far, "an instruction ahead", 0x22, 0, 0);
  RUN(behind_branch, "behind a branch", 0x22, 0, 0);
  RUN(called, "a function that has run", 0x22, 0x11, 0);
  RUN(loop, "a loop changes itself", 0x15, 0x11 + 0x12 + 0x13 + 0x14 + 0x15, 5);
  RUN(length_changes, "one instruction becomes five", 0, 0, 0);
  RUN(by_exchange, "by a locked exchange", 0x22, 0x11, 0);
  RUN(by_rep, "by REP MOVSB", 0x22, 0, 0);
  RUN(whole_block, "by REP STOSB", 0, 0, 0);
  RUN(by_push, "by PUSH", 0x22, 0, 0);
  RUN(by_alias, "by another linear address", 0x22, 0, 0);
  for (enum probe_mode m = KERNEL; m <= USER; ++m) {
    const u64 at = place(opcode_changes, opcode_changes_end, 0);
    PROBE(opcode_changes, "another register", "11.6", .mode = m, .set = {.rip = at},
          .rip = at + (u64)(opcode_changes_end - opcode_changes) + 2, .change = {{R_CX, 0x11}});
  }
  /* CPL 0 writes what CPL 3 has executed. */
  for (u32 i = 0; i < 3; ++i) {
    static char title[] = "code that CPL 0 has changed 0 times";
    title[28] = (char)('0' + i);
    const u64 at = place(behind_branch, behind_branch_end, 0);
    pages[0][6] = (u8)(0x40 + i); /* what the code then writes itself */
    PROBE(behind_branch, title, "11.6", .mode = USER, .set = {.rip = at},
          .rip = at + (u64)(behind_branch_end - behind_branch) + 2, .change = {{R_AX, 0x40 + i}});
  }
  return probe_result();
}
