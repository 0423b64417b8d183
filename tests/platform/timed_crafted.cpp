// SPDX-License-Identifier: Apache-2.0
// Events of interval timing on programs whose misses follow from the sizes in the model files: pages and
// lines touched once (cold) or again in the same order (a set with more of them than ways keeps none under
// LRU).
#include <doctest/doctest.h>

#include "tests/support/machine/machine.h"
#include "timed_guest.h"

using namespace pmusim;
using namespace pmusim::platform::test;
using namespace pmusim::test;

namespace {

const char* const kIntel[] = {"skx", "icx", "spr"};
const char* const kAmd[] = {"zen3", "zen4", "zen5"};

// `times` loads, or stores, of [ebx+data], a stride apart, from the first on.
void walk(Assembler& c, u32 times, u32 stride, bool stores = false) {
  c.xor_(ebx, ebx).mov(ecx, times);
  const u32 top = c.here();
  const Operand data = dword(ebx, kTimedData);
  (stores ? c.mov(data, edx) : c.mov(edx, data)).add(ebx, stride);
  c.dec(ecx).jnz(top);
}
// Calls a RET in each of `times` pages.
void walk_code(Assembler& c, u32 times) {
  c.mov(ebx, kReturns).mov(ecx, times);
  const u32 top = c.here();
  c.call(ebx).add(ebx, 4096 + 64);
  c.dec(ecx).jnz(top);
}
void flush_tlb(Assembler& c) {
  c.mov(eax, cr3).mov(cr3, eax);
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
  for (const bool stores : {false, true})
    for (const u32 pages : {kFew, kMany})
      for (const bool flushed : {false, true}) {
        const TimedGuest guest{[=](Assembler& c) {
                                 walk(c, pages, 4096, stores);
                                 if (flushed) flush_tlb(c);
                               },
                               [=](Assembler& c) { walk(c, pages, 4096, stores); }};
        const u64 walks = flushed ? pages : 0, hits = flushed || pages == kFew ? 0 : pages;
        CAPTURE(stores);
        CAPTURE(pages);
        CAPTURE(flushed);
        for (const char* id : kIntel) {
          if (!stores) {
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
    const TimedGuest guest{[=](Assembler& c) {
                             walk_code(c, kPages);
                             if (flushed) flush_tlb(c);
                           },
                           [](Assembler& c) { walk_code(c, kPages); }};
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
    const TimedGuest guest{[=](Assembler& c) {
                             if (again) walk(c, kLines, kStride);
                           },
                           [](Assembler& c) { walk(c, kLines, kStride); }};
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
  const TimedGuest guest{[](Assembler& c) { walk(c, 4, 4096); },
                         [](Assembler& c) {
                           c.mov(edi, 200);
                           const u32 top = c.here();
                           c.xor_(edx, edx).mov(ecx, 3).div(ecx);
                           c.mov(dword(kTimedData), edx).mov(edx, dword(kTimedData));
                           c.mov(edx, dword(kTimedData + 4096 - 2));  // over the page's end
                           c.lock().inc(dword(kTimedData + 128));
                           c.dec(edi).jnz(top);
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
  const auto cycles = [](const char* id, const std::function<void(Assembler&)>& code) {
    std::vector<Counted> events = {{"ls_not_halted_cyc"},
                                   {"ex_no_retire.all"},
                                   {"ex_no_retire.empty"},
                                   {"ex_no_retire.not_complete"},
                                   {"ex_no_retire.load_not_complete"}};
    const std::vector<u64> n = run_timed(id, {[](Assembler&) {}, code}, events).counts;
    CHECK(n[1] < n[0]);
    CHECK(n[1] == n[2] + n[3]);
    CHECK(n[4] <= n[3]);
    return n;
  };
  for (const char* id : {"zen4", "zen5"}) {
    // Dependent misses: loads. Dependent divisions: execution. Calls into many lines never seen: the front
    // end.
    const auto loads = cycles(id, [](Assembler& c) {
      c.xor_(ebx, ebx).mov(ecx, 500);
      const u32 top = c.here();
      c.mov(edx, dword(ebx, kTimedData)).lea(ebx, Operand(4, ebx, 4096 + 64, edx, 1));
      c.dec(ecx).jnz(top);
    });
    CHECK(loads[4] > loads[0] / 2);
    const auto divisions = cycles(id, [](Assembler& c) {
      c.mov(ecx, 500);
      const u32 top = c.here();
      c.xor_(edx, edx).div(ecx).dec(ecx).jnz(top);
    });
    CHECK(divisions[3] > divisions[0] / 2);
    CHECK(divisions[4] < divisions[0] / 4);
    const auto calls = cycles(id, [](Assembler& c) { walk_code(c, 400); });
    CHECK(calls[2] > calls[0] / 2);
  }
}

TEST_CASE("pages of 4 KB are counted by what reloaded their translation") {
  constexpr u32 kPages = 320;
  for (const bool flushed : {false, true}) {
    const TimedGuest guest{[=](Assembler& c) {
                             walk(c, kPages, 4096);
                             if (flushed) flush_tlb(c);
                           },
                           [](Assembler& c) { walk(c, kPages, 4096); }};
    for (const char* id : kAmd)
      expect(id, guest,
             {{"ls_l1_d_tlb_miss.tlb_reload_4k_l2_hit", flushed ? 0 : kPages},
              {"ls_l1_d_tlb_miss.tlb_reload_4k_l2_miss", flushed ? kPages : 0}});
    expect("zen3", guest, {{"ls_tablewalker.dside", flushed ? kPages : 0}});
  }
}

TEST_CASE("a store to code that runs is a clear, and costs recovery") {
  const TimedGuest guest{[](Assembler&) {},
                         [](Assembler& c) {
                           c.mov(edi, 20);
                           const u32 top = c.here();
                           c.mov(byte(c.here() + 7), 0x90).nop();  // writes the NOP
                           c.dec(edi).jnz(top);
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
      const TimedGuest guest{[=](Assembler& c) {
                               if (seen) walk_code(c, 100);
                               if (flushed) flush_tlb(c);
                             },
                             [](Assembler& c) { walk_code(c, 100); }};
      return run_timed(id, guest, {{"ICACHE_DATA.STALLS"}, {"ICACHE_TAG.STALLS"}}).counts;
    };
    const auto fresh = stalls(false, false), seen = stalls(true, false), flushed = stalls(true, true);
    CHECK(fresh[0] > 100 * u64{interval_model(id).timing.memory.l3.latency});
    CHECK(seen[0] < fresh[0] / 4);
    CHECK(flushed[1] > seen[1] + 100 * u64{interval_model(id).timing.memory.stlb_latency});
  }
}
