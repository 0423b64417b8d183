// SPDX-License-Identifier: Apache-2.0
// What belongs to a CPU's state. TLBs and decoded code do not: the machine flushes the former when it saves
// and restores, the latter has no effect on results.
#include "platform/cpu/cpu_parts.h"

namespace pmusim::platform {

void Cpu::Arrival::archive(Archive& a) {
  a(cycle, from, message.delivery, message.shorthand, message.vector, message.logical, message.level_trigger,
    message.deassert, message.broadcast, message.destination, message.source);
}

void Cpu::archive(Archive& a) {
  a(state_, mtrr_);
  u64 random = random_.state();
  a(random);
  if (!a.saving()) random_ = Rng(random);
  std::vector<u64> time = timing_->save();
  a.list(time);
  if (!a.saving()) timing_->restore(time);
  EventCounts& counts = core_->mutable_counts();
  for (unsigned c = 0; c < kContexts; ++c) {
    CountVector v = counts[c];
    for (u64& n : v) a(n);
    if (v != counts[c]) counts.in(c) = v;
  }

  pmu::Pmu::Snapshot pmu = pmu_->save();
  a(pmu, apic_);
  a(tsc_offset_, tsc_adjust_, debugctl_, misc_enable_, spec_ctrl_, mcg_status_, syscfg_, hwcr_, nb_cfg_);
  a.list(pmi_due_);
  a.list(inbox_);
  a(host_if_, in_nmi_, handled_, idle_, parked_, finished_);
  if (a.saving()) book_host_cycles();
  for (u64& cycles : host_cycles_) a(cycles);
  a(booked_, cause_);
  u64 line = monitor_->line();
  a(line, stored_at_);
  if (!a.saving()) line == kNever ? ram_.disarm(*monitor_) : ram_.arm(*monitor_, line);
  if (a.saving()) return;
  core_->set_state(&state_);
  core_->discard_time();
  pmu_->restore(pmu);
  follow_pmu();
}

}  // namespace pmusim::platform
