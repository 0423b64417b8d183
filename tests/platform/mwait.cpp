// SPDX-License-Identifier: Apache-2.0
// MONITOR and MWAIT on whole machines. Expectations: SDM Vol. 2, MONITOR and MWAIT; Vol. 4,
// IA32_MISC_ENABLE[18] ("ENABLE MONITOR FSM"); AMD APM Vol. 3, the same instructions. Time asleep is not
// unhalted time, as for HLT.
#include <doctest/doctest.h>

#include "arch/msr.h"
#include "tests/support/machine/guest_image.h"
#include "tests/support/machine/machine.h"

using namespace pmusim;
using namespace pmusim::platform;
using namespace pmusim::platform::test;
using namespace pmusim::test;

namespace {

constexpr u32 kMain = 0x100000, kHandler = 0x180000, kTrampoline = 0x8000, kFlag = 0x9000, kDone = 0x9100;
constexpr u32 kApic = 0xfee00000;

StopReport boot(const Image& image, const MachineConfig& c, const RunLimits& limits = {10000000, 60}) {
  Machine& m = machine();
  m.reset(c);
  m.load(image);
  return m.run(limits);
}

Assembler& monitor(Assembler& c, u32 address) {
  return c.mov(eax, address).xor_(ecx, ecx).xor_(edx, edx).monitor();
}
Assembler& mwait(Assembler& c, u32 extensions) {
  return c.mov(ecx, extensions).xor_(eax, eax).mwait();
}
// A one-shot timer interrupt through vector 40h after 20000 ticks of the APIC's clock.
Assembler& timer(Assembler& c) {
  load_tables(c).store(kApic + 0xf0, 0x1ff).store(kApic + 0x320, 0x40).store(kApic + 0x3e0, 0xb);
  return c.store(kApic + 0x380, 20000);
}
u64 unhalted(unsigned cpu) {
  u64 sum = 0;
  for (const CountVector& v : machine().cpu(cpu).core().counts())
    sum += v[static_cast<unsigned>(Count::Cycles)];
  return sum;
}

// CPU 1 waits for a store to the flag's line, then answers; CPU 0 computes for a while, stores `offset` bytes
// behind the line's start and waits for the answer.
Image two_cpus(u32 offset) {
  Assembler ap(kTrampoline, Assembler::Mode::Real);
  ap.xor_(ax, ax).mov(ds, ax).mov(ax, kFlag).xor_(cx, cx).xor_(dx, dx).monitor().mwait();
  ap.mov(byte(kDone), 1).halt();
  Assembler c(kMain);
  c.store(kApic + 0x310, 0x01000000).store(kApic + 0x300, 0x4500).store(kApic + 0x300, 0x4608);
  c.loops(500000).store(kFlag + offset, 1);
  c.wait_for(kDone, 1).exit(7);
  return make_image(c, {part(ap)});
}

}  // namespace

TEST_CASE("a store by another CPU ends MWAIT, and the time before it is not unhalted time") {
  for (const char* id : {"spr", "zen4"}) {
    const StopReport r = boot(two_cpus(60), config(id, 2));
    INFO(id);
    CHECK(r.kind == StopKind::Exit);
    CHECK(r.status == 15);
    CHECK(unhalted(1) * 4 < unhalted(0));
  }
}

TEST_CASE("a store beside the monitored line does not end MWAIT") {
  const StopReport r = boot(two_cpus(64), config("spr", 2), {1000000, 60});
  CHECK(r.kind == StopKind::MaxCycles);
}

TEST_CASE("a wait for another CPU's store is the same stepped, and saved and restored in the middle") {
  const Image image = two_cpus(0);
  u64 hashes[3];
  for (int step = 0; step < 2; ++step) {
    MachineConfig c = config("spr", 2);
    c.step = step;
    CHECK(boot(image, c).status == 15);
    hashes[step] = machine().hash();
  }
  machine().reset(config("spr", 2));
  machine().load(image);
  machine().run({50000, 60});
  CHECK(machine().cpu(1).state().waiting());
  const std::vector<u8> state = machine().save();
  machine().reset(config("spr", 2));
  machine().load(image);
  machine().restore(state);
  CHECK(machine().run({10000000, 60}).status == 15);
  hashes[2] = machine().hash();
  CHECK(hashes[0] == hashes[1]);
  CHECK(hashes[0] == hashes[2]);
}

TEST_CASE("MWAIT goes on at once if the store came before it, or nothing is monitored") {
  Assembler stored(kMain);
  monitor(stored, kFlag).store(kFlag + 4, 1);
  mwait(stored, 0).exit(1);
  CHECK(boot(make_image(stored), config("spr")).status == 3);
  Assembler nothing(kMain);
  mwait(nothing, 0).exit(2);
  CHECK(boot(make_image(nothing), config("zen4")).status == 5);
}

TEST_CASE("an interrupt ends MWAIT and is delivered before the next instruction") {
  Assembler h(kHandler);
  h.exit(3);
  Assembler c(kMain);
  monitor(timer(c), kFlag).sti();
  mwait(c, 0).exit(4);
  const StopReport r = boot(make_image(c, {tables(0x40, kHandler), part(h)}), config("spr"));
  CHECK(r.status == 7);
  CHECK(machine().cycle() >= 20000);
  CHECK(unhalted(0) < 15000);
}

TEST_CASE(
    "a masked interrupt ends MWAIT with ECX bit 0 set and is not delivered, without it nothing happens") {
  Assembler h(kHandler);
  h.exit(3);
  for (const u32 extensions : {1u, 0u}) {
    Assembler c(kMain);
    monitor(timer(c), kFlag);
    mwait(c, extensions).exit(4);
    const StopReport r = boot(make_image(c, {tables(0x40, kHandler), part(h)}), config("icx"));
    if (extensions) {
      CHECK(r.status == 9);
      CHECK(unhalted(0) < 15000);
    } else {
      CHECK(r.kind == StopKind::Stall);
    }
  }
}

TEST_CASE("a second MWAIT needs a MONITOR of its own") {
  Assembler c(kMain);
  monitor(timer(c), kFlag);
  mwait(c, 1);
  mwait(c, 0).exit(6);
  CHECK(boot(make_image(c, {tables(0x40, kHandler)}), config("spr")).status == 13);
}

TEST_CASE("IA32_MISC_ENABLE bit 18 takes the CPUID bit and the instructions away") {
  for (const u32 misc : {0x41801u, 0x1801u}) {
    Assembler h(kHandler);
    h.exit(8);
    Assembler c(kMain);
    load_tables(c).wrmsr(msr::kMiscEnable, misc).cpuid(1).mov(esi, ecx).and_(esi, 8);
    monitor(c, kFlag).mov(eax, esi).exit_with_eax();
    const StopReport r = boot(make_image(c, {tables(6, kHandler), part(h)}), config("spr"));
    CHECK(r.status == 17);  // 8 either way: from CPUID, or from the handler of #UD
    CHECK(machine().cpu(0).state().gpr[core::RSI] == (misc == 0x41801 ? 8 : 0));
  }
}
