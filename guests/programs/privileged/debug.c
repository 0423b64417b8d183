/* SPDX-License-Identifier: Apache-2.0
   Debug exceptions: single step, INT1, instruction and data breakpoints, and what inhibits them (SDM Vol. 3,
   17.2 and 17.3). General detect is not probed. */
#include "probe.h"

enum { kB0 = 1, kBS = 0x4000 };
enum { kExec0 = 1, kWrite0 = 1 | 1 << 16, kAccess0 = 1 | 3 << 16, kLength4 = 3 << 18, kLength8 = 2 << 18 };
#define STEP .set.rflags = F_TF

CODE(two_nops, "nop\nnop");
CODE(int1, "nop\n.byte 0xf1\nnop");
CODE(div_zero, "div %ecx");
CODE(int3, "int3");
CODE(set_tf, "pushfq\norl $0x100, (%rsp)\npopfq\nnop\nnop");
CODE(mov_ss, "mov %eax, %ss\nnop\nnop");
CODE(rep_stosb, "rep stosb\nnop");
CODE(store4, "mov %eax, (%rcx)\nnop");
CODE(load4, "mov (%rcx), %eax\nnop");
CODE(jump, "jmp 1f\nnop\n1: nop\nnop");
CODE32(two_nops32, "nop\nnop");
CODE16(two_nops16, "nop\nnop");
CODE16(mov_ss16, "mov %ax, %ss\nnop\nnop");

static u8 bytes[16];
static u32 word[4] __attribute__((aligned(16)));

static void single_step(void) {
  for (enum probe_mode m = KERNEL; m <= USER; ++m) {
    const u64 alias = m == USER ? USER_ALIAS : 0, to = (u64)bytes + alias;
    PROBE(two_nops, "TF, after one instruction", "17.3.1.4", .mode = m, STEP, FAULT(DB, 1), .dr6 = kBS);
    PROBE(jump, "TF, after a branch", "17.3.1.4", .mode = m, STEP, FAULT(DB, 3), .dr6 = kBS);
    PROBE(div_zero, "TF, a fault comes first", "6.9", .mode = m, STEP, .de = 1, FAULT(0, 0));
    PROBE(int3, "TF, INT3 is not stepped", "17.3.1.4", .mode = m, STEP, FAULT(BP, 1));
    PROBE(int1, "INT1", "Vol. 2 INT n", .mode = m, FAULT(DB, 2));
    PROBE(set_tf, "POPF sets TF, after the next instruction", "Vol. 2 POPF", .mode = m, FAULT(DB, 10),
          .flags_set = F_TF, .flags_any = F_ARITHMETIC, .dr6 = kBS);
    PROBE(rep_stosb, "TF, REP, after an iteration", "17.3.1.4", .mode = m,
          .set = {.rflags = F_TF, .rcx = 3, .rdi = to}, FAULT(DB, 0), .flags_set = F_RF, .dr6 = kBS,
          .change = {{R_CX, 2}, {R_DI, to + 1}});
    PROBE(rep_stosb, "TF, REP, after the last iteration", "17.3.1.4", .mode = m,
          .set = {.rflags = F_TF, .rcx = 1, .rdi = to}, FAULT(DB, 2), .dr6 = kBS,
          .change = {{R_CX, 0}, {R_DI, to + 1}});
    PROBE(rep_stosb, "TF, REP of count 0", "17.3.1.4", .mode = m, .set = {.rflags = F_TF, .rdi = to},
          FAULT(DB, 2), .dr6 = kBS);
  }
  PROBE(mov_ss, "TF, not between MOV SS and the next", "6.8.3", .mode = KERNEL,
        .set = {.rflags = F_TF, .rax = KERNEL_DATA}, FAULT(DB, 3), .dr6 = kBS);
  for (enum probe_mode m = COMPAT0; m <= LEGACY3; ++m)
    PROBE(two_nops32, "TF, after one instruction", "17.3.1.4", .mode = m, STEP, FAULT(DB, 1), .dr6 = kBS);
  PROBE(two_nops16, "TF, after one instruction", "17.3.1.4", .mode = REAL, STEP, FAULT(DB, 1), .dr6 = kBS);
  PROBE(mov_ss16, "TF, not between MOV SS and the next", "6.8.3", .mode = REAL, STEP, FAULT(DB, 3),
        .dr6 = kBS);
}

static void breakpoints(void) {
  for (enum probe_mode m = KERNEL; m <= USER; ++m) {
    const u64 alias = m == USER ? USER_ALIAS : 0, code = (u64)two_nops + alias, at = (u64)word + alias;
    write_dr(0, code + 1);
    PROBE(two_nops, "an instruction breakpoint", "17.3.1.1", .mode = m, .dr7 = kExec0, FAULT(DB, 1),
          .dr6 = kB0);
    PROBE(two_nops, "an instruction breakpoint that is disabled", "17.2.4", .mode = m, .dr7 = 1 << 18);
    write_dr(0, code);
    PROBE(two_nops, "an instruction breakpoint under RF", "17.3.1.1", .mode = m, .dr7 = kExec0,
          .set = {.rflags = F_RF});
    write_dr(0, at);
    PROBE(store4, "a write breakpoint", "17.3.1.2", .mode = m, .dr7 = kWrite0 | kLength4, .set = {.rcx = at},
          FAULT(DB, 2), .dr6 = kB0);
    PROBE(load4, "a load under a write breakpoint", "17.3.1.2", .mode = m, .dr7 = kWrite0 | kLength4,
          .set = {.rcx = at});
    PROBE(load4, "a load under an access breakpoint", "17.3.1.2", .mode = m, .dr7 = kAccess0 | kLength4,
          .set = {.rcx = at}, FAULT(DB, 2), .dr6 = kB0);
    PROBE(store4, "a write that only touches the watched bytes", "17.2.5", .mode = m,
          .dr7 = kWrite0 | kLength4, .set = {.rcx = at - 3}, FAULT(DB, 2), .dr6 = kB0);
    PROBE(store4, "a write before the watched bytes", "17.2.5", .mode = m, .dr7 = kWrite0 | kLength4,
          .set = {.rcx = at - 4});
    PROBE(store4, "a write behind the watched bytes", "17.2.5", .mode = m, .dr7 = kWrite0 | kLength4,
          .set = {.rcx = at + 4});
    PROBE(store4, "a write into the second half of 8 bytes", "17.2.5", .mode = m, .dr7 = kWrite0 | kLength8,
          .set = {.rcx = at + 4}, FAULT(DB, 2), .dr6 = kB0);
    write_dr(0, at + 1);
    PROBE(rep_stosb, "a write breakpoint inside REP", "17.3.1.2", .mode = m, .dr7 = kWrite0,
          .set = {.rcx = 4, .rdi = at}, FAULT(DB, 0), .flags_set = F_RF, .dr6 = kB0,
          .change = {{R_CX, 2}, {R_DI, at + 2}});
    word[0] = 0;
  }
}

int main(void) {
  probe_init();
  single_step();
  breakpoints();
  return probe_result();
}
