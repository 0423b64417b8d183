// SPDX-License-Identifier: Apache-2.0
// Far JMP and CALL whose target is a system descriptor: call gates (SDM Vol. 3, "Accessing a Code Segment
// Through a Call Gate", "Stack Switching"; Vol. 2, CALL, JMP), task gates and TSSs.
#include "base/bits.h"
#include "core/system/segmentation.h"
#include "core/system/task_switch.h"

namespace pmusim::core {
namespace {

constexpr u8 kCallGate16 = 4, kTaskGate = 5, kCallGate32 = 12;  // 12 is the 64-bit one in long mode

struct CallGate {
  u16 selector = 0;
  u64 offset = 0;
  unsigned parameters = 0, size = 4;  // size: bytes of each value pushed
};

CallGate read_gate(Exec& x, const Descriptor& d, u16 selector) {
  CallGate g;
  g.selector = static_cast<u16>(bits(d.raw, 31, 16));
  g.offset = bits(d.raw, 15, 0);
  if (x.s->long_mode()) {
    const Descriptor wide = read_descriptor(x, selector, kGP, 0, 16);
    if (bits(wide.system_linear, 44, 40)) raise_gp(selector_error(selector));
    g.offset |= bits(d.raw, 63, 48) << 16 | bits(wide.system_linear, 31, 0) << 32;
    g.size = 8;
  } else {
    g.parameters = static_cast<unsigned>(bits(d.raw, 36, 32));
    g.size = d.type() == kCallGate32 ? 4 : 2;
    if (g.size == 4) g.offset |= bits(d.raw, 63, 48) << 16;
  }
  return g;
}

Descriptor gate_code(Exec& x, u16 selector, bool calls) {
  const CpuState& s = *x.s;
  if (is_null(selector)) raise_gp(0);
  const Descriptor d = read_descriptor(x, selector, kGP);
  const u32 error = selector_error(selector);
  const u8 dpl = d.segment.dpl();
  if (!d.is_code() || dpl > s.cpl || (!calls && !d.is_conforming() && dpl != s.cpl)) raise_gp(error);
  if (s.long_mode() && (!d.segment.long_mode() || d.segment.big())) raise_gp(error);
  if (!d.present()) raise(kNP, error);
  return d;
}

void transfer(Exec& x, const CallGate& g, bool calls) {
  CpuState& s = *x.s;
  Descriptor cs = gate_code(x, g.selector, calls);
  const u8 cpl = cs.is_conforming() || !calls ? s.cpl : cs.segment.dpl();
  const bool inner = cpl != s.cpl;
  cs.segment.selector = static_cast<u16>((g.selector & ~3) | cpl);
  NewStack to{s.seg[SS], s.gpr[RSP]};
  if (inner) to = inner_stack(x, cpl, 0);
  check_code_limits(x, cs.segment, g.offset, 0);

  StackCursor stack(x, to.ss, to.rsp, s.long_mode(), cpl != 3, inner ? selector_error(to.ss.selector) : 0);
  if (inner) {
    u64 parameter[31];
    StackCursor from(x);
    for (unsigned i = 0; i < g.parameters; ++i) parameter[i] = from.pop(g.size);
    stack.push(s.seg[SS].selector, g.size);
    stack.push(s.gpr[RSP], g.size);
    for (unsigned i = g.parameters; i-- > 0;) stack.push(parameter[i], g.size);
  }
  if (calls) {
    stack.push(s.seg[CS].selector, g.size);
    stack.push(x.next_rip, g.size);
  }
  mark_accessed(x, cs);
  s.gpr[RSP] = stack.merged(to.rsp);
  s.seg[SS] = to.ss;
  s.seg[CS] = cs.segment;
  if (inner) set_cpl(x, cpl);
  commit_rip(x, g.offset);
}

}  // namespace

void far_system_target(Exec& x, const Descriptor& d, u16 selector, bool calls) {
  const CpuState& s = *x.s;
  const u32 error = selector_error(selector);
  const u8 type = d.type(), rpl = selector & 3;
  const bool call_gate = type == kCallGate32 || (type == kCallGate16 && !s.long_mode());
  const bool task_gate = type == kTaskGate && !s.long_mode();
  const bool task = (type == 1 || type == 9) && !s.long_mode();
  if (!call_gate && !task_gate && !task) raise_gp(error);
  if (d.segment.dpl() < s.cpl || d.segment.dpl() < rpl) raise_gp(error);
  if (!d.present()) raise(kNP, error);
  if (call_gate) return transfer(x, read_gate(x, d, selector), calls);
  TaskSwitch t;
  t.selector = task_gate ? static_cast<u16>(bits(d.raw, 31, 16)) : selector;
  t.source = calls ? TaskSource::Call : TaskSource::Jump;
  t.rip = x.next_rip;
  t.flags = s.rflags;
  switch_task(x, t);
}

}  // namespace pmusim::core
