// SPDX-License-Identifier: Apache-2.0
// The report at a stop: why the run ended, and unless it ended as it should, what every CPU was doing.
#include <fmt/format.h>

#include "platform/machine/machine.h"

namespace pmusim::platform {
namespace {

std::string message_for(const StopReport& r, u64 max_cycles, u64 max_seconds) {
  switch (r.kind) {
    case StopKind::Exit:
      return fmt::format("exit status {}", r.status);
    case StopKind::Predicate:
      return "the condition holds";
    case StopKind::Requested:
      return fmt::format("a program on CPU {} asked for it", r.cpu);
    case StopKind::Finished:
      return "every program has ended or is parked";
    case StopKind::Reset:
      return fmt::format("CPU {} reset the machine, and there is no firmware to start again", r.cpu);
    case StopKind::PowerOff:
      return fmt::format("CPU {} switched the machine off", r.cpu);
    case StopKind::Stall:
      return "every CPU waits, and no event will ever wake one";
    case StopKind::MaxCycles:
      return fmt::format("cycle {} reached without an exit", max_cycles);
    case StopKind::MaxSeconds:
      return fmt::format("{} seconds passed without an exit", max_seconds);
    case StopKind::Interrupted:
      return "the user ended the run";
    case StopKind::TripleFault:
      return fmt::format("CPU {} shut down", r.cpu);
    case StopKind::Unimplemented:
      return fmt::format("CPU {} met an instruction that is not implemented", r.cpu);
    case StopKind::GuestError:
      return fmt::format("CPU {} executed where there is no memory", r.cpu);
    case StopKind::None:
      break;
  }
  return "";
}

}  // namespace

StopReport Machine::report() {
  StopReport r;
  r.kind = pending_;
  r.status = pending_ == StopKind::Exit ? exit_status_ : 0;
  r.cpu = stop_cpu_;
  r.cycle = cycle();
  bool any_ended = false, all_ended = true;
  for (unsigned id = 0; id < config_.cpus; ++id) {
    const Cpu& cpu = *cpus_[id];
    const bool ended = cpu.finished() || cpu.parked();
    any_ended |= ended;
    all_ended &= ended || (cpu.idle() && cpus_[id]->state().activity == core::Activity::WaitForSipi);
  }
  if (r.kind == StopKind::Stall && any_ended && all_ended) r.kind = StopKind::Finished;
  r.message = message_for(r, limits_.max_cycles, limits_.max_seconds);
  r.unclaimed = bus_->unclaimed().text();
  switch (r.kind) {
    case StopKind::Exit:
    case StopKind::Predicate:
    case StopKind::Requested:
    case StopKind::Finished:
    case StopKind::PowerOff:
      return r;
    default:
      break;
  }
  for (unsigned id = 0; id < config_.cpus; ++id) {
    CpuReport c = describe_core(cpus_[id]->core());
    c.id = id;
    c.cycle = cpus_[id]->cycle();
    const bool stopped_here =
        (r.kind == StopKind::Unimplemented || r.kind == StopKind::GuestError) && id == r.cpu;
    c.waits_for = stopped_here ? "stopped at what it cannot execute" : cpus_[id]->waits_for();
    r.cpus.push_back(std::move(c));
  }
  return r;
}

}  // namespace pmusim::platform
