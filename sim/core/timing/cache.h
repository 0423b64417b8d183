// SPDX-License-Identifier: Apache-2.0
// Tags of one set-associative cache with true LRU. A line knows the cycle at which its data arrives. Sets
// are made in chunks when they are first filled, so that a large cache costs nothing until it is used.
#pragma once

#include <memory>
#include <vector>

#include "core/timing/config.h"
#include "core/timing/state_words.h"

namespace pmusim::core {

inline constexpr unsigned kLineShift = 6;  // 64-byte lines

class Cache {
 public:
  struct Line {
    u64 key = 0;    // (line number + 1) * 2 + dirty; 0: empty
    u64 ready = 0;  // cycle at which the data is usable
    bool dirty() const { return key & 1; }
    u64 number() const { return (key >> 1) - 1; }
  };

  explicit Cache(const CacheConfig& config);

  // nullptr: not here
  Line* find(u64 line) {
    Line* first = set(set_of(line));
    return !first ? nullptr : first->key >> 1 == line + 1 ? first : find_later_way(first, line + 1);
  }
  // The same, and most recently used from now on. Mostly it was so before.
  Line* use(u64 line) {
    Line* first = set(set_of(line));
    return !first ? nullptr : first->key >> 1 == line + 1 ? first : use_later_way(first, line + 1);
  }
  // Tells the host that the line's set will be looked at.
  void expect(u64 line) {
    if (const Line* first = set(set_of(line)))
      for (u32 way = 0; way < ways_; way += kLinesPerHostLine) __builtin_prefetch(first + way, 1);
  }
  // Puts an absent line in as the most recently used; returns what it displaced (key 0: nothing).
  Line insert(u64 line, u64 ready, bool dirty);
  bool remove(u64 line);
  void clear() {
    for (auto& chunk : chunks_) chunk.reset();
  }
  u32 sets() const { return sets_; }
  u32 ways() const { return ways_; }
  void visit(StateWords&);

 private:
  static constexpr u32 kChunk = 16;  // sets
  static constexpr u32 kLinesPerHostLine = 64 / sizeof(Line);
  Line* find_later_way(Line* first, u64 key);
  Line* use_later_way(Line* first, u64 key);
  u32 set_of(u64 line) const { return static_cast<u32>(mask_ ? line & mask_ : line % sets_); }
  Line* set(u32 index) {
    Line* chunk = chunks_[index / kChunk].get();
    return chunk ? chunk + index % kChunk * ways_ : nullptr;
  }

  u32 sets_, ways_;
  u64 mask_;  // sets - 1 where that is a mask, else 0
  std::vector<std::unique_ptr<Line[]>> chunks_;
};

}  // namespace pmusim::core
