// SPDX-License-Identifier: Apache-2.0
// Guests that count events of interval timing: a 32-bit program with identity-mapped 4 KB pages that runs
// `before`, enables its counters, runs `measured` and disables them. What is counted changes nothing in the
// program but the values of its WRMSRs, so events that need several runs are counted over the same execution.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "tests/support/machine/guest_image.h"

namespace pmusim::platform::test {

struct Counted {
  std::string event;
  u8 cmask = 0;
  bool inv = false, edge = false;
};

struct TimedGuest {
  std::function<void(Assembler&)> before, measured;  // begin with EAX 12345 and EBX 0, keep ESP
};
struct TimedRun {
  std::vector<u64> counts;  // in the order asked for
  unsigned gaps = 0;        // reports of something that is not counted
  u64 hash = 0;             // of the machine, at the end of the last run
};
TimedRun run_timed(const std::string& model, const TimedGuest& guest, const std::vector<Counted>& events,
                   bool step = false);

inline constexpr u32 kTimedData = 0x1000000, kTimedDataEnd = 0x1c00000;
inline constexpr u32 kReturns = 0x800000, kReturnsEnd = 0xa00000;  // RET in every byte

// Strided and random loads, stores and read-modify-writes over a page to 8 MB, calls into random lines of
// code, unpredictable branches, string moves and stores to code.
void random_phases(Assembler& to, Rng& rng, unsigned phases);

}  // namespace pmusim::platform::test
