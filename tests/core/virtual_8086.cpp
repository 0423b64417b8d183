// SPDX-License-Identifier: Apache-2.0
// Virtual-8086 mode where guests/programs/privileged/virtual_8086.c does not come: bad frames, gates, tasks.
// Expectations: SDM Vol. 2, IRET and INT n; Vol. 3, "8086 Emulation".
#include <doctest/doctest.h>

#include "core/system/task_switch.h"
#include "program.h"

namespace pmusim::core::test {
namespace {

struct V86 : Machine {
  V86() {
    protected_mode();
    load_tss();
    put(kTssAt + 4, kInnerStack, 4);
    put(kTssAt + 8, kData, 4);
  }
  // The frame that IRETD takes, at the top of the stack.
  void frame(u32 eip, u16 cs, u64 flags) {
    const u32 words[] = {eip, cs, static_cast<u32>(flags), 0xabcd, 0x1111, 0x2222, 0x3333, 0x4444, 0x5555};
    s.gpr[RSP] = kStack - sizeof words;
    ram.write(s.gpr[RSP], words, sizeof words);
  }
  void enter(u64 flags = 0) {
    frame(0x123, 0xa00, kFixed1 | kVM | flags);
    iret(x, 4);
  }
};

}  // namespace

TEST_CASE("IRETD at CPL 0 enters virtual-8086 mode with six segments, all flags and the low half of RSP") {
  V86 m;
  m.s.nmi_blocked = true;
  m.enter(kIopl | kIF | kNT | kCF | kVIF | kID);
  CHECK(m.s.rip == 0x123);
  CHECK(m.s.cpl == 3);
  CHECK(m.s.rflags == (kFixed1 | kVM | kIopl | kIF | kNT | kCF | kVIF | kID));
  CHECK(m.s.gpr[RSP] == 0xabcd);
  CHECK(!m.s.nmi_blocked);
  const std::pair<Seg, u16> expected[] = {{CS, 0xa00},  {SS, 0x1111}, {ES, 0x2222},
                                          {DS, 0x3333}, {FS, 0x4444}, {GS, 0x5555}};
  for (const auto& [seg, selector] : expected) {
    CHECK(m.s.seg[seg].selector == selector);
    CHECK(m.s.seg[seg].base == u64{selector} << 4);
    CHECK(m.s.seg[seg].limit == 0xffff);
    CHECK(m.s.seg[seg].access == 0xf3);  // "Checks on Guest Segment Registers"
  }
}

TEST_CASE("IRETD with EIP beyond 64 KiB is #GP(0) before anything changes, at the end it is not") {
  V86 m;
  m.frame(0x10000, 0xa00, kFixed1 | kVM);
  CHECK(faults_with([&] { iret(m.x, 4); }, kGP, 0));
  CHECK(!m.s.virtual_8086());
  CHECK(m.s.gpr[RSP] == Machine::kStack - 36);
  m.frame(0xffff, 0xa00, kFixed1 | kVM);
  iret(m.x, 4);
  CHECK(m.s.rip == 0xffff);
}

TEST_CASE("VM in the image counts in IRETD at CPL 0 outside long mode only") {
  V86 m;
  m.user();
  m.frame(0x6000, kUserCode32 | 3, kFixed1 | kVM);
  iret(m.x, 4);
  CHECK(!m.s.virtual_8086());
  V86 word;
  word.put(Machine::kStack - 6, 0x6000 | u64{kCode32} << 16 | u64{2} << 32);
  word.s.gpr[RSP] = Machine::kStack - 6;
  iret(word.x, 2);
  CHECK(!word.s.virtual_8086());
  Machine wide;
  wide.long_mode();
  const u64 words[] = {0x6000, kCode64, kFixed1 | kVM, Machine::kStack, kData};
  wide.s.gpr[RSP] = Machine::kStack - sizeof words;
  wide.ram.write(wide.s.gpr[RSP], words, sizeof words);
  iret(wide.x, 8);
  CHECK(wide.s.rip == 0x6000);
  CHECK(!wide.s.virtual_8086());
}

TEST_CASE("a 16-bit gate pushes nine words from virtual-8086 mode") {
  V86 m;
  m.gate32(kNMI, kCode32, 0x7000, 0x86);
  m.enter(kIF);
  deliver_through_idt(m.x, event(kNMI, EventType::Nmi));
  const u16 expected[] = {0x123, 0xa00, kFixed1 | kIF, 0xabcd, 0x1111, 0x2222, 0x3333, 0x4444, 0x5555};
  CHECK(m.s.gpr[RSP] == Machine::kInnerStack - sizeof expected);
  for (unsigned i = 0; i < 9; ++i) CHECK(m.get(m.s.gpr[RSP] + 2 * i, 2) == expected[i]);
  CHECK(!m.s.virtual_8086());
  CHECK(m.s.cpl == 0);
  for (const Seg seg : {ES, DS, FS, GS}) {
    CHECK(m.s.seg[seg].unusable());
    CHECK(m.s.seg[seg].selector == 0);
  }
}

TEST_CASE(
    "external interrupts need no IOPL in virtual-8086 mode and no DPL, their handler has to be CPL 0's") {
  V86 m;
  m.gate32(0x30, kCode32, 0x7000);
  m.enter(kIF);
  deliver_through_idt(m.x, event(0x30, EventType::ExternalInterrupt));
  CHECK(m.s.rip == 0x7000);
  CHECK(m.s.gpr[RSP] == Machine::kInnerStack - 36);
  for (const u16 selector : {kUserCode32, kConformingCode}) {
    V86 outer;
    outer.gate32(0x30, selector, 0x7000);
    outer.enter(kIF);
    CHECK(faults_with([&] { deliver_through_idt(outer.x, event(0x30, EventType::ExternalInterrupt)); }, kGP,
                      selector | 1u));
    CHECK(outer.s.virtual_8086());
  }
}

TEST_CASE("a task may be a virtual-8086 one, and comes back to it") {
  constexpr u16 kTask = 0x90;
  constexpr u64 kTaskAt = 0x4800;
  V86 m;
  m.s.gdtr.limit = 0x97;
  m.put(Machine::kGdt + kTss, Machine::descriptor(Machine::kTssAt, 0x67, 0x8b, 0));
  m.put(Machine::kGdt + kTask, Machine::descriptor(kTaskAt, 0x67, 0x89, 0));
  m.put(kTaskAt + 0x20, 0x123, 4);
  m.put(kTaskAt + 0x24, kFixed1 | kVM, 4);
  for (unsigned i = 0; i < 6; ++i) m.put(kTaskAt + 0x48 + 4 * i, 0x1000 + i, 4);
  m.x.next_rip = 0x5007;
  far_call(m.x, kTask, 0, 4);
  CHECK(m.s.virtual_8086());
  CHECK(m.s.cpl == 3);
  CHECK(m.s.rip == 0x123);
  for (unsigned i = 0; i < 6; ++i) {
    CHECK(m.s.seg[i].selector == 0x1000 + i);
    CHECK(m.s.seg[i].base == (0x1000 + i) << 4);
    CHECK(m.s.seg[i].access == 0xf3);
  }
  CHECK(faults_with([&] { iret(m.x, 2); }, kGP, 0));  // IOPL 0: NT returns no task here
  m.s.rflags |= kCF;
  m.gate32(kUD, kTss, 0, 0x85);
  m.put(Machine::kGdt + kTss, Machine::descriptor(Machine::kTssAt, 0x67, 0x89, 0));
  deliver_through_idt(m.x, event(kUD, EventType::HardwareException));
  CHECK(m.s.rip == 0x5007);
  CHECK(!m.s.virtual_8086());
  CHECK(m.s.cpl == 0);
  CHECK((m.get(kTaskAt + 0x24, 4) & (kVM | kCF)) == (kVM | kCF));
  iret(m.x, 4);
  CHECK(m.s.virtual_8086());
  CHECK(m.s.rip == 0x123);
}

TEST_CASE("code of virtual-8086 mode is decoded and blocked apart from 16-bit protected mode") {
  V86 m;
  Core core(m.ram, m.env, m.timing);
  core.configure(m.config);
  const u8 code[] = {0xc5, 0xf8, 0x77};  // VZEROUPPER where VEX is recognized, else a bad LDS
  m.ram.write(0xa123, code, sizeof code);
  m.gate32(kUD, kCode32, 0x7000);
  m.enter();
  core.set_state(&m.s);
  core.run({1, kNever});
  CHECK(m.s.rip == 0x7000);
}

}  // namespace pmusim::core::test
