// SPDX-License-Identifier: Apache-2.0
// Translation in two stages. Expectations: SDM Vol. 3, "The Extended Page Table Mechanism (EPT)".
#include <doctest/doctest.h>

#include "translation.h"

using namespace pmusim;
using namespace pmusim::core;
using namespace pmusim::core::test;

TEST_CASE("in guest mode what the second stage does not allow is a VM-exit") {
  Machine m;
  FakeIntercepts intercepts;
  PageMap second;
  m.long_mode();
  m.map(kAt, 0x6000, kP | kW);
  second.pages[0x6000] = {true, false, 0x7000};
  m.mmu.set_world(&second, &intercepts, 3);
  m.put(0x7010, 42);
  CHECK(m.mmu.read<u64>(kAt + 0x10) == 42);
  auto exit = exit_of([&] { m.mmu.write<u64>(kAt + 0x10, 1); });
  REQUIRE(exit);
  CHECK(exit->kind == ExitKind::SecondStageFault);
  CHECK(exit->guest_physical == 0x6010);
  CHECK(exit->guest_linear == kAt + 0x10);
  CHECK(exit->write);
  second.pages[0x6000] = {};
  m.mmu.flush_tag(3);
  exit = exit_of([&] { m.mmu.fetch(kAt); });
  REQUIRE(exit);
  CHECK(exit->fetch);
  CHECK_FALSE(exit->write);
  CHECK(m.env.mmio_reads.empty());
}

TEST_CASE("page tables too go through the second stage") {
  Machine m;
  FakeIntercepts intercepts;
  PageMap second;
  m.long_mode();
  m.map(kAt, 0x6000, kP | kW);
  const u64 pte = m.entry_at(kAt, 1);
  second.pages[pte & ~kPageMask] = {};
  m.mmu.set_world(&second, &intercepts, 3);
  auto exit = exit_of([&] { m.mmu.read<u8>(kAt); });
  REQUIRE(exit);
  CHECK(exit->guest_physical == pte);
  second.pages[pte & ~kPageMask] = {true, false, pte & ~kPageMask};  // setting the accessed flag is a write
  exit = exit_of([&] { m.mmu.read<u8>(kAt); });
  REQUIRE(exit);
  CHECK(exit->write);
}

TEST_CASE(
    "an emulator sees what the second stage does not map as memory-mapped I/O at the guest-physical "
    "address") {
  Machine m;
  PageMap second;
  m.long_mode();
  m.map(kAt, 0x6000, kP | kW);
  second.pages[0x6000] = {true, false, 0x7000};
  m.mmu.set_world(&second, nullptr, 3);
  m.mmu.read<u32>(kAt + 8);
  CHECK(m.env.mmio_reads.empty());
  m.mmu.write<u32>(kAt + 8, 5);
  CHECK(m.env.mmio_writes == std::vector<u64>{0x6008});
  CHECK(m.get(0x7008, 4) == 0);
}

TEST_CASE("a dirty page is still read-only where the second stage says so, also after a read") {
  Machine m;
  FakeIntercepts intercepts;
  PageMap second;
  m.long_mode();
  m.map(kAt, 0x6000, kP | kW | kA | kD);
  second.pages[0x6000] = {true, false, 0x7000};
  m.mmu.set_world(&second, &intercepts, 3);
  m.mmu.read<u8>(kAt);
  CHECK(exit_of([&] { m.mmu.write<u8>(kAt, 1); }));
  CHECK(m.get(0x7000, 1) == 0);
}
