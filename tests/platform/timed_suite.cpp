// SPDX-License-Identifier: Apache-2.0
// The loop of kvm-unit-tests' pmu program under interval timing: one load of a new line, seven NOPs and LOOP
// an iteration, after CLFLUSH of the first line; then an IBPB, a CALL and an indirect jump. Bounds: x86/pmu.c
// of kvm-unit-tests, per iteration; here 180000 iterations instead of a million, in 4 KB pages as there.
#include <doctest/doctest.h>

#include "timed_guest.h"

using namespace pmusim;
using namespace pmusim::platform::test;
using namespace pmusim::test;

namespace {

constexpr u32 kIterations = 180000;
constexpr u32 kPredCmd = 0x49;

void loop(Assembler& c, u32 iterations) {
  c.mov(esi, kTimedData).mov(ecx, iterations);
  const u32 top = c.here();
  c.mov(eax, dword(esi)).add(esi, 64);
  for (int n = 0; n < 7; ++n) c.nop();
  c.loop(top);
}
void flush_first(Assembler& c) {
  c.mov(esi, kTimedData).clflush(esi).mfence();
}
// A call to the next instruction and an indirect jump over a NOP, from where the call returned to: POP, ADD,
// JMP and NOP are 7 bytes.
void jump(Assembler& c) {
  c.call(c.here() + 5).pop(eax).add(eax, 7).jmp(eax).nop();
}

std::vector<u64> count(const char* id, const TimedGuest& guest, const std::vector<const char*>& names) {
  std::vector<Counted> events;
  for (const char* name : names) events.push_back({name});
  const TimedRun run = run_timed(id, guest, events);
  CHECK(run.gaps == 0);
  return run.counts;
}

}  // namespace

TEST_CASE("a walk through new lines overlaps its misses and counts no more of them than lines") {
  const TimedGuest guest{[](Assembler&) {},
                         [](Assembler& c) {
                           flush_first(c);
                           loop(c, kIterations);
                           c.wrmsr(kPredCmd, 1);
                           jump(c);
                         }};
  for (const char* id : {"skx", "icx", "spr"}) {
    CAPTURE(std::string(id));
    const auto n =
        count(id, guest,
              {"CPU_CLK_UNHALTED.THREAD_P", "LONGEST_LAT_CACHE.REFERENCE", "LONGEST_LAT_CACHE.MISS",
               "BR_INST_RETIRED.ALL_BRANCHES", "BR_MISP_RETIRED.ALL_BRANCHES"});
    CHECK(n[0] >= kIterations);
    CHECK(n[0] <= 30 * u64{kIterations});
    CHECK(n[1] >= 1);
    CHECK(n[1] <= 5 * u64{kIterations} / 2);
    CHECK(n[2] >= 1);
    CHECK(n[2] <= kIterations);
    CHECK(n[3] == kIterations + 2);  // LOOP, CALL, the jump
    CHECK(n[4] >= 1);
    CHECK(n[4] <= kIterations / 10);
  }
  for (const char* id : {"zen3", "zen4", "zen5"}) {
    CAPTURE(std::string(id));
    const auto n = count(id, guest, {"ls_not_halted_cyc", "ex_ret_brn", "ex_ret_brn_misp"});
    CHECK(n[0] >= kIterations);
    CHECK(n[0] <= 50 * u64{kIterations});
    CHECK(n[1] == kIterations + 2);
    CHECK(n[2] >= 1);
    CHECK(n[2] <= kIterations / 10);
  }
}

TEST_CASE("CLFLUSH makes the next load of its line the only one that misses the last level") {
  for (const bool flushed : {false, true}) {
    const TimedGuest guest{[](Assembler& c) { loop(c, 40); },
                           [=](Assembler& c) {
                             if (flushed) flush_first(c);
                             loop(c, 40);
                           }};
    CAPTURE(flushed);
    for (const char* id : {"skx", "icx", "spr"}) {
      CAPTURE(std::string(id));
      const auto n = count(id, guest, {"MEM_LOAD_RETIRED.L3_MISS", "LONGEST_LAT_CACHE.MISS"});
      CHECK(n[0] == flushed);
      CHECK(n[1] >= u64{flushed});
    }
    for (const char* id : {"zen4", "zen5"})
      CHECK(count(id, guest, {"ls_dmnd_fills_from_sys.dram_io_near"})[0] == flushed);
    CHECK(count("zen3", guest, {"ls_dmnd_fills_from_sys.mem_io_local"})[0] == flushed);
  }
}

// The same call and jump 50 times: all but the first few jumps are predicted, and one more is not after IBPB.
TEST_CASE("IBPB makes an indirect jump mispredict that was predicted before it") {
  u64 missed[2][6];
  for (const bool barrier : {false, true}) {
    const TimedGuest guest{[](Assembler&) {},
                           [=](Assembler& c) {
                             c.mov(edi, 50);
                             const u32 top = c.here();
                             const Label over = c.label();
                             c.cmp(edi, 25).jnz(over).wrmsr(kPredCmd, barrier).bind(over);
                             jump(c);
                             c.dec(edi).jnz(top);
                           }};
    unsigned i = 0;
    for (const char* id : {"skx", "icx", "spr"})
      missed[barrier][i++] =
          count(id, guest, {id[1] == 'k' ? "BR_MISP_RETIRED.NEAR_TAKEN" : "BR_MISP_RETIRED.INDIRECT"})[0];
    for (const char* id : {"zen3", "zen4", "zen5"})
      missed[barrier][i++] = count(id, guest, {"ex_ret_brn_ind_misp"})[0];
  }
  for (unsigned i = 0; i < 6; ++i) {
    CAPTURE(i);
    CHECK(missed[0][i] <= 5);
    CHECK(missed[1][i] > missed[0][i]);
  }
}
