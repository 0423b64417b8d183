// SPDX-License-Identifier: Apache-2.0
// TLBs and page walks.
#include <algorithm>

#include "core/timing/memory_hierarchy.h"

namespace pmusim::core {
namespace {

constexpr unsigned kTopLevel = 3;     // of four: PML4; level 0 is the page table
constexpr unsigned kSecondStage = 4;  // added to a level: the second stage's leaf entry for that table
constexpr unsigned kIndexBits = 9, kEntryShift = 3;

Count after(Count first, unsigned by) {
  return static_cast<Count>(static_cast<unsigned>(first) + by);
}

}  // namespace

void MemoryHierarchy::set_space(u16 tag, bool second_stage) {
  tag_ = tag;
  second_stage_ = second_stage;
}

u64 MemoryHierarchy::translate_further(const MemoryAccess& access, Tlb& first, Tlb& second, Count stlb_hit,
                                       CountVector& counts, bool& walked) {
  const u64 key = key_of(access);
  if (first.use(key)) return access.cycle;
  u64 done = access.cycle + config_.stlb_latency;
  const bool small_data = access.page_shift == 12 && stlb_hit != Count::ItlbStlbHit;
  if (second.use(key)) {
    ++count_in(counts, stlb_hit);
    if (small_data) ++count_in(counts, Count::Dtlb4kStlbHit);
  } else {
    const Buffers::Grant grant = walkers_.acquire(done);
    done = walk(grant.start, access, counts);
    walkers_.hold(grant, done);
    ++count_in(counts, after(stlb_hit, 1));
    if (small_data) ++count_in(counts, Count::Dtlb4kWalks);
    count_in(counts, after(stlb_hit, 2)) += done - grant.start;
    second.insert(key, access.global);
    walked = true;
  }
  first.insert(key, access.global);
  return done;
}

// From the top, or from the table that the walk cache knows, down to the entry that maps the page.
u64 MemoryHierarchy::walk(u64 cycle, const MemoryAccess& access, CountVector& counts) {
  const unsigned leaf = (access.page_shift - 12u) / kIndexBits;
  const u64 table = Tlb::key(access.linear, static_cast<u8>(access.page_shift + kIndexBits), tag_);
  unsigned level = leaf;
  if (!walk_cache_.use(table)) {
    walk_cache_.insert(table, access.global);
    level = kTopLevel;
  }
  const u64 page = (access.linear & 0xffffffffffff) >> 12;
  cycle += config_.walk_overhead;
  for (;; --level) {
    const u64 index = page >> (kIndexBits * level);
    if (second_stage_) cycle = read_table(cycle, kSecondStage + level, index >> kIndexBits, counts);
    cycle = read_table(cycle, level, index, counts);
    if (level == leaf) return cycle;
  }
}

u64 MemoryHierarchy::read_table(u64 cycle, unsigned level, u64 index, CountVector& counts) {
  const u64 address = u64{1} << 63 | u64{tag_} << 44 | u64{level} << 40 | index << kEntryShift;
  return l1d_access(cycle, address >> kLineShift, false, Requester::Walk, counts).ready;
}

void MemoryHierarchy::flush_tlb() {
  ++code_changes_;
  for (Tlb* tlb : tlbs()) tlb->flush();
}

void MemoryHierarchy::flush_tlb_tag(u16 tag, bool keep_global) {
  ++code_changes_;
  for (Tlb* tlb : tlbs()) tlb->flush_tag(tag, keep_global);
}

void MemoryHierarchy::flush_tlb_page(u16 tag, u64 linear) {
  ++code_changes_;
  for (const u8 shift : {u8{12}, u8{21}, u8{30}})
    for (Tlb* tlb : tlbs()) {
      const unsigned covers = tlb == &walk_cache_ ? shift + kIndexBits : shift;
      tlb->flush_key(Tlb::key(linear, static_cast<u8>(covers), tag));
    }
}

}  // namespace pmusim::core
