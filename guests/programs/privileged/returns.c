/* SPDX-License-Identifier: Apache-2.0
   IRET and far RET: to the same and to an outer level, from 64-bit and 32-bit code, which flags they replace,
   what they check, and the data segments they take away (SDM Vol. 2, IRET and RET; Vol. 3, 5.8.6). */
#include "probe.h"

#define HOLE 0x0000800000000000ull

CODE(iretq_, "iretq");
CODE(iretl_, "iretl");
CODE(lretq_, "lretq");
CODE(lretq_16, "lretq $16");
CODE32(iret32, "iretl");
CODE32(lret32, "lretl");

static u64 area[64] __attribute__((aligned(16)));
static u64* const frame = area + 48;
#define AT_FRAME .rsp = (u64)frame
static u64 kept_stack(void) {
  return (u64)(area + 40);
}

static void fill(u64 rip, u64 cs, u64 flags, u64 rsp, u64 ss) {
  frame[0] = rip;
  frame[1] = cs;
  frame[2] = flags;
  frame[3] = rsp;
  frame[4] = ss;
}
static void fill32(u64 rip, u64 cs, u64 flags, u64 rsp, u64 ss) {
  u32* f = (u32*)frame;
  f[0] = (u32)rip, f[1] = (u32)cs, f[2] = (u32)flags, f[3] = (u32)rsp, f[4] = (u32)ss;
}
#define IRET(title, section, ...) \
  PROBE(iretq_, title, section, .mode = KERNEL, .set = {AT_FRAME}, __VA_ARGS__)
#define DENIED(title, error) IRET(title, "Vol. 2 IRET", FAULT_CODE(GP, error, 0))

static void checks_of_iret(void) {
  const u64 same = (u64)iretq__end, user = same + USER_ALIAS, stack = kept_stack(),
            user_stack = stack + USER_ALIAS;
  const u64 sel = FREE_SELECTOR;
  fill(same, KERNEL_CODE, 2 | F_CF | F_ZF, stack, KERNEL_DATA);
  IRET("IRETQ to the same level", "6.12.1", .flags_set = F_CF | F_ZF, .rsp_is = stack);
  fill(same, KERNEL_CODE, 2, stack, 0);
  IRET("IRETQ to CPL 0 with a null SS", "6.14.4", .ss = NULL_SELECTOR, .rsp_is = stack);
  fill(same, KERNEL_CODE, 2 | F_IOPL | F_IF | F_AC | F_NT, stack, KERNEL_DATA);
  IRET("IRETQ at CPL 0 loads IF, IOPL, AC, NT", "Vol. 2 IRET", .flags_set = F_IOPL | F_IF | F_AC | F_NT,
       .rsp_is = stack);
  fill(same, KERNEL_CODE, 0xffffffffffc08028, stack, KERNEL_DATA);
  IRET("IRETQ leaves reserved flags", "3.4.3", .rsp_is = stack);
  fill(same, 0, 2, stack, KERNEL_DATA);
  DENIED("IRETQ to a null CS", 0);
  fill(same, 3, 2, stack, KERNEL_DATA);
  DENIED("IRETQ to a null CS of RPL 3", 0);
  fill(same, GDT_ENTRIES * 8, 2, stack, KERNEL_DATA);
  DENIED("IRETQ to CS beyond the table", GDT_ENTRIES * 8);
  fill(same, KERNEL_DATA, 2, stack, KERNEL_DATA);
  DENIED("IRETQ to a data segment", KERNEL_DATA);
  fill(same, USER_CODE, 2, stack, KERNEL_DATA);
  DENIED("IRETQ to a CS whose DPL is not its RPL", USER_CODE);
  fill(same, KERNEL_CODE | 3, 2, stack, KERNEL_DATA);
  DENIED("IRETQ to an inner CS with RPL 3", KERNEL_CODE);
  probe_gdt[sel / 8] = 0x00af1b000000ffff;
  fill(same, sel, 2, stack, KERNEL_DATA);
  IRET("IRETQ to a CS that is not present", "Vol. 2 IRET", FAULT_CODE(NP, sel, 0));
  probe_gdt[sel / 8] = 0x00ef9b000000ffff;
  DENIED("IRETQ to a CS with L and D", sel);
  fill(HOLE, KERNEL_CODE, 2, stack, KERNEL_DATA);
  DENIED("IRETQ to a non-canonical RIP", 0);
  fill(user, USER_CODE | 3, 2, user_stack, 0);
  DENIED("IRETQ to CPL 3 with a null SS", 0);
  fill(user, USER_CODE | 3, 2, user_stack, 3);
  DENIED("IRETQ to CPL 3 with a null SS of RPL 3", 0);
  fill(user, USER_CODE | 3, 2, user_stack, USER_DATA);
  DENIED("IRETQ with an SS whose RPL is not CS's", USER_DATA);
  fill(user, USER_CODE | 3, 2, user_stack, KERNEL_DATA | 3);
  DENIED("IRETQ with an SS whose DPL is not CS's RPL", KERNEL_DATA);
  fill(user, USER_CODE | 3, 2, user_stack, USER_CODE | 3);
  DENIED("IRETQ with code as SS", USER_CODE);
  probe_gdt[sel / 8] = 0x00cff1000000ffff;
  fill(user, USER_CODE | 3, 2, user_stack, sel | 3);
  DENIED("IRETQ with a read-only SS", sel);
  probe_gdt[sel / 8] = 0x00cf73000000ffff;
  IRET("IRETQ with an SS that is not present", "Vol. 2 IRET", FAULT_CODE(SS, sel, 0));
  fill(same, KERNEL_CODE32, 2, stack, 0);
  DENIED("IRETQ to 32-bit code with a null SS", 0);
  fill(same, KERNEL_CODE, 2, stack, KERNEL_DATA);
  PROBE(iretq_, "IRETQ with NT", "Vol. 2 IRET", .mode = KERNEL, .set = {AT_FRAME, .rflags = F_NT},
        FAULT_CODE(GP, 0, 0));
  fill32(same, KERNEL_CODE, 2 | F_CF, stack, KERNEL_DATA);
  PROBE(iretl_, "IRETD in 64-bit mode pops five", "Vol. 2 IRET", .mode = KERNEL, .set = {AT_FRAME},
        .rip = same + 2, .flags_set = F_CF, .rsp_is = stack);
}

