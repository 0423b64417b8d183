// SPDX-License-Identifier: Apache-2.0
// Data, code and prefetch requests on their way through the caches.
#include "core/timing/memory_hierarchy.h"

#include <algorithm>

namespace pmusim::core {
namespace {

Count offset(Count first, unsigned by) {
  return static_cast<Count>(static_cast<unsigned>(first) + by);
}

}  // namespace

MemoryHierarchy::MemoryHierarchy(const MemoryConfig& config)
    : config_(config),
      l1i_(config.l1i),
      l1d_(config.l1d),
      l2_(config.l2),
      l3_(config.l3),
      itlb_(config.itlb),
      dtlb_(config.dtlb),
      dtlb_large_(config.dtlb_large),
      stlb_(config.stlb),
      stlb_code_(config.stlb_code),
      walk_cache_({config.walk_cache, config.walk_cache}),
      stride_(config.stride_lookahead),
      stream_(config.stream_distance, config.stream_degree),
      fill_buffers_(config.fill_buffers),
      l2_buffers_(config.l2_buffers),
      walkers_(config.walkers),
      dram_(config.dram_line_interval) {}

MemoryResult MemoryHierarchy::load_further(const MemoryAccess& access, CountVector& counts) {
  const MemoryResult result = data_access(access, false, Requester::Data, counts);
  ++count_in(counts, offset(Count::LoadL1Hit, static_cast<unsigned>(result.level)));
  return result;
}

MemoryResult MemoryHierarchy::data_access(const MemoryAccess& access, bool write, Requester requester,
                                          CountVector& counts) {
  MemoryResult result;
  Tlb& first = data_tlb(access);
  const Count tlb_kinds = write ? Count::DtlbStoreStlbHit : Count::DtlbLoadStlbHit;
  const u64 cycle = translate(access, first, stlb_, tlb_kinds, counts, result.walked);
  const u64 line = access.physical >> kLineShift;
  Served served = l1d_access(cycle, line, write, requester, counts);
  result.ready = served.ready;
  result.level = served.level;
  if (requester == Requester::Data) stride_prefetch(cycle, access, counts);

  const u64 last = access.physical + (access.size ? access.size - 1 : 0);
  if (last >> kLineShift == line) return result;
  ++count_in(counts, write ? Count::SplitStores : Count::SplitLoads);
  MemoryAccess rest = access;
  const u64 step = kLineBytes - access.physical % kLineBytes;
  rest.linear += step;
  rest.physical += step;
  u64 second = cycle + 1;  // the same port once more
  if ((rest.linear & 0xfff) == 0) {
    if (!write) ++count_in(counts, Count::PageSplitLoads);
    second = std::max(second, translate(rest, first, stlb_, tlb_kinds, counts, result.walked));
  }
  served = l1d_access(second, line + 1, write, requester, counts);
  result.ready = std::max(result.ready, served.ready);
  result.level = std::max(result.level, served.level);
  return result;
}

MemoryResult MemoryHierarchy::fetch_further(const MemoryAccess& access, CountVector& counts) {
  MemoryResult result;
  const u64 line = access.physical >> kLineShift, before = code_changes_;
  if (!itlb_.last_used(key_of(access)) || !l1i_.last_used(line)) ++code_changes_;
  Tlb& second = config_.stlb_code.entries ? stlb_code_ : stlb_;
  const u64 cycle = translate(access, itlb_, second, Count::ItlbStlbHit, counts, result.walked);
  if (Cache::Found hit = l1i_.use(line)) {
    result.ready = std::max(cycle + config_.l1i.latency, hit.ready());
    if (result.ready > cycle + config_.l1i.latency) result.level = MemoryLevel::Fill;
  } else {
    const Served served = l2_access(cycle, line, Requester::Code, counts);
    result.ready = served.ready;
    result.level = served.level;
    l1i_.insert(line, served.ready, false);
  }
  count_in(counts, Count::FetchTlbCycles) += cycle - access.cycle;
  count_in(counts, Count::FetchMissCycles) += result.ready - cycle - config_.l1i.latency;
  const u64 next = line + 1;
  if (config_.next_line_fetch && next % 64 != 0 && !l1i_.find(next)) {
    ++code_changes_;
    l1i_.insert(next, l2_access(cycle, next, Requester::Code, counts).ready, false);
  }
  if (code_changes_ == before && result.level == MemoryLevel::L1)
    fetched_at(access) = {code_changes_, key_of(access), line};
  return result;
}

void MemoryHierarchy::prefetch(const MemoryAccess& access, bool for_write, CountVector& counts) {
  MemoryAccess one_line = access;
  one_line.size = 1;
  data_access(one_line, for_write, for_write ? Requester::Rfo : Requester::L1Prefetch, counts);
}

MemoryHierarchy::Served MemoryHierarchy::l1d_access(u64 cycle, u64 line, bool write, Requester requester,
                                                    CountVector& counts) {
  // A store that finds the line owned leaves the store buffer at once.
  const u64 latency = requester == Requester::Rfo ? 0 : config_.l1d.latency;
  if (Cache::Found hit = l1d_.use(line)) {
    if (write) hit.make_dirty(true);
    if (hit.ready() > cycle + latency) return {hit.ready(), MemoryLevel::Fill};
    return {cycle + latency, MemoryLevel::L1};
  }
  l2_.expect(line);
  l3_.expect(line);
  const Buffers::Grant grant = fill_buffers_.acquire(cycle);
  const Served served = l2_access(grant.start, line, requester, counts);
  fill_buffers_.hold(grant, served.ready);
  fill_l1d(line, served.ready, write, counts);
  if (requester == Requester::Data) count_in(counts, Count::L1dPendingCycles) += served.ready - grant.start;
  return served;
}

MemoryHierarchy::Served MemoryHierarchy::l2_access(u64 cycle, u64 line, Requester requester,
                                                   CountVector& counts) {
  Served served{cycle + config_.l2.latency, MemoryLevel::L2};
  if (Cache::Found hit = l2_.use(line)) {
    served.ready = std::max(served.ready, hit.ready());
  } else {
    const Buffers::Grant grant = l2_buffers_.acquire(cycle);
    served = beyond_l2(grant.start, line);
    l2_buffers_.hold(grant, served.ready);
    fill_l2(line, served.ready, false);
  }
  count(counts, requester, served.level);
  if (requester != Requester::Walk) stream_prefetch(cycle, line, counts);
  return served;
}

MemoryHierarchy::Served MemoryHierarchy::beyond_l2(u64 cycle, u64 line) {
  settle_victim();
  if (Cache::Found hit = l3_.use(line))
    return {std::max(cycle + config_.l3.latency, hit.ready()), MemoryLevel::L3};
  return {dram_.pass(cycle) + config_.dram_latency, MemoryLevel::Dram};
}

// Data of the next access of a known stride, into the L1D.
void MemoryHierarchy::stride_prefetch(u64 cycle, const MemoryAccess& access, u64 target,
                                      CountVector& counts) {
  const u64 line = (access.physical + (target - access.linear)) >> kLineShift;
  if (l1d_.find(line) || !fill_buffers_.free_at(cycle)) return;
  l1d_access(cycle, line, false, Requester::L1Prefetch, counts);
}

// Lines ahead of a stream, into the L2.
void MemoryHierarchy::stream_prefetch(u64 cycle, u64 line, CountVector& counts) {
  const StreamPrefetcher::Request request = stream_.train(line);
  u64 wanted = request.first;
  if (request.count) {  // the stream is likely to ask for what follows next
    const u64 next = wanted + request.count * static_cast<u64>(request.step);
    l2_.expect(next);
    l3_.expect(next);
  }
  for (u32 i = 0; i < request.count; ++i, wanted += static_cast<u64>(request.step)) {
    MemoryLevel level = MemoryLevel::L2;
    if (!l2_.find(wanted)) {
      const Buffers::Grant grant = l2_buffers_.acquire(cycle);
      if (grant.start > cycle) return;
      const Served served = beyond_l2(cycle, wanted);
      l2_buffers_.hold(grant, served.ready);
      fill_l2(wanted, served.ready, false);
      level = served.level;
    }
    count(counts, Requester::L2Prefetch, level);
  }
}

void MemoryHierarchy::fill_l1d(u64 line, u64 ready, bool dirty, CountVector& counts) {
  ++count_in(counts, Count::L1dReplacements);
  const Cache::Line victim = l1d_.insert(line, ready, dirty);
  if (!victim.dirty()) return;
  if (Cache::Found below = l2_.find(victim.number()))
    below.make_dirty(true);
  else
    fill_l2(victim.number(), victim.ready, true);
}

void MemoryHierarchy::fill_l2(u64 line, u64 ready, bool dirty) {
  settle_victim();
  victim_ = l2_.insert(line, ready, dirty);
  if (victim_.key) l3_.expect(victim_.number());
}

// What the L2 evicts goes to the L3. What that evicts goes to DRAM if written to, on a channel of its own:
// one core's reads are bound by their own interval.
void MemoryHierarchy::settle_victim() {
  if (!victim_.key) return;
  const u64 line = victim_.number();
  if (Cache::Found below = l3_.use(line))
    below.make_dirty(victim_.dirty());
  else
    l3_.insert(line, victim_.ready, victim_.dirty());
  victim_ = {};
}

void MemoryHierarchy::count(CountVector& counts, Requester requester, MemoryLevel level) {
  const unsigned place = static_cast<unsigned>(level) - static_cast<unsigned>(MemoryLevel::L2);
  ++count_in(counts, offset(Count::DataL2Hit, static_cast<unsigned>(requester) * 3 + place));
}

void MemoryHierarchy::flush_line(u64 physical) {
  ++code_changes_;
  settle_victim();
  const u64 line = physical >> kLineShift;
  for (Cache* cache : {&l1i_, &l1d_, &l2_, &l3_}) cache->remove(line);
}

void MemoryHierarchy::flush_caches() {
  ++code_changes_;
  settle_victim();
  for (Cache* cache : {&l1i_, &l1d_, &l2_, &l3_}) cache->clear();
}

void MemoryHierarchy::archive(WordArchive& a) {
  ++code_changes_;
  settle_victim();
  for (Cache* cache : {&l1i_, &l1d_, &l2_, &l3_}) cache->archive(a);
  for (Tlb* tlb : tlbs()) tlb->archive(a);
  stride_.archive(a);
  stream_.archive(a);
  for (Buffers* buffers : {&fill_buffers_, &l2_buffers_, &walkers_}) buffers->archive(a);
  dram_.archive(a);
  a(tag_, second_stage_);
}

}  // namespace pmusim::core
