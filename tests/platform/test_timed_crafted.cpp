// SPDX-License-Identifier: Apache-2.0
// Events of interval timing on programs whose misses follow from the sizes in the model files: pages and
// lines touched once (cold) or again in the same order (a set with more of them than ways keeps none under
// LRU).
#include <doctest/doctest.h>

#include "timed_guest.h"

using namespace pmusim;
using namespace pmusim::platform::test;

namespace {

const char* const kIntel[] = {"skx", "icx", "spr"};
const char* const kAmd[] = {"zen3", "zen4", "zen5"};

// `times` accesses of opcode [ebx+data], a stride apart, from the first on.
void walk(Code& c, u32 times, u32 stride, int opcode = 0x8b) {
  c.raw({0x31, 0xdb, 0xb9}).imm32(times);  // xor ebx, ebx; mov ecx
  const u32 top = c.here();
  c.raw({opcode, 0x93}).imm32(kTimedData).raw({0x81, 0xc3}).imm32(stride);
  c.raw({0x49, 0x75}).raw({int(top - (c.here() + 1))});
}
// Calls a RET in each of `times` pages.
void walk_code(Code& c, u32 times) {
  c.raw({0xbb}).imm32(kReturns).raw({0xb9}).imm32(times);
  const u32 top = c.here();
  c.raw({0xff, 0xd3, 0x81, 0xc3}).imm32(4096 + 64);
  c.raw({0x49, 0x75}).raw({int(top - (c.here() + 1))});
}
void flush_tlb(Code& c) {
  c.raw({0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8});  // mov eax, cr3; mov cr3, eax
}

using Expected = std::vector<std::pair<const char*, u64>>;

void expect(const char* model, const TimedGuest& guest, const Expected& expected) {
  std::vector<Counted> events;
  for (const auto& [name, value] : expected) events.push_back({name});
  const TimedRun run = run_timed(model, guest, events);
  CHECK(run.gaps == 0);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO(std::string(model) << ": " << std::string(expected[i].first));
    CHECK(run.counts[i] == expected[i].second);
  }
}

}  // namespace

TEST_CASE(
    "as many pages as the first-level TLB holds miss nothing, more hit the second, after a flush all walk") {
  constexpr u32 kFew = 24, kMany = 320;  // all first levels hold 32 at least and 128 at most
  for (const int opcode : {0x8b, 0x89})
    for (const u32 pages : {kFew, kMany})
      for (const bool flushed : {false, true}) {
        const TimedGuest guest{[=](Code& c) {
                                 walk(c, pages, 4096, opcode);
                                 if (flushed) flush_tlb(c);
                               },
                               [=](Code& c) { walk(c, pages, 4096, opcode); }};
        const u64 walks = flushed ? pages : 0, hits = flushed || pages == kFew ? 0 : pages;
        CAPTURE(opcode);
        CAPTURE(pages);
        CAPTURE(flushed);
        for (const char* id : kIntel) {
          if (opcode == 0x8b) {
            expect(id, guest,
                   {{"DTLB_LOAD_MISSES.STLB_HIT", hits},
                    {"DTLB_LOAD_MISSES.WALK_COMPLETED", walks},
                    {"MEM_INST_RETIRED.STLB_MISS_LOADS", walks}});
          } else {
            expect(
                id, guest,
                {{"DTLB_STORE_MISSES.WALK_COMPLETED", walks}, {"MEM_INST_RETIRED.STLB_MISS_STORES", walks}});
          }
        }
        expect("zen3", guest, {{"ls_l1_d_tlb_miss.all", hits + walks}, {"l2_dtlb_misses", walks}});
        for (const char* id : {"zen4", "zen5"})
          expect(id, guest,
                 {{"ls_l1_d_tlb_miss.all", hits + walks}, {"ls_l1_d_tlb_miss.all_l2_miss", walks}});
      }
}

TEST_CASE("calls into more pages than the code TLB holds hit the second level, after a flush all walk") {
  constexpr u32 kPages = 352;
  for (const bool flushed : {false, true}) {
    const TimedGuest guest{[=](Code& c) {
                             walk_code(c, kPages);
                             if (flushed) flush_tlb(c);
                           },
                           [](Code& c) { walk_code(c, kPages); }};
    const u64 hits = flushed ? 0 : kPages, walks = kPages - hits;
    CAPTURE(flushed);
    for (const char* id : kIntel)
      expect(id, guest, {{"ITLB_MISSES.STLB_HIT", hits}, {"ITLB_MISSES.WALK_COMPLETED", walks}});
    expect("zen3", guest, {{"bp_l1_tlb_miss_l2_tlb_hit", hits}, {"bp_l1_tlb_miss_l2_tlb_miss", walks}});
    for (const char* id : {"zen4", "zen5"})
      expect(id, guest, {{"bp_l1_tlb_miss_l2_tlb_hit", hits}, {"bp_l1_tlb_miss_l2_tlb_miss.all", walks}});
  }
}

// One line in each page, so that no prefetcher helps; 2000 lines are more than any L1D and less than any L2.
TEST_CASE("lines never touched miss every level, and the same lines again miss the L1D alone") {
  constexpr u32 kLines = 2000, kStride = 4096 + 64;
  for (const bool again : {false, true}) {
    const TimedGuest guest{[=](Code& c) {
                             if (again) walk(c, kLines, kStride);
                           },
                           [](Code& c) { walk(c, kLines, kStride); }};
    const u64 beyond = again ? 0 : kLines;
    CAPTURE(again);
    for (const char* id : kIntel)
      expect(id, guest,
             {{"MEM_LOAD_RETIRED.L1_HIT", 0},
              {"MEM_LOAD_RETIRED.L1_MISS", kLines},
              {"MEM_LOAD_RETIRED.L2_MISS", beyond},
              {"MEM_LOAD_RETIRED.L3_MISS", beyond},
              {"L2_RQSTS.DEMAND_DATA_RD_MISS", beyond}});
    expect("zen3", guest,
           {{"ls_dmnd_fills_from_sys.lcl_l2", kLines - beyond},
            {"ls_dmnd_fills_from_sys.mem_io_local", beyond}});
    for (const char* id : {"zen4", "zen5"})
      expect(id, guest,
             {{"ls_dmnd_fills_from_sys.all", kLines},
              {"ls_dmnd_fills_from_sys.local_l2", kLines - beyond},
              {"ls_dmnd_fills_from_sys.dram_io_near", beyond}});
  }
}
