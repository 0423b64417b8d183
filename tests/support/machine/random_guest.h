// SPDX-License-Identifier: Apache-2.0
// Random 64-bit guest programs for the machine: arithmetic, memory, branches, loops, calls, strings, faults
// (recovered by their handlers), MSRs, RDPMC, INT n, single-step traps, self-modifying code, HLT, in the
// kernel and then at CPL 3, with PMIs by vector or NMI and a periodic timer; of several CPUs also IPIs and
// races. A PMI's place (RIP, TSC, status) is logged in memory. The same seed gives the same bytes.
#pragma once

#include "base/rng.h"
#include "tests/support/machine/guest_image.h"
#include "tests/support/machine/machine.h"

namespace pmusim::platform::test {

enum class CounterPlan {
  Sampling,  // values near overflow, PMIs, programming changed by the program
  Silent,    // counters start at `initial`, no PMI is enabled and the program leaves the PMU alone
};

struct GuestPlan {
  u64 seed = 0;
  unsigned cpus = 1;
  u32 timer_scale = 1;   // of the timer's period of a few thousand ticks
  unsigned units = 150;  // pieces of program in each privilege level
  CounterPlan counters = CounterPlan::Sampling;
  std::vector<u64> initial;  // Silent: by counter, GP first and then fixed; missing ones are 0
};

Image random_guest(const CpuModel& model, const GuestPlan& plan);
std::vector<unsigned> counter_ids(const CpuModel& model);  // GP n, kFixedBase + n

inline constexpr u32 kLogPointer = 0x408000;  // the next free record; records of 16 bytes follow
inline constexpr u32 kLog = 0x408100, kLogEnd = 0x40b000;

}  // namespace pmusim::platform::test
