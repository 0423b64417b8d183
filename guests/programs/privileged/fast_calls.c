/* SPDX-License-Identifier: Apache-2.0
   SYSCALL, SYSRET, SYSENTER, SYSEXIT and SWAPGS, where the vendors differ, and single stepping through them
   (SDM Vol. 2 and AMD APM Vol. 3, those instructions; SDM Vol. 3, 5.8.7 and 5.8.8). */
#include "probe.h"

enum { kEfer = 0xc0000080, kStar, kLstar, kCstar, kFmask, kKernelGsBase = 0xc0000102, kGsBase = 0xc0000101 };
enum { kSysenterCs = 0x174, kSysenterEsp, kSysenterEip };
#define HOLE 0x0000800000000000ull

CODE(syscall_, "syscall");
CODE(sysretq_, "sysretq");
CODE(sysretl_, "sysretl");
CODE(sysenter_, "sysenter");
CODE(sysexitq_, "sysexitq");
CODE(sysexitl_, "sysexitl");
CODE(swapgs_, "swapgs");
CODE32(syscall32, "syscall");
CODE32(sysenter32, "sysenter");
CODE32(sysexit32, "sysexit");
CODE32(swapgs32, ".byte 0x0f, 0x01, 0xf8");
CODE(landing, "nop");
CODE32(landing32, "nop");

static u8 stack[256] __attribute__((aligned(16)));
static u64 stack_end(void) {
  return (u64)stack + sizeof stack;
}

static void syscalls(void) {
  const u64 efer = rt_rdmsr(kEfer), behind = user_address(syscall__end);
  rt_wrmsr(kStar, (u64)(USER_CODE32 | 3) << 48 | (u64)KERNEL_CODE << 32);
  rt_wrmsr(kLstar, (u64)landing);
  rt_wrmsr(kCstar, (u64)landing + 1);
  rt_wrmsr(kFmask, 0);
  rt_wrmsr(kEfer, efer & ~1ul);
  PROBE(syscall_, "SYSCALL without SCE", "Vol. 2 SYSCALL", .mode = USER, FAULT(UD, 0));
  PROBE(sysretq_, "SYSRET without SCE", "Vol. 2 SYSRET", .mode = KERNEL, FAULT(UD, 0));
  rt_wrmsr(kEfer, efer | 1);
  const u64 end = (u64)landing_end + 2;
#define ENTERS(flags) \
  .rip = end, .cs = KERNEL_CODE, .ss = KERNEL_DATA, .change = { {R_CX, behind}, {R_11, (flags) | 2} }
  PROBE(syscall_, "SYSCALL", "Vol. 2 SYSCALL", .mode = USER, .set = {.rflags = F_CF | F_IF},
        ENTERS(F_CF | F_IF));
  rt_wrmsr(kFmask, F_IF | F_CF | F_AC);
  PROBE(syscall_, "SYSCALL clears what FMASK says", "Vol. 2 SYSCALL", .mode = USER,
        .set = {.rflags = F_CF | F_IF | F_ZF | F_AC}, ENTERS(F_CF | F_IF | F_ZF | F_AC),
        .flags_clear = F_CF | F_IF | F_AC);
  PROBE(syscall_, "SYSCALL at CPL 0", "Vol. 2 SYSCALL", .mode = KERNEL, .rip = end,
        .change = {{R_CX, (u64)syscall__end}, {R_11, 2}});
  rt_wrmsr(kFmask, F_TF);
  PROBE(syscall_, "SYSCALL under TF, with TF in FMASK", "17.3.1.4", .mode = USER, .set = {.rflags = F_TF},
        ENTERS(F_TF), .flags_clear = F_TF);
  rt_wrmsr(kFmask, 0);
  PROBE(syscall_, "SYSCALL under TF, without TF in FMASK", "17.3.1.4", .mode = USER, .set = {.rflags = F_TF},
        .vector = DB, .rip = (u64)landing, .cs = KERNEL_CODE, .ss = KERNEL_DATA, .dr6 = 0x4000,
        .change = {{R_CX, behind}, {R_11, F_TF | 2}});
  if (probe_intel())
    PROBE(syscall32, "SYSCALL from 32-bit code", "Vol. 2 SYSCALL", .mode = COMPAT3, FAULT(UD, 0));
  else
    PROBE(syscall32, "SYSCALL from 32-bit code", "APM Vol. 3 SYSCALL", .mode = COMPAT3, .rip = end,
          .cs = KERNEL_CODE, .ss = KERNEL_DATA, .change = {{R_CX, user_address(syscall32_end)}, {R_11, 2}});
}

