// SPDX-License-Identifier: Apache-2.0
// The whole hierarchy: latencies, parallelism, walks, prefetch, flushing. Expected cycles are sums of the
// configured latencies; nothing is taken from the model's output.
#include <doctest/doctest.h>

#include "core/timing/memory_hierarchy.h"

using namespace pmusim;
using namespace pmusim::core;

namespace {

// No prefetchers, and TLBs that the pages of a test fit into.
MemoryConfig plain() {
  MemoryConfig c;
  c.l1i = {32, 8, 0};
  c.l1d = {32, 8, 4};
  c.l2 = {256, 8, 14};
  c.l3 = {1024, 16, 50};
  c.dram_latency = 250;
  c.dram_line_interval = 1;
  c.fill_buffers = 10;
  c.stride_lookahead = 0;
  c.next_line_fetch = 0;
  c.stream_distance = 0;
  return c;
}

struct Memory {
  explicit Memory(const MemoryConfig& config) : hierarchy(config) {}
  MemoryResult load(u64 cycle, u64 address, u32 size = 8, u64 ip = 0) {
    return hierarchy.load({cycle, address, address, ip, size, 30, false}, counts);
  }
  MemoryResult store(u64 cycle, u64 address) {
    return hierarchy.store({cycle, address, address, 0, 8, 30, false}, counts);
  }
  u64 of(Count kind) { return count_in(counts, kind); }
  u64 of(Count first, Count last) {
    u64 sum = 0;
    for (CountMask k = mask_of(first, last); k;) sum += of(take_lowest(k));
    return sum;
  }
  MemoryHierarchy hierarchy;
  CountVector counts{};
};

constexpr u64 kStart = 100000;  // after the warm-up's walks

std::vector<u64> words_of(MemoryHierarchy& hierarchy) {
  WordArchive words;
  hierarchy.archive(words);
  return words.take();
}

}  // namespace

TEST_CASE("a load takes the latency of the level that holds its line") {
  Memory m(plain());
  m.load(0, 0);
  MemoryResult r = m.load(kStart, 64);
  CHECK(r.level == MemoryLevel::Dram);
  CHECK(r.ready == kStart + 250);
  r = m.load(2 * kStart, 64);
  CHECK(r.level == MemoryLevel::L1);
  CHECK(r.ready == 2 * kStart + 4);
  for (u64 line = 0; line < 512; ++line)
    m.load(3 * kStart + line * 1000, 0x100000 + line * 64);  // fills the L1D
  r = m.load(10 * kStart, 64);
  CHECK(r.level == MemoryLevel::L2);
  CHECK(r.ready == 10 * kStart + 14);
  for (u64 line = 0; line < 4096; ++line)
    m.load(20 * kStart + line * 1000, 0x200000 + line * 64);  // and the L2
  r = m.load(100 * kStart, 64);
  CHECK(r.level == MemoryLevel::L3);
  CHECK(r.ready == 100 * kStart + 50);
}

TEST_CASE("loads are counted by the place that served them, and the places' sum is all loads") {
  Memory m(plain());
  m.load(0, 0);
  m.counts = {};
  m.load(kStart, 64);
  m.load(kStart + 1, 72);  // on its way
  m.load(2 * kStart, 64);
  CHECK(m.of(Count::LoadDram) == 1);
  CHECK(m.of(Count::LoadFillHit) == 1);
  CHECK(m.of(Count::LoadL1Hit) == 1);
  CHECK(m.of(Count::LoadL1Hit, Count::LoadDram) == 3);
  CHECK(m.of(Count::DataDram) == 1);
  CHECK(m.of(Count::L1dReplacements) == 1);
  CHECK(m.of(Count::L1dPendingCycles) == 250);
}

TEST_CASE("a load that finds its line on the way waits for its arrival") {
  Memory m(plain());
  m.load(0, 0);
  m.load(kStart, 64);
  const MemoryResult r = m.load(kStart + 100, 72);
  CHECK(r.level == MemoryLevel::Fill);
  CHECK(r.ready == kStart + 250);
  CHECK(m.load(kStart + 246, 72).level == MemoryLevel::L1);
}

