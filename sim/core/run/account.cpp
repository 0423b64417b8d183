// SPDX-License-Identifier: Apache-2.0
// Retirement and time: counts of a prefix of a block, clocks as exact ratios, observers of cycles. Time goes
// to the context in which the instructions that took it began; the cycle in which a context changes goes to
// the context that completes it.
#include <algorithm>

#include "core/run/core_impl.h"

namespace pmusim::core {
namespace {

BranchKind kind_of(OpBranch branch) {
  return static_cast<BranchKind>(static_cast<u8>(branch) - 1);
}

}  // namespace

void Core::Impl::happened(Count kind, u64 n) {
  core.counts_.in(context_)[static_cast<unsigned>(kind)] += n;
  if (levels_ & Observer::kCycle) cycle_counts_[static_cast<unsigned>(kind)] += n;
}

// With cycle observers every instruction comes here alone: completed cycles are reported before and after.
void Core::Impl::retire_range(unsigned from, unsigned to) {
  if (from >= to) return;
  const bool cycles = levels_ & Observer::kCycle;
  if (cycles) {
    flush_time();
    account_time(context_);
  }
  u64 loads = 0, stores = 0, locked = 0;
  for (unsigned i = from; i < to; ++i) {
    const MicroOp& op = block_->ops[i];
    loads += op.loads;
    stores += op.stores;
    locked += op.locked();
    if (op.branch != OpBranch::None) happened(count_of(op.branch, x.taken), 1);
  }
  happened(Count::Instructions, to - from);
  happened(Count::Loads, loads);
  happened(Count::Stores, stores);
  happened(Count::LockedLoads, locked);
  if (!detailed_) pending_ += to - from;
  if (cycles) {
    flush_time();
    account_time(context_);
  }
}

// Retires the iterations executed so far, and with the last of them the instruction.
void Core::Impl::retire_repeat(bool finished) {
  const bool cycles = levels_ & Observer::kCycle;
  if (cycles) {
    flush_time();
    account_time(context_);
  }
  const MicroOp& op = block_->ops[0];
  happened(Count::Loads, iterations_ * op.loads);
  happened(Count::Stores, iterations_ * op.stores);
  if (finished) happened(Count::Instructions, 1);
  if (!detailed_) pending_ += iterations_ ? iterations_ : finished;
  iterations_ = 0;
  if (cycles) {
    flush_time();
    account_time(context_);
  }
}

// Before a system instruction or a memory-mapped access: what executed before it retires.
void Core::Impl::commit() {
  if (block_ && x.op) {
    if (block_->repeat) {
      retire_repeat(false);
    } else {
      const unsigned current = static_cast<unsigned>(x.op - block_->ops.data());
      retire_range(done_, current);
      done_ = std::max(done_, current);
    }
  }
  flush_time();
}

void Core::Impl::synchronize() {
  commit();
  cache.fold();
  account_time(context_);
  synchronized_at_ = timing.cycle();
}

void Core::Impl::account_time(unsigned context) {
  const u64 now = timing.cycle();
  if (now <= accounted_) return;
  CountVector& to = core.counts_.in(context);
  const u64 cycles = now - accounted_;
  to[static_cast<unsigned>(Count::Cycles)] += cycles;
  to[static_cast<unsigned>(Count::Slots)] += cycles * timing.width();
  to[static_cast<unsigned>(Count::RefCycles)] += ref_clock_.floor(now) - ref_clock_.floor(accounted_);
  to[static_cast<unsigned>(Count::BusCycles)] += bus_clock_.floor(now) - bus_clock_.floor(accounted_);
  accounted_ = now;
  if (!(levels_ & Observer::kCycle)) {
    if (detailed_) timing.take_slots(to);
    return;
  }
  CountVector slots{};
  timing.take_slots(slots);
  for (unsigned k = 0; k < kCounts; ++k) to[k] += slots[k];
  report_cycles(context, cycles, slots);
}

// Happenings are the first cycle's. Slots fill the cycles in the order of their kinds, retiring ones first.
void Core::Impl::report_cycles(unsigned context, u64 cycles, CountVector& slots) {
  const u64 width = timing.width();
  CountVector cycle = cycle_counts_;
  cycle_counts_ = {};
  for (bool first = true; cycles; first = false) {
    cycle[static_cast<unsigned>(Count::Cycles)] = 1;
    cycle[static_cast<unsigned>(Count::Slots)] = width;
    u64 room = width, repeat = first ? 1 : cycles;
    for (CountMask kinds = timing.produces() & kTopdownCounts; kinds && room;) {
      const unsigned k = static_cast<unsigned>(take_lowest(kinds));
      cycle[k] = std::min(room, slots[k]);
      if (cycle[k]) repeat = cycle[k] < width || first ? 1 : std::min(cycles, slots[k] / width);
      room -= cycle[k];
    }
    for (CountMask kinds = kTopdownCounts; kinds;) {
      const unsigned k = static_cast<unsigned>(take_lowest(kinds));
      slots[k] -= cycle[k] * repeat;
    }
    for (Observer* o : observers_)
      if (o->levels() & Observer::kCycle) o->on_cycle(context, cycle, repeat);
    cycles -= repeat;
    cycle = {};
  }
}

void Core::Impl::discard_time() {
  flush_time();
  accounted_ = timing.cycle();
  CountVector nobody{};
  timing.take_slots(nobody);
}

void Core::Impl::update_levels() {
  waiting_.seen = 0;
  levels_ = 0;
  branches_kept_ = 0;
  for (const Observer* o : observers_) {
    levels_ = static_cast<u8>(levels_ | o->levels());
    if (o->levels() & Observer::kTaken) branches_kept_ = std::max(branches_kept_, o->branches_kept());
  }
}

void Core::Impl::report_retired(const MicroOp& op) {
  for (Observer* o : observers_) {
    const u8 levels = o->levels();
    if (levels & Observer::kRetire) o->on_retire(op.rip(), context_);
    if ((levels & Observer::kBranch) && op.branch != OpBranch::None)
      o->on_branch(op.rip(), x.s->rip, kind_of(op.branch), op.branch != OpBranch::Conditional || x.taken);
  }
}

// RIP is behind the instruction, the last of those that have retired. A branch to the next instruction is one
// too.
void Core::Impl::report_taken(const MicroOp& op) {
  if (op.branch == OpBranch::None || (op.branch == OpBranch::Conditional && !x.taken)) return;
  tell_taken(op.rip(), kind_of(op.branch), false);
}

void Core::Impl::tell_taken(u64 from, BranchKind kind, bool event) {
  flush_time();
  const TakenBranch branch{from, x.s->rip, kind, event, timing.cycle()};
  for (Observer* o : observers_)
    if (o->levels() & Observer::kTaken) o->on_taken(branch);
}

void Core::Impl::code_written(u64 page) {
  cache.drop_page(page);
  x.recheck = true;
  if (x.op) x.stop_after_this();
}

}  // namespace pmusim::core
