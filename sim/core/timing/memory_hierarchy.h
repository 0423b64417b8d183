// SPDX-License-Identifier: Apache-2.0
// Caches, TLBs, prefetchers and DRAM of one core as a timing model sees them: each access says when its data
// is ready and counts what happened. Tags and times only; data stays in RAM. Accesses come in program order
// with the cycle at which each could begin, which need not grow.
//
// - L1I, L1D and L2: a fill goes into the L1 that asked and into the L2; neither includes the other and
//   evictions invalidate nothing. L3: a victim cache, filled by what the L2 evicts (Skylake-SP on, Zen); a
//   hit leaves its copy there. True LRU everywhere; write-back, write-allocate. Sets by line number modulo
//   sets.
// - A line on its way has the cycle of its arrival; whoever finds it waits for that. L1D misses hold a fill
//   buffer until then, L2 misses an L2 buffer; without a free one demand waits and prefetches are dropped.
// - DRAM: a latency and a shortest interval between lines (tables of time buckets, so that accesses out of
//   order of time do not wait for later ones).
// - Page walks read one line per level through the L1D: the leaf entry only where the page-directory entry is
//   cached, every level otherwise; under a second stage each of them is preceded by a read of the second
//   stage's leaf entry for that table. The tables' addresses are synthetic: level, tag and page number make
//   one, above all RAM, eight entries to a line as in a real table.
// - A translation is cached at its page size; one second-level TLB holds all sizes. Tags (VPID, ASID) keep
//   spaces apart.
// Not modelled: caches shared with or snooped by other cores (each core has its L3 to itself), memory types
// (uncached accesses must not come here), wrong-path accesses, the micro-op cache, SMT, bank conflicts. A
// page crossing access takes the next physical page to be the adjacent one.
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "arch/event_counts.h"
#include "core/timing/cache.h"
#include "core/timing/config.h"
#include "core/timing/prefetcher.h"
#include "core/timing/slots.h"
#include "core/timing/tlb.h"

namespace pmusim::core {

struct MemoryAccess {
  u64 cycle = 0;  // earliest begin: address known
  u64 linear = 0, physical = 0;
  u64 ip = 0;           // of the instruction: trains the stride prefetcher
  u32 size = 8;         // bytes; crossing a line costs a second access and is a split
  u8 page_shift = 12;   // of the translation that the TLB may cache
  bool global = false;  // page survives a flush that keeps global ones
};

enum class MemoryLevel : u8 { L1, Fill, L2, L3, Dram };  // Fill: on its way into the L1 already

struct MemoryResult {
  u64 ready = 0;  // load, fetch: data usable. store: line owned, the store can leave the store buffer
  MemoryLevel level = MemoryLevel::L1;  // that served (of a split, the farther half's)
  bool walked = false;                  // missed every TLB
};

inline constexpr u64 kLineBytes = u64{1} << kLineShift;

class MemoryHierarchy {
 public:
  explicit MemoryHierarchy(const MemoryConfig&);

  // The address space of the accesses that follow, and whether a second stage translates it too.
  void set_space(u16 tag, bool second_stage);

  MemoryResult load(const MemoryAccess& access, CountVector& counts) {
    const Cache::Found line = last_used(access);
    if (!line) return load_further(access, counts);
    MemoryResult result;
    result.ready = access.cycle + config_.l1d.latency;
    if (line.ready() > result.ready) {
      result.ready = line.ready();
      result.level = MemoryLevel::Fill;
    }
    ++count_in(counts, result.level == MemoryLevel::L1 ? Count::LoadL1Hit : Count::LoadFillHit);
    stride_prefetch(access.cycle, access, counts);
    return result;
  }
  MemoryResult store(const MemoryAccess& access, CountVector& counts) {
    Cache::Found line = last_used(access);
    if (!line) return data_access(access, true, Requester::Rfo, counts);
    line.make_dirty(true);
    MemoryResult result;
    result.ready = std::max(access.cycle, line.ready());
    if (result.ready > access.cycle) result.level = MemoryLevel::Fill;
    return result;
  }
  // Once per line or block; nothing counts hits.
  MemoryResult fetch(const MemoryAccess& access, CountVector& counts) {
    const FetchedLine& known = fetched_at(access);
    if (known.changes == code_changes_ && known.line == access.physical >> kLineShift &&
        known.key == key_of(access))
      return {access.cycle + config_.l1i.latency};
    return fetch_further(access, counts);
  }
  void prefetch(const MemoryAccess&, bool for_write, CountVector&);  // PREFETCHh, PREFETCHW; never faults

