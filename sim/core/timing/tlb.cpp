// SPDX-License-Identifier: Apache-2.0
// Sets in order of use, as in the caches.
#include "core/timing/tlb.h"

#include <algorithm>
#include <stdexcept>

namespace pmusim::core {

Tlb::Tlb(const TlbConfig& config)
    : sets_(config.ways ? config.entries / config.ways : 0),
      ways_(config.ways),
      mask_(sets_ & (sets_ - 1) ? 0 : sets_ - 1),
      entries_(config.entries) {
  if (sets_ * ways_ != config.entries) throw std::logic_error("TLB entries are not a multiple of its ways");
}

u64* Tlb::find(u64 key) {
  if (!sets_) return nullptr;
  u64* first = set_of(key);
  for (u64* way = first; way != first + ways_; ++way)
    if ((*way & ~kGlobal) == (key | kValid)) return way;
  return nullptr;
}

bool Tlb::use_further(u64* first, u64 key) {
  for (u64* way = first + 1; way != first + ways_; ++way)
    if ((*way & ~kGlobal) == (key | kValid)) {
      std::rotate(first, way, way + 1);
      return true;
    }
  return false;
}

void Tlb::insert(u64 key, bool global) {
  u64* first = set_of(key);
  std::copy_backward(first, first + ways_ - 1, first + ways_);
  *first = key | kValid | (global ? kGlobal : 0);
}

void Tlb::flush() {
  std::fill(entries_.begin(), entries_.end(), 0);
}

void Tlb::flush_tag(u16 tag, bool keep_global) {
  for (u64& entry : entries_)
    if (static_cast<u16>(entry >> 36) == tag && !(keep_global && (entry & kGlobal))) entry = 0;
}

void Tlb::flush_key(u64 key) {
  if (u64* way = find(key)) *way = 0;
}

}  // namespace pmusim::core
