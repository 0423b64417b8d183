// SPDX-License-Identifier: Apache-2.0
// An exact ratio of two clocks, or of anything that is counted: num / den, den not 0. Products have 128 bits,
// so every value and every ratio of 64-bit numbers is computed exactly; a result of more than 64 bits is
// kNever.
#pragma once

#include "base/types.h"

namespace pmusim {

struct Ratio {
  u64 num = 1, den = 1;

  // floor(value x num / den); a 128-bit division only where the product needs it.
  u64 floor(u64 value) const {
    if (num == den) return value;
    u64 product;
    if (!__builtin_mul_overflow(value, num, &product)) return product / den;
    return saturated(static_cast<u128>(value) * num / den);
  }
  // The same rounded up. inverse().ceil(n) is the smallest value of which floor() is at least n.
  u64 ceil(u64 value) const { return saturated((static_cast<u128>(value) * num + (den - 1)) / den); }
  Ratio inverse() const { return {den, num}; }

 private:
  static u64 saturated(u128 value) { return value > kNever ? kNever : static_cast<u64>(value); }
};

}  // namespace pmusim
