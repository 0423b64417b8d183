// SPDX-License-Identifier: Apache-2.0
// The order of use of up to 25 ways in one number of 128 bits: five bits each, the most recently used lowest.
#pragma once

#include "base/types.h"

namespace pmusim::core::recency {

using Order = u128;

inline constexpr unsigned kDigit = 5, kMostWays = 25;

constexpr Order digits(unsigned step) {
  Order order = 0;
  for (unsigned way = 0; way < kMostWays; ++way) order |= Order{step ? way : 1} << kDigit * way;
  return order;
}
inline constexpr Order kAscending = digits(1);  // way 0 first
inline constexpr Order kOnes = digits(0);

constexpr Order below(unsigned position) {
  return (Order{1} << kDigit * position) - 1;
}
constexpr unsigned at(Order order, unsigned position) {
  return static_cast<unsigned>(order >> kDigit * position) & ((1u << kDigit) - 1);
}
// Of a set without lines: way 0 is taken first. Ways that the set has not stay behind.
constexpr Order initial(unsigned ways) {
  Order order = kAscending & ~below(ways);
  for (unsigned way = 0; way < ways; ++way) order |= Order{ways - 1 - way} << kDigit * way;
  return order;
}
constexpr unsigned position_of(Order order, unsigned way) {
  const Order difference = order ^ kOnes * way;  // its lowest zero digit is the way's
  const Order zero = (difference - kOnes) & ~difference & kOnes << (kDigit - 1);
  const u64 low = static_cast<u64>(zero), high = static_cast<u64>(zero >> 64);
  const int bit = low ? __builtin_ctzll(low) : 64 + __builtin_ctzll(high);
  return static_cast<unsigned>(bit) / kDigit;
}
constexpr Order to_front(Order order, unsigned way) {
  const unsigned p = position_of(order, way);
  return (order & ~below(p + 1)) | (order & below(p)) << kDigit | way;
}
// The second before the first.
constexpr Order swap_front(Order order) {
  const Order two = order & below(2);
  return (order & ~below(2)) | two >> kDigit | (two & below(1)) << kDigit;
}
// To the end of the first `ways` places.
constexpr Order to_back(Order order, unsigned way, unsigned ways) {
  const unsigned p = position_of(order, way);
  const Order moved = (order & below(ways) & ~below(p + 1)) >> kDigit;
  return (order & ~below(ways)) | (order & below(p)) | moved | Order{way} << kDigit * (ways - 1);
}

}  // namespace pmusim::core::recency
