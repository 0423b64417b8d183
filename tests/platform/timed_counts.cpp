// SPDX-License-Identifier: Apache-2.0
// Invariants of what programmed counters show under interval timing, on random programs: slots by cause sum
// to the slots (top-down method, level 1), a miss of one level is one of the level above, a walk is a miss of
// the TLB (definitions of the events, perfmon and Linux pmu-events), and the relations of CMASK, INV and EDGE
// (SDM Vol. 3, "Performance Monitoring", event select registers).
#include <doctest/doctest.h>

#include <map>

#include "tests/support/machine/machine.h"
#include "tests/support/sanitized.h"
#include "timed_guest.h"

using namespace pmusim;
using namespace pmusim::platform::test;
using namespace pmusim::test;

namespace {

constexpr u64 kPrograms = 2;

TimedGuest random_guest(u64 seed, unsigned size = 14) {
  const auto phases = [](u64 with, unsigned n) {
    return [with, n](Assembler& c) {
      Rng rng(with);
      random_phases(c, rng, n);
    };
  };
  return {phases(seed * 2, 2), phases(seed * 2 + 1, size)};
}

std::map<std::string, u64> count(const std::string& model, const TimedGuest& guest,
                                 std::initializer_list<const char*> names) {
  std::vector<Counted> events;
  for (const char* name : names) events.push_back({name});
  const TimedRun run = run_timed(model, guest, events);
  CHECK(run.gaps == 0);
  std::map<std::string, u64> result;
  for (std::size_t i = 0; i < events.size(); ++i) result[events[i].event] = run.counts[i];
  return result;
}

// Sums of events, each no more than the one before it; the last is not 0 over all programs.
using Chain = std::vector<std::vector<const char*>>;

void check_falling(const char* model, const std::vector<Chain>& chains) {
  std::vector<Counted> events;
  for (const Chain& chain : chains)
    for (const auto& sum : chain)
      for (const char* name : sum) events.push_back({name});
  std::vector<u64> last_of_all(chains.size());
  for (u64 seed = 1; seed <= kPrograms; ++seed) {
    const TimedRun run = run_timed(model, random_guest(seed), events);
    CHECK(run.gaps == 0);
    std::size_t i = 0;
    for (std::size_t chain = 0; chain < chains.size(); ++chain) {
      u64 before = kNever;
      for (const auto& sum : chains[chain]) {
        u64 now = 0;
        for (std::size_t k = 0; k < sum.size(); ++k) now += run.counts[i++];
        INFO(std::string(model) << ", program " << seed << ": " << std::string(sum[0]));
        CHECK(now <= before);
        before = now;
      }
      last_of_all[chain] += before;
    }
  }
  for (std::size_t chain = 0; chain < chains.size(); ++chain) {
    INFO(std::string(model) << ": " << std::string(chains[chain].back()[0]));
    CHECK(last_of_all[chain] > 0);
  }
}

}  // namespace

TEST_CASE("slots by cause sum to the slots exactly where the model has an event for every cause") {
  for (u64 seed = 1; seed <= kPrograms; ++seed) {
    CAPTURE(seed);
    const TimedGuest guest = random_guest(seed);
    auto n = count("spr", guest,
                   {"TOPDOWN.SLOTS_P", "UOPS_RETIRED.SLOTS", "TOPDOWN.BAD_SPEC_SLOTS", "IDQ_BUBBLES.CORE",
                    "TOPDOWN.BACKEND_BOUND_SLOTS", "CPU_CLK_UNHALTED.THREAD_P"});
    CHECK(n["TOPDOWN.SLOTS_P"] == 6 * n["CPU_CLK_UNHALTED.THREAD_P"]);
    CHECK(n["UOPS_RETIRED.SLOTS"] + n["TOPDOWN.BAD_SPEC_SLOTS"] + n["IDQ_BUBBLES.CORE"] +
              n["TOPDOWN.BACKEND_BOUND_SLOTS"] ==
          n["TOPDOWN.SLOTS_P"]);
    for (const char* part : {"UOPS_RETIRED.SLOTS", "TOPDOWN.BAD_SPEC_SLOTS", "IDQ_BUBBLES.CORE"})
      CHECK(n[part] > 0);
    // The metrics of Linux's amdzen4 and amdzen5: dispatched operations are the retired and the wrong ones.
    for (const char* zen : {"zen4", "zen5"}) {
      n = count(zen, guest,
                {"ls_not_halted_cyc", "de_src_op_disp.all", "ex_ret_ops",
                 "de_no_dispatch_per_slot.no_ops_from_frontend", "de_no_dispatch_per_slot.backend_stalls"});
      CHECK(n["de_src_op_disp.all"] + n["de_no_dispatch_per_slot.no_ops_from_frontend"] +
                n["de_no_dispatch_per_slot.backend_stalls"] ==
            interval_model(zen).width * n["ls_not_halted_cyc"]);
      CHECK(n["ex_ret_ops"] < n["de_src_op_disp.all"]);
    }
  }
}