static void sysrets(void) {
  const u64 to = user_address(landing), to32 = user_address(landing32);
#define AT_STACK .rsp = stack_end() + USER_ALIAS
  PROBE(sysretq_, "SYSRET to 64-bit code", "Vol. 2 SYSRET", .mode = KERNEL,
        .set = {AT_STACK, .rcx = to, .r11 = F_ZF | 2}, .rip = user_address(landing_end) + 2,
        .cs = USER_CODE | 3, .ss = USER_DATA | 3, .flags_set = F_ZF);
  PROBE(sysretl_, "SYSRET to 32-bit code", "Vol. 2 SYSRET", .mode = KERNEL,
        .set = {AT_STACK, .rcx = to32, .r11 = F_ZF | 2}, .rip = user_address(landing32_end) + 2,
        .cs = USER_CODE32 | 3, .ss = USER_DATA | 3, .flags_set = F_ZF);
  PROBE(sysretq_, "SYSRET clears RF and reserved flags", "Vol. 2 SYSRET", .mode = KERNEL,
        .set = {AT_STACK, .rcx = to, .r11 = 0xffffffffffc38028 | F_IOPL | F_IF},
        .rip = user_address(landing_end) + 2, .cs = USER_CODE | 3, .ss = USER_DATA | 3,
        .flags_set = F_IOPL | F_IF);
  PROBE(sysretq_, "SYSRET at CPL 3", "Vol. 2 SYSRET", .mode = USER, FAULT_CODE(GP, 0, 0));
  if (probe_intel())
    PROBE(sysretq_, "SYSRET to a non-canonical address", "Vol. 2 SYSRET", .mode = KERNEL,
          .set = {AT_STACK, .rcx = HOLE, .r11 = 2}, FAULT_CODE(GP, 0, 0));
  else
    PROBE(sysretq_, "SYSRET to a non-canonical address", "APM Vol. 3 SYSRET", .mode = KERNEL,
          .set = {AT_STACK, .rcx = HOLE, .r11 = 2}, FAULT_CODE(GP, 0, 0), .rip = HOLE, .cs = USER_CODE | 3,
          .ss = USER_DATA | 3);
}