TEST_CASE("twelve misses at once with ten fill buffers: the last two wait for the first two") {
  MemoryConfig c = plain();
  c.dram_line_interval = 1;
  Memory m(c);
  m.load(0, 0);
  std::vector<u64> ready;
  for (u64 i = 0; i < 12; ++i) ready.push_back(m.load(kStart, 0x10000 + i * 64).ready);
  for (u64 i = 0; i < 10; ++i) CHECK(ready[i] == kStart + 250 + i);  // one line each cycle from DRAM
  CHECK(ready[10] == ready[0] + 250);
  CHECK(ready[11] == ready[1] + 250);
}

TEST_CASE("independent misses overlap up to DRAM's bandwidth") {
  MemoryConfig c = plain();
  c.fill_buffers = 32;
  c.dram_line_interval = 8;
  Memory m(c);
  m.load(0, 0);
  u64 last = 0;
  for (u64 i = 0; i < 32; ++i) last = m.load(kStart, 0x10000 + i * 64).ready;
  CHECK(last == kStart + 31 * 8 + 250);
}

TEST_CASE("a load across a line is one load and one split, served by the farther half") {
  Memory m(plain());
  m.load(0, 0);
  m.load(kStart, 64);
  m.counts = {};
  const MemoryResult r = m.load(2 * kStart, 64 + 60);
  CHECK(r.level == MemoryLevel::Dram);
  CHECK(r.ready == 2 * kStart + 1 + 250);
  CHECK(m.of(Count::SplitLoads) == 1);
  CHECK(m.of(Count::LoadL1Hit, Count::LoadDram) == 1);
  m.counts = {};
  m.load(3 * kStart, 64 + 56);  // its last byte is the line's last
  CHECK(m.of(Count::SplitLoads) == 0);
}

TEST_CASE("a store that misses reads for ownership, and its line is written back when driven out") {
  Memory m(plain());
  m.load(0, 0);
  m.counts = {};
  CHECK(m.store(kStart, 64).ready == kStart + 250);
  CHECK(m.store(2 * kStart, 72).ready == 2 * kStart);
  CHECK(m.of(Count::RfoDram) == 1);
  CHECK(m.of(Count::LoadL1Hit, Count::LoadDram) == 0);
  CHECK(m.of(Count::DataL2Hit, Count::DataDram) == 0);
}

TEST_CASE("a flushed line is gone from every level") {
  Memory m(plain());
  m.load(0, 0);
  m.load(kStart, 64);
  m.hierarchy.flush_line(64 + 5);
  CHECK(m.load(2 * kStart, 64).level == MemoryLevel::Dram);
  m.hierarchy.flush_caches();
  CHECK(m.load(3 * kStart, 64).level == MemoryLevel::Dram);
}

TEST_CASE("instructions have their own first level and share the others") {
  Memory m(plain());
  m.load(0, 0);
  m.load(kStart, 64);
  const MemoryAccess fetch{2 * kStart, 64, 64, 64, 16, 30, false};
  m.counts = {};
  MemoryResult r = m.hierarchy.fetch(fetch, m.counts);
  CHECK_FALSE(r.walked);  // the data's walk filled the second level
  CHECK(r.ready == 2 * kStart + plain().stlb_latency + 14);
  CHECK(r.level == MemoryLevel::L2);
  CHECK(m.of(Count::CodeL2Hit) == 1);
  CHECK(m.of(Count::ItlbStlbHit) == 1);
  CHECK(m.of(Count::ItlbWalks) == 0);
}

