// SPDX-License-Identifier: Apache-2.0
// I/O APIC, after Intel's 82093AA data sheet (order number 290566): registers, redirection entries, remote
// IRR and end of interrupt.
#include <doctest/doctest.h>

#include "device_rig.h"
#include "platform/devices/ioapic.h"

using namespace pmusim;
using namespace pmusim::platform;
using namespace pmusim::platform::test;

namespace {

struct Rig {
  RecordingBus bus;
  IoApic io{bus};
  Rig() { io.reset(); }
  u32 read(u32 index) {
    io.write(0, index, 4);
    return static_cast<u32>(io.read(0x10, 4));
  }
  void write(u32 index, u32 value) {
    io.write(0, index, 4);
    io.write(0x10, value, 4);
  }
  void entry(unsigned input, u64 value) {
    write(0x11 + 2 * input, static_cast<u32>(value >> 32));
    write(0x10 + 2 * input, static_cast<u32>(value));
  }
};
constexpr u64 kLevel = 1 << 15, kMasked = 1 << 16, kRemoteIrr = 1 << 14;

}  // namespace

TEST_CASE("I/O APIC: 24 entries, all masked after reset, a read-only version and a four-bit ID") {
  Rig r;
  CHECK(r.read(1) == 0x00170011);
  r.write(1, 0xffffffff);
  CHECK(r.read(1) == 0x00170011);
  for (unsigned input = 0; input < 24; ++input) CHECK(r.read(0x10 + 2 * input) == kMasked);
  r.write(0, 0xffffffff);
  CHECK(r.read(0) == 0x0f000000);
  CHECK(r.read(2) == 0x0f000000);  // arbitration ID follows
  r.write(2, 0);
  CHECK(r.read(2) == 0x0f000000);
}

TEST_CASE("I/O APIC: an edge sends what its entry says, once") {
  Rig r;
  r.entry(14, u64{3} << 56 | 1 << 11 | 1 << 8 | 0x76);
  r.io.set_input(14, true);
  r.io.set_input(14, true);
  REQUIRE(r.bus.sent.size() == 1);
  CHECK(r.bus.sent[0].vector == 0x76);
  CHECK(r.bus.sent[0].delivery == ApicDelivery::Lowest);
  CHECK(r.bus.sent[0].logical);
  CHECK(r.bus.sent[0].destination == 3);
  CHECK_FALSE(r.bus.sent[0].level_trigger);
  r.io.set_input(14, false);
  r.io.set_input(14, true);
  CHECK(r.bus.sent.size() == 2);
}

TEST_CASE("I/O APIC: a level is sent once until its vector's EOI, and again if the line is still high") {
  Rig r;
  r.entry(14, kLevel | 0x77);
  r.io.set_input(14, true);
  CHECK(r.bus.sent.size() == 1);
  CHECK((r.read(0x10 + 28) & kRemoteIrr) != 0);
  r.io.set_input(14, false);
  r.io.set_input(14, true);
  CHECK(r.bus.sent.size() == 1);
  r.io.end_of_interrupt(0x76);
  CHECK(r.bus.sent.size() == 1);
  r.io.end_of_interrupt(0x77);
  CHECK(r.bus.sent.size() == 2);
  r.io.set_input(14, false);
  r.io.end_of_interrupt(0x77);
  CHECK(r.bus.sent.size() == 2);
  CHECK((r.read(0x10 + 28) & kRemoteIrr) == 0);
}

TEST_CASE("I/O APIC: a masked level is sent when it is unmasked, a masked edge is lost") {
  Rig r;
  r.entry(5, kMasked | kLevel | 0x50);
  r.entry(6, kMasked | 0x60);
  r.io.set_input(5, true);
  r.io.set_input(6, true);
  CHECK(r.bus.sent.empty());
  r.entry(6, 0x60);
  CHECK(r.bus.sent.empty());
  r.entry(5, kLevel | 0x50);
  REQUIRE(r.bus.sent.size() == 1);
  CHECK(r.bus.sent[0].vector == 0x50);
}

TEST_CASE("I/O APIC: remote IRR and delivery status cannot be written, destination FFH is a broadcast") {
  Rig r;
  r.entry(7, u64{0xff} << 56 | kLevel | kRemoteIrr | 1 << 12 | 0x70);
  CHECK((r.read(0x10 + 14) & (kRemoteIrr | 1 << 12)) == 0);
  r.io.set_input(7, true);
  REQUIRE(r.bus.sent.size() == 1);
  CHECK(r.bus.sent[0].broadcast);
  r.entry(7, u64{1} << 56 | kLevel | 0x70);  // another destination while in service
  CHECK((r.read(0x10 + 14) & kRemoteIrr) != 0);
  CHECK(r.bus.sent.size() == 1);
}

TEST_CASE("I/O APIC: registers beyond the table read all ones and take no writes") {
  Rig r;
  CHECK(r.read(0x40) == 0xffffffff);
  r.write(0x40, 0x30);
  CHECK(r.read(0x40) == 0xffffffff);
  CHECK(r.read(0x3f) == 0);
}

TEST_CASE("I/O APIC: saved and restored, a level in service is still in service") {
  Rig a, b;
  a.entry(9, kLevel | 0x90);
  a.io.set_input(9, true);
  copy_state(a.io, b.io);
  b.io.end_of_interrupt(0x90);
  CHECK(b.bus.sent.size() == 1);
}

// Data sheet, redirection table, delivery mode: NMI and INIT are edges however they are programmed, SMI and
// ExtINT require an edge.
TEST_CASE("I/O APIC: a level entry with NMI or INIT delivery sends at each edge and has no remote IRR") {
  for (const u64 delivery : {u64{2}, u64{4}, u64{5}}) {
    Rig r;
    r.entry(14, kLevel | delivery << 8);
    r.io.set_input(14, true);
    REQUIRE(r.bus.sent.size() == 1);
    CHECK(!r.bus.sent[0].level_trigger);
    CHECK((r.read(0x10 + 28) & kRemoteIrr) == 0);
    r.io.set_input(14, true);
    CHECK(r.bus.sent.size() == 1);
    r.io.set_input(14, false);
    r.io.set_input(14, true);
    CHECK(r.bus.sent.size() == 2);
  }
  Rig r;
  r.entry(14, kLevel | 1 << 8 | 0x77);  // lowest priority has a level
  r.io.set_input(14, true);
  CHECK((r.read(0x10 + 28) & kRemoteIrr) != 0);
}
