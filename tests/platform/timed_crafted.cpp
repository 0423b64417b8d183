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

// Every event here is a count that follows from the program; sources: the events' descriptions in perfmon and
// Linux's pmu-events.
TEST_CASE("events of the front end, the divider and the store buffer count what a program does") {
  // 200 of each: div ecx; store and load of the same 8 bytes; a load over the end of a page; cmp and jump.
  const TimedGuest guest{[](Code& c) { walk(c, 4, 4096); },
                         [](Code& c) {
                           c.raw({0xbf}).imm32(200);  // mov edi
                           const u32 top = c.here();
                           c.raw({0x31, 0xd2, 0xb9}).imm32(3).raw({0xf7, 0xf1});  // xor edx; mov ecx; div
                           c.raw({0x89, 0x15}).imm32(kTimedData);                 // mov [data], edx
                           c.raw({0x8b, 0x15}).imm32(kTimedData);                 // mov edx, [data]
                           c.raw({0x8b, 0x15}).imm32(kTimedData + 4096 - 2);      // over the page's end
                           c.raw({0xf0, 0xff, 0x05}).imm32(kTimedData + 128);     // lock inc dword
                           c.raw({0x4f, 0x0f, 0x85});                             // dec edi; jnz
                           c.imm32(top - (c.here() + 4));
                         }};
  for (const char* id : {"zen3", "zen4", "zen5"}) {
    const u32 interval = interval_model(id).timing.pipeline.divide_interval;
    expect(id, guest,
           {{"ex_div_count", 200},
            {"ex_div_busy", u64{200} * interval},
            {"ls_stlf", 200},
            {"ls_misal_loads.ma4k", 200},
            {"ls_misal_loads.ma64", 200}});
  }
  expect("zen5", guest, {{"ls_locks.all", 200}, {"ex_ret_uncond_brnch_instr", 0}});
}

TEST_CASE("cycles without retirement are told apart by their cause, and no more than the cycles") {
  const auto cycles = [](const char* id, const std::function<void(Code&)>& code) {
    std::vector<Counted> events = {{"ls_not_halted_cyc"},
                                   {"ex_no_retire.all"},
                                   {"ex_no_retire.empty"},
                                   {"ex_no_retire.not_complete"},
                                   {"ex_no_retire.load_not_complete"}};
    const std::vector<u64> n = run_timed(id, {[](Code&) {}, code}, events).counts;
    CHECK(n[1] < n[0]);
    CHECK(n[1] == n[2] + n[3]);
    CHECK(n[4] <= n[3]);
    return n;
  };
  for (const char* id : {"zen4", "zen5"}) {
    // Dependent misses: loads. Dependent divisions: execution. Calls into many lines never seen: the front
    // end.
    const auto loads = cycles(id, [](Code& c) {
      c.raw({0x31, 0xdb, 0xb9}).imm32(500);
      const u32 top = c.here();
      c.raw({0x8b, 0x93})
          .imm32(kTimedData)
          .raw({0x8d, 0x9c, 0x13})
          .imm32(4096 + 64);  // mov edx, []; lea ebx, [ebx+edx+..]
      c.raw({0x49, 0x75}).raw({int(top - (c.here() + 1))});
    });
    CHECK(loads[4] > loads[0] / 2);
    const auto divisions = cycles(id, [](Code& c) {
      c.raw({0xb9}).imm32(500);
      const u32 top = c.here();
      c.raw({0x31, 0xd2, 0xf7, 0xf1, 0x49, 0x75}).raw({int(top - (c.here() + 1))});
    });
    CHECK(divisions[3] > divisions[0] / 2);
    CHECK(divisions[4] < divisions[0] / 4);
    const auto calls = cycles(id, [](Code& c) { walk_code(c, 400); });
    CHECK(calls[2] > calls[0] / 2);
  }
}

TEST_CASE("pages of 4 KB are counted by what reloaded their translation") {
  constexpr u32 kPages = 320;
  for (const bool flushed : {false, true}) {
    const TimedGuest guest{[=](Code& c) {
                             walk(c, kPages, 4096);
                             if (flushed) flush_tlb(c);
                           },
                           [](Code& c) { walk(c, kPages, 4096); }};
    for (const char* id : kAmd)
      expect(id, guest,
             {{"ls_l1_d_tlb_miss.tlb_reload_4k_l2_hit", flushed ? 0 : kPages},
              {"ls_l1_d_tlb_miss.tlb_reload_4k_l2_miss", flushed ? kPages : 0}});
    expect("zen3", guest, {{"ls_tablewalker.dside", flushed ? kPages : 0}});
  }
}

TEST_CASE("a store to code that runs is a clear, and costs recovery") {
  const TimedGuest guest{[](Code&) {},
                         [](Code& c) {
                           c.raw({0xbf}).imm32(20);
                           const u32 top = c.here();
                           c.raw({0xc6, 0x05});
                           c.imm32(c.here() + 5).raw({0x90, 0x90});  // mov byte [the NOP behind], 90h
                           c.raw({0x4f, 0x75}).raw({int(top - (c.here() + 1))});
                         }};
  for (const char* id : kIntel) {
    const TimedRun run = run_timed(
        id, guest,
        {{"MACHINE_CLEARS.COUNT", 1, false, true}, {"MACHINE_CLEARS.SMC"}, {"INT_MISC.RECOVERY_CYCLES"}});
    CHECK(run.gaps == 0);
    CHECK(run.counts[0] == 20);
    CHECK(run.counts[1] == 20);
    CHECK(run.counts[2] >= 20 * 10);
  }
}

TEST_CASE("code never seen stalls the fetch for its lines, and after a flush for its translations") {
  for (const char* id : {"icx", "spr"}) {
    const auto stalls = [&](bool seen, bool flushed) {
      const TimedGuest guest{[=](Code& c) {
                               if (seen) walk_code(c, 100);
                               if (flushed) flush_tlb(c);
                             },
                             [](Code& c) { walk_code(c, 100); }};
      return run_timed(id, guest, {{"ICACHE_DATA.STALLS"}, {"ICACHE_TAG.STALLS"}}).counts;
    };
    const auto fresh = stalls(false, false), seen = stalls(true, false), flushed = stalls(true, true);
    CHECK(fresh[0] > 100 * u64{interval_model(id).timing.memory.l3.latency});
    CHECK(seen[0] < fresh[0] / 4);
    CHECK(flushed[1] > seen[1] + 100 * u64{interval_model(id).timing.memory.stlb_latency});
  }
}
