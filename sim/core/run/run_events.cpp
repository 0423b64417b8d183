// SPDX-License-Identifier: Apache-2.0
// What happens between instructions: debug exceptions that trap, events delivered from outside, task
// switches, and the faults on their way.
#include "core/execute/string_ops.h"
#include "core/run/core_impl.h"
#include "core/system/task_switch.h"

namespace pmusim::core {
namespace {
constexpr u64 kDr6TaskSwitch = 1 << 15;
}

// DR6: bits 3:0 tell this exception's conditions, the rest accumulates.
PendingEvent Core::Impl::debug_event(u64 conditions) {
  CpuState& s = *x.s;
  s.dr[6] = (s.dr[6] & ~u64{15}) | conditions;
  return event_of(Fault{kDB});
}

Stop Core::Impl::debug_exception(u64 conditions) {
  x.op = nullptr;
  flush_time();
  account_time(context_);
  return deliver_event(debug_event(conditions), nullptr);
}

// A T flag traps once the instruction or event that switched tasks is complete.
u64 Core::Impl::take_task_trap() {
  const bool trap = x.task_trap;
  x.task_trap = false;
  return trap ? kDr6TaskSwitch : 0;
}
// Before work that is no instruction's.
void Core::Impl::begin_outside() {
  waiting_.seen = 0;
  mmu.access_changed();
  context_ = static_cast<u8>(core.context());
  x.op = nullptr;
  x.slice = false;
  x.code64 = x.s->code64();
}

Stop Core::Impl::switch_task(const TaskSwitch& t) {
  begin_outside();
  Stop stop = Stop::SliceEnd;
  try {
    core::switch_task(x, t);
    if (const u64 met = take_task_trap()) stop = debug_exception(met);
  } catch (const Fault& fault) {
    stop = deliver_event(event_of(fault), &fault);
  }
  finish();
  return stop;
}

Stop Core::Impl::deliver(const PendingEvent& event) {
  begin_outside();
  x.next_rip = x.s->rip + event.instruction_length;
  const Stop stop = deliver_event(event, nullptr, true);
  finish();
  return stop;
}

Stop Core::Impl::triple_fault() {
  if (x.intercepts) {
    core.exit_ = {};
    core.exit_.kind = ExitKind::TripleFault;
    return Stop::VmExit;
  }
  x.s->activity = Activity::Shutdown;
  return Stop::Shutdown;
}

// Delivers an event; a fault on the way becomes the next event by the contributory rules. An exception that
// the control block intercepts exits before CR2 changes; an injected one does not (SDM Vol. 3, "Event
// Injection").
Stop Core::Impl::deliver_event(PendingEvent event, const Fault* fault, bool injected) {
  PendingEvent vectoring;
  Fault second{};
  leave_repeated(*x.s);
  for (;;) {
    if (x.intercepts && !injected && event.type == EventType::HardwareException &&
        x.intercepts->exception(event.vector, event.error_code)) {
      VmExit& exit = core.exit_;
      exit = {};
      exit.kind = ExitKind::Exception;
      exit.qualification = event.vector;
      exit.value = exit.error_code = event.error_code;
      exit.has_error_code = event.has_error_code;
      if (fault && fault->sets_cr2) exit.guest_linear = fault->cr2;
      exit.vectoring = vectoring;
      return Stop::VmExit;
    }
    if (fault) set_cr2(*x.s, *fault);
    const u64 from = x.s->rip;
    try {
      deliver_through_idt(x, event);
      if (levels_ & Observer::kTaken) tell_taken(from, BranchKind::Far, true);
      const u64 met = take_task_trap();
      if (!met) return Stop::SliceEnd;
      event = debug_event(met);
      fault = nullptr;
      vectoring = {};
      injected = false;
      continue;
    } catch (const Fault& thrown) {
      second = thrown;
    } catch (const ExitRequest& request) {
      core.exit_ = request.exit;
      core.exit_.instruction_length = event.instruction_length;
      core.exit_.vectoring = event;
      recognize_event(*x.s, event);
      return Stop::VmExit;
    }
    vectoring = event;
    injected = false;
    switch (escalate(event.vector, event.type == EventType::HardwareException, second.vector)) {
      case Escalation::Serial:
        event = event_of(second);
        fault = &second;
        break;
      case Escalation::DoubleFault:
        event = event_of(Fault{kDF, true, 0});
        fault = nullptr;
        break;
      case Escalation::TripleFault:
        return triple_fault();
    }
  }
}
}  // namespace pmusim::core
