// SPDX-License-Identifier: Apache-2.0
// The loop of kvm-unit-tests' pmu program under interval timing: one load of a new line, seven NOPs and LOOP
// an iteration, after CLFLUSH of the first line; then an IBPB, a CALL and an indirect jump. Bounds: x86/pmu.c
// of kvm-unit-tests, per iteration; here 180000 iterations instead of a million, in 4 KB pages as there.
#include <doctest/doctest.h>

#include "timed_guest.h"

using namespace pmusim;
using namespace pmusim::platform::test;

namespace {

constexpr u32 kIterations = 180000;
constexpr u32 kPredCmd = 0x49;

void loop(Code& c, u32 iterations) {
  c.raw({0xbe}).imm32(kTimedData).raw({0xb9}).imm32(iterations);  // mov esi; mov ecx
  const u32 top = c.here();
  c.raw({0x8b, 0x06, 0x83, 0xc6, 64});  // mov eax, [esi]; add esi, 64
  for (int n = 0; n < 7; ++n) c.raw({0x90});
  c.raw({0xe2}).raw({int(top - (c.here() + 1))});
}
void flush_first(Code& c) {
  c.raw({0xbe}).imm32(kTimedData).raw({0x0f, 0xae, 0x3e, 0x0f, 0xae, 0xf0});  // clflush [esi]; mfence
}
// call next; pop eax; add eax; jmp eax over a NOP.
void jump(Code& c) {
  c.raw({0xe8}).imm32(0).raw({0x58, 0x83, 0xc0, 7, 0xff, 0xe0, 0x90});
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
  const TimedGuest guest{[](Code&) {},
                         [](Code& c) {
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
    const TimedGuest guest{[](Code& c) { loop(c, 40); },
                           [=](Code& c) {
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
    const TimedGuest guest{
        [](Code&) {},
        [=](Code& c) {
          c.raw({0xbf}).imm32(50);  // mov edi
          const u32 top = c.here();
          c.raw({0x83, 0xff, 25, 0x75, 15});  // cmp edi, 25; jne over the write
          c.raw({0xb9}).imm32(kPredCmd).raw({0xb8}).imm32(barrier).raw({0x31, 0xd2, 0x0f, 0x30, 0x90});
          jump(c);
          c.raw({0x4f, 0x75}).raw({int(top - (c.here() + 1))});  // dec edi; jnz
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
