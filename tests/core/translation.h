// SPDX-License-Identifier: Apache-2.0
// What tests of address translation share: the bits of entries and of page-fault error codes, accesses that
// fault or are allowed, and a second stage by pages.
#pragma once

#include <map>

#include "core/memory/mmu.h"
#include "machine.h"

namespace pmusim::core::test {

inline constexpr u64 kP = Machine::kP, kW = Machine::kW, kU = Machine::kU, kA = Machine::kA, kD = Machine::kD,
                     kPs = Machine::kPs, kG = Machine::kG, kNx = Machine::kNx;
inline constexpr u32 kErrP = 1, kErrW = 2, kErrU = 4, kErrRsvd = 8, kErrI = 16;
inline constexpr u64 kAt = 0x40000000;  // a linear address the identity map does not cover

inline bool page_fault(Machine& m, u64 linear, char access, u32 error) {
  const auto fault = fault_of([&] {
    if (access == 'r') m.mmu.read<u32>(linear);
    if (access == 'w') m.mmu.write<u32>(linear, 1);
    if (access == 'x') m.mmu.fetch(linear);
  });
  return fault && fault->vector == kPF && fault->error_code == error && fault->sets_cr2 &&
         fault->cr2 == linear;
}
inline bool allowed(Machine& m, u64 linear, char access) {
  return !fault_of([&] {
    if (access == 'r') m.mmu.read<u32>(linear);
    if (access == 'w') m.mmu.write<u32>(linear, 1);
    if (access == 'x') m.mmu.fetch(linear);
  });
}

struct PageMap : SecondStage {
  std::map<u64, Result> pages;
  bool identity = true;
  Result translate(u64 gpa) const override {
    const auto it = pages.find(gpa & ~kPageMask);
    if (it == pages.end()) return identity ? Result{true, true, gpa} : Result{};
    Result r = it->second;
    r.address |= gpa & kPageMask;
    return r;
  }
};

}  // namespace pmusim::core::test
