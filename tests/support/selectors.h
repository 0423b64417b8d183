// SPDX-License-Identifier: Apache-2.0
// Event selectors that tests program: events at both privilege levels, enabled; with an interrupt at overflow
// where they sample. Without a vendor in the name the event has this code on both.
#pragma once

#include "arch/evtsel.h"

namespace pmusim::test {

inline constexpr u64 kCount = evtsel::kEn | evtsel::kOs | evtsel::kUsr, kSample = kCount | evtsel::kInt;

inline constexpr u64 kCountInstructions = 0xc0 | kCount, kSampleInstructions = 0xc0 | kSample;
inline constexpr u64 kCountIntelBranches = 0xc4 | kCount, kSampleIntelBranches = 0xc4 | kSample;
inline constexpr u64 kCountIntelCycles = 0x3c | kCount;
inline constexpr u64 kCountAmdBranches = 0xc2 | kCount;

}  // namespace pmusim::test