// Ice Lake's bad speculation is what the other three leave (perfmon TMA metrics).
TEST_CASE(
    "on Ice Lake, which has no event of it, bad speculation is what the other causes leave of the slots") {
  const auto mispredicts = [](int bit) {
    return TimedGuest{[](Assembler&) {},
                      [bit](Assembler& c) {
                        c.mov(ecx, 3000);
                        const u32 top = c.here();
                        const Label over = c.label();
                        c.imul(eax, eax, 1664525).add(eax, 1013904223);
                        c.test(eax, 1u << bit).jz(over).nop().bind(over).dec(ecx).jnz(top);
                      }};
  };
  u64 bad[2];
  // Bit 30 of such a sequence is unpredictable, bit 0 alternates (Knuth, volume 2, 3.2.1.1).
  for (const int learnt : {0, 1}) {
    auto n = count("icx", mispredicts(learnt ? 0 : 30),
                   {"TOPDOWN.SLOTS_P", "UOPS_RETIRED.SLOTS", "IDQ_UOPS_NOT_DELIVERED.CORE",
                    "TOPDOWN.BACKEND_BOUND_SLOTS", "BR_MISP_RETIRED.ALL_BRANCHES"});
    const u64 others =
        n["UOPS_RETIRED.SLOTS"] + n["IDQ_UOPS_NOT_DELIVERED.CORE"] + n["TOPDOWN.BACKEND_BOUND_SLOTS"];
    CHECK(others <= n["TOPDOWN.SLOTS_P"]);
    bad[learnt] = n["TOPDOWN.SLOTS_P"] - others;
    // No mispredict loses more than the whole penalty.
    CHECK(bad[learnt] <= 5 * 20 * n["BR_MISP_RETIRED.ALL_BRANCHES"]);
  }
  CHECK(bad[0] > 20 * bad[1]);
}

TEST_CASE("demand misses do not grow from the L1D over the L2 to the last level") {
  for (const char* intel : {"skx", "icx", "spr"})
    check_falling(intel, {{{"MEM_INST_RETIRED.ALL_LOADS"},
                           {"MEM_LOAD_RETIRED.L1_MISS", "MEM_LOAD_RETIRED.FB_HIT"},
                           {"MEM_LOAD_RETIRED.L1_MISS"},
                           {"MEM_LOAD_RETIRED.L2_MISS"},
                           {"MEM_LOAD_RETIRED.L3_MISS"}},
                          // A load that missed made a request; requests are counted where they are served,
                          // loads when they retire.
                          {{"L2_RQSTS.ALL_DEMAND_DATA_RD"}, {"MEM_LOAD_RETIRED.L1_MISS"}},
                          {{"L2_RQSTS.DEMAND_DATA_RD_MISS"}, {"MEM_LOAD_RETIRED.L2_MISS"}},
                          {{"L2_RQSTS.ALL_DEMAND_DATA_RD", "L2_RQSTS.ALL_RFO", "L2_RQSTS.ALL_CODE_RD"},
                           {"LONGEST_LAT_CACHE.REFERENCE"},
                           {"LONGEST_LAT_CACHE.MISS"}}});
  for (const char* intel : {"skx", "spr"})
    check_falling(intel, {{{"L2_RQSTS.REFERENCES"}, {"L2_RQSTS.MISS"}, {"LONGEST_LAT_CACHE.MISS"}}});
  check_falling("zen3", {{{"ls_dc_accesses"},
                          {"ls_mab_alloc.load_store_allocations"},
                          {"ls_dmnd_fills_from_sys.int_cache", "ls_dmnd_fills_from_sys.mem_io_local"},
                          {"ls_dmnd_fills_from_sys.mem_io_local"}}});
  for (const char* zen : {"zen4", "zen5"})
    check_falling(zen, {{{"ls_dmnd_fills_from_sys.all"},
                         {"ls_dmnd_fills_from_sys.local_ccx", "ls_dmnd_fills_from_sys.dram_io_near"},
                         {"ls_dmnd_fills_from_sys.dram_io_near"}}});
}

