// SPDX-License-Identifier: Apache-2.0
// Delivery of interrupts and exceptions (SDM Vol. 3, "Interrupt and Exception Handling": "Exception- or
// Interrupt-Handler Procedures", "Error Code", "64-Bit Mode Stack Frame", "Interrupt Stack Table"; Vol. 2,
// INT n). From virtual-8086 mode the handler is entered through protected mode's gates, at CPL 0 ("Handling
// of Interrupts and Exceptions in Virtual-8086 Mode"); without CR4.VME there is no other way.
#include "base/bits.h"
#include "core/system/segmentation.h"
#include "core/system/task_switch.h"

namespace pmusim::core {
namespace {

constexpr u32 kIdtError = 2;
constexpr u8 kTaskGate = 5;

struct Gate {
  u16 selector = 0;
  u64 offset = 0;
  u8 type = 0;
  u8 ist = 0;
  unsigned size = 4;  // bytes of each value pushed
};

constexpr u64 kDr7Gd = 1 << 13;  // off in the debug handler, so that it may use the registers

bool is_software(EventType t) {
  return t == EventType::SoftwareInterrupt || t == EventType::SoftwareException;
}
bool is_hardware_interrupt(EventType t) {
  return t == EventType::ExternalInterrupt || t == EventType::Nmi;
}

// "Returning from a fault": RF is set in the image of fault-class exceptions, #DB excepted.
u64 flags_image(const CpuState& s, const PendingEvent& e) {
  const bool fault =
      e.type == EventType::HardwareException && e.vector != kDB && e.vector != kDF && e.vector != kMC;
  if (is_software(e.type)) return s.rflags & ~kRF;  // the instruction that interrupts has completed
  return fault ? s.rflags | kRF : s.rflags;
}

u64 return_address(const Exec& x, const PendingEvent& e) {
  return is_software(e.type) || e.type == EventType::PrivilegedSoftwareException ? x.next_rip : x.s->rip;
}

void finish(Exec& x, const PendingEvent& e, u64 cleared, u64 rip) {
  x.s->rflags &= ~cleared;
  take_event(x, e);
  commit_rip(x, rip);
}

// "Interrupt and Exception Handling in Real-Address Mode": no error codes.
void deliver_real(Exec& x, const PendingEvent& e) {
  CpuState& s = *x.s;
  const u64 offset = u64{e.vector} * 4;
  if (offset + 3 > s.idtr.limit) raise_gp(0);
  const u64 entry = x.mmu->read_system(s.idtr.base + offset, 4);
  StackCursor stack(x);
  stack.push(flags_image(s, e) & 0xffff, 2);
  stack.push(s.seg[CS].selector, 2);
  stack.push(return_address(x, e), 2);
  s.gpr[RSP] = stack.merged(s.gpr[RSP]);
  s.seg[CS].selector = static_cast<u16>(entry >> 16);
  s.seg[CS].base = (entry >> 16) << 4;
  finish(x, e, kTF | kIF | kRF | kACFlag, entry & 0xffff);
}

Gate read_gate(Exec& x, const PendingEvent& e, u32 ext) {
  const CpuState& s = *x.s;
  const bool long_mode = s.long_mode();
  const u32 error = u32{e.vector} * 8 + kIdtError + ext;
  const u64 entry_size = long_mode ? 16 : 8;
  const u64 offset = e.vector * entry_size;
  if (offset + entry_size - 1 > s.idtr.limit) raise_gp(error);
  const u64 low = x.mmu->read_system(s.idtr.base + offset, 8);
  Gate g;
  g.type = static_cast<u8>(bits(low, 44, 40));  // with the S bit
  g.selector = static_cast<u16>(bits(low, 31, 16));
  g.offset = bits(low, 15, 0) | bits(low, 63, 48) << 16;
  g.size = g.type & 8 ? 4 : 2;
  const bool interrupt_or_trap = g.type == 14 || g.type == 15;
  if (long_mode) {
    if (!interrupt_or_trap) raise_gp(error);
    g.offset |= x.mmu->read_system(s.idtr.base + offset + 8, 4) << 32;
    g.ist = static_cast<u8>(bits(low, 34, 32));
    g.size = 8;
  } else if (!interrupt_or_trap && g.type != kTaskGate && g.type != 6 && g.type != 7) {
    raise_gp(error);
  }
  if (is_software(e.type) && bits(low, 46, 45) < s.cpl) raise_gp(error);
  if (!test_bit(low, 47)) raise(kNP, error);
  if (g.size == 2) g.offset &= 0xffff;
  return g;
}

Descriptor handler_code(Exec& x, u16 selector, u32 ext) {
  const CpuState& s = *x.s;
  if (is_null(selector)) raise_gp(ext);
  Descriptor d = read_descriptor(x, selector, kGP, ext);
  if (!d.is_code() || d.segment.dpl() > s.cpl) raise_gp(selector_error(selector, ext));
  if (!d.present()) raise(kNP, selector_error(selector, ext));
  if (s.long_mode() && (!d.segment.long_mode() || d.segment.big())) raise_gp(selector_error(selector, ext));
  return d;
}

NewStack long_mode_stack(Exec& x, const Gate& g, u8 cpl, u32 ext) {
  const CpuState& s = *x.s;
  NewStack n{s.seg[SS], s.gpr[RSP]};
  if (g.ist != 0) {
    n.rsp = read_tss(x, 0x24 + 8 * (g.ist - 1u), 8, ext);
    if (cpl != s.cpl) n.ss = null_segment(cpl, cpl);
  } else if (cpl != s.cpl) {
    n = inner_stack(x, cpl, ext);
  }
  n.rsp &= ~u64{15};
  return n;
}

// The handler is a task: its registers come from its TSS, and the error code goes to its stack.
void deliver_to_task(Exec& x, const PendingEvent& e, u16 selector, u32 ext) {
  TaskSwitch t;
  t.selector = selector;
  t.source = TaskSource::Gate;
  t.rip = return_address(x, e);
  t.flags = flags_image(*x.s, e);
  t.ext = ext;
  t.has_error_code = e.has_error_code;
  t.error_code = e.error_code;
  t.event = &e;
  switch_task(x, t);
}

void deliver_protected(Exec& x, const PendingEvent& e) {
  CpuState& s = *x.s;
  const u32 ext = is_software(e.type) ? 0 : 1;
  const Gate g = read_gate(x, e, ext);
  if (g.type == kTaskGate) return deliver_to_task(x, e, g.selector, ext);
  Descriptor cs = handler_code(x, g.selector, ext);
  const u8 cpl = cs.is_conforming() ? s.cpl : cs.segment.dpl();
  const bool inner = cpl != s.cpl, from_8086 = s.virtual_8086();
  if (from_8086 && cpl != 0) raise_gp(selector_error(g.selector, ext));
  cs.segment.selector = static_cast<u16>((g.selector & ~3) | cpl);

  NewStack to{s.seg[SS], s.gpr[RSP]};
  if (s.long_mode())
    to = long_mode_stack(x, g, cpl, ext);
  else if (inner)
    to = inner_stack(x, cpl, ext);
  check_code_limits(x, cs.segment, g.offset, ext);

  const u32 stack_error = inner && !s.long_mode() ? selector_error(to.ss.selector, ext) : ext;
  StackCursor stack(x, to.ss, to.rsp, s.long_mode(), cpl != 3, stack_error);
  constexpr Seg kData8086[] = {GS, FS, DS, ES};
  if (from_8086)
    for (const Seg seg : kData8086) stack.push(s.seg[seg].selector, g.size);
  if (inner || s.long_mode()) {
    stack.push(s.seg[SS].selector, g.size);
    stack.push(s.gpr[RSP], g.size);
  }
  stack.push(flags_image(s, e), g.size);
  stack.push(s.seg[CS].selector, g.size);
  stack.push(return_address(x, e), g.size);
  if (e.has_error_code) stack.push(e.error_code, g.size);
  mark_accessed(x, cs);

  s.gpr[RSP] = stack.merged(to.rsp);
  s.seg[SS] = to.ss;
  s.seg[CS] = cs.segment;
  if (from_8086)
    for (const Seg seg : kData8086) s.seg[seg] = null_segment(0, 0);
  if (inner) set_cpl(x, cpl);
  const bool interrupt_gate = !(g.type & 1);
  finish(x, e, kTF | kNT | kRF | kVM | (interrupt_gate ? kIF : 0), g.offset);
}

enum class ExceptionClass : u8 { Benign, Contributory, PageFault };

// "Interrupt and Exception Classes" (Table 6-4).
ExceptionClass class_of(u8 vector) {
  if (vector == kDE || (vector >= kTS && vector <= kGP) || vector == kCP) return ExceptionClass::Contributory;
  return vector == kPF || vector == 20 ? ExceptionClass::PageFault : ExceptionClass::Benign;
}

}  // namespace

// SDM Vol. 3, "Architectural State Before a VM Exit", says it of events that cause one indirectly.
void recognize_event(CpuState& s, const PendingEvent& e) {
  if (e.type == EventType::Nmi) s.nmi_blocked = true;
  s.interrupt_shadow = s.debug_shadow = false;
  if (e.vector == kDB && e.type == EventType::HardwareException) s.dr[7] &= ~kDr7Gd;
  s.activity = Activity::Running;
}

void take_event(Exec& x, const PendingEvent& e) {
  recognize_event(*x.s, e);
  x.stall(is_hardware_interrupt(e.type) ? Cost::Interrupt : Cost::Exception);
}

void deliver_through_idt(Exec& x, const PendingEvent& event) {
  if (x.s->protected_mode())
    deliver_protected(x, event);
  else
    deliver_real(x, event);
}

// INT3, INTO and INT1 are exceptions to the exception bitmap, INT n is not (SDM Vol. 3, "Exception Bitmap").
void software_interrupt(Exec& x, u8 vector, EventType type) {
  if (type == EventType::SoftwareInterrupt) check_8086_iopl(x);
  if (type != EventType::SoftwareInterrupt && x.intercepts && x.intercepts->exception(vector, 0)) {
    ExitRequest request;
    request.exit.kind = ExitKind::Exception;
    request.exit.qualification = vector;
    throw request;
  }
  PendingEvent e;
  e.valid = true;
  e.vector = vector;
  e.type = type;
  try {
    deliver_through_idt(x, e);
  } catch (ExitRequest& request) {  // others execute the instruction again
    if (request.exit.kind == ExitKind::TaskSwitch) request.exit.vectoring = e;
    throw;
  }
}

PendingEvent event_of(const Fault& fault) {
  PendingEvent e;
  e.valid = true;
  e.vector = fault.vector;
  e.type = EventType::HardwareException;
  e.has_error_code = fault.has_error_code;
  e.error_code = fault.error_code;
  return e;
}

void set_cr2(CpuState& state, const Fault& fault) {
  if (fault.sets_cr2) state.cr2 = fault.cr2;
}

// "Conditions for Generating a Double Fault" (Table 6-5).
Escalation escalate(u8 first, bool first_is_exception, u8 second) {
  if (!first_is_exception) return Escalation::Serial;
  const ExceptionClass b = class_of(second);
  if (first == kDF) return b == ExceptionClass::Benign ? Escalation::Serial : Escalation::TripleFault;
  switch (class_of(first)) {
    case ExceptionClass::Contributory:
      return b == ExceptionClass::Contributory ? Escalation::DoubleFault : Escalation::Serial;
    case ExceptionClass::PageFault:
      return b == ExceptionClass::Benign ? Escalation::Serial : Escalation::DoubleFault;
    case ExceptionClass::Benign:
      break;
  }
  return Escalation::Serial;
}

}  // namespace pmusim::core
