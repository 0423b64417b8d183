// SPDX-License-Identifier: Apache-2.0
// The caches' tags alone. Expected values follow from sets, ways and the order of use.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "core/timing/cache.h"

using namespace pmusim;
using core::Cache;
using core::CacheConfig;
namespace recency = core::recency;

namespace {

// Four sets of three ways: lines n, n + 4, n + 8, ... share a set. 12 lines of 64 bytes are not whole
// kilobytes, so: 3 KB in 3 ways are 16 sets.
constexpr u64 kSets = 16;
Cache small() {
  return Cache(CacheConfig{3, 3, 4});
}

std::vector<u64> words_of(Cache& cache) {
  WordArchive words;
  cache.archive(words);
  return words.take();
}

}  // namespace

TEST_CASE("a cache has as many sets as its size and ways leave") {
  CHECK(small().sets() == kSets);
  CHECK(Cache(CacheConfig{33792, 11, 74}).sets() == 49152);
  CHECK_THROWS_AS(Cache(CacheConfig{1, 32, 1}), std::logic_error);
}

TEST_CASE("a direct-mapped cache does not take the cycle of a line's arrival for a second line") {
  Cache cache(CacheConfig{1, 1, 4});
  const u64 sets = cache.sets();
  cache.insert(0, 2 * (sets + 1), false);  // as a key that cycle would be line `sets`, of the same set
  CHECK_FALSE(cache.find(sets));
  CHECK_FALSE(cache.use(sets));
  CHECK(cache.find(0));
}

TEST_CASE("a fourth line in a set of three ways drives out the one used longest ago") {
  Cache cache = small();
  for (const u64 line : {u64{0}, kSets, 2 * kSets}) CHECK(cache.insert(line, 0, false).key == 0);
  CHECK(cache.use(0));  // now line 16 is the oldest
  CHECK(cache.insert(3 * kSets, 0, false).number() == kSets);
  CHECK(cache.find(0));
  CHECK_FALSE(cache.find(kSets));
  CHECK(cache.find(2 * kSets));
  CHECK(cache.find(3 * kSets));
}

TEST_CASE("looking without use does not make a line younger") {
  Cache cache = small();
  for (const u64 line : {u64{0}, kSets, 2 * kSets}) cache.insert(line, 0, false);
  CHECK(cache.find(0));
  CHECK(cache.insert(3 * kSets, 0, false).number() == 0);
}

TEST_CASE("lines of other sets do not meet") {
  Cache cache = small();
  for (u64 line = 0; line < 3 * kSets; ++line) CHECK(cache.insert(line, 0, false).key == 0);
  for (u64 line = 0; line < 3 * kSets; ++line) CHECK(cache.find(line));
}

TEST_CASE("a victim is dirty if it was written to, and keeps its cycle of arrival") {
  Cache cache = small();
  cache.insert(0, 7, true);
  cache.insert(kSets, 8, false);
  cache.insert(2 * kSets, 9, false);
  const Cache::Line victim = cache.insert(3 * kSets, 10, false);
  CHECK(victim.number() == 0);
  CHECK(victim.dirty());
  CHECK(victim.ready == 7);
  CHECK_FALSE(cache.insert(4 * kSets, 11, false).dirty());
}

TEST_CASE("a removed line leaves a free way, and order among the others stays") {
  Cache cache = small();
  for (const u64 line : {u64{0}, kSets, 2 * kSets}) cache.insert(line, 0, false);
  CHECK(cache.remove(kSets));
  CHECK_FALSE(cache.remove(kSets));
  CHECK(cache.insert(3 * kSets, 0, false).key == 0);
  CHECK(cache.insert(4 * kSets, 0, false).number() == 0);
}

TEST_CASE("a number of sets that is no power of two holds a contiguous range of its size") {
  Cache cache(CacheConfig{15, 5, 10});  // 48 sets
  CHECK(cache.sets() == 48);
  for (u64 line = 1000; line < 1240; ++line) CHECK(cache.insert(line, 0, false).key == 0);
  CHECK(cache.insert(1240, 0, false).number() == 1000);
}

TEST_CASE("a saved cache is restored with its order of use, and an unused one is a single word") {
  Cache cache = small(), copy = small();
  CHECK(words_of(cache).size() == 1);
  for (const u64 line : {u64{0}, kSets, 2 * kSets, u64{5}}) cache.insert(line, line + 1, line == 5);
  cache.use(0);
  copy.insert(99, 0, true);
  const std::vector<u64> saved = words_of(cache);
  WordArchive words(saved);
  copy.archive(words);
  CHECK(words_of(copy) == saved);
  CHECK_FALSE(copy.find(99));
  CHECK(copy.find(5).dirty());
  CHECK(copy.find(5).ready() == 6);
  CHECK(copy.insert(3 * kSets, 0, false).number() == kSets);
}

TEST_CASE("bringing the second of an order of use to the front swaps the first two") {
  recency::Order order = recency::initial(recency::kMostWays);
  for (unsigned step = 0; step < 100; ++step) {
    order = recency::to_front(order, step * 7 % recency::kMostWays);
    const bool same = recency::swap_front(order) == recency::to_front(order, recency::at(order, 1));
    CHECK(same);
  }
}

TEST_CASE("an order of use keeps every way once, up to the most ways that it holds") {
  for (const unsigned ways : {1u, 2u, 12u, 16u, 20u, 24u, recency::kMostWays}) {
    CAPTURE(ways);
    std::vector<unsigned> expected;
    for (unsigned way = 0; way < ways; ++way) expected.insert(expected.begin(), way);
    recency::Order order = recency::initial(ways);
    for (unsigned step = 0; step < 200; ++step) {
      const unsigned way = step * 7 % ways;
      expected.erase(std::find(expected.begin(), expected.end(), way));
      if (step % 3) {
        order = recency::to_front(order, way);
        expected.insert(expected.begin(), way);
      } else {
        order = recency::to_back(order, way, ways);
        expected.push_back(way);
      }
      for (unsigned position = 0; position < ways; ++position)
        CHECK(recency::at(order, position) == expected[position]);
      for (unsigned other = ways; other < recency::kMostWays; ++other)
        CHECK(recency::at(order, other) == other);
    }
  }
}

TEST_CASE(
    "lines share a set exactly when they are a multiple of the sets apart, whatever the number of sets") {
  for (const u32 kilobytes : {1u, 3u, 5u, 7u}) {
    for (const u64 line : {u64{0}, u64{1}, u64{47}, u64{1} << 32, (u64{1} << 58) - 500}) {
      Cache cache(CacheConfig{kilobytes, 1, 4});
      const u64 sets = cache.sets();
      cache.insert(line, 0, false);
      for (u64 apart = 1; apart < sets; ++apart) CHECK(cache.insert(line + apart, 0, false).key == 0);
      for (u64 again = 0; again < sets; ++again)
        CHECK(cache.insert(line + sets + again, 0, false).number() == line + again);
    }
  }
}
