// SPDX-License-Identifier: Apache-2.0
// Devices wired into the machine: interrupt lines reach a guest through the 8259As (virtual wire, Intel
// MultiProcessor Specification 1.4, 3.6.2.1) and the I/O APIC, timers wake it, resets end the run.
#include <doctest/doctest.h>

#include <functional>

#include "tests/support/machine/guest_image.h"
#include "tests/support/machine/machine.h"

using namespace pmusim;
using namespace pmusim::platform;
using namespace pmusim::platform::test;
using namespace pmusim::test;

namespace {

constexpr u32 kMain = 0x100000, kHandler = 0x180000, kApic = 0xfee00000;

// Both 8259As initialized, only `open` of the master unmasked.
void start_pics(Assembler& c, u8 open) {
  for (const auto& [port, value] : std::initializer_list<std::pair<int, int>>{{0x20, 0x11},
                                                                              {0x21, 0x40},
                                                                              {0x21, 4},
                                                                              {0x21, 1},
                                                                              {0xa0, 0x11},
                                                                              {0xa1, 0x48},
                                                                              {0xa1, 2},
                                                                              {0xa1, 1}})
    c.out8(static_cast<u16>(port), static_cast<u8>(value));
  c.out8(0x21, static_cast<u8>(~open));
  c.out8(0xa1, 0xff);
}

StopReport boot(const Image& image, unsigned cpus = 1, const RunLimits& limits = {100000000, 60}) {
  Machine& m = machine();
  m.reset(config("spr", cpus));
  m.load(image);
  return m.run(limits);
}

// PIT channel 0, mode 2, 1193 ticks (a millisecond), then halts until vector 40H exits.
Image timer_guest() {
  Assembler h(kHandler);
  h.print('t').exit(0);
  Assembler c(kMain);
  load_tables(c);
  start_pics(c, 1);
  c.out8(0x43, 0x34);
  c.out8(0x40, 1193 & 0xff);
  c.out8(0x40, 1193 >> 8);
  c.sti().halt();
  return make_image(c, {tables(0x40, kHandler), part(h)});
}

}  // namespace

TEST_CASE("the PIT's IRQ 0 wakes a halted CPU through 8259A and LINT0 after a millisecond") {
  const StopReport r = boot(timer_guest());
  CHECK(r.kind == StopKind::Exit);
  CHECK(r.status == 1);
  CHECK(machine().ports().serial.output() == "t");
  const u64 khz = model("spr").core_khz;
  CHECK(r.cycle >= khz * 1193 / 1194);
  CHECK(r.cycle < khz + khz / 50);
}

TEST_CASE("a machine with a running PIT is saved and restored in mid-period and ends alike") {
  CHECK(boot(timer_guest(), 1, {200000, 60}).kind == StopKind::MaxCycles);
  const std::vector<u8> state = machine().save();
  const u64 at_save = machine().hash();
  CHECK(machine().run({100000000, 60}).status == 1);
  const u64 cycle = machine().cycle(), hash = machine().hash();
  machine().restore(state);
  CHECK(machine().hash() == at_save);
  CHECK(machine().run({100000000, 60}).status == 1);
  CHECK(machine().cycle() == cycle);
  CHECK(machine().hash() == hash);
}

TEST_CASE("an I/O APIC entry delivers a line to the CPU that raised it before its next instruction") {
  Assembler h(kHandler);
  h.print('i').exit(0);
  Assembler c(kMain);
  load_tables(c).store(kApic + 0xf0, 0x1ff);
  c.store(0xfec00000, 0x10 + 2 * 14).store(0xfec00010, 0x40);
  c.sti().nop();
  c.out8(0x200e, 1);
  c.exit(7);
  const StopReport r = boot(make_image(c, {tables(0x40, kHandler), part(h)}));
  CHECK(r.status == 1);
  CHECK(machine().ports().serial.output() == "i");
}

