// SPDX-License-Identifier: Apache-2.0
// What a timing model is told of the pages that code lies on. Expectations: SDM Vol. 3, "Details of TLB Use"
// and "Global Pages": a translation has the size and the G flag of the paging-structure entry that maps the
// page.
#include <doctest/doctest.h>

#include "program.h"

namespace pmusim::core::test {
namespace {

struct Recorder final : Timing {
  std::vector<DynamicInstruction> seen;
  unsigned width() const override { return 1; }
  u64 cycle() const override { return seen.size(); }
  void retire(u64) override {}
  void stall(u64) override {}
  void advance_to(u64) override {}
  u64 instructions_before(u64) const override { return kNever; }
  void archive(WordArchive&) override {}
  bool detailed() const override { return true; }
  u64 retire(const DynamicInstruction& d, CountVector&) override {
    seen.push_back(d);
    return cycle();
  }
};

struct Recorded : Machine {
  static constexpr u64 kCode = 0x200000;  // a 2-MiB page's first byte
  Recorder recorder;
  Core core{ram, env, recorder};
  Recorded() {
    long_mode();
    s.cr4 |= kCr4Pge;
    core.configure(config);
  }
  void code(const std::vector<u8>& bytes, u64 at = kCode) { ram.write(at, bytes.data(), bytes.size()); }
  const DynamicInstruction& execute(CpuState& state) {
    core.set_state(&state);
    core.run({1, kNever});
    return recorder.seen.back();
  }
};

}  // namespace

TEST_CASE("address spaces that map the same code with pages of different sizes each have their own size") {
  Recorded m;
  m.code({0x90});
  CpuState small = m.s, large = m.s;
  m.next_table = Machine::kTables + 0x20000;
  large.cr3 = m.s.cr3 = m.next_table;
  m.next_table += kPageSize;
  m.map(Recorded::kCode, Recorded::kCode, Machine::kP | Machine::kW | Machine::kPs | Machine::kG, 2);
  for (int round = 0; round < 3; ++round)
    for (const u16 tag : {u16{1}, u16{2}}) {  // neither flushes the other
      CpuState& state = tag == 1 ? small : large;
      state.rip = Recorded::kCode;
      m.core.set_world(World::Host, nullptr, nullptr, tag);
      const DynamicInstruction& d = m.execute(state);
      CHECK(d.ip == Recorded::kCode);
      CHECK(d.code_page_shift[0] == (tag == 1 ? 12 : 21));
      CHECK(d.code_global[0] == (tag == 2));
    }
}

TEST_CASE("an instruction that straddles pages has the size and the G flag of both") {
  Recorded m;
  m.map(Recorded::kCode, Recorded::kCode, Machine::kP | Machine::kW | Machine::kPs | Machine::kG, 2);
  m.code({0x66, 0x90}, Recorded::kCode - 1);
  m.s.rip = Recorded::kCode - 1;
  const DynamicInstruction& d = m.execute(m.s);
  CHECK(d.second_code_page == Recorded::kCode);
  CHECK(d.code_page_shift[0] == 12);
  CHECK(!d.code_global[0]);
  CHECK(d.code_page_shift[1] == 21);
  CHECK(d.code_global[1]);
}

}  // namespace pmusim::core::test