static void to_user(void) {
  const u64 stack = kept_stack() + USER_ALIAS;
  fill(user_address(iretq__end), USER_CODE | 3, 2 | F_ZF, stack, USER_DATA | 3);
  const u64 end = user_address(iretq__end) + 2;
#define OUT .rip = end, .cs = USER_CODE | 3, .ss = USER_DATA | 3, .rsp_is = stack, .flags_set = F_ZF
  PROBE(iretq_, "IRETQ to CPL 3", "5.8.6", .mode = KERNEL, .set = {AT_FRAME}, OUT);
  PROBE(iretq_, "IRETQ to CPL 3 takes away DS and ES of DPL 0", "Vol. 2 IRET", .mode = KERNEL,
        .set = {AT_FRAME, .ds = KERNEL_DATA, .es = KERNEL_DATA}, OUT, .change = {{R_DS, 0}, {R_ES, 0}});
  PROBE(iretq_, "IRETQ to CPL 3 takes away FS and GS of DPL 0", "Vol. 2 IRET", .mode = KERNEL,
        .set = {AT_FRAME, .fs = KERNEL_DATA, .gs = KERNEL_DATA}, OUT, .change = {{R_FS, 0}, {R_GS, 0}});
  PROBE(iretq_, "IRETQ to CPL 3 leaves segments of DPL 3", "Vol. 2 IRET", .mode = KERNEL,
        .set = {AT_FRAME, .fs = USER_DATA | 3, .gs = USER_DATA}, OUT);
}

static void far_returns(void) {
  const u64 end = (u64)lretq__end, user_stack = kept_stack() + USER_ALIAS;
#define RETURN(title, ...) PROBE(lretq_, title, "Vol. 2 RET", .mode = KERNEL, __VA_ARGS__)
  frame[0] = end, frame[1] = KERNEL_CODE;
  RETURN("far RET to the same level", .set = {AT_FRAME}, .rsp = 16);
  frame[0] = (u64)lretq_16_end, frame[1] = KERNEL_CODE;
  PROBE(lretq_16, "far RET 16", "Vol. 2 RET", .mode = KERNEL, .set = {AT_FRAME}, .rsp = 32);
  frame[0] = end, frame[1] = 0;
  RETURN("far RET to a null CS", .set = {AT_FRAME}, FAULT_CODE(GP, 0, 0));
  frame[1] = KERNEL_DATA;
  RETURN("far RET to a data segment", .set = {AT_FRAME}, FAULT_CODE(GP, KERNEL_DATA, 0));
  frame[0] = HOLE, frame[1] = KERNEL_CODE;
  RETURN("far RET to a non-canonical RIP", .set = {AT_FRAME}, FAULT_CODE(GP, 0, 0));
  frame[0] = end + USER_ALIAS, frame[1] = USER_CODE | 3, frame[2] = user_stack, frame[3] = USER_DATA | 3;
  RETURN("far RET to CPL 3", .set = {AT_FRAME, .ds = KERNEL_DATA}, .rip = end + USER_ALIAS + 2,
         .cs = USER_CODE | 3, .ss = USER_DATA | 3, .rsp_is = user_stack, .change = {{R_DS, 0}});
  frame[3] = 0;
  RETURN("far RET to CPL 3 with a null SS", .set = {AT_FRAME}, FAULT_CODE(GP, 0, 0));
  frame[3] = KERNEL_DATA;
  RETURN("far RET to CPL 3 with an SS of CPL 0", .set = {AT_FRAME}, FAULT_CODE(GP, KERNEL_DATA, 0));
  frame[0] = (u64)lretq__end, frame[1] = KERNEL_CODE;
  PROBE(lretq_, "far RET to an inner level", "Vol. 2 RET", .mode = USER,
        .set = {.rsp = (u64)frame + USER_ALIAS}, FAULT_CODE(GP, KERNEL_CODE, 0));
}