TEST_CASE("a line of the I/O APIC wakes another CPU no earlier than an IPI would") {
  Assembler h(kHandler);
  h.print('2').exit(0);
  Assembler ap(0x8000, Assembler::Mode::Real);  // to protected mode with the tables' GDT, APIC on, STI, HLT
  ap.cli().xor_(ax, ax).mov(ds, ax).raw({0x66}).lgdt(0x9000);  // with all bits of the base
  ap.mov(eax, cr0).or_(al, 1).mov(cr0, eax).jmp_far(8, 0x8100);
  Assembler pm(0x8100);
  pm.mov(ax, 0x10).mov(ds, ax).mov(es, ax).mov(ss, ax).mov(esp, 0x9800).lidt(kTables + 0xff8);
  pm.store(kApic + 0xf0, 0x1ff).store(0x9100, 1).sti().halt();
  Assembler c(kMain);
  load_tables(c).store(kApic + 0xf0, 0x1ff);
  c.mov(word(0x9000), 23).store(0x9002, kTables);
  c.store(kApic + 0x310, 0x01000000).store(kApic + 0x300, 0x4500).store(kApic + 0x300, 0x4608);
  c.wait_for(0x9100, 1);
  c.store(0xfec00000, 0x11 + 2 * 14).store(0xfec00010, 0x01000000);
  c.store(0xfec00000, 0x10 + 2 * 14).store(0xfec00010, 0x40);
  c.out8(0x200e, 1);
  c.spin();
  const StopReport r = boot(make_image(c, {tables(0x40, kHandler), part(h), part(ap), part(pm)}), 2);
  CHECK(r.status == 1);
  CHECK(r.cpu == 1);
}

TEST_CASE("the serial line interrupts on IRQ 4 when its transmitter is empty") {
  Assembler h(kHandler);
  h.in8(0x3fa).cmp(al, 2).jnz(h.here()).exit(0);  // IIR must say transmitter
  Assembler c(kMain);
  load_tables(c);
  start_pics(c, 0x10);
  c.sti();
  c.out8(0x3fc, 0x08);
  c.out8(0x3f9, 0x02);
  c.nop().exit(9);
  // Vector 40H + 4.
  const StopReport r = boot(make_image(c, {tables(0x44, kHandler), part(h)}));
  CHECK(r.status == 1);
}

TEST_CASE("a masked LINT0 keeps the 8259A's interrupt away") {
  Assembler h(kHandler);
  h.exit(0);
  Assembler c(kMain);
  load_tables(c).store(kApic + 0xf0, 0x1ff).store(kApic + 0x350, 0x10700);
  start_pics(c, 1);
  c.out8(0x2000, 1);
  c.sti().nop().nop().exit(4);
  CHECK(boot(make_image(c, {tables(0x40, kHandler), part(h)})).status == 9);
}

TEST_CASE("a reset through the keyboard controller and a power-off end the run and say so") {
  Assembler reset(kMain);
  reset.out8(0x64, 0xfe);
  reset.spin();
  CHECK(boot(make_image(reset)).kind == StopKind::Reset);
  Assembler off(kMain);
  off.out16(0x604, 5 << 10 | 1 << 13).spin();
  CHECK(boot(make_image(off)).kind == StopKind::PowerOff);
}

TEST_CASE("every device's registers take part in the state hash") {
  Machine& m = machine();
  const std::function<void()> changes[] = {
      [&] { m.ports().serial.write(7, 1, 1); },
      [&] { m.ports().fw_cfg.write(0, 5, 2); },
      [&] { m.ports().test_scratch.write(0, 1, 4); },
      [&] { m.ports().test_lines.write(20, 1, 1); },
      [&] { m.ports().rtc.write(0, 5, 1); },
      [&] { m.ports().acpi_pm.write(2, 1, 2); },
      [&] { m.ports().pci_config.write(0, 0x80000000, 4); },
      [&] { m.ports().post_code.write(0, 1, 1); },
      [&] { m.controllers().master.write(1, 0xfe, 1); },
      [&] { m.controllers().slave.write(1, 0xfe, 1); },
      [&] { m.controllers().edge_level.write(0, 0x08, 1); },
      [&] { m.controllers().io_apic.write(0, 0x10, 4); },
      [&] { m.controllers().pit.write(3, 0x34, 1); },
      [&] { m.controllers().system_control.write(0, 2, 1); },
  };
  for (const auto& change : changes) {
    m.reset(config("spr"));
    const u64 before = m.hash();
    change();
    CHECK(m.hash() != before);
  }
}