  void flush_line(u64 physical);  // CLFLUSH: from every cache
  void flush_caches();            // WBINVD, INVD
  void flush_tlb();               // every tag
  void flush_tlb_tag(u16 tag, bool keep_global);
  void flush_tlb_page(u16 tag, u64 linear);

  void archive(WordArchive&);

  const MemoryConfig& config() const { return config_; }

 private:
  // Whose kinds count a request; the order of the enumeration of counts (DataL2Hit, ...).
  enum class Requester : u8 { Data, Rfo, Code, Walk, L1Prefetch, L2Prefetch };
  struct Served {
    u64 ready;
    MemoryLevel level;
  };

  Tlb& data_tlb(const MemoryAccess& access) {
    return access.page_shift > 12 && config_.dtlb_large.entries ? dtlb_large_ : dtlb_;
  }
  // The most frequent data access, which changes nothing in TLB and cache: it lies in one line, and its
  // translation and that line were used last in their sets. False: any other.
  Cache::Found last_used(const MemoryAccess& access) {
    const bool split = access.physical % kLineBytes + access.size > kLineBytes;
    if (split || !data_tlb(access).last_used(key_of(access))) return {};
    return l1d_.last_used(access.physical >> kLineShift);
  }
  u64 key_of(const MemoryAccess& access) const { return Tlb::key(access.linear, access.page_shift, tag_); }

  // Code found in L1I and TLB at once, both where the last use of their sets was. Nothing to do when it is
  // fetched again, unless something has changed in either since; fetches come in order of time.
  struct FetchedLine {
    u64 changes = 0, key = 0, line = 0;
  };
  FetchedLine& fetched_at(const MemoryAccess& access) {
    return fetched_[(access.physical >> kLineShift) % kFetchedLines];
  }
  MemoryResult fetch_further(const MemoryAccess&, CountVector&);

  MemoryResult load_further(const MemoryAccess&, CountVector&);
  // `stlb_hit` is the first of a TLB's three kinds.
  u64 translate(const MemoryAccess& access, Tlb& first, Tlb& second, Count stlb_hit, CountVector& counts,
                bool& walked) {
    if (first.last_used(key_of(access))) return access.cycle;
    return translate_further(access, first, second, stlb_hit, counts, walked);
  }
  u64 translate_further(const MemoryAccess&, Tlb& first, Tlb& second, Count stlb_hit, CountVector&,
                        bool& walked);
  u64 walk(u64 cycle, const MemoryAccess&, CountVector&);
  u64 read_table(u64 cycle, unsigned level, u64 index, CountVector&);
  MemoryResult data_access(const MemoryAccess&, bool write, Requester, CountVector&);
  Served l1d_access(u64 cycle, u64 line, bool write, Requester, CountVector&);
  Served l2_access(u64 cycle, u64 line, Requester, CountVector&);
  Served beyond_l2(u64 cycle, u64 line);
  void stride_prefetch(u64 cycle, const MemoryAccess& access, CountVector& counts) {
    if (const u64 target = stride_.train(access.ip, access.linear))
      stride_prefetch(cycle, access, target, counts);
  }
  void stride_prefetch(u64 cycle, const MemoryAccess&, u64 target, CountVector&);
  void stream_prefetch(u64 cycle, u64 line, CountVector&);
  void fill_l1d(u64 line, u64 ready, bool dirty, CountVector&);
  void fill_l2(u64 line, u64 ready, bool dirty);
  void settle_victim();
  static void count(CountVector&, Requester, MemoryLevel);
  std::array<Tlb*, 6> tlbs() { return {&itlb_, &dtlb_, &dtlb_large_, &stlb_, &stlb_code_, &walk_cache_}; }

  MemoryConfig config_;
  Cache l1i_, l1d_, l2_, l3_;
  Tlb itlb_, dtlb_, dtlb_large_, stlb_, stlb_code_, walk_cache_;  // without entries: unused
  StridePrefetcher stride_;
  StreamPrefetcher stream_;
  Buffers fill_buffers_, l2_buffers_, walkers_;
  Bandwidth dram_;
  static constexpr unsigned kFetchedLines = 64;
  FetchedLine fetched_[kFetchedLines];
  u64 code_changes_ = 1;  // of L1I and code TLB
  u16 tag_ = 0;
  bool second_stage_ = false;
  // What the L2 evicted last. It goes into the L3 before that is used next, so that the host has time to
  // bring the set near.
  Cache::Line victim_;
};

}  // namespace pmusim::core
