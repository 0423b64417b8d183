// SPDX-License-Identifier: Apache-2.0
// Which CPU runs, and how far. Rule: CPUs act in the order (window of their next action, CPU number). A CPU
// may run up to the start of the window in which another acts next, or to the end of its own window if that
// is the same one. An idle CPU does nothing until its next event, so skipping its windows changes nothing.
#include <fmt/format.h>

#include <algorithm>

#include "core/state/unimplemented.h"
#include "platform/cpu/cpu_parts.h"
#include "platform/machine/machine.h"

namespace pmusim::platform {
namespace {

constexpr u64 kPollCycles = 1 << 20;  // wall clock and Ctrl-C
constexpr u64 kPredicateCycles = 10000;

}  // namespace

Cpu* Machine::pick() {
  Cpu* best = nullptr;
  u64 window = kNever;
  for (auto& cpu : cpus_) {
    const u64 action = cpu->next_action();
    if (action == kNever || action / config_.sync_window >= window) continue;
    window = action / config_.sync_window;
    best = cpu.get();
  }
  return best;
}

u64 Machine::bound_for(const Cpu& cpu) const {
  const u64 w = config_.sync_window;
  u64 others = kNever;
  for (const auto& other : cpus_) {
    if (other.get() == &cpu) continue;
    others = std::min(others, other->next_action());
  }
  u64 bound = kNever;
  if (others != kNever) bound = std::max(others / w * w, (cpu.next_action() / w + 1) * w);
  return std::min(std::min(bound, limits_.max_cycles), std::min(next_poll_, next_quantum_));
}

void Machine::distribute(const ApicMessage& message, const Cpu& from, const Cpu* here) {
  const u64 now = from.cycle();
  const auto post = [&](Cpu& cpu, const ApicMessage& m) {
    cpu.post(&cpu == here ? now : now + config_.ipi_latency, from.id(), m);
  };
  ApicMessage m = message;
  if (m.delivery == ApicDelivery::Lowest) {
    // Lowest priority is arbitrated when the message is sent; ties go to the lowest CPU number.
    Cpu* best = nullptr;
    for (auto& cpu : cpus_)
      if (cpu->id() < config_.cpus && cpu->apic().accepts(m) &&
          (!best || cpu->apic().processor_priority() < best->apic().processor_priority()))
        best = cpu.get();
    if (!best) return;
    m.delivery = ApicDelivery::Fixed;
    post(*best, m);
  } else {
    for (auto& cpu : cpus_)
      if (cpu->id() < config_.cpus) post(*cpu, m);
  }
  reconsider();
}

void Machine::reconsider() {
  if (current_) current_->set_bound(std::min(current_->bound(), bound_for(*current_)));
}

// The line's invalidation travels like an interrupt (assumed: no shorter than the window).
u64 Machine::store_seen(const Cpu& to) {
  const Cpu& from = acting();
  return from.cycle() + (&from == &to ? 0 : config_.ipi_latency);
}

// What a CPU sends to itself does not travel.
void Machine::send_ipi(Cpu& from, const ApicMessage& message) {
  distribute(message, from, &from);
}

void Machine::Wires::send(const ApicMessage& message) {
  machine_.distribute(message, machine_.acting(), &machine_.acting());
}

u64 Machine::Clock::nanoseconds() const {
  return machine_.nanoseconds_per_cycle().floor(machine_.acting().cycle());
}

u64 Machine::device_deadline() const {
  const u64 at = controllers_.next_deadline();
  return at == kNever ? kNever : nanoseconds_per_cycle().inverse().ceil(at);
}

void Machine::attention() {
  if (current_) current_->set_bound(0);
}

void Machine::stop(StopKind kind, unsigned cpu) {
  if (pending_ == StopKind::None) {
    pending_ = kind;
    stop_cpu_ = cpu;
  }
  attention();
}

void Machine::pause(Cpu& cpu) {
  stop(StopKind::Requested, cpu.id());
}

void Machine::failed(Cpu& cpu, std::exception_ptr error) {
  error_ = error;
  try {
    std::rethrow_exception(error);
  } catch (const core::OutsideRam&) {
    stop(StopKind::GuestError, cpu.id());
  } catch (const core::Unimplemented&) {
    stop(StopKind::Unimplemented, cpu.id());
  } catch (...) {
    stop(StopKind::Requested, cpu.id());
  }
}

// SystemC time = cycles of the core clock, rounded down to its resolution of 1 ps; only user modules look at
// it.
void Machine::follow_time(u64 cycle) {
  while (next_quantum_ <= cycle) next_quantum_ += config_.quantum;
  const u64 target = time_base_ + Ratio{1'000'000'000, core_khz()}.floor(cycle);
  const u64 now = sc_core::sc_time_stamp().value();
  if (target > now) sc_core::wait(sc_core::sc_time::from_value(target - now));
}

// Between runs, when the caller's thread acts for a CPU (the end of a VM whose counters are on), time passes
// and nobody else has a turn.
void Machine::yield(Cpu& cpu) {
  if (stopped_) return;
  for (;;) {
    if (cpu.cycle() >= next_quantum_ && pending_ == StopKind::None) follow_time(cpu.cycle());
    if (cpu.cycle() >= next_poll_) {
      next_poll_ = cpu.cycle() + (predicate_ ? kPredicateCycles : kPollCycles);
      poll();
      if (config_.on_poll) config_.on_poll();
    } else if (predicate_) {
      poll();
    }
    Cpu* next = pending_ == StopKind::None ? pick() : nullptr;
    if (pending_ == StopKind::None) {
      if (!next)
        stop(StopKind::Stall, cpu.id());
      else if (next->next_action() >= limits_.max_cycles)
        stop(StopKind::MaxCycles, next->id());
    }
    if (pending_ != StopKind::None) {
      stopped_ = true;
      sc_core::sc_pause();
      cpu.suspend();
    } else if (next != &cpu) {
      current_ = next;
      next->set_bound(bound_for(*next));
      next->resume();
      cpu.suspend();
    } else {
      current_ = &cpu;
      cpu.set_bound(bound_for(cpu));
    }
    // Resumed: somebody chose this CPU, and set its bound and next event. Idle CPUs go on only when they have
    // one.
    if (cpu.next_action() != kNever && current_ == &cpu && pending_ == StopKind::None) return;
  }
}

}  // namespace pmusim::platform
