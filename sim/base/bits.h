// SPDX-License-Identifier: Apache-2.0
// Bit arithmetic on 64-bit registers.
#pragma once

#include "base/types.h"

namespace pmusim {

constexpr u64 bit(unsigned n) {
  return u64{1} << n;
}

// The low `width` bits set; width may be 0 to 64.
constexpr u64 mask(unsigned width) {
  return width >= 64 ? ~u64{0} : (u64{1} << width) - 1;
}

// Bits high..low of value, moved to bit 0.
constexpr u64 bits(u64 value, unsigned high, unsigned low) {
  return (value >> low) & mask(high - low + 1);
}

constexpr bool test_bit(u64 value, unsigned n) {
  return (value >> n) & 1;
}

// The numbers of the bits that are set, lowest first: for (unsigned n : set_bits(mask)).
class SetBits {
 public:
  class Iterator {
   public:
    constexpr explicit Iterator(u64 left) : left_(left) {}
    constexpr unsigned operator*() const { return static_cast<unsigned>(__builtin_ctzll(left_)); }
    constexpr Iterator& operator++() {
      left_ &= left_ - 1;
      return *this;
    }
    constexpr bool operator!=(const Iterator& other) const { return left_ != other.left_; }

   private:
    u64 left_;
  };

  constexpr explicit SetBits(u64 mask) : mask_(mask) {}
  constexpr Iterator begin() const { return Iterator(mask_); }
  constexpr Iterator end() const { return Iterator(0); }

 private:
  u64 mask_;
};

constexpr SetBits set_bits(u64 mask) {
  return SetBits(mask);
}

// `value`, whose sign is its bit width-1, extended to 64 bits.
constexpr u64 sign_extend(u64 value, unsigned width) {
  const u64 sign = bit(width - 1);
  return ((value & mask(width)) ^ sign) - sign;
}

}  // namespace pmusim
