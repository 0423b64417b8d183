/* SPDX-License-Identifier: Apache-2.0
   Far JMP and CALL without gates: code segments, conforming and not, between 64-bit and 32-bit code, limits
   (SDM Vol. 3, 5.3 and 5.8.1; Vol. 2, JMP and CALL). Call gates have a program of their own. */
#include "probe.h"

enum { kFree = FREE_SELECTOR, kBeyond = GDT_ENTRIES * 8 };
#define DESCRIPTOR(value) probe_gdt[kFree / 8] = (value)

CODE(jump, "ljmpl *(%rcx)");
CODE(call, "lcall *(%rcx)");
CODE32(jump32, "ljmp *(%ecx)");
CODE32(call32, "lcall *(%ecx)");
CODE32(outside, "nop\nnop");
CODE32(load_near_limit, "mov (%ecx), %eax");
CODE32(push_limit, "push %eax");
CODE32(load_ebp, "mov (%ebp), %eax");
CODE32(null_ds, "xor %edx, %edx\nmov %edx, %ds\nmov (%ecx), %eax");
CODE32(store_ds, "mov %eax, (%ecx)");

static struct {
  u32 offset;
  u16 selector;
} __attribute__((packed)) pointer;

static const char* const kCodeOf[] = {jump, call};
static const char* const kEndOf[] = {jump_end, call_end};

/* Both instructions; `error` as in #GP unless `vector` says otherwise; -1: it succeeds, with CS = selector.
 */
static void both(const char* title, enum probe_mode m, u16 selector, int vector, int error, u16 cs) {
  static char name[80];
  for (u32 i = 0; i < 2; ++i) {
    const u64 alias = m == USER ? USER_ALIAS : 0;
    char* to = name;
    for (const char* p = i ? "far CALL, " : "far JMP, "; *p;) *to++ = *p++;
    for (const char* p = title; *p;) *to++ = *p++;
    *to = 0;
    pointer.offset = (u32)((u64)kEndOf[i] + alias), pointer.selector = selector;
    struct probe p = {.name = name,
                      .manual = "5.8.1, Vol. 2 JMP and CALL",
                      .code = kCodeOf[i],
                      .end = kEndOf[i],
                      .mode = m,
                      .set = {.rcx = (u64)&pointer + alias}};
    if (error >= 0) {
      p.vector = vector, p.at_given = 1, p.has_error = 1, p.error = error;
    } else {
      p.cs = cs;
      p.rsp = i ? -8 : 0; /* the operand size is 32 bits */
    }
    probe_run(&p);
  }
}

static void from_64_bit(void) {
  for (enum probe_mode m = KERNEL; m <= USER; ++m) {
    const u16 rpl = m == USER ? 3 : 0, own = m == USER ? USER_CODE : KERNEL_CODE;
    const u64 dpl = (u64)rpl << 45;
    both("the same segment", m, own | rpl, 0, -1, own | rpl);
    both("the same segment, RPL 0", m, own, 0, -1, own | rpl);
    both("null", m, 0, GP, 0, 0);
    both("null with RPL 3", m, 3, GP, 0, 0);
    both("beyond the table", m, kBeyond, GP, kBeyond, 0);
    both("a data segment", m, USER_DATA | rpl, GP, USER_DATA, 0);
    both("a TSS", m, TSS64, GP, TSS64, 0);
    both("an absent LDT", m, 0xc, GP, 0xc, 0);
    DESCRIPTOR(0x00af1b000000ffff | dpl);
    both("a segment that is not present", m, kFree | rpl, NP, kFree, 0);
    DESCRIPTOR(0x00ef9b000000ffff | dpl);
    both("a segment with L and D", m, kFree | rpl, GP, kFree, 0);
    DESCRIPTOR(0x00af9f000000ffff);
    both("conforming code of DPL 0", m, kFree | 3, 0, -1, kFree | rpl);
    DESCRIPTOR(0x00af99000000ffff | dpl);
    both("execute-only code", m, kFree | rpl, 0, -1, kFree | rpl);
    DESCRIPTOR(0x00af9a000000ffff | dpl);
    both("a segment not yet accessed", m, kFree | rpl, 0, -1, kFree | rpl);
    probe_check(m == USER ? "its descriptor, cpl3" : "its descriptor, cpl0", "3.4.5.1", probe_gdt[kFree / 8],
                0x00af9b000000ffff | dpl);
    both("32-bit code", m, (m == USER ? USER_CODE32 : KERNEL_CODE32) | rpl, 0, -1,
         (m == USER ? USER_CODE32 : KERNEL_CODE32) | rpl);
  }
  both("code of DPL 3", KERNEL, USER_CODE, GP, USER_CODE, 0);
  both("code of DPL 3, RPL 3", KERNEL, USER_CODE | 3, GP, USER_CODE, 0);
  both("code of the level with RPL 3", KERNEL, KERNEL_CODE | 3, GP, KERNEL_CODE, 0);
  both("code of DPL 0", USER, KERNEL_CODE, GP, KERNEL_CODE, 0);
  DESCRIPTOR(0x00afff000000ffff);
  both("conforming code of DPL 3", KERNEL, kFree, GP, kFree, 0);
}

