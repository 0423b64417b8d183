// SPDX-License-Identifier: Apache-2.0
// A set is kept in order of use, the most recent first: finding mostly ends at the first way.
#include "core/timing/cache.h"

#include <algorithm>

namespace pmusim::core {

Cache::Cache(const CacheConfig& config)
    : sets_(config.kilobytes * 1024 / (1u << kLineShift) / config.ways),
      ways_(config.ways),
      mask_((sets_ & (sets_ - 1)) == 0 ? sets_ - 1 : 0) {
  if (!sets_) throw std::logic_error("cache smaller than one set");
  chunks_.resize((sets_ + kChunk - 1) / kChunk);
}

Cache::Line* Cache::find_later_way(Line* first, u64 key) {
  for (Line* way = first + 1; way < first + ways_; ++way)
    if (way->key >> 1 == key) return way;
  return nullptr;
}

Cache::Line* Cache::use_later_way(Line* first, u64 key) {
  Line* way = find_later_way(first, key);
  if (!way) return nullptr;
  const Line line = *way;
  std::copy_backward(first, way, way + 1);
  *first = line;
  return first;
}

Cache::Line Cache::insert(u64 line, u64 ready, bool dirty) {
  const u32 index = set_of(line);
  if (!chunks_[index / kChunk]) chunks_[index / kChunk] = std::make_unique<Line[]>(kChunk * ways_);
  Line* first = set(index);
  const Line victim = first[ways_ - 1];
  std::copy_backward(first, first + ways_ - 1, first + ways_);
  first->key = (line + 1) << 1 | dirty;
  first->ready = ready;
  return victim;
}

bool Cache::remove(u64 line) {
  Line* way = find(line);
  if (!way) return false;
  Line* last = set(set_of(line)) + ways_ - 1;
  std::copy(way + 1, last + 1, way);
  *last = {};
  return true;
}

void Cache::visit(StateWords& words) {
  u64 used = 0;
  for (const auto& chunk : chunks_) used += chunk != nullptr;
  words(used);
  u64 index = 0;
  if (!words.saving()) clear();
  for (; used; --used, ++index) {
    if (words.saving())
      while (!chunks_[index]) ++index;
    words(index);
    if (!chunks_.at(index)) chunks_[index] = std::make_unique<Line[]>(kChunk * ways_);
    for (u32 i = 0; i < kChunk * ways_; ++i) words(chunks_[index][i].key, chunks_[index][i].ready);
  }
}

}  // namespace pmusim::core