static void sysenters(void) {
  const u64 top = stack_end();
  rt_wrmsr(kSysenterEsp, top);
  rt_wrmsr(kSysenterEip, (u64)landing);
  rt_wrmsr(kSysenterCs, 0);
  if (probe_intel()) {
    PROBE(sysenter_, "SYSENTER with SYSENTER_CS 0", "Vol. 2 SYSENTER", .mode = USER, FAULT_CODE(GP, 0, 0));
    PROBE(sysexitq_, "SYSEXIT with SYSENTER_CS 0", "Vol. 2 SYSEXIT", .mode = KERNEL, FAULT_CODE(GP, 0, 0));
    rt_wrmsr(kSysenterCs, KERNEL_CODE | 3);
    const u64 end = (u64)landing_end + 2;
    PROBE(sysenter_, "SYSENTER clears IF", "Vol. 2 SYSENTER", .mode = USER, .set = {.rflags = F_IF | F_CF},
          .rip = end, .cs = KERNEL_CODE, .ss = KERNEL_DATA, .rsp_is = top, .flags_clear = F_IF);
    PROBE(sysenter_, "SYSENTER under TF", "17.3.1.4", .mode = USER, .set = {.rflags = F_TF}, .vector = DB,
          .rip = (u64)landing, .cs = KERNEL_CODE, .ss = KERNEL_DATA, .rsp_is = top, .dr6 = 0x4000);
    PROBE(sysenter32, "SYSENTER from 32-bit code", "Vol. 2 SYSENTER", .mode = COMPAT3, .rip = end,
          .cs = KERNEL_CODE, .ss = KERNEL_DATA, .rsp_is = top);
    PROBE(sysexitq_, "SYSEXIT to 64-bit code", "Vol. 2 SYSEXIT", .mode = KERNEL,
          .set = {.rcx = top + USER_ALIAS, .rdx = user_address(landing)},
          .rip = user_address(landing_end) + 2, .cs = USER_CODE | 3, .ss = USER_DATA_AGAIN | 3,
          .rsp_is = top + USER_ALIAS);
    PROBE(sysexitl_, "SYSEXIT to 32-bit code", "Vol. 2 SYSEXIT", .mode = KERNEL,
          .set = {.rcx = top + USER_ALIAS, .rdx = user_address(landing32)},
          .rip = user_address(landing32_end) + 2, .cs = USER_CODE32 | 3, .ss = USER_DATA | 3,
          .rsp_is = top + USER_ALIAS);
    PROBE(sysexitq_, "SYSEXIT to a non-canonical address", "Vol. 2 SYSEXIT", .mode = KERNEL,
          .set = {.rcx = top, .rdx = HOLE}, FAULT_CODE(GP, 0, 0));
    PROBE(sysexitq_, "SYSEXIT with a non-canonical stack", "Vol. 2 SYSEXIT", .mode = KERNEL,
          .set = {.rcx = HOLE, .rdx = (u64)landing}, FAULT_CODE(GP, 0, 0));
    PROBE(sysexitq_, "SYSEXIT at CPL 3", "Vol. 2 SYSEXIT", .mode = USER, FAULT_CODE(GP, 0, 0));
  } else {
    rt_wrmsr(kSysenterCs, KERNEL_CODE);
    PROBE(sysenter_, "SYSENTER in long mode", "APM Vol. 3 SYSENTER", .mode = USER, FAULT(UD, 0));
    PROBE(sysenter32, "SYSENTER in long mode", "APM Vol. 3 SYSENTER", .mode = COMPAT3, FAULT(UD, 0));
    PROBE(sysexitq_, "SYSEXIT in long mode", "APM Vol. 3 SYSEXIT", .mode = KERNEL, FAULT(UD, 0));
  }
  /* Outside long mode both vendors have them; the segments are flat 32-bit ones, whatever the descriptor. */
  rt_wrmsr(kSysenterCs, KERNEL_CODE32);
  rt_wrmsr(kSysenterEip, (u64)landing32);
  PROBE(sysenter32, "SYSENTER in protected mode", "Vol. 2 SYSENTER", .mode = LEGACY3,
        .rip = (u64)landing32_end + 2, .cs = KERNEL_CODE32, .rsp_is = top, .handler_ss = KERNEL_CODE32 + 8);
  rt_wrmsr(kSysenterCs, KERNEL_CODE);
  PROBE(sysexit32, "SYSEXIT in protected mode", "Vol. 2 SYSEXIT", .mode = LEGACY0,
        .set = {.rcx = top, .rdx = (u64)landing32}, .rip = (u64)landing32_end + 2, .cs = USER_CODE32 | 3,
        .ss = USER_DATA | 3, .rsp_is = top);
}

static void gs_bases(void) {
  rt_wrmsr(kGsBase, 0x1111111111);
  rt_wrmsr(kKernelGsBase, 0xffff888888888888);
  PROBE(swapgs_, "SWAPGS", "Vol. 2 SWAPGS", .mode = KERNEL);
  probe_check("GS base after SWAPGS", "Vol. 2 SWAPGS", rt_rdmsr(kGsBase), 0xffff888888888888);
  /* The probe loaded a null GS; on every CPU whose null selector clears the base, that was 0. */
  const int clears =
      probe_intel() || (rt_cpuid(0x80000000, 0).eax >= 0x80000021 && rt_cpuid(0x80000021, 0).eax >> 6 & 1);
  if (clears)
    probe_check("kernel GS base after SWAPGS", "3.4.4, APM Vol. 2 4.5.3", rt_rdmsr(kKernelGsBase), 0);
  else
    probe_skip("kernel GS base after SWAPGS", "a null selector may leave the base");
  PROBE(swapgs32, "SWAPGS in 32-bit code", "Vol. 2 SWAPGS", .mode = COMPAT0, FAULT(UD, 0));
}

int main(void) {
  probe_init();
  syscalls();
  sysrets();
  sysenters();
  gs_bases();
  return probe_result();
}
