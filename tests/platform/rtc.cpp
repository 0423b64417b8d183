// SPDX-License-Identifier: Apache-2.0
// MC146818 real-time clock, after Motorola's MC146818 data sheet: time registers, register A's update bit,
// data modes of register B.
#include <doctest/doctest.h>

#include "device_rig.h"
#include "platform/devices/rtc.h"

using namespace pmusim;
using namespace pmusim::platform;
using namespace pmusim::platform::test;

namespace {

struct Rig {
  SetClock clock;
  Rtc rtc{clock};
  explicit Rig(u64 start) {
    rtc.start_time = start;
    rtc.reset();
  }
  unsigned read(u8 index) {
    rtc.write(0, index, 1);
    return static_cast<unsigned>(rtc.read(1, 1));
  }
  void write(u8 index, u8 value) {
    rtc.write(0, index, 1);
    rtc.write(1, value, 1);
  }
};
constexpr u64 kSecond = 1'000'000'000;

}  // namespace

TEST_CASE("RTC: BCD and 24 hours after power-on, the date of the configured start") {
  Rig r(1735689600);  // Wed 2025-01-01 00:00:00
  CHECK(r.read(0) == 0x00);
  CHECK(r.read(4) == 0x00);
  CHECK(r.read(6) == 4);
  CHECK(r.read(7) == 0x01);
  CHECK(r.read(8) == 0x01);
  CHECK(r.read(9) == 0x25);
  CHECK(r.read(0x32) == 0x20);
  CHECK(r.read(0x0d) == 0x80);
}

TEST_CASE("RTC: device time moves it on, over a leap day and a year's end") {
  Rig r(1709164799);  // Wed 2024-02-28 23:59:59
  r.clock.now = kSecond - 1;
  CHECK(r.read(0) == 0x59);
  r.clock.now = kSecond;
  CHECK(r.read(0) == 0x00);
  CHECK(r.read(7) == 0x29);
  CHECK(r.read(8) == 0x02);
  CHECK(r.read(6) == 5);
  r.clock.now = 86401 * kSecond;
  CHECK(r.read(7) == 0x01);
  CHECK(r.read(8) == 0x03);
  Rig y(1735689599);  // 2024-12-31 23:59:59
  CHECK(y.read(9) == 0x24);
  y.clock.now = kSecond;
  CHECK(y.read(9) == 0x25);
}

TEST_CASE("RTC: binary and 12-hour modes follow register B") {
  Rig r(1735689600 + 13 * 3600 + 45 * 60);
  CHECK(r.read(4) == 0x13);
  r.write(0x0b, 0x06);
  CHECK(r.read(2) == 45);
  r.write(0x0b, 0x04);
  CHECK(r.read(4) == (0x80 | 1));
  r.write(0x0b, 0x00);
  CHECK(r.read(4) == (0x80 | 1));
  Rig midnight(1735689600);
  midnight.write(0x0b, 0x04);
  CHECK(midnight.read(4) == 12);
}

TEST_CASE("RTC: update in progress is announced 244 microseconds before the second changes") {
  Rig r(0);
  r.clock.now = kSecond - 244'001;
  CHECK((r.read(0x0a) & 0x80) == 0);
  r.clock.now = kSecond - 244'000;
  CHECK((r.read(0x0a) & 0x80) != 0);
  r.clock.now = kSecond;
  CHECK((r.read(0x0a) & 0x80) == 0);
}

TEST_CASE("RTC: other bytes are memory, and bit 7 of the index is not part of it") {
  Rig r(0);
  r.write(0x8f, 0x0a);  // shutdown code, with NMIs masked
  CHECK(r.read(0x0f) == 0x0a);
  CHECK(r.rtc.read(0, 1) == 0xff);
}
