// SPDX-License-Identifier: Apache-2.0
// 8254, after Intel's 8254 data sheet (order number 231164): modes, latch and read-back commands, gates; and
// port 61H as PC chip sets have it (82371 data sheet, "NMI Status and Control Register").
#include <doctest/doctest.h>

#include "device_rig.h"
#include "platform/devices/pit.h"

using namespace pmusim;
using namespace pmusim::platform;
using namespace pmusim::platform::test;

namespace {

struct Rig {
  SetClock clock;
  Pit pit{clock};
  SystemControl control{pit, clock};
  int rises = 0;
  Rig() {
    pit.reset();
    pit.on_interrupt = [this](bool level) { rises += level; };
  }
  void at_tick(u64 tick) {
    clock.now = nanoseconds_at(tick, kPitHz);
    pit.update();
  }
  void program(unsigned channel, u8 mode, u16 count) {
    pit.write(3, channel << 6 | 0x30 | mode << 1, 1);
    pit.write(channel, count & 0xff, 1);
    pit.write(channel, count >> 8, 1);
  }
  u16 count(unsigned channel) {
    pit.write(3, channel << 6, 1);  // latch
    const u16 low = static_cast<u16>(pit.read(channel, 1));
    return static_cast<u16>(low | pit.read(channel, 1) << 8);
  }
};

}  // namespace

TEST_CASE("PIT: ticks and nanoseconds convert without drift") {
  CHECK(ticks_at(1'000'000'000, kPitHz) == kPitHz);
  for (const u64 tick : {u64{1}, u64{2}, u64{11932}, u64{123456789}}) {
    CHECK(ticks_at(nanoseconds_at(tick, kPitHz), kPitHz) == tick);
    CHECK(ticks_at(nanoseconds_at(tick, kPitHz) - 1, kPitHz) == tick - 1);
  }
}

TEST_CASE("PIT: mode 2 raises IRQ 0 once a period, the deadline says when") {
  Rig r;
  r.program(0, 2, 1000);
  r.rises = 0;
  CHECK(r.pit.next_deadline() == nanoseconds_at(1000, kPitHz));
  r.at_tick(999);
  CHECK(r.rises == 0);
  r.at_tick(1000);
  CHECK(r.rises == 1);
  CHECK(r.pit.next_deadline() == nanoseconds_at(2000, kPitHz));
  r.at_tick(5500);  // several periods missed: one interrupt, and the phase is kept
  CHECK(r.rises == 2);
  CHECK(r.pit.next_deadline() == nanoseconds_at(6000, kPitHz));
}

TEST_CASE("PIT: mode 0 raises its output once at the end of the count and counts on through FFFFH") {
  Rig r;
  r.program(0, 0, 500);
  CHECK_FALSE(r.pit.output(0));
  r.at_tick(499);
  CHECK(r.count(0) == 1);
  CHECK(r.rises == 0);
  r.at_tick(500);
  CHECK(r.rises == 1);
  CHECK(r.pit.output(0));
  CHECK(r.pit.next_deadline() == kNever);
  r.at_tick(501);
  CHECK(r.count(0) == 0xffff);
}

TEST_CASE("PIT: a count of 0 is 65536") {
  Rig r;
  r.program(0, 2, 0);
  CHECK(r.pit.next_deadline() == nanoseconds_at(65536, kPitHz));
  r.at_tick(1);
  CHECK(r.count(0) == 0xffff);
}

TEST_CASE("PIT: mode 3 counts by two and is high for half of the period, the longer half if it is odd") {
  Rig r;
  r.program(0, 3, 100);
  r.at_tick(10);
  CHECK(r.count(0) == 80);
  r.at_tick(49);
  CHECK(r.pit.output(0));
  r.at_tick(50);
  CHECK_FALSE(r.pit.output(0));
  r.at_tick(100);
  CHECK(r.pit.output(0));
  r.program(0, 3, 5);
  const u64 start = 100;
  r.at_tick(start + 2);
  CHECK(r.pit.output(0));
  r.at_tick(start + 3);
  CHECK_FALSE(r.pit.output(0));
}

TEST_CASE("PIT: a latched count is held until both bytes are read, read-back gives status too") {
  Rig r;
  r.program(0, 2, 0x1234);
  r.at_tick(0x34);
  r.pit.write(3, 0, 1);
  r.at_tick(0x234);
  r.pit.write(3, 0, 1);  // ignored: the first is not read yet
  CHECK(r.pit.read(0, 1) == 0x00);
  CHECK(r.pit.read(0, 1) == 0x12);
  CHECK(r.count(0) == 0x1000);
  r.pit.write(3, 0xe2, 1);          // status of channel 0
  CHECK(r.pit.read(0, 1) == 0xb4);  // output high, count loaded, both bytes, mode 2
  r.pit.write(3, 0xb0, 1);
  r.pit.write(3, 0xe8, 1);
  CHECK(r.pit.read(2, 1) == 0x70);  // output low, no count yet
}

TEST_CASE("PIT: byte access modes read and load one byte") {
  Rig r;
  r.pit.write(3, 0x14, 1);  // channel 0, low byte, mode 2
  r.pit.write(0, 100, 1);
  r.at_tick(30);
  CHECK(r.pit.read(0, 1) == 70);
  r.pit.write(3, 0x24, 1);  // high byte
  r.pit.write(0, 2, 1);
  CHECK(r.pit.next_deadline() == nanoseconds_at(30 + 512, kPitHz));
}

TEST_CASE("PIT: port 61H gates channel 2 and shows its output") {
  Rig r;
  CHECK((r.control.read(0, 1) & 3) == 0);
  r.control.write(0, 1, 1);
  r.program(2, 0, 1000);
  r.at_tick(400);
  CHECK((r.control.read(0, 1) & 0x20) == 0);
  r.control.write(0, 0, 1);  // the count stops
  r.at_tick(2000);
  CHECK(r.count(2) == 600);
  CHECK((r.control.read(0, 1) & 0x20) == 0);
  r.control.write(0, 3, 1);
  r.at_tick(2599);
  CHECK((r.control.read(0, 1) & 0x23) == 3);
  r.at_tick(2600);
  CHECK((r.control.read(0, 1) & 0x23) == 0x23);
}

TEST_CASE("PIT: a rising gate starts mode 1 and restarts mode 2") {
  Rig r;
  r.program(2, 1, 100);
  r.at_tick(50);
  CHECK(r.pit.output(2));  // not triggered
  r.control.write(0, 1, 1);
  r.at_tick(149);
  CHECK_FALSE(r.pit.output(2));
  r.at_tick(150);
  CHECK(r.pit.output(2));
  r.program(2, 2, 100);
  r.at_tick(180);
  CHECK(r.count(2) == 70);
  r.control.write(0, 0, 1);
  r.control.write(0, 1, 1);
  CHECK(r.count(2) == 100);
}

TEST_CASE("PIT: saved and restored, it expires at the same time") {
  Rig a, b;
  a.program(0, 2, 777);
  a.at_tick(100);
  copy_state(a.pit, b.pit);
  CHECK(b.pit.next_deadline() == a.pit.next_deadline());
}

TEST_CASE("PIT: a CPU whose clock is before the load sees a count that has just begun") {
  Rig r;
  r.at_tick(1000);
  r.program(2, 0, 500);
  r.control.write(0, 1, 1);  // gate
  r.at_tick(999);
  CHECK(r.count(2) == 500);
  CHECK((r.control.read(0, 1) & 0x20) == 0);
}