TEST_CASE(
    "a first access walks, a second one does not, and between the levels a second-level hit has its cost") {
  MemoryConfig c = plain();
  c.dtlb = {4, 4};
  c.dtlb_large = {0, 0};
  c.stlb = {64, 4};
  c.stlb_latency = 7;
  Memory m(c);
  const auto load = [&m](u64 cycle, u64 page) {
    return m.hierarchy.load({cycle, page << 12, page << 12, 0, 8, 12, false}, m.counts);
  };
  CHECK(load(0, 0).walked);
  CHECK(m.of(Count::DtlbLoadWalks) == 1);
  CHECK_FALSE(load(kStart, 0).walked);
  for (u64 page = 1; page < 5; ++page) load(kStart * (page + 1), page);  // page 0 leaves the first level
  m.counts = {};
  const MemoryResult r = load(10 * kStart, 0);
  CHECK_FALSE(r.walked);
  CHECK(r.ready == 10 * kStart + 7 + 4);
  CHECK(m.of(Count::DtlbLoadStlbHit) == 1);
  CHECK(m.of(Count::DtlbLoadWalks) == 0);
}

TEST_CASE("a walk reads one entry per level from memory, and only the last where the directory is cached") {
  MemoryConfig c = plain();
  c.stlb_latency = 7;
  Memory m(c);
  const auto load = [&m](u64 cycle, u64 page) {
    return m.hierarchy.load({cycle, page << 12, page << 12, 0, 8, 12, false}, m.counts);
  };
  MemoryResult r = load(0, 0);
  CHECK(m.of(Count::WalkDram) == 4);
  CHECK(m.of(Count::DtlbLoadWalkCycles) == 4 * 250);
  CHECK(r.ready == 7 + 4 * 250 + 250);
  m.counts = {};
  r = load(kStart, 1);  // its entry is in the line of page 0's
  CHECK(m.of(Count::WalkDram) == 0);
  CHECK(m.of(Count::DtlbLoadWalkCycles) == 4);
  CHECK(r.ready == kStart + 7 + 4 + 250);
  m.counts = {};
  load(2 * kStart, 8);  // the next line of entries
  CHECK(m.of(Count::WalkDram) == 1);
}

TEST_CASE("under a second stage each step of a walk is two reads") {
  Memory one(plain()), two(plain());
  two.hierarchy.set_space(0, true);
  one.load(0, 0);
  two.load(0, 0);
  CHECK(one.of(Count::WalkDram) == 2);  // 1 GB page: two levels
  CHECK(two.of(Count::WalkDram) == 4);
}

TEST_CASE("address spaces do not share translations, and flushing one keeps the other's") {
  Memory m(plain());
  CHECK(m.load(0, 0).walked);
  m.hierarchy.set_space(1, false);
  CHECK(m.load(kStart, 0).walked);
  m.hierarchy.flush_tlb_tag(1, false);
  CHECK(m.load(2 * kStart, 0).walked);
  m.hierarchy.set_space(0, false);
  CHECK_FALSE(m.load(3 * kStart, 0).walked);
  m.hierarchy.flush_tlb_page(0, 0x1000);  // of the same 1 GB page
  CHECK(m.load(4 * kStart, 0).walked);
  m.hierarchy.flush_tlb();
  CHECK(m.load(5 * kStart, 0).walked);
}

