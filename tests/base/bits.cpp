// SPDX-License-Identifier: Apache-2.0
// Bit ranges and exact ratios at the ends of 64 bits.
#include "base/bits.h"

#include <doctest/doctest.h>

#include <vector>

#include "base/ratio.h"

using namespace pmusim;

namespace {

std::vector<unsigned> numbers(u64 mask) {
  std::vector<unsigned> list;
  for (const unsigned n : set_bits(mask)) list.push_back(n);
  return list;
}

}  // namespace

TEST_CASE("The bits of a mask come lowest first, each once, from none to all") {
  CHECK(numbers(0).empty());
  CHECK(numbers(1) == std::vector<unsigned>{0});
  CHECK(numbers(bit(63)) == std::vector<unsigned>{63});
  CHECK(numbers(bit(63) | bit(32) | bit(31) | 1) == std::vector<unsigned>{0, 31, 32, 63});
  const std::vector<unsigned> all = numbers(~u64{0});
  REQUIRE(all.size() == 64);
  for (unsigned n = 0; n < 64; ++n) CHECK(all[n] == n);
}

TEST_CASE("A mask that changes in the loop does not change the loop") {
  u64 mask = 7;
  unsigned seen = 0;
  for (const unsigned n : set_bits(mask)) {
    mask &= ~bit(2);
    seen += 1 + n;
  }
  CHECK(seen == 6);
}

TEST_CASE("A ratio rounds down or up, and an exact result either way is the same") {
  const Ratio third{2, 3};
  for (u64 n = 0; n < 10; ++n) {
    CAPTURE(n);
    CHECK(third.floor(n) == 2 * n / 3);
    CHECK(third.ceil(n) == 2 * n / 3 + (2 * n % 3 ? 1 : 0));
  }
  CHECK(Ratio{}.floor(kNever) == kNever);
  CHECK(Ratio{}.ceil(kNever) == kNever);
  CHECK(Ratio{0, 5}.floor(kNever) == 0);
  CHECK(Ratio{0, 5}.ceil(kNever) == 0);
}

TEST_CASE("The inverse, rounded up, is the first value whose ratio is at least so much") {
  for (const Ratio r : {Ratio{7, 5}, Ratio{5, 7}, Ratio{1, 96}, Ratio{96, 1}, Ratio{1'000'000, 2'000'001}})
    for (u64 n = 1; n < 300; ++n) {
      CAPTURE(n);
      const u64 first = r.inverse().ceil(n);
      CHECK(r.floor(first) >= n);
      CHECK(r.floor(first - 1) < n);
    }
}

TEST_CASE("Products of more than 64 bits are exact") {
  const u64 half = u64{1} << 63;
  CHECK(Ratio{3, 4}.floor(kNever) == 0xbfffffffffffffff);
  CHECK(Ratio{3, 4}.ceil(kNever) == 0xc000000000000000);
  CHECK(Ratio{kNever, kNever - 1}.floor(kNever - 1) == kNever);
  CHECK(Ratio{kNever - 1, kNever}.floor(kNever) == kNever - 1);
  CHECK(Ratio{kNever - 1, kNever}.ceil(kNever - 1) == kNever - 1);  // (2^64 - 2)^2 / (2^64 - 1), rounded up
  CHECK(Ratio{kNever - 1, kNever}.floor(kNever - 1) == kNever - 2);
  CHECK(Ratio{2, 1}.floor(half - 1) == kNever - 1);
  CHECK(Ratio{2, 1}.ceil(half - 1) == kNever - 1);
}

TEST_CASE("A ratio of more than 64 bits saturates, in whole and by the fraction that is rounded up") {
  const u64 half = u64{1} << 63;
  CHECK(Ratio{2, 1}.floor(half) == kNever);
  CHECK(Ratio{2, 1}.ceil(half) == kNever);
  CHECK(Ratio{kNever, 1}.floor(kNever) == kNever);
  CHECK(Ratio{kNever, 1}.ceil(kNever) == kNever);
  CHECK(Ratio{kNever, kNever - 2}.ceil(kNever - 1) == kNever);
}
