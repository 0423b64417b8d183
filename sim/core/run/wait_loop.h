// SPDX-License-Identifier: Apache-2.0
// Loops that wait for the clock: from one RDTSC back to itself, with nothing between that touches memory or
// faults, and one conditional branch that compares the clock, or the clock and a constant, with a constant
// (`do pause(); while (rdtsc() - start < n)`). Until when such a loop goes on follows from the comparison.
// Not recognized: clocks of which a part is compared, signed comparisons, registers that an iteration leaves
// to the next, loops that look at memory too.
#pragma once

#include "core/run/block_cache.h"

namespace pmusim::core {

struct WaitLoop {
  bool pauses = false;      // contains PAUSE, which can exit
  u64 first = 0, last = 0;  // bytes of its code, by RIP
  u64 left = 0;             // how far the clock may grow from now on with the loop still going on
};

// The loop of which the state stands behind its RDTSC, from the blocks that the cache holds; false if it is
// none, or ends now.
bool find_wait_loop(BlockCache& cache, const CpuState& state, WaitLoop& loop);

}  // namespace pmusim::core
