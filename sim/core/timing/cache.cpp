// SPDX-License-Identifier: Apache-2.0
// Lines stay in their way; the order of use is kept before them. Finding mostly ends at the first way.
#include "core/timing/cache.h"

#include <algorithm>

namespace pmusim::core {

Cache::Cache(const CacheConfig& config)
    : sets_(config.kilobytes * 1024 / (1u << kLineShift) / config.ways),
      ways_(config.ways),
      mask_((sets_ & (sets_ - 1)) == 0 ? sets_ - 1 : 0) {
  if (!sets_) throw std::logic_error("cache smaller than one set");
  reciprocal_ = ~u64{0} / sets_;
  if (ways_ > recency::kMostWays) throw std::logic_error("cache with more ways than an order of use holds");
  chunks_.resize((sets_ + kChunk - 1) / kChunk);
}

void Cache::make(u32 chunk) {
  chunks_[chunk] = std::make_unique<u64[]>(std::size_t{kChunk} * set_words());
  const recency::Order order = recency::initial(ways_);
  for (u32 i = 0; i < kChunk; ++i) set_order(chunks_[chunk].get() + i * set_words(), order);
}

Cache::Found Cache::look_further(u64* first, u64 key, bool use) const {
  u64* const keys = first + kOrderWords;
  const u32 second = recency::at(first[0], 1);
  if (ways_ > 1 && keys[second] >> 1 == key) {
    if (use) set_order(first, recency::swap_front(order(first)));
    return {keys + second, ways_};
  }
  for (u32 way = 0; way < ways_; ++way) {
    if (keys[way] >> 1 != key) continue;
    if (use) set_order(first, recency::to_front(order(first), way));
    return {keys + way, ways_};
  }
  return {};
}

Cache::Line Cache::insert(u64 line, u64 ready, bool dirty) {
  const u32 index = set_of(line);
  if (!chunks_[index / kChunk]) make(index / kChunk);
  u64* first = set(index);
  const unsigned way = recency::at(order(first), ways_ - 1);
  u64* key = first + kOrderWords + way;
  const Line victim{key[0], key[ways_]};
  key[0] = (line + 1) << 1 | dirty;
  key[ways_] = ready;
  set_order(first, recency::to_front(order(first), way));
  return victim;
}

bool Cache::remove(u64 line) {
  u64* first = set(set_of(line));
  if (!first) return false;
  for (u32 way = 0; way < ways_; ++way) {
    u64* key = first + kOrderWords + way;
    if (*key >> 1 != line + 1) continue;
    key[0] = key[ways_] = 0;
    set_order(first, recency::to_back(order(first), way, ways_));
    return true;
  }
  return false;
}

// A set's lines in order of use, so that equal futures have equal states.
void Cache::archive(WordArchive& a) {
  u64 used = 0;
  for (const auto& chunk : chunks_) used += chunk != nullptr;
  a(used);
  u64 index = 0;
  if (!a.saving()) clear();
  for (; used; --used, ++index) {
    if (a.saving())
      while (!chunks_[index]) ++index;
    a(index);
    if (index >= chunks_.size()) throw std::logic_error("a cache chunk beyond the cache");
    if (!chunks_[index]) make(static_cast<u32>(index));
    for (u32 i = 0; i < kChunk; ++i) {
      u64* first = chunks_[index].get() + i * set_words();
      for (u32 position = 0; position < ways_; ++position) {
        u64* key = first + kOrderWords + recency::at(order(first), position);
        a(key[0], key[ways_]);
      }
    }
  }
}

}  // namespace pmusim::core
