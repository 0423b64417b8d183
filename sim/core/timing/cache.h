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

  Line* find(u64 line) { return look(line, false); }  // nullptr: not here
  Line* use(u64 line) { return look(line, true); }    // the same, and most recently used from now on
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
  Line* look(u64 line, bool use);
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
