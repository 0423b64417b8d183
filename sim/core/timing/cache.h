// SPDX-License-Identifier: Apache-2.0
// Tags of one set-associative cache with true LRU. A line knows the cycle at which its data arrives. Sets
// are made in chunks when they are first filled, so that a large cache costs nothing until it is used.
#pragma once

#include <memory>
#include <vector>

#include "base/archive.h"
#include "core/timing/config.h"
#include "core/timing/recency.h"

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
  // A line in its place, until the set is used again; false: not here.
  class Found {
   public:
    Found() = default;
    Found(u64* key, u32 ways) : key_(key), ways_(ways) {}
    explicit operator bool() const { return key_; }
    u64 ready() const { return key_[ways_]; }
    bool dirty() const { return *key_ & 1; }
    void make_dirty(bool dirty) { *key_ |= dirty; }

   private:
    u64* key_ = nullptr;
    u32 ways_ = 0;
  };

  explicit Cache(const CacheConfig& config);

  // If it is its set's most recently used; otherwise it may be here or not.
  Found last_used(u64 line) const {
    u64* first = set(set_of(line));
    if (!first) return {};
    u64* recent = most_recent(first);
    return *recent >> 1 == line + 1 ? Found{recent, ways_} : Found{};
  }
  Found find(u64 line) { return look(line, false); }
  Found use(u64 line) { return look(line, true); }  // the same, and most recently used from now on
  // Puts an absent line in as the most recently used; returns what it displaced (key 0: nothing).
  Line insert(u64 line, u64 ready, bool dirty);
  bool remove(u64 line);
  // Has the host bring a line's set near, where many that are rarely used would be waited for one by one.
  void expect(u64 line) const {
    const u64* first = set(set_of(line));
    if (!first) return;
    __builtin_prefetch(first);
    __builtin_prefetch(first + kOrderWords + ways_);
  }
  void clear() {
    for (auto& chunk : chunks_) chunk.reset();
  }
  u32 sets() const { return sets_; }
  u32 ways() const { return ways_; }
  void archive(WordArchive&);

 private:
  static constexpr u32 kChunk = 16;  // sets
  static constexpr u32 kOrderWords = 2;
  Found look(u64 line, bool use) {
    u64* first = set(set_of(line));
    if (!first) return {};
    u64* recent = most_recent(first);
    if (*recent >> 1 == line + 1) return {recent, ways_};
    return look_further(first, line + 1, use);
  }
  static u64* most_recent(u64* first) {
    return first + kOrderWords + (*first & ((1u << recency::kDigit) - 1));
  }
  Found look_further(u64* first, u64 key, bool use) const;
  void make(u32 chunk);
  static recency::Order order(const u64* set) { return recency::Order{set[1]} << 64 | set[0]; }
  static void set_order(u64* set, recency::Order order) {
    set[0] = static_cast<u64>(order);
    set[1] = static_cast<u64>(order >> 64);
  }
  u32 set_words() const { return kOrderWords + 2 * ways_; }
  // line % sets_, without a division: the quotient by the reciprocal is right or one too small.
  u32 set_of(u64 line) const {
    if (mask_) return static_cast<u32>(line & mask_);
    const u64 rest = line - static_cast<u64>(u128{line} * reciprocal_ >> 64) * sets_;
    return static_cast<u32>(rest >= sets_ ? rest - sets_ : rest);
  }
  u64* set(u32 index) const {
    u64* chunk = chunks_[index / kChunk].get();
    return chunk ? chunk + index % kChunk * set_words() : nullptr;
  }

  u32 sets_, ways_;
  u64 mask_;        // sets - 1 where that is a mask, else 0
  u64 reciprocal_;  // 2^64 / sets
  // A set: the order of use of its ways, their keys, their cycles, so that a search touches as few of the
  // host's lines as it can.
  std::vector<std::unique_ptr<u64[]>> chunks_;
};

}  // namespace pmusim::core
