// SPDX-License-Identifier: Apache-2.0
// fw_cfg (QEMU, docs/specs/fw_cfg), pc-testdev (QEMU, hw/misc/pc-testdev.c), ACPI PM timer and PM1 control
// (ACPI Specification 4.0, 4.7.3), i8042 reset pulse, PCI configuration mechanism #1 and reset control
// (82371 data sheet), port 80H.
#include <doctest/doctest.h>

#include "device_rig.h"
#include "platform/devices/pc_ports.h"

using namespace pmusim;
using namespace pmusim::platform;
using namespace pmusim::platform::test;

namespace {

u64 item(FwCfg& f, u16 key, unsigned bytes) {
  f.write(0, key, 2);
  u64 value = 0;
  for (unsigned i = 0; i < bytes; ++i) value |= f.read(1, 1) << (8 * i);
  return value;
}

}  // namespace

TEST_CASE("fw_cfg: signature, revision without DMA, CPU counts, RAM size and limit") {
  FwCfg f;
  f.cpus = 3;
  f.memory = u64{5} << 30;
  f.memory_limit = 0x1122334455667788;
  CHECK(item(f, 0, 4) == 0x554d4551);  // "QEMU"
  CHECK(item(f, 1, 4) == 1);
  CHECK(item(f, 3, 8) == u64{5} << 30);
  CHECK(item(f, 5, 2) == 3);
  CHECK(item(f, 0xf, 2) == 3);
  CHECK(item(f, 0x11, 8) == 0x1122334455667788);
  CHECK(item(f, 0x19, 4) == 0);  // no files
  CHECK(item(f, 0x7fff, 4) == 0);
}

TEST_CASE("fw_cfg: reading beyond an item gives zeros, selecting it again starts over") {
  FwCfg f;
  f.cpus = 2;
  CHECK(item(f, 5, 8) == 2);
  CHECK(f.read(1, 1) == 0);
  CHECK(item(f, 5, 1) == 2);
}

TEST_CASE("pc-testdev: the scratch register keeps bytes, words and longs, E8H shows the same bytes") {
  TestScratch t;
  t.write(0, 0x12345678, 4);
  CHECK(t.read(0, 4) == 0x12345678);
  CHECK(t.read(1, 1) == 0x56);
  CHECK(t.read(8, 4) == 0x12345678);
  t.write(2, 0xab, 1);
  CHECK(t.read(0, 4) == 0x12ab5678);
  t.write(9, 0xcdef, 2);
  CHECK(t.read(0, 4) == 0x12cdef78);
  t.write(4, 0, 4);  // flush: nothing to see
  CHECK(t.read(0, 4) == 0x12cdef78);
}

TEST_CASE("lines of several devices are joined: a line falls when the last device lets go") {
  SetClock clock;
  PcPorts p(clock);
  std::vector<std::pair<unsigned, bool>> changes;
  p.on_line = [&](unsigned line, bool level) { changes.emplace_back(line, level); };
  p.test_lines.write(4, 1, 1);
  p.serial.write(4, 8, 1);
  p.serial.write(1, 2, 1);  // transmitter interrupt on line 4
  p.test_lines.write(4, 0, 1);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0] == std::pair<unsigned, bool>(4, true));
  p.serial.write(1, 0, 1);
  REQUIRE(changes.size() == 2);
  CHECK(changes[1] == std::pair<unsigned, bool>(4, false));
}

TEST_CASE("ACPI: the PM timer counts 3579545 times a second in 24 bits") {
  SetClock clock;
  AcpiPm pm(clock);
  CHECK(pm.read(8, 4) == 0);
  clock.now = 1'000'000'000;
  CHECK(pm.read(8, 4) == 3579545);
  clock.now = u64{10} * 1'000'000'000;
  CHECK(pm.read(8, 4) == 35795450 % (1 << 24));
  CHECK(pm.read(9, 1) == (35795450 % (1 << 24) >> 8 & 0xff));
}

TEST_CASE("ACPI: mode is always on, and only the sleep type of S5 with sleep enable switches off") {
  SetClock clock;
  AcpiPm pm(clock);
  int off = 0;
  pm.on_power_off = [&] { ++off; };
  CHECK((pm.read(4, 2) & 1) == 1);
  pm.write(4, kSleepTypeOff << 10, 2);
  CHECK(off == 0);
  pm.write(4, 3 << 10 | 1 << 13, 2);
  CHECK(off == 0);
  pm.write(4, kSleepTypeOff << 10 | 1 << 13, 2);
  CHECK(off == 1);
  CHECK((pm.read(4, 2) & 1 << 13) == 0);  // sleep enable is write-only
}

TEST_CASE("resets: FEH to port 64H and bit 2 of CF9H, nothing else") {
  SetClock clock;
  PcPorts p(clock);
  int resets = 0;
  p.on_reset = [&] { ++resets; };
  CHECK(p.keyboard.read(0, 1) == 0xff);
  p.keyboard.write(0, 0xd1, 1);
  CHECK(resets == 0);
  p.keyboard.write(0, 0xfe, 1);
  CHECK(resets == 1);
  p.pci_config.write(1, 0x02, 1);
  CHECK(resets == 1);
  p.pci_config.write(1, 0x06, 1);
  CHECK(resets == 2);
}

TEST_CASE("PCI: the address register holds a long, and no function answers") {
  PciConfig pci;
  pci.write(0, 0x80001234, 4);
  CHECK(pci.read(0, 4) == 0x80001234);
  CHECK(static_cast<u32>(pci.read(4, 4)) == 0xffffffff);
  CHECK(static_cast<u8>(pci.read(6, 1)) == 0xff);
  pci.write(0, 5, 1);
  CHECK(pci.read(0, 4) == 0x80001234);
}

TEST_CASE("port 80H reads back the last code") {
  PostCode p;
  p.write(0, 0x42, 1);
  CHECK(p.read(0, 1) == 0x42);
}