TEST_CASE("a walk is never counted without a TLB miss, and misses do not grow towards memory") {
  MemoryConfig c;  // with prefetchers
  c.l1d = {4, 4, 4};
  c.l2 = {16, 4, 14};
  c.l3 = {64, 4, 50};
  c.dtlb = {8, 4};
  c.dtlb_large = {0, 0};
  c.stlb = {32, 4};
  Memory m(c);
  u64 x = 1, cycle = 0;
  for (int i = 0; i < 20000; ++i) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    const u64 address = i % 3 ? (x >> 40) % 0x80000 & ~u64{7} : static_cast<u64>(i) * 64 % 0x100000;
    cycle += x >> 60;
    const MemoryAccess access{cycle, address, address, static_cast<u64>(i % 3), 8, 12, false};
    x >> 63 ? m.hierarchy.store(access, m.counts) : m.hierarchy.load(access, m.counts);
    if (i % 1000 == 0) m.hierarchy.flush_tlb();
  }
  const u64 loads = m.of(Count::LoadL1Hit, Count::LoadDram);
  CHECK(loads > 0);
  CHECK(m.of(Count::DataL2Hit, Count::DataDram) <= loads);
  for (const Count first : {Count::DataL2Hit, Count::RfoL2Hit, Count::WalkL2Hit, Count::L1PrefetchL2Hit}) {
    const unsigned k = static_cast<unsigned>(first);
    CHECK(m.counts[k] + m.counts[k + 1] + m.counts[k + 2] > 0);  // the test reaches it
  }
  CHECK(m.of(Count::LoadL2Hit) + m.of(Count::LoadL3Hit) + m.of(Count::LoadDram) ==
        m.of(Count::DataL2Hit, Count::DataDram));
  CHECK(m.of(Count::L1dReplacements) ==
        m.of(Count::DataL2Hit, Count::RfoDram) + m.of(Count::WalkL2Hit, Count::L1PrefetchDram));
  CHECK(m.of(Count::DtlbLoadWalkCycles) >= 4 * m.of(Count::DtlbLoadWalks));  // one L1D read at least
  CHECK(m.of(Count::WalkL2Hit, Count::WalkDram) <=
        4 * (m.of(Count::DtlbLoadWalks) + m.of(Count::DtlbStoreWalks)));
}

TEST_CASE("a stream of lines from DRAM: few misses of loads, none counted twice (guest-platform 4.5)") {
  Memory m{MemoryConfig{}};
  constexpr u64 kLines = 64 * 256;
  u64 cycle = kStart;
  for (u64 i = 0; i < kLines; ++i) {
    const u64 address = 0x1000000 + i * 64;
    m.hierarchy.load({cycle, address, address, 0x400, 8, 12, false}, m.counts);
    cycle += 20;
  }
  const u64 misses = m.of(Count::DataDram) + m.of(Count::WalkDram) + m.of(Count::L1PrefetchDram);
  const u64 references =
      misses + m.of(Count::DataL3Hit) + m.of(Count::WalkL3Hit) + m.of(Count::L1PrefetchL3Hit);
  CHECK(misses >= 1);
  CHECK(misses <= kLines / 4);
  CHECK(references <= kLines * 5 / 2);
  CHECK(m.of(Count::DataDram) + m.of(Count::L1PrefetchDram) + m.of(Count::L2PrefetchDram) == kLines);
}

TEST_CASE("a stream is faster with the prefetchers than without") {
  const auto last_ready = [](u32 distance, u32 lookahead) {
    MemoryConfig c;
    c.stream_distance = distance;
    c.stride_lookahead = lookahead;
    MemoryHierarchy hierarchy(c);
    CountVector counts{};
    u64 ready = kStart;  // each load waits for the one before: no overlap but the prefetchers'
    for (u64 i = 0; i < 640; ++i)
      ready = hierarchy.load({ready, i * 64, i * 64, 0x400, 8, 12, false}, counts).ready;
    return ready - kStart;
  };
  CHECK(last_ready(0, 0) > 640 * 250);
  CHECK(last_ready(20, 0) < last_ready(0, 0) / 2);
  CHECK(last_ready(20, 4) < last_ready(0, 0) / 2);
}

TEST_CASE("a prefetched line is no demand miss, and a software prefetch is not a load") {
  Memory m(plain());
  m.load(0, 0);
  m.counts = {};
  m.hierarchy.prefetch({kStart, 64, 64, 0, 8, 30, false}, false, m.counts);
  CHECK(m.of(Count::L1PrefetchDram) == 1);
  CHECK(m.of(Count::LoadL1Hit, Count::LoadDram) == 0);
  CHECK(m.load(2 * kStart, 64).level == MemoryLevel::L1);
  CHECK(m.of(Count::DataL2Hit, Count::DataDram) == 0);
}

