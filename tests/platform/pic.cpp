// SPDX-License-Identifier: Apache-2.0
// 8259A, after Intel's 8259A data sheet (order number 231468): initialization sequence, operation command
// words, priorities; and the edge/level register of PC chip sets (82371 data sheet, ELCR).
#include <doctest/doctest.h>

#include "device_rig.h"
#include "platform/devices/interrupt_controllers.h"

using namespace pmusim;
using namespace pmusim::platform;
using namespace pmusim::platform::test;

namespace {

struct Rig {
  SetClock clock;
  RecordingBus bus;
  InterruptControllers c{bus, clock};
  Rig() {
    c.reset();
    initialize(c.master, 0x20, 4);
    initialize(c.slave, 0x28, 2);
    bus.sent.clear();
  }
  static void initialize(Pic& pic, u8 base, u8 cascade) {
    pic.write(0, 0x11, 1);
    pic.write(1, base, 1);
    pic.write(1, cascade, 1);
    pic.write(1, 0x01, 1);
  }
};

}  // namespace

TEST_CASE("PIC: after power-on every input is masked, and ICW1 clears the mask") {
  SetClock clock;
  RecordingBus bus;
  InterruptControllers c(bus, clock);
  c.reset();
  CHECK(c.master.read(1, 1) == 0xff);
  c.set_line(4, true);
  CHECK_FALSE(c.master.output());
  Rig::initialize(c.master, 0x20, 4);
  CHECK(c.master.read(1, 1) == 0);
}

TEST_CASE("PIC: a rising edge requests, its vector is the base plus the input, EOI ends it") {
  Rig r;
  r.c.set_line(4, true);
  REQUIRE(r.bus.sent.size() == 1);
  CHECK(r.bus.sent[0].delivery == ApicDelivery::ExtInt);
  CHECK_FALSE(r.bus.sent[0].deassert);
  CHECK(r.c.acknowledge() == 0x24);
  CHECK(r.bus.sent.back().deassert);
  CHECK_FALSE(r.c.master.output());
  r.c.set_line(4, false);
  r.c.set_line(4, true);  // again while in service: waits
  CHECK_FALSE(r.c.master.output());
  r.c.master.write(0, 0x20, 1);
  CHECK(r.c.master.output());
  CHECK(r.c.acknowledge() == 0x24);
}

TEST_CASE("PIC: a line that stays high requests only once") {
  Rig r;
  r.c.set_line(3, true);
  CHECK(r.c.acknowledge() == 0x23);
  r.c.master.write(0, 0x20, 1);
  CHECK_FALSE(r.c.master.output());
}

TEST_CASE("PIC: inputs 8 to 15 come through the cascade and need two EOIs") {
  Rig r;
  r.c.set_line(12, true);
  CHECK(r.c.master.output());
  CHECK(r.c.acknowledge() == 0x2c);
  r.c.master.write(0, 0x0b, 1);  // read the in-service register
  r.c.slave.write(0, 0x0b, 1);
  CHECK(r.c.master.read(0, 1) == 0x04);
  CHECK(r.c.slave.read(0, 1) == 0x10);
  r.c.slave.write(0, 0x20, 1);
  r.c.master.write(0, 0x20, 1);
  CHECK(r.c.master.read(0, 1) == 0);
  CHECK(r.c.slave.read(0, 1) == 0);
}

TEST_CASE("PIC: a lower input number interrupts a higher one, not the other way round") {
  Rig r;
  r.c.set_line(5, true);
  CHECK(r.c.acknowledge() == 0x25);
  r.c.set_line(6, true);
  CHECK_FALSE(r.c.master.output());
  r.c.set_line(1, true);
  CHECK(r.c.acknowledge() == 0x21);
  r.c.master.write(0, 0x20, 1);  // ends 1
  CHECK_FALSE(r.c.master.output());
  r.c.master.write(0, 0x20, 1);  // ends 5
  CHECK(r.c.acknowledge() == 0x26);
}

TEST_CASE("PIC: a masked input waits until its mask bit is cleared") {
  Rig r;
  r.c.master.write(1, 0x10, 1);
  r.c.set_line(4, true);
  CHECK_FALSE(r.c.master.output());
  CHECK(r.c.master.read(0, 1) == 0x10);  // requested all the same
  r.c.master.write(1, 0, 1);
  CHECK(r.c.acknowledge() == 0x24);
}

TEST_CASE("PIC: an acknowledge without a request gives input 7's vector and nothing in service") {
  Rig r;
  CHECK(r.c.acknowledge() == 0x27);
  r.c.master.write(0, 0x0b, 1);
  CHECK(r.c.master.read(0, 1) == 0);
}

TEST_CASE("PIC: a level-triggered input requests as long as it is high, and stops when it falls") {
  Rig r;
  r.c.edge_level.write(1, 0xff, 1);
  CHECK(r.c.edge_level.read(0, 2) == 0xde00);  // 8 and 13 stay edge-triggered
  r.c.set_line(10, true);
  CHECK(r.c.acknowledge() == 0x2a);
  r.c.slave.write(0, 0x20, 1);
  r.c.master.write(0, 0x20, 1);
  CHECK(r.c.acknowledge() == 0x2a);
  r.c.set_line(10, false);
  r.c.slave.write(0, 0x20, 1);
  r.c.master.write(0, 0x20, 1);
  CHECK_FALSE(r.c.master.output());
}

TEST_CASE("PIC: specific EOI, rotation, automatic EOI and poll") {
  Rig r;
  r.c.set_line(5, true);
  r.c.acknowledge();
  r.c.master.write(0, 0x65, 1);  // specific EOI of 5
  r.c.master.write(0, 0xc3, 1);  // 3 is lowest, so 4 is highest
  r.c.set_line(1, true);
  r.c.set_line(4, true);
  CHECK(r.c.acknowledge() == 0x24);
  r.c.master.write(0, 0x20, 1);
  r.c.master.write(0, 0x0c, 1);  // poll
  CHECK(r.c.master.read(0, 1) == 0x81);

  Rig a;
  a.c.master.write(0, 0x11, 1);
  a.c.master.write(1, 0x40, 1);
  a.c.master.write(1, 4, 1);
  a.c.master.write(1, 0x03, 1);  // automatic EOI
  a.c.set_line(6, true);
  CHECK(a.c.acknowledge() == 0x46);
  a.c.master.write(0, 0x0b, 1);
  CHECK(a.c.master.read(0, 1) == 0);
}

TEST_CASE("PIC: saved and restored, it goes on with the same request") {
  Rig a, b;
  a.c.set_line(4, true);
  copy_state(a.c, b.c);
  CHECK(b.c.acknowledge() == 0x24);
}

TEST_CASE("PIC: a spurious acknowledge tells the level again, so that no CPU keeps an older one") {
  Rig r;
  r.c.set_line(4, true);
  r.c.master.write(1, 0xff, 1);  // masked before anyone acknowledges
  CHECK_FALSE(r.c.master.output());
  const std::size_t before = r.bus.sent.size();
  CHECK(r.c.acknowledge() == 0x27);
  REQUIRE(r.bus.sent.size() == before + 1);
  CHECK(r.bus.sent.back().deassert);
}

TEST_CASE("PIC: an input that becomes level-triggered is requested exactly while its line is high") {
  Rig r;
  r.c.master.write(1, 0xff, 1);
  r.c.set_line(4, true);
  r.c.set_line(4, false);  // an edge is latched
  r.c.master.set_edge_level(0x10);
  r.c.master.write(1, 0, 1);
  CHECK_FALSE(r.c.master.output());
  r.c.set_line(4, true);
  CHECK(r.c.master.output());
}
