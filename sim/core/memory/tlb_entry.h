// SPDX-License-Identifier: Apache-2.0
// The layout of the core's TLB, for code that looks translations up without the Mmu's templates. Such code
// may read entries, never write them. For an access of N bytes at `linear`:
//   e = entries[tlb_index(linear)]; the access is to e.host + linear % kPageSize if e's tag of that kind is
//   tlb_tag(linear, *space) and linear % kPageSize <= kPageSize - N; else Mmu::read() or write() make it, and
//   its page walk, its faults and what lies outside RAM.
// While alignment checks or data breakpoints are on, *space matches no entry. Not the TLB that timing models
// (timing/tlb.h).
#pragma once

#include <cstddef>

#include "base/types.h"

namespace pmusim::core {

inline constexpr unsigned kTlbEntries = 4096;

// Tags are the page's number with the address space and the rights above its 52 bits, or kNever. write_tag is
// kNever for read-only, clean and marked pages; pages outside RAM have no entry.
struct TlbEntry {
  u64 read_tag = kNever, write_tag = kNever, fetch_tag = kNever;
  u8* host = nullptr;  // of the page's first byte
  u64 physical = 0;    // host-physical address of the page
  u16 tag = 0;         // of the address space
  u8 page_shift = 12;
  bool global = false;
  void clear() { read_tag = write_tag = fetch_tag = kNever; }
};
static_assert(offsetof(TlbEntry, read_tag) == 0 && offsetof(TlbEntry, write_tag) == 8 &&
                  offsetof(TlbEntry, fetch_tag) == 16 && offsetof(TlbEntry, host) == 24 &&
                  sizeof(TlbEntry) == 48,
              "generated code has these offsets in it");

inline unsigned tlb_index(u64 linear) {
  return static_cast<unsigned>(linear >> 12) % kTlbEntries;
}
inline u64 tlb_tag(u64 linear, u64 space) {
  return (linear >> 12) ^ space;
}

// Both stay where they are for the Mmu's life.
struct TlbView {
  const TlbEntry* entries;  // kTlbEntries
  const u64* space;         // the current address space and rights
};

}  // namespace pmusim::core
