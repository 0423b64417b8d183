// SPDX-License-Identifier: Apache-2.0
// What the simulated hardware can count. Vendors' event codes are expressions over these (sum of the kinds
// whose bit is set); counters are differences of the totals (event_counts.h). Nothing else about an event is
// known outside models/. Who only passes counts and masks on includes count_fwd.h: a new kind then does not
// concern them.
#pragma once

#include "arch/count_fwd.h"

namespace pmusim {

// Primitive, disjoint happenings. Cycle-like ones come first: they advance with time, not with instructions.
enum class Count : u8 {
  Cycles,        // unhalted core cycles
  RefCycles,     // unhalted cycles of the TSC clock
  BusCycles,     // unhalted cycles of the reference event 0x3c/0x01 (crystal or TSC clock, by the model)
  Slots,         // pipeline slots: cycles x width
  Instructions,  // retired; REP counts once, a faulting instruction does not count
  CondTaken,     // branches by kind, disjoint
  CondNotTaken,
  DirectJump,
  IndirectJump,
  DirectCall,
  IndirectCall,
  Return,
  FarBranch,  // far jmp/call/ret, INT n, IRET, SYSCALL/SYSRET
  Loads,      // retired load operations; each REP iteration counts
  Stores,
  LockedLoads,  // loads of LOCK-prefixed instructions and of XCHG with memory (also in Loads)
  Interrupts,   // hardware interrupts taken (IDT delivery of external interrupts and NMIs)

  // From here on: known to a timing model with caches, TLBs and a predictor only, 0 under functional timing.
  // Mispredicted retired branches by kind; Resteers: taken branches that the front end found out about only
  // when it decoded them (no mispredict).
  MispCondTaken,
  MispCondNotTaken,
  MispIndirectJump,
  MispIndirectCall,
  MispReturn,
  Resteers,
  LateTargets,  // taken branches that the target buffer's first level did not give, its second did
  // Retired load operations by the place that served them; their sum is Loads but for uncached ones.
  LoadL1Hit,
  LoadFillHit,  // the line was on its way into the L1 already
  LoadL2Hit,
  LoadL3Hit,
  LoadDram,
  SplitLoads,  // crossed a line; also in one of the above
  SplitStores,
  L1dReplacements,   // lines brought into the L1D, whoever asked
  L1dPendingCycles,  // sum over the L1D misses of loads of the cycles that each was outstanding
  // Requests that missed an L1 by requester and by the place that served them: an L2 reference is any of the
  // requester's three, an L2 miss the latter two, a reference of the last level likewise, its miss the third.
  DataL2Hit,  // loads
  DataL3Hit,
  DataDram,
  RfoL2Hit,  // stores, and software prefetches for writing
  RfoL3Hit,
  RfoDram,
  CodeL2Hit,  // instruction fetch
  CodeL3Hit,
  CodeDram,
  WalkL2Hit,  // page-table reads
  WalkL3Hit,
  WalkDram,
  L1PrefetchL2Hit,  // the L1D's prefetcher and software prefetches for reading
  L1PrefetchL3Hit,
  L1PrefetchDram,
  L2PrefetchL2Hit,  // the L2's prefetcher: not references of the last level (SDM, "Pre-defined Architectural
  L2PrefetchL3Hit,  // Performance Events": fills by other hardware prefetchers may be excluded)
  L2PrefetchDram,
  // Misses of a first-level TLB: served by the second level, or walked; and the cycles of those walks.
  DtlbLoadStlbHit,
  DtlbLoadWalks,
  DtlbLoadWalkCycles,
  DtlbStoreStlbHit,
  DtlbStoreWalks,
  DtlbStoreWalkCycles,
  ItlbStlbHit,
  ItlbWalks,
  ItlbWalkCycles,
  Dtlb4kStlbHit,  // of 4 KB pages, loads and stores; also in the above
  Dtlb4kWalks,
  FetchTlbCycles,  // that fetches of code waited for a translation, and for the line
  FetchMissCycles,
  PageSplitLoads,        // also in SplitLoads
  StoreForwards,         // loads that got their data from an older store
  SmcClears,             // pipeline cleared because its code was written to
  StoreForwardsBlocked,  // loads that needed part of an older store which could not be forwarded
  // Where the slots went (top-down method, level 1 and part of level 2): their sum is Slots.
  SlotsRetiring,
  SlotsMispredict,  // wrong path and recovery
  SlotsClear,       // machine clears
  SlotsFetchLatency,
  SlotsFetchBandwidth,
  SlotsMemory,
  SlotsCore,
  // Cycles in which nothing retired, by what held the next instruction back; and of those of the front end
  // the ones lost to mispredicts and clears.
  NoRetireFrontEnd,
  NoRetireMemory,
  NoRetireCore,
  RecoveryCycles,
  Divides,  // integer ones, and the cycles in which their divider was taken
  DividerCycles,
  Number
};
inline constexpr unsigned kCounts = static_cast<unsigned>(Count::Number);

static_assert(kCounts <= 128, "one bit for each kind");
constexpr CountMask mask_of(Count c) {
  return CountMask{1} << static_cast<unsigned>(c);
}
// All kinds from `first` to `last`.
constexpr CountMask mask_of(Count first, Count last) {
  return (mask_of(last) - mask_of(first)) | mask_of(last);
}
inline constexpr CountMask kTimeCounts =
    mask_of(Count::Cycles) | mask_of(Count::RefCycles) | mask_of(Count::BusCycles) | mask_of(Count::Slots);
inline constexpr CountMask kIntervalCounts = mask_of(Count::MispCondTaken, Count::DividerCycles);
inline constexpr CountMask kTopdownCounts = mask_of(Count::SlotsRetiring, Count::SlotsCore);

// No more than one of each in a cycle.
inline constexpr CountMask kIdleCounts = mask_of(Count::NoRetireFrontEnd, Count::RecoveryCycles);

// Takes the lowest kind out of a mask that is not empty, and returns it.
inline Count take_lowest(CountMask& kinds) {
  const u64 low = static_cast<u64>(kinds);
  const int bit = low ? __builtin_ctzll(low) : 64 + __builtin_ctzll(static_cast<u64>(kinds >> 64));
  kinds &= kinds - 1;
  return static_cast<Count>(bit);
}

// Name as in `list events` and in model files ("instructions", "cond_taken", ...), and back (Number if none).
const char* count_name(Count count);
Count count_by_name(const char* name);

}  // namespace pmusim
