// SPDX-License-Identifier: Apache-2.0
// 16550, after National Semiconductor's PC16550D data sheet: registers, interrupt identification, loop-back.
#include <doctest/doctest.h>

#include "device_rig.h"
#include "platform/devices/serial.h"

using namespace pmusim;
using namespace pmusim::platform;
using namespace pmusim::platform::test;

namespace {

struct Rig {
  Serial serial;
  bool line = false;
  int rises = 0;
  Rig() {
    serial.on_interrupt = [this](bool level) {
      line = level;
      rises += level;
    };
  }
  u64 read(u64 offset) { return serial.read(offset, 1); }
  void write(u64 offset, u8 value) { serial.write(offset, value, 1); }
};

}  // namespace

TEST_CASE("16550: the transmitter is always ready and what is sent is captured") {
  Rig r;
  CHECK(r.read(5) == 0x60);
  r.write(0, 'a');
  CHECK(r.serial.output() == "a");
  CHECK(r.read(5) == 0x60);
}

TEST_CASE("16550: the divisor hides data and interrupt enable while DLAB is set") {
  Rig r;
  r.write(1, 0x05);
  r.write(3, 0x83);
  r.write(0, 0x0c);
  r.write(1, 0x34);
  CHECK(r.read(0) == 0x0c);
  CHECK(r.read(1) == 0x34);
  CHECK(r.serial.output().empty());
  r.write(3, 0x03);
  CHECK(r.read(1) == 0x05);
}

TEST_CASE("16550: an empty transmitter interrupts when enabled, once read it waits for the next character") {
  Rig r;
  r.write(4, 0x08);  // OUT2
  CHECK(r.read(2) == 0x01);
  r.write(1, 0x02);
  CHECK(r.line);
  CHECK(r.read(2) == 0x02);
  CHECK_FALSE(r.line);
  CHECK(r.read(2) == 0x01);
  r.write(0, 'x');
  CHECK(r.line);
  CHECK(r.rises == 2);
  r.write(1, 0);
  CHECK_FALSE(r.line);
}

TEST_CASE("16550: without OUT2 no interrupt reaches the line") {
  Rig r;
  r.write(1, 0x02);
  CHECK_FALSE(r.line);
  CHECK(r.read(2) == 0x02);
}

TEST_CASE("16550: a received character interrupts before the transmitter and is read once") {
  Rig r;
  r.write(2, 0x01);
  r.write(4, 0x08);
  r.write(1, 0x03);
  r.serial.receive('q');
  CHECK(r.line);
  CHECK(r.read(2) == 0xc4);  // FIFOs enabled
  CHECK((r.read(5) & 1) == 1);
  CHECK(r.read(0) == 'q');
  CHECK((r.read(5) & 1) == 0);
  CHECK(r.read(2) == 0xc2);
}

TEST_CASE(
    "16550: without a FIFO one character is held and the next is an overrun, with one there are sixteen") {
  Rig r;
  r.serial.receive('a');
  r.serial.receive('b');
  CHECK(r.read(5) == 0x63);
  CHECK(r.read(5) == 0x61);  // reading clears the error
  CHECK(r.read(0) == 'a');
  r.write(2, 0x01);
  for (int i = 0; i < 17; ++i) r.serial.receive(static_cast<char>('a' + i));
  CHECK((r.read(5) & 2) == 2);
  for (int i = 0; i < 16; ++i) CHECK(r.read(0) == static_cast<u64>('a' + i));
  CHECK((r.read(5) & 1) == 0);
}

TEST_CASE("16550: loop-back connects modem outputs to inputs and the transmitter to the receiver") {
  Rig r;
  r.write(4, 0x1a);  // loop, RTS, OUT2
  CHECK((r.read(6) & 0xf0) == 0x90);
  r.write(4, 0x15);  // loop, DTR, OUT1
  CHECK((r.read(6) & 0xf0) == 0x60);
  r.write(0, 'z');
  CHECK(r.serial.output().empty());
  CHECK(r.read(0) == 'z');
}

TEST_CASE("16550: saved and restored, it has the same output and characters") {
  Rig a, b;
  a.write(0, 'o');
  a.serial.receive('i');
  copy_state(a.serial, b.serial);
  CHECK(b.serial.output() == "o");
  CHECK(b.read(0) == 'i');
}
