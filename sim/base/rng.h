// SPDX-License-Identifier: Apache-2.0
// Deterministic random numbers: SplitMix64 and our own mapping to ranges, because the mapping of
// std::uniform_int_distribution differs between standard libraries.
#pragma once

#include "base/types.h"

namespace pmusim {

class Rng {
 public:
  explicit Rng(u64 seed) : state_(seed) {}

  u64 state() const { return state_; }  // Rng(state()) goes on alike

  u64 next() {
    u64 z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  // A number in [0, bound), by multiply-shift; bound must not be 0.
  u64 below(u64 bound) { return static_cast<u64>((static_cast<u128>(next()) * bound) >> 64); }

 private:
  u64 state_;
};

}  // namespace pmusim
