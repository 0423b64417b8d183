// SPDX-License-Identifier: Apache-2.0
// One TLB (or paging-structure cache) of a timing model: which translations are cached, not what they are.
// Set-associative by page number, true LRU, tagged by address space. One without entries never hits and must
// not be inserted into.
#pragma once

#include <vector>

#include "base/archive.h"
#include "core/timing/config.h"

namespace pmusim::core {

class Tlb {
 public:
  explicit Tlb(const TlbConfig& config);

  // Page number, size and tag as one word; a global page survives flush_non_global.
  static u64 key(u64 linear, u8 page_shift, u16 tag) {
    return (linear & 0xffffffffffff) >> page_shift | u64{tag} << 36 | u64{page_shift} << 52;
  }

  bool last_used(u64 key) const {  // whether it is its set's most recently used
    return sets_ && (*set_of(key) & ~kGlobal) == (key | kValid);
  }
  // Whether it is cached; then most recently used.
  bool use(u64 key) {
    if (!sets_) return false;
    return last_used(key) || use_further(set_of(key), key);
  }
  void insert(u64 key, bool global);
  void flush();
  void flush_tag(u16 tag, bool keep_global);
  void flush_key(u64 key);
  void archive(WordArchive& a) {
    for (u64& entry : entries_) a(entry);
  }

 private:
  static constexpr u64 kValid = u64{1} << 63, kGlobal = u64{1} << 62;
  std::size_t first_of(u64 key) const {
    const u64 page = key & 0xfffffffff;
    return (mask_ ? page & mask_ : page % sets_) * ways_;
  }
  u64* set_of(u64 key) { return &entries_[first_of(key)]; }
  const u64* set_of(u64 key) const { return &entries_[first_of(key)]; }
  bool use_further(u64* first, u64 key);
  u64* find(u64 key);

  u32 sets_, ways_;
  u64 mask_;                  // sets - 1 where that is a mask, else 0
  std::vector<u64> entries_;  // sets in order of use, the most recent first; 0: empty
};

}  // namespace pmusim::core
