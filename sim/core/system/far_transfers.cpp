// SPDX-License-Identifier: Apache-2.0
// Far JMP, CALL and RET, and IRET (SDM Vol. 2, those instructions; Vol. 3, "Privilege Level Checking When
// Transferring Program Control Between Code Segments"). Everything is checked before a register changes.
// Gates and TSSs as targets: gates.cpp. IRET also enters virtual-8086 mode, and returns within it (SDM Vol.
// 3, "Entering Virtual-8086 Mode").
// Null selectors loaded by a return to an outer level keep DPL 0.
#include "base/bits.h"
#include "core/system/segmentation.h"
#include "core/system/task_switch.h"

namespace pmusim::core {
namespace {

Segment real_mode_code(const CpuState& s, u16 selector) {
  Segment cs = s.seg[CS];
  cs.selector = selector;
  cs.base = u64{selector} << 4;
  return cs;
}

void commit_code(Exec& x, const Segment& cs, u64 rip) {
  x.s->seg[CS] = cs;
  commit_rip(x, rip);
}

// Code segment named by a far RET's or an IRET's return address.
Descriptor return_code(Exec& x, u16 selector) {
  const u8 rpl = selector & 3;
  if (is_null(selector)) raise_gp(0);
  Descriptor d = read_descriptor(x, selector, kGP);
  const u8 dpl = d.segment.dpl();
  if (rpl < x.s->cpl || !d.is_code() || (d.is_conforming() ? dpl > rpl : dpl != rpl))
    raise_gp(selector_error(selector));
  if (x.s->long_mode() && d.segment.long_mode() && d.segment.big()) raise_gp(selector_error(selector));
  if (!d.present()) raise(kNP, selector_error(selector));
  return d;
}

// Stack segment popped with it.
Descriptor return_stack(Exec& x, u16 selector, u8 cs_rpl, bool to64) {
  Descriptor d;
  if (is_null(selector)) {
    if (!to64 || cs_rpl == 3 || (selector & 3) != cs_rpl) raise_gp(0);
    d.segment = null_segment(selector, cs_rpl);
    return d;
  }
  d = read_descriptor(x, selector, kGP);
  if ((selector & 3) != cs_rpl || !d.is_writable_data() || d.segment.dpl() != cs_rpl)
    raise_gp(selector_error(selector));
  if (!d.present()) raise(kSS, selector_error(selector));
  return d;
}

// Data segments the outer level may not use become null. On Intel, null selectors of any RPL become 0.
void drop_inner_segments(CpuState& s, bool amd) {
  for (const Seg i : {ES, DS, FS, GS}) {
    Segment& g = s.seg[i];
    if (!amd && is_null(g.selector)) g.selector = 0;
    const bool conforming_code = (g.access & (kCode | kConforming)) == (kCode | kConforming);
    if (!g.unusable() && !conforming_code && g.dpl() < s.cpl) s.seg[i] = null_segment(0, 0);
  }
}

// The new stack and the offset in the code segment: Intel's CPUs check the stack first (SDM Vol. 2, "IRET",
// "RET", "Operation"), AMD's the offset.
struct Return {
  Descriptor cs, ss;
  u64 rip = 0, rsp = 0;
  bool loads_stack = false;
};

void commit_return(Exec& x, Return& r) {
  CpuState& s = *x.s;
  mark_accessed(x, r.cs);
  const bool outer = (r.cs.segment.selector & 3) > s.cpl;
  const bool to64 = s.long_mode() && r.cs.segment.long_mode();
  if (r.loads_stack) {
    if (!r.ss.segment.unusable()) mark_accessed(x, r.ss);
    s.seg[SS] = r.ss.segment;
    if (to64)
      s.gpr[RSP] = r.rsp;
    else if (r.ss.segment.big())
      s.gpr[RSP] = r.rsp & 0xffffffff;
    else
      s.gpr[RSP] = (s.gpr[RSP] & ~u64{0xffff}) | (r.rsp & 0xffff);
  } else {
    s.gpr[RSP] = r.rsp;
  }
  s.seg[CS] = r.cs.segment;
  if (outer) {
    set_cpl(x, r.cs.segment.selector & 3);
    drop_inner_segments(s, x.config->amd);
  }
  commit_rip(x, r.rip);
}

// Bits of RFLAGS that IRET replaces.
u64 iret_flag_mask(const CpuState& s, unsigned operand_size) {
  u64 changed = kArithmeticFlags | kTF | kDFlag | kNT;
  if (operand_size >= 4) changed |= kRF | kACFlag | kID;
  if (s.cpl <= bits(s.rflags, 13, 12)) changed |= kIF;
  if (s.cpl == 0) {
    changed |= kIopl;
    if (operand_size >= 4 && s.protected_mode()) changed |= kVIF | kVIP;
  }
  return changed;
}

void finish_iret(Exec& x, u64 flags, u64 changed) {
  x.s->rflags = (x.s->rflags & ~changed) | (flags & changed) | kFixed1;
  x.s->nmi_blocked = false;  // "Handling Multiple NMIs"
  x.mmu->access_changed();
  x.stall(Cost::Iret);
}

// The rest of the frame: ESP, SS, ES, DS, FS, GS.
void enter_virtual_8086(Exec& x, StackCursor& stack, u64 rip, u16 cs, u64 flags, u64 changed) {
  CpuState& s = *x.s;
  if (rip > 0xffff) raise_gp(0);
  u64 word[6];
  for (u64& w : word) w = stack.pop(4);
  s.gpr[RSP] = word[0];
  s.seg[CS] = virtual_8086_segment(cs);
  for (unsigned i = 1; i < 6; ++i) {
    constexpr Seg kOrder[] = {CS, SS, ES, DS, FS, GS};
    s.seg[kOrder[i]] = virtual_8086_segment(static_cast<u16>(word[i]));
  }
  set_cpl(x, 3);
  commit_rip(x, rip);
  finish_iret(x, flags, changed);
}

// A 64-bit offset into a code segment that is not 64-bit: Intel's CPUs take its low 32 bits.
u64 offset_in(const Exec& x, const Segment& cs, u64 offset) {
  return x.config->amd || cs.long_mode() ? offset : offset & 0xffffffff;
}

Descriptor far_target(Exec& x, u16 selector) {
  if (is_null(selector)) raise_gp(0);
  return read_descriptor(x, selector, kGP);
}

// A code segment reached without privilege change; its selector's RPL becomes CPL.
void check_code_target(Exec& x, Descriptor& d) {
  const CpuState& s = *x.s;
  const u16 selector = d.segment.selector;
  const u8 rpl = selector & 3;
  const u8 dpl = d.segment.dpl();
  if (!d.is_code()) raise_gp(selector_error(selector));
  if (d.is_conforming() ? dpl > s.cpl : rpl > s.cpl || dpl != s.cpl) raise_gp(selector_error(selector));
  if (s.long_mode() && d.segment.long_mode() && d.segment.big()) raise_gp(selector_error(selector));
  if (!d.present()) raise(kNP, selector_error(selector));
  d.segment.selector = static_cast<u16>((selector & ~3) | s.cpl);
}

}  // namespace

void far_jump(Exec& x, u16 selector, u64 offset, unsigned operand_size) {
  CpuState& s = *x.s;
  u64 rip = offset & mask(operand_size * 8);
  if (s.real_segments()) {
    const Segment cs = real_mode_code(s, selector);
    check_code_limits(x, cs, rip, 0);
    return commit_code(x, cs, rip);
  }
  Descriptor d = far_target(x, selector);
  if (d.is_system()) return far_system_target(x, d, selector, false);
  check_code_target(x, d);
  rip = offset_in(x, d.segment, rip);
  check_code_limits(x, d.segment, rip, 0);
  mark_accessed(x, d);
  commit_code(x, d.segment, rip);
}

void far_call(Exec& x, u16 selector, u64 offset, unsigned operand_size) {
  CpuState& s = *x.s;
  u64 rip = offset & mask(operand_size * 8);
  Descriptor d;
  if (s.real_segments()) {
    d.segment = real_mode_code(s, selector);
  } else {
    d = far_target(x, selector);
    if (d.is_system()) return far_system_target(x, d, selector, true);
    check_code_target(x, d);
    rip = offset_in(x, d.segment, rip);
  }
  check_code_limits(x, d.segment, rip, 0);
  StackCursor stack(x);
  stack.push(s.seg[CS].selector, operand_size);
  stack.push(x.next_rip, operand_size);
  if (!s.real_segments()) mark_accessed(x, d);
  s.gpr[RSP] = stack.merged(s.gpr[RSP]);
  commit_code(x, d.segment, rip);
}

void far_return(Exec& x, unsigned operand_size, u16 pop_bytes) {
  CpuState& s = *x.s;
  StackCursor stack(x);
  Return r;
  r.rip = stack.pop(operand_size);
  const u16 selector = static_cast<u16>(stack.pop(operand_size));
  stack.skip(pop_bytes);
  if (s.real_segments()) {
    const Segment cs = real_mode_code(s, selector);
    check_code_limits(x, cs, r.rip, 0);
    s.gpr[RSP] = stack.merged(s.gpr[RSP]);
    return commit_code(x, cs, r.rip);
  }
  r.cs = return_code(x, selector);
  r.rip = offset_in(x, r.cs.segment, r.rip);
  if (x.config->amd) check_code_limits(x, r.cs.segment, r.rip, 0);
  const u8 rpl = selector & 3;
  if (rpl > s.cpl) {
    r.rsp = stack.pop(operand_size) + pop_bytes;
    const u16 ss = static_cast<u16>(stack.pop(operand_size));
    r.ss = return_stack(x, ss, rpl, s.long_mode() && r.cs.segment.long_mode());
    r.loads_stack = true;
  } else {
    r.rsp = stack.merged(s.gpr[RSP]);
  }
  if (!x.config->amd) check_code_limits(x, r.cs.segment, r.rip, 0);
  commit_return(x, r);
}

void iret(Exec& x, unsigned operand_size) {
  CpuState& s = *x.s;
  check_8086_iopl(x);
  const u64 changed = iret_flag_mask(s, operand_size);
  if (!s.real_segments() && s.rflags & kNT) {
    if (s.long_mode()) raise_gp(0);
    TaskSwitch t;
    t.selector = static_cast<u16>(read_tss(x, 0, 2, 0));
    t.source = TaskSource::Iret;
    t.rip = x.next_rip;
    t.flags = s.rflags;
    switch_task(x, t);
    s.nmi_blocked = false;
    return x.stall(Cost::Iret);
  }
  StackCursor stack(x);
  Return r;
  r.rip = stack.pop(operand_size);
  const u16 selector = static_cast<u16>(stack.pop(operand_size));
  const u64 flags = stack.pop(operand_size);
  if (s.real_segments()) {
    const Segment cs = real_mode_code(s, selector);
    check_code_limits(x, cs, r.rip, 0);
    s.gpr[RSP] = stack.merged(s.gpr[RSP]);
    commit_code(x, cs, r.rip);
    return finish_iret(x, flags, changed);
  }
  if (!s.long_mode() && operand_size >= 4 && flags & kVM && s.cpl == 0)
    return enter_virtual_8086(x, stack, r.rip, selector, flags, changed | kVM);
  r.cs = return_code(x, selector);
  r.rip = offset_in(x, r.cs.segment, r.rip);
  if (x.config->amd) check_code_limits(x, r.cs.segment, r.rip, 0);
  const u8 rpl = selector & 3;
  if (s.code64() || rpl > s.cpl) {
    // On Intel, the flags just popped are in force already.
    if (!x.config->amd) check_alignment(x, flags, stack.top(operand_size), operand_size);
    r.rsp = stack.pop(operand_size);
    const u16 ss = static_cast<u16>(stack.pop(operand_size));
    r.ss = return_stack(x, ss, rpl, s.long_mode() && r.cs.segment.long_mode());
    r.loads_stack = true;
  } else {
    r.rsp = stack.merged(s.gpr[RSP]);
  }
  if (!x.config->amd) check_code_limits(x, r.cs.segment, r.rip, 0);
  commit_return(x, r);
  finish_iret(x, flags, changed);
}

}  // namespace pmusim::core