static void at_cpl3(void) {
  const u64 end = user_address(iretq__end), stack = kept_stack() + USER_ALIAS, at = (u64)frame + USER_ALIAS;
#define USER_IRET(title, given, ...) \
  PROBE(iretq_, title, "Vol. 2 IRET", .mode = USER, .set = {.rsp = at, .rflags = given}, __VA_ARGS__)
  fill(end, USER_CODE | 3, 2 | F_IOPL | F_IF | F_AC, stack, USER_DATA | 3);
  USER_IRET("IRETQ at CPL 3 leaves IF and IOPL", 0, .rsp_is = stack, .flags_set = F_AC);
  fill(end, USER_CODE | 3, 2, stack, USER_DATA | 3);
  USER_IRET("IRETQ at CPL 3, IOPL 3, loads IF, not IOPL", F_IOPL | F_IF, .rsp_is = stack,
            .flags_clear = F_IF);
  fill(end, KERNEL_CODE, 2, stack, KERNEL_DATA);
  USER_IRET("IRETQ to an inner level", 0, FAULT_CODE(GP, KERNEL_CODE, 0));
  USER_IRET("IRETQ at CPL 3 with NT", F_NT, FAULT_CODE(GP, 0, 0));
  const u64 end32 = user_address(iret32_end);
  fill(end32, USER_CODE32 | 3, 2, stack, USER_DATA | 3);
  PROBE(iretq_, "IRETQ to 32-bit code", "Vol. 2 IRET", .mode = USER, .set = {.rsp = at}, .rip = end32 + 2,
        .cs = USER_CODE32 | 3, .rsp_is = stack);
}

static void from_32_bit(void) {
  for (enum probe_mode m = COMPAT0; m <= LEGACY3; ++m) {
    const u64 alias = m == COMPAT3 ? USER_ALIAS : 0, at = (u64)frame + alias;
    const int user = m == COMPAT3 || m == LEGACY3;
    const u16 cs = user ? USER_CODE32 | 3 : KERNEL_CODE32;
    fill32((u64)iret32_end + alias, cs, 2 | F_CF | F_IOPL, 0, 0);
    PROBE(iret32, "IRETD to the same level pops three", "Vol. 2 IRET", .mode = m, .set = {.rsp = at},
          .rsp = 12, .flags_set = F_CF | (user ? 0 : F_IOPL));
    fill32((u64)iret32_end + alias, KERNEL_DATA, 2, 0, 0);
    PROBE(iret32, "IRETD to a data segment", "Vol. 2 IRET", .mode = m, .set = {.rsp = at},
          FAULT_CODE(GP, KERNEL_DATA, 0));
    probe_gdt[FREE_SELECTOR / 8] = user ? 0x0040fb000000ffff : 0x00409b000000ffff; /* limit 64 KiB - 1 */
    fill32((u64)iret32_end + alias, FREE_SELECTOR | (cs & 3), 2, 0, 0);
    PROBE(iret32, "IRETD beyond the limit of CS", "Vol. 2 IRET", .mode = m, .set = {.rsp = at},
          FAULT_CODE(GP, 0, 0));
    u32* f = (u32*)frame;
    f[0] = (u32)((u64)lret32_end + alias), f[1] = cs;
    PROBE(lret32, "far RET to the same level", "Vol. 2 RET", .mode = m, .set = {.rsp = at}, .rsp = 8);
    if (user) continue;
    const u64 out = m == COMPAT0 ? USER_ALIAS : 0, stack = kept_stack() + out;
    f[0] = (u32)((u64)iret32_end + out), f[1] = USER_CODE32 | 3, f[2] = 2, f[3] = (u32)stack,
    f[4] = USER_DATA | 3;
    PROBE(iret32, "IRETD to CPL 3", "Vol. 2 IRET", .mode = m, .set = {.rsp = at, .ds = KERNEL_DATA},
          .rip = (u64)iret32_end + out + 2, .cs = USER_CODE32 | 3, .ss = USER_DATA | 3, .rsp_is = stack,
          .change = {{R_DS, 0}});
  }
}

int main(void) {
  probe_init();
  checks_of_iret();
  to_user();
  far_returns();
  at_cpl3();
  from_32_bit();
  return probe_result();
}