static void from_32_bit(void) {
  for (enum probe_mode m = COMPAT0; m <= LEGACY3; ++m) {
    const int user = m == COMPAT3 || m == LEGACY3;
    const u64 alias = m == COMPAT3 ? USER_ALIAS : 0, at = (u64)&pointer + alias;
    const u16 rpl = user ? 3 : 0, own = user ? USER_CODE32 : KERNEL_CODE32;
    pointer.offset = (u32)((u64)jump32_end + alias), pointer.selector = own | rpl;
    PROBE(jump32, "far JMP to the same segment", "5.8.1", .mode = m, .set = {.rcx = at});
    pointer.offset = (u32)((u64)call32_end + alias);
    PROBE(call32, "far CALL to the same segment", "5.8.1", .mode = m, .set = {.rcx = at}, .rsp = -8);
    pointer.selector = 0;
    PROBE(call32, "far CALL to a null selector", "5.8.1", .mode = m, .set = {.rcx = at},
          FAULT_CODE(GP, 0, 0));
    /* A segment that ends behind the code: byte-granular limits reach 1 MiB, so its base is not 0. */
    const u64 start = (u64)outside + alias, dpl = (u64)rpl << 45;
    const u64 from = (start & 0xffffff) << 16 | (start >> 24) << 56;
    DESCRIPTOR(0x00409b0000000000 | dpl | from); /* limit 0: one byte */
    pointer.offset = 0, pointer.selector = kFree | rpl;
    PROBE(jump32, "the second instruction lies beyond the limit of CS", "5.3", .mode = m, .set = {.rcx = at},
          FAULT_CODE(GP, 0, 0), .rip = 1, .cs = kFree | rpl);
    pointer.offset = 1;
    PROBE(jump32, "far JMP beyond the limit of CS", "5.3", .mode = m, .set = {.rcx = at},
          FAULT_CODE(GP, 0, 0));
    if (m == COMPAT0 || m == COMPAT3) {
      pointer.offset = (u32)((u64)jump32_end + alias),
      pointer.selector = (user ? USER_CODE : KERNEL_CODE) | rpl;
      PROBE(jump32, "far JMP to 64-bit code", "5.8.1", .mode = m, .set = {.rcx = at},
            .cs = (user ? USER_CODE : KERNEL_CODE) | rpl);
    }
  }
}

/* Limits of data segments are checked in 32-bit code (SDM Vol. 3, 5.3). */
static void limits(void) {
  static u32 data[8];
  for (enum probe_mode m = COMPAT0; m <= LEGACY3; ++m) {
    const int user = m == COMPAT3 || m == LEGACY3;
    const u64 start = (u64)data + (m == COMPAT3 ? USER_ALIAS : 0);
    const u64 from = (start & 0xffffff) << 16 | (start >> 24) << 56;
    const u16 ds = kFree | (user ? 3 : 0);
    data[1] = 0x11223344, data[5] = 0x55667788;
    DESCRIPTOR(0x0040f30000000007 | from);
#define DATA(label, title, offset, ...) \
  PROBE(label, title, "5.3", .mode = m, .set = {.rcx = (offset), .ds = ds}, __VA_ARGS__)
    DATA(load_near_limit, "a load inside the limit", 4, .change = {{R_AX, 0x11223344}});
    DATA(load_near_limit, "a load across the limit", 5, FAULT_CODE(GP, 0, 0));
    DATA(load_near_limit, "a load beyond the limit", 8, FAULT_CODE(GP, 0, 0));
    DATA(load_near_limit, "a load that wraps", 0xfffffffe, FAULT_CODE(GP, 0, 0));
    DESCRIPTOR(0x0040f10000000007 | from);
    DATA(store_ds, "a store to a read-only segment", 0, FAULT_CODE(GP, 0, 0));
    DESCRIPTOR(0x0040f70000000013 | from); /* expands down: valid from 20 */
    DATA(load_near_limit, "a load above the limit of a segment that expands down", 20,
         .change = {{R_AX, 0x55667788}});
    DATA(load_near_limit, "a load at the limit of a segment that expands down", 19, FAULT_CODE(GP, 0, 0));
    DATA(load_near_limit, "a load below the limit of a segment that expands down", 0, FAULT_CODE(GP, 0, 0));
    PROBE(null_ds, "a load through a null DS", "5.4.1", .mode = m, .set = {.rcx = start},
          FAULT_CODE(GP, 0, 4), .flags_any = F_ARITHMETIC, .change = {{R_DS, 0}});
    if (!user) continue;
    /* The stack, which the handler does not use: at CPL 3. */
    DESCRIPTOR(0x0040f30000000007 | from);
    PROBE(push_limit, "PUSH beyond the limit of SS", "6.15 Interrupt 12", .mode = m,
          .set = {.ss = ds, .rsp = 12}, FAULT_CODE(SS, 0, 0));
    PROBE(push_limit, "PUSH inside the limit of SS", "5.3", .mode = m, .set = {.ss = ds, .rsp = 8},
          .rsp = -4);
    PROBE(load_ebp, "a load by EBP beyond the limit of SS", "6.15 Interrupt 12", .mode = m,
          .set = {.ss = ds, .rsp = 8, .rbp = 8}, FAULT_CODE(SS, 0, 0));
  }
}

int main(void) {
  probe_init();
  from_64_bit();
  from_32_bit();
  limits();
  return probe_result();
}
