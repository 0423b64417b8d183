// SPDX-License-Identifier: Apache-2.0
// How far the core may run before a counter can overflow: after that many instructions or cycles, and not
// earlier, a wrap is possible, so a core that stops there and syncs never sees one late. An upper bound of
// what one instruction (or REP iteration) adds keeps the distance safe; the caller asks again until it is
// reached. For the caches' and TLBs' kinds that bound is stated, not proven.
#include "arch/count.h"
#include "base/bits.h"
#include "pmu/pmu.h"

namespace pmusim::pmu {
namespace {

constexpr CountMask kBranches = mask_of(Count::CondTaken) | mask_of(Count::CondNotTaken) |
                                mask_of(Count::DirectJump) | mask_of(Count::IndirectJump) |
                                mask_of(Count::DirectCall) | mask_of(Count::IndirectCall) |
                                mask_of(Count::Return) | mask_of(Count::FarBranch);

// Most memory operations of one kind in an instruction: PUSHA and POPA have eight. ENTER with a nesting level
// above eight has more and may carry a wrap past the horizon by its own excess.
constexpr u64 kMostAccesses = 8;

// Of the caches' and TLBs' kinds, where each access may cross a line, walk and bring in lines ahead; and the
// cycles of its misses. Not a proven bound: more of them carry a wrap past the horizon by the excess.
constexpr u64 kMostRequests = 64, kMostMissCycles = 4096;
constexpr CountMask kMissCycles = mask_of(Count::L1dPendingCycles) | mask_of(Count::DtlbLoadWalkCycles) |
                                  mask_of(Count::DtlbStoreWalkCycles) | mask_of(Count::ItlbWalkCycles) |
                                  mask_of(Count::FetchTlbCycles) | mask_of(Count::FetchMissCycles) |
                                  mask_of(Count::DividerCycles);
constexpr CountMask kMispredicts = mask_of(Count::MispCondTaken, Count::LateTargets);
constexpr CountMask kRequests =
    kIntervalCounts & ~kMissCycles & ~kMispredicts & ~kTopdownCounts & ~kIdleCounts;

u64 ceil_div(u64 a, u64 b) {
  return (a + b - 1) / b;
}

// Fewest cycles in which a clock of so many ticks per cycle, at any phase, can tick `ticks` times.
u64 cycles_for(u64 ticks, Ratio clock) {
  return clock.inverse().floor(ticks - 1) + 1;
}

u64 most_per_instruction(CountMask kinds) {
  u64 most = 0;
  if (kinds & mask_of(Count::Instructions)) most += 1;
  if (kinds & kBranches) most += 1;
  if (kinds & mask_of(Count::Loads)) most += kMostAccesses;
  if (kinds & mask_of(Count::Stores)) most += kMostAccesses;
  if (kinds & mask_of(Count::LockedLoads)) most += 1;
  if (kinds & kMispredicts) most += 1;
  if (kinds & kRequests) most += kMostRequests;
  if (kinds & kMissCycles) most += kMostMissCycles;
  if (kinds & mask_of(Count::Interrupts)) most += 1;  // a delivery is spent like an instruction
  return most;
}

u64 fewest_cycles(const PmuDescription& model, CountMask kinds, u64 distance) {
  u64 classes = kinds & kTopdownCounts ? 1 : 0;  // all of them together are at most the slots
  for (CountMask left = kinds & (kTimeCounts | kIdleCounts); left; ++classes) take_lowest(left);
  const u64 share = ceil_div(distance, classes);
  u64 cycles = kNever;
  const auto take = [&cycles](u64 c) { cycles = c < cycles ? c : cycles; };
  if (kinds & (mask_of(Count::Cycles) | kIdleCounts)) take(share);
  if (kinds & (mask_of(Count::Slots) | kTopdownCounts)) take(ceil_div(share, model.width));
  if (kinds & mask_of(Count::RefCycles)) take(cycles_for(share, model.tsc_per_cycle));
  if (kinds & mask_of(Count::BusCycles)) take(cycles_for(share, model.bus_per_cycle));
  return cycles;
}

}  // namespace

Horizon Pmu::horizon() const {
  Horizon result;
  if (!any_active_) return result;
  for (const Counter& counter : counters_) {
    const CounterSetup& setup = counter.setup;
    if (!setup.enabled || !setup.kinds) continue;
    u64 distance = mask(model_->caps.width_of(counter.id)) - regs_.counter(counter.id);  // to all ones
    const u64 pending = total(counter) - counter.last;
    distance =
        distance > pending ? distance - pending + 1 : 1;  // to the wrap; a wrap not yet taken in is due now
    u64 instructions = kNever, cycles = kNever;
    if (setup.threshold()) {
      cycles = distance;  // at most one per cycle
    } else {
      const u64 most = most_per_instruction(setup.kinds);
      const bool timed = setup.kinds & (kTimeCounts | kTopdownCounts | kIdleCounts);
      const u64 share = most && timed ? ceil_div(distance, 2) : distance;
      if (most) instructions = ceil_div(share, most);
      if (timed) cycles = fewest_cycles(*model_, setup.kinds, share);
    }
    if (instructions < result.instructions) result.instructions = instructions;
    if (cycles < result.cycles) result.cycles = cycles;
  }
  return result;
}

Horizon Pmu::reach(u64 cycle) {
  if (!reach_known_) {
    const Horizon now = horizon();
    reach_instructions_ = now.instructions;
    reach_cycle_ = now.cycles < kNever - cycle ? cycle + now.cycles : kNever;
    reach_known_ = true;
  }
  return {reach_instructions_, reach_cycle_ == kNever ? kNever : reach_cycle_ - cycle};
}

void Pmu::ran(u64 instructions, u64 cycle) {
  if (reach_known_ && instructions < reach_instructions_ && cycle < reach_cycle_) {
    if (reach_instructions_ != kNever) reach_instructions_ -= instructions;
    return;
  }
  sync();
}

}  // namespace pmusim::pmu
