// SPDX-License-Identifier: Apache-2.0
// What the simulated hardware can count, and in which contexts. Vendors' event codes are expressions over
// these (sum of the kinds whose bit is set); counters are differences of the totals. Nothing else about an
// event is known outside models/.
#pragma once

#include <array>

#include "base/types.h"

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
  Number
};
inline constexpr unsigned kCounts = static_cast<unsigned>(Count::Number);

using CountMask = u64;  // bit Count::X
constexpr CountMask mask_of(Count c) {
  return u64{1} << static_cast<unsigned>(c);
}
inline constexpr CountMask kTimeCounts =
    mask_of(Count::Cycles) | mask_of(Count::RefCycles) | mask_of(Count::BusCycles) | mask_of(Count::Slots);

// Context = world (host, guest, nested guest) x privilege x transaction.
enum class World : u8 { Host = 0, Guest = 1, NestedGuest = 2 };
inline constexpr unsigned kContexts = 12;
constexpr unsigned context_of(World world, bool user, bool in_transaction = false) {
  return static_cast<unsigned>(world) * 4 + (user ? 2 : 0) + (in_transaction ? 1 : 0);
}
using ContextMask = u16;  // bit context_of(...)

using CountVector = std::array<u64, kCounts>;
struct EventCounts {
  std::array<CountVector, kContexts> at{};

  u64 sum(CountMask kinds, ContextMask contexts) const {
    u64 total = 0;
    for (unsigned c = 0; c < kContexts; ++c)
      if (contexts >> c & 1)
        for (CountMask k = kinds; k; k &= k - 1) total += at[c][static_cast<unsigned>(__builtin_ctzll(k))];
    return total;
  }
};

// Name as in `list events` and in model files ("instructions", "cond_taken", ...), and back (Number if none).
const char* count_name(Count count);
Count count_by_name(const char* name);

}  // namespace pmusim
