/* SPDX-License-Identifier: Apache-2.0
   Runs one probe and compares what is seen with what is expected. What every probe has in common is here: the
   frame of the mode, RF in the image of faults (SDM Vol. 3, 17.3.1.1), the flags that delivery clears
   (6.12.1.3), alignment of the new stack (6.14.2), and that nothing else changes. */
#include "probe.h"

struct probe_regs probe_in;
struct probe_seen probe_out;
u64 probe_kernel_rsp;
u64 probe_flags_words[2]; /* a stack of the handler's for its flags */
void probe_enter_long(void);
void probe_enter_legacy(void);
void probe_enter_real(void);
extern const char probe_real_begin[], probe_real_end[];
extern const char probe_real_in[], probe_real_out[];

static u8 kernel_stack[0x2000] __attribute__((aligned(16)));
static u8 user_stack[0x2000] __attribute__((aligned(16)));
static u32 failures, probes;

static const char* const kNames[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                     "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
static const char* const kSegments[] = {"ds", "es", "fs", "gs"};

struct outcome {
  u64 vector, rip, rflags, cs, rsp, ss;
  int has_error, has_stack;
  u64 error;
  u64 stack_bytes; /* what was pushed */
  u64 stack;       /* where it was pushed */
  u64 data;        /* from virtual-8086 mode: the handler's data selectors, or-ed */
};

static int in_long_mode(enum probe_mode m) {
  return m <= COMPAT3;
}
static int is_8086(enum probe_mode m) {
  return m == V86 || m == V86_IOPL0;
}
static int is_low(enum probe_mode m) { /* code and stack below 1 MiB */
  return m == REAL || is_8086(m);
}
static void prepare(const struct probe* p) {
  static const struct {
    u16 cs, ss;
  } kSelectors[] = {
      {KERNEL_CODE, KERNEL_DATA},       {USER_CODE | 3, USER_DATA | 3}, {KERNEL_CODE32, KERNEL_DATA},
      {USER_CODE32 | 3, USER_DATA | 3}, {KERNEL_CODE32, KERNEL_DATA},   {USER_CODE32 | 3, USER_DATA | 3},
      {REAL_MODE_PROBE >> 4, 0},        {REAL_MODE_PROBE >> 4, 0},      {REAL_MODE_PROBE >> 4, 0}};
  const int user = p->mode == USER || p->mode == COMPAT3;
  const u64 alias = user ? USER_ALIAS : 0;
  struct probe_regs* in = &probe_in;
  *in = p->set;
  if (!in->r8 && in_long_mode(p->mode)) in->r8 = 0x8888888888888888;
  if (!in->r15 && in_long_mode(p->mode)) in->r15 = 0xfedcba9876543210;
  if (!in->rbp) in->rbp = 0x12345678;
  in->rflags |= 2 | (is_8086(p->mode) ? F_VM : 0) | (p->mode == V86 ? F_IOPL : 0);
  if (!in->cs) in->cs = kSelectors[p->mode].cs;
  if (!in->ss) in->ss = kSelectors[p->mode].ss;
  if (!in->ds) in->ds = is_low(p->mode) ? 0 : USER_DATA | 3;
  if (!in->es) in->es = is_low(p->mode) ? 0 : USER_DATA | 3;
  if (!in->rip) in->rip = is_low(p->mode) ? 0 : (u64)p->code + alias;
  if (!in->rsp) {
    if (is_low(p->mode))
      in->rsp = REAL_MODE_STACK;
    else if ((in->cs & 3) == 3)
      in->rsp = (u64)user_stack + sizeof user_stack + alias;
    else
      in->rsp = (u64)kernel_stack + sizeof kernel_stack;
  }
}

static void copy(u64 to, const char* from, const char* end) {
  for (volatile u8* p = (u8*)to; from < end; ++from) *p++ = (u8)*from;
}

/* Real mode reaches only its own copy of the registers. */
static void exchange_real(int into) {
  u32* in = (u32*)(REAL_MODE_BASE + (u64)(probe_real_in - probe_real_begin));
  const u32* out = (const u32*)(REAL_MODE_BASE + (u64)(probe_real_out - probe_real_begin));
  __asm__("" : "+r"(in), "+r"(out));
  if (into) {
    for (u32 i = 0; i < 24; ++i) in[i] = (u32)(&probe_in.rax)[i];
    return;
  }
  for (u32 i = 0; i < 8; ++i) (&probe_out.rax)[i] = out[i];
  for (u32 i = 0; i < 9; ++i) (&probe_out.vector)[i] = out[8 + i];
  for (u32 i = 11; i < 17; ++i) (&probe_out.vector)[i - 8] &= 0xffff;
  for (u32 i = 0; i < 3; ++i) probe_out.frame[i] = out[17 + i] & 0xffff;
}

static struct outcome enter(const struct probe* p) {
  prepare(p);
  write_dr(6, 0xffff0ff0);
  for (u32 v = TS; p->own_stack && v <= PF; ++v) probe_idt[v].ist = 1;
  if (p->dr7) write_dr(7, p->dr7);
  const u64* f = probe_out.frame;
  struct outcome o = {0};
  probe_out = (struct probe_seen){0};
  if (is_low(p->mode)) copy(REAL_MODE_PROBE, p->code, p->end + 2);
  if (p->mode == REAL) {
    copy(REAL_MODE_BASE, probe_real_begin, probe_real_end);
    exchange_real(1);
    probe_enter_real();
    exchange_real(0);
    o.rip = f[0];
    o.cs = f[1];
    o.rflags = f[2];
    o.stack_bytes = 6;
  } else if (!in_long_mode(p->mode)) {
    probe_enter_legacy();
    const u32* w = (const u32*)f;
    /* 3 or 4 words on the same stack, of which FLAGS has bit 1 set and CS, at CPL 0, has not; 5 or 6 on CPL
     * 0's; 9 or 10 there from virtual-8086 mode. */
    const u64 switched = probe_tss32.esp0 - probe_out.rsp;
    o.has_error = switched == 24 || switched == 40;
    if (!o.has_error && switched != 20 && switched != 36) o.has_error = !(w[2] & 2);
    if (o.has_error) o.error = *w++;
    o.rip = w[0];
    o.cs = w[1];
    o.rflags = w[2];
    const int from_8086 = (o.rflags & F_VM) != 0;
    o.has_stack = from_8086 || (o.cs & 3) == 3;
    if (o.has_stack) {
      o.rsp = w[3];
      o.ss = w[4];
    }
    if (from_8086) {
      o.data = probe_out.ds | probe_out.es | probe_out.fs | probe_out.gs;
      probe_out.es = w[5], probe_out.ds = w[6], probe_out.fs = w[7], probe_out.gs = w[8];
    }
    o.stack_bytes = 4u * (3u + (unsigned)o.has_error + 2u * (unsigned)o.has_stack + 4u * (unsigned)from_8086);
  } else {
    probe_enter_long();
    o.has_error = !(probe_out.rsp & 8); /* 5 or 6 words below a multiple of 16 */
    if (o.has_error) o.error = *f++;
    o.rip = f[0];
    o.cs = f[1];
    o.rflags = f[2];
    o.rsp = f[3];
    o.ss = f[4];
    o.has_stack = 1;
    o.stack_bytes = 8u * (5u + (unsigned)o.has_error);
  }
  if (p->dr7) write_dr(7, 0x400);
  for (u32 v = TS; p->own_stack && v <= PF; ++v) probe_idt[v].ist = 0;
  o.vector = probe_out.vector;
  o.stack = probe_out.rsp + o.stack_bytes;
  if (!o.has_stack) o.rsp = o.stack;
  return o;
}

static void print_signed(const char* name, u64 value) {
  if ((long)value < 0)
    rt_printf(" %s-%lx", name, -value);
  else
    rt_printf(" %s+%lx", name, value);
}

static u64 base_of(const struct probe* p) {
  return is_low(p->mode) ? 0 : (u64)p->code + (p->mode == USER || p->mode == COMPAT3 ? USER_ALIAS : 0);
}

static const char* mode_name(enum probe_mode m) {
  static const char* const kModes[] = {"cpl0",        "cpl3", "compat cpl0", "compat cpl3", "legacy cpl0",
                                       "legacy cpl3", "real", "v86",         "v86, iopl 0"};
  return kModes[m];
}

static void print(const struct probe* p, const struct outcome* o) {
  if (o->vector == DONE && o->rip == base_of(p) + (u64)(p->end - p->code) + 2)
    rt_printf("end");
  else
    rt_printf("#%lu", o->vector);
  if (o->has_error) rt_printf(" error %lx", o->error);
  const u64 offset = o->rip - base_of(p);
  if (offset + 0x20 < 0xa0)
    print_signed("rip", offset);
  else
    rt_printf(" rip %lx", o->rip);
  rt_printf(" cs %lx flags %lx", o->cs, o->rflags & ~p->flags_any & ~(u64)F_RF);
  if (o->rflags & F_RF) rt_printf(" rf");
  if (o->has_stack) rt_printf(" ss %lx", o->ss);
  if (o->rsp - probe_in.rsp + 0x200 < 0x400)
    print_signed("rsp", o->rsp - probe_in.rsp);
  else
    rt_printf(" rsp %lx", o->rsp);
  rt_printf(" | handler cs %lx ss %lx flags %lx stack -%lx", probe_out.cs, probe_out.ss,
            probe_out.rflags & ~p->flags_any, o->stack_bytes);
  if (probe_out.cr2 != CR2_BEFORE) rt_printf(" cr2 %lx", probe_out.cr2);
  if (probe_out.dr6 != 0xffff0ff0) rt_printf(" dr6 %lx", probe_out.dr6);
  for (u32 r = 0; r < 16; ++r)
    if (r != 4 && (&probe_out.rax)[r] != (&probe_in.rax)[r])
      rt_printf(" %s %lx", kNames[r], (&probe_out.rax)[r]);
  for (u32 s = 0; s < 4; ++s)
    if ((&probe_out.ds)[s] != (&probe_in.ds)[s]) rt_printf(" %s %lx", kSegments[s], (&probe_out.ds)[s]);
}

static int is_fault(u64 vector) {
  return vector == 0 || (vector >= BR && vector < 20 && vector != DF && vector != 18);
}

static int wrong_count;
static void expect(const char* what, u64 is, u64 expected) {
  if (is == expected) return;
  rt_printf("%s%s %lx", wrong_count ? ", " : " | expected: ", what, expected);
  ++wrong_count;
}

static u64 expected_register(const struct probe* p, u32 number, u64 unchanged) {
  for (u32 i = 0; i < 6 && p->change[i].reg; ++i)
    if (p->change[i].reg == number) return p->change[i].value;
  return unchanged;
}

static u64 expected_selector(int given, u64 otherwise) {
  return given == NULL_SELECTOR ? 0 : given ? (u64)given : otherwise;
}

static void compare(const struct probe* p, const struct outcome* o) {
  const struct probe_regs* in = &probe_in;
  const u64 vector = p->de ? 0 : p->vector ? (u64)p->vector : DONE;
  const u64 end = base_of(p) + (u64)(p->end - p->code) + 2;
  expect("vector", o->vector, vector);
  expect("has error code", (u64)o->has_error, (u64)p->has_error);
  if (p->has_error) expect("error", o->error, (u64)p->error);
  expect("rip", o->rip, p->rip ? p->rip : p->at_given ? base_of(p) + (u64)(long)p->at : end);

  u64 flags = (in->rflags & ~F_RF & ~p->flags_clear) | p->flags_set;
  if (is_fault(vector) && p->mode != REAL) flags |= F_RF;
  if (p->flags_clear & F_RF) flags &= ~(u64)F_RF;
  if (p->mode == REAL) flags &= 0xffff;
  expect("flags", o->rflags & ~p->flags_any, flags & ~p->flags_any);
  expect("cs", o->cs, expected_selector(p->cs, in->cs));
  if (o->has_stack) expect("ss", o->ss, expected_selector(p->ss, in->ss));
  expect("rsp", o->rsp, p->rsp_is ? p->rsp_is : in->rsp + (u64)(long)p->rsp);

  /* The handler's side. */
  const u64 interrupted = expected_selector(p->cs, in->cs);
  const int raised = is_8086(p->mode) || (p->mode != REAL && (interrupted & 3) == 3);
  const int code = p->mode == REAL         ? REAL_MODE_BASE >> 4
                   : in_long_mode(p->mode) ? KERNEL_CODE
                                           : KERNEL_CODE32;
  expect("handler's cs", probe_out.cs, p->handler_cs ? (u64)p->handler_cs : (u64)code);
  const u64 stack_selector =
      raised ? (in_long_mode(p->mode) ? 0 : KERNEL_DATA) : expected_selector(p->ss, in->ss);
  expect("handler's ss", probe_out.ss, expected_selector(p->handler_ss, stack_selector));
  u64 cleared = F_TF | F_RF | (p->trap_gate ? 0 : F_IF);
  cleared |= p->mode == REAL ? F_AC : F_NT | F_VM;
  const u64 pushed = o->rflags;
  expect("handler's flags", probe_out.rflags & ~p->flags_any & 0xffff,
         pushed & ~cleared & ~p->flags_any & 0xffff);
  if (p->mode != REAL)
    expect("handler's upper flags", probe_out.rflags >> 16 & ~p->flags_any >> 16,
           (pushed & ~cleared & ~p->flags_any) >> 16);
  u64 stack = p->stack;
  if (!stack && in_long_mode(p->mode) && (p->own_stack || vector == DF)) stack = probe_tss.ist[0];
  if (!stack) stack = !raised ? o->rsp : in_long_mode(p->mode) ? probe_tss.rsp[0] : probe_tss32.esp0;
  if (in_long_mode(p->mode)) stack &= ~15ul;
  expect("handler's stack", o->stack, stack);

  expect("handler's data segments", o->data, 0);
  expect("cr2", probe_out.cr2, p->cr2 ? p->cr2 : CR2_BEFORE);
  expect("dr6", probe_out.dr6, 0xffff0ff0 ^ p->dr6);
  for (u32 r = 0; r < 16; ++r)
    if (r != 4) expect(kNames[r], (&probe_out.rax)[r], expected_register(p, r + 1, (&in->rax)[r]));
  for (u32 s = 0; s < 4; ++s)
    expect(kSegments[s], (&probe_out.ds)[s], expected_register(p, R_DS + s, (&in->ds)[s]));
}

int probe_run(const struct probe* p) {
  const struct outcome o = enter(p);
  rt_printf("%s (%s): ", p->name, mode_name(p->mode));
  print(p, &o);
  wrong_count = 0;
  compare(p, &o);
  rt_printf(wrong_count ? " (%s) FAIL\n" : " PASS\n", p->manual);
  ++probes;
  failures += wrong_count != 0;
  return !wrong_count;
}

int probe_check(const char* name, const char* manual, u64 is, u64 expected) {
  rt_printf("%s: %lx", name, is);
  wrong_count = 0;
  expect("", is, expected);
  rt_printf(wrong_count ? " (%s) FAIL\n" : " PASS\n", manual);
  ++probes;
  failures += wrong_count != 0;
  return !wrong_count;
}

void probe_skip(const char* name, const char* why) {
  rt_printf("%s: SKIP %s\n", name, why);
}

int probe_result(void) {
  rt_printf("%u probes, %u failed\n", probes, failures);
  return failures ? RT_EXIT_FAIL : RT_EXIT_PASS;
}