TEST_CASE("page walks are misses of the TLB") {
  for (const char* intel : {"skx", "icx", "spr"})
    check_falling(intel, {{{"DTLB_LOAD_MISSES.STLB_HIT", "DTLB_LOAD_MISSES.WALK_COMPLETED"},
                           {"DTLB_LOAD_MISSES.WALK_COMPLETED"},
                           {"MEM_INST_RETIRED.STLB_MISS_LOADS"}},
                          {{"MEM_INST_RETIRED.ALL_LOADS"}, {"DTLB_LOAD_MISSES.STLB_HIT"}},
                          {{"MEM_INST_RETIRED.ALL_STORES"}, {"DTLB_STORE_MISSES.WALK_COMPLETED"}},
                          {{"BR_INST_RETIRED.NEAR_TAKEN"}, {"ITLB_MISSES.WALK_COMPLETED"}},
                          {{"DTLB_LOAD_MISSES.WALK_PENDING"}, {"DTLB_LOAD_MISSES.WALK_COMPLETED"}}});
  check_falling("zen3", {{{"ls_dc_accesses"}, {"ls_l1_d_tlb_miss.all"}, {"l2_dtlb_misses"}}});
  for (const char* zen : {"zen4", "zen5"})
    check_falling(zen, {{{"ls_l1_d_tlb_miss.all"}, {"ls_l1_d_tlb_miss.all_l2_miss"}},
                        {{"ex_ret_brn_tkn"}, {"bp_l1_tlb_miss_l2_tlb_hit"}}});
}

TEST_CASE("CMASK, INV and EDGE keep their relations on events that happen several times in a cycle") {
  struct Event {
    const char *model, *name, *cycles;
    bool instructions = false;
  };
  for (const Event& e : {Event{"spr", "INST_RETIRED.ANY_P", "CPU_CLK_UNHALTED.THREAD_P", true},
                         {"spr", "UOPS_RETIRED.SLOTS", "CPU_CLK_UNHALTED.THREAD_P"},
                         {"spr", "IDQ_BUBBLES.CORE", "CPU_CLK_UNHALTED.THREAD_P"},
                         {"spr", "MEM_INST_RETIRED.ALL_LOADS", "CPU_CLK_UNHALTED.THREAD_P"},
                         {"skx", "BR_INST_RETIRED.ALL_BRANCHES", "CPU_CLK_UNHALTED.THREAD_P"},
                         {"skx", "UOPS_RETIRED.RETIRE_SLOTS", "CPU_CLK_UNHALTED.THREAD_P"},
                         {"icx", "TOPDOWN.BACKEND_BOUND_SLOTS", "CPU_CLK_UNHALTED.THREAD_P"},
                         {"zen3", "ex_ret_instr", "ls_not_halted_cyc", true},
                         {"zen4", "ex_ret_ops", "ls_not_halted_cyc"},
                         {"zen5", "ex_ret_instr", "ls_not_halted_cyc", true}}) {
    INFO(std::string(e.model) << ": " << std::string(e.name));
    if (kSanitized && std::string(e.model) != "skx" && std::string(e.model) != "zen4") continue;
    const CpuModel& m = interval_model(e.model);
    // Two instructions may be one micro-op.
    const u32 width = m.timing.pipeline.retire_width * (e.instructions ? 2 : 1);
    const u8 most = static_cast<u8>(width + 1);
    std::vector<Counted> events = {{e.cycles}, {e.name}};
    for (u8 k = 1; k <= most; ++k) {
      events.push_back({e.name, k});
      events.push_back({e.name, k, true});
      events.push_back({e.name, k, false, true});
    }
    const TimedRun run = run_timed(e.model, random_guest(5, 7), events);
    CHECK(run.gaps == 0);
    const u64 cycles = run.counts[0], all = run.counts[1];
    u64 before = cycles, sum = 0;
    for (u8 k = 1; k <= most; ++k) {
      CAPTURE(int(k));
      const u64* at = &run.counts[2 + 3 * (k - 1u)];
      CHECK(at[0] <= before);
      CHECK(at[0] + at[1] == cycles);
      CHECK(at[2] <= at[0]);
      CHECK(at[2] <= at[1] + 1);  // between two rises lies a cycle below
      if (at[0]) CHECK(at[2] >= 1);
      before = at[0];
      sum += at[0];
    }
    // Summed over the thresholds a cycle gives its increments. Those of the instruction that enables and of
    // the cycle in which counting ends are in no complete cycle.
    CHECK(sum <= all);
    CHECK(sum + width + 1 >= all);
    CHECK(run.counts[2] < all);  // some cycles have more than one
    CHECK(before == 0);          // none has more than the part retires
  }
}

TEST_CASE("what is counted does not depend on whether instructions are executed one by one") {
  for (const char* id : {"skx", "spr", "zen4"}) {
    std::vector<Counted> events;
    for (const pmu::EventInfo& e : interval_model(id).events)
      if (e.kinds && e.fixed < 0 && e.unit.empty()) {
        events.push_back({e.name});
        if (e.per_cycle) events.push_back({e.name, 2});
      }
    const TimedGuest guest = random_guest(6, static_cast<unsigned>(repeated(7, 2)));
    const TimedRun blocks = run_timed(id, guest, events), steps = run_timed(id, guest, events, true);
    for (std::size_t i = 0; i < events.size(); ++i) {
      CAPTURE(events[i].event);
      CHECK(blocks.counts[i] == steps.counts[i]);
    }
    CHECK(blocks.hash == steps.hash);
  }
}