TEST_CASE("the same accesses after a restore take the same time and leave the same state") {
  MemoryConfig c;
  Memory a(c), b(c);
  const auto run = [](Memory& m, u64 from) {
    u64 sum = 0;
    for (u64 i = from; i < from + 2000; ++i) {
      const u64 address = (i * 0x9e3779b97f4a7c15u >> 40) & ~u64{7};
      sum += m.hierarchy.load({i * 30, address, address, i % 7, 8, 12, false}, m.counts).ready;
      if (i % 5 == 0) m.hierarchy.store({i * 30, address + 64, address + 64, 3, 8, 12, false}, m.counts);
    }
    return sum;
  };
  run(a, 0);
  const std::vector<u64> saved = words_of(a.hierarchy);
  run(b, 77);
  WordArchive words(saved);
  b.hierarchy.archive(words);
  CHECK(words_of(b.hierarchy) == saved);
  CHECK(run(a, 2000) == run(b, 2000));
  CHECK(words_of(a.hierarchy) == words_of(b.hierarchy));
}

// Code that is fetched again and again is answered without a look into TLB and cache; these change them.
namespace {

struct Code : Memory {
  Code() : Memory(plain()) {
    for (u64 i = 0; i < 4; ++i) fetch(kStart + 1000 * i, 0);
  }
  MemoryResult fetch(u64 cycle, u64 address) {
    return hierarchy.fetch({cycle, address, address, address, 1, 12, false}, counts);
  }
};

}  // namespace

TEST_CASE("code that was fetched many times costs nothing when it is fetched again") {
  Code m;
  const u64 cycle = 2 * kStart;
  CHECK(m.fetch(cycle, 0).ready == cycle + m.hierarchy.config().l1i.latency);
}

TEST_CASE("code that was fetched many times is walked for after a flush of its translation") {
  const auto walked = [](auto flush) {
    Code m;
    flush(m.hierarchy);
    return m.fetch(2 * kStart, 0).walked;
  };
  CHECK_FALSE(walked([](MemoryHierarchy&) {}));
  CHECK(walked([](MemoryHierarchy& h) { h.flush_tlb(); }));
  CHECK(walked([](MemoryHierarchy& h) { h.flush_tlb_tag(0, false); }));
  CHECK(walked([](MemoryHierarchy& h) { h.flush_tlb_page(0, 0); }));
  CHECK(walked([](MemoryHierarchy& h) { h.set_space(1, false); }));
}

TEST_CASE("code that was fetched many times comes from memory after a flush of its line") {
  const auto level = [](auto flush) {
    Code m;
    flush(m.hierarchy);
    return m.fetch(2 * kStart, 0).level;
  };
  CHECK(level([](MemoryHierarchy&) {}) == MemoryLevel::L1);
  CHECK(level([](MemoryHierarchy& h) { h.flush_line(0); }) == MemoryLevel::Dram);
  CHECK(level([](MemoryHierarchy& h) { h.flush_caches(); }) == MemoryLevel::Dram);
}

TEST_CASE("code that was fetched many times is looked up once its set has taken eight other lines") {
  Code m;
  const u64 set_bytes = 4096;  // 64 sets of 64 bytes
  for (u64 i = 1; i <= 8; ++i) m.fetch(2 * kStart + 1000 * i, i * set_bytes);
  CHECK(m.fetch(3 * kStart, 0).level == MemoryLevel::L2);
}

TEST_CASE("a line that the L2 evicted last is flushed like one that is in the L3") {
  MemoryConfig c = plain();
  c.l1d = {1, 1, 4};
  c.l2 = {1, 1, 14};  // 16 sets of one line
  Memory m(c);
  m.load(0, 0);
  m.load(kStart, 1024);  // the same set: evicts line 0
  SUBCASE("left alone") {
    CHECK(m.load(2 * kStart, 0).level == MemoryLevel::L3);
  }
  SUBCASE("CLFLUSH") {
    m.hierarchy.flush_line(0);
    CHECK(m.load(2 * kStart, 0).level == MemoryLevel::Dram);
  }
  SUBCASE("WBINVD") {
    m.hierarchy.flush_caches();
    CHECK(m.load(2 * kStart, 0).level == MemoryLevel::Dram);
  }
}
