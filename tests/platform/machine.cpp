// SPDX-License-Identifier: Apache-2.0
// The machine runs hand-assembled 32-bit guests on bare metal: devices, interrupts, several CPUs,
// determinism, save and restore, and what is reported when a run cannot go on.
#include <doctest/doctest.h>

#include "arch/msr.h"
#include "base/error.h"
#include "tests/support/event_list.h"
#include "tests/support/machine/guest_image.h"
#include "tests/support/machine/machine.h"
#include "tests/support/selectors.h"

using namespace pmusim;
using namespace pmusim::platform;
using namespace pmusim::platform::test;
using namespace pmusim::test;

namespace {

constexpr u32 kMain = 0x100000, kHandler = 0x180000, kTrampoline = 0x8000, kFlag = 0x9000;
constexpr u32 kApic = 0xfee00000;

StopReport boot(const Image& image, const MachineConfig& c, const RunLimits& limits = {10000000, 60}) {
  Machine& m = machine();
  m.reset(c);
  m.load(image);
  return m.run(limits);
}

// The other CPU counts up a byte and halts; the first waits for it, prints and exits with 5.
Image two_cpus() {
  Assembler ap(kTrampoline, Assembler::Mode::Real);
  ap.xor_(ax, ax).mov(ds, ax).lock().inc(byte(kFlag)).halt();
  Assembler c(kMain);
  c.store(kApic + 0x310, 0x01000000).store(kApic + 0x300, 0x4500).store(kApic + 0x300, 0x4608);
  c.wait_for(kFlag, 1).print('2').exit(5);
  return make_image(c, {part(ap)});
}

}  // namespace

TEST_CASE("a guest prints to the serial line and exits with 2 v + 1") {
  Assembler c(kMain);
  c.print('o').print('k').exit(17);
  const StopReport r = boot(make_image(c), config("spr"));
  CHECK(r.kind == StopKind::Exit);
  CHECK(r.status == 35);
  CHECK(machine().ports().serial.output() == "ok");
}

TEST_CASE("a device added from outside the simulator answers at its port and is reset with the machine") {
  Assembler c(kMain);
  c.out32(kAdderPort, 20).out32(kAdderPort, 1).in32(kAdderPort).exit_with_eax();
  for (int i = 0; i < 2; ++i) CHECK(boot(make_image(c), config("zen4")).status == 43);
}

TEST_CASE("a port that nothing claims reads all ones, and the report counts it") {
  Assembler c(kMain);
  c.in32(0x5678).shr(eax, 2).exit_with_eax();  // so that the status fits
  const StopReport r = boot(make_image(c), config("spr"));
  CHECK(r.status == 0x7fffffff);
  REQUIRE(r.unclaimed.size() == 1);
  CHECK(r.unclaimed[0] == "port 0x5678: 1 read");
}

TEST_CASE("the doorbell reads all ones without a host and the host's answer with one") {
  Assembler c(kMain);
  c.out32(kDoorbellPort, 7).in32(kDoorbellPort).and_(eax, 0x3f).exit_with_eax();
  const Image image = make_image(c);
  CHECK(boot(image, config("spr")).status == 2 * 0x3f + 1);
  Machine& m = machine();
  m.reset(config("spr"));
  m.load(image);
  m.ports().doorbell.on_ring = [](u32 step) { return step + 3; };
  CHECK(m.run().status == 21);
}

TEST_CASE("INIT and SIPI start a second CPU, which the first sees through memory") {
  const StopReport r = boot(two_cpus(), config("spr", 2));
  CHECK(r.kind == StopKind::Exit);
  CHECK(r.status == 11);
  CHECK(machine().ports().serial.output() == "2");
}

// Linux arch/x86/kvm/x86.c, process_nmi(): "x86 is limited to one NMI running, and one NMI pending after it".
TEST_CASE(
    "of NMIs that come at one cycle the first is taken, the second waits behind it, and the rest are lost") {
  constexpr u32 kTaken = 0x281000;
  Assembler h(kHandler);
  h.inc(dword(kTaken)).iretd();
  Assembler c(kMain);
  load_tables(c).store(kTaken, 0).loops(50000).mov(eax, dword(kTaken)).exit_with_eax();
  const Image image = make_image(c, {tables(2, kHandler), part(h)});
  ApicMessage nmi;
  nmi.delivery = ApicDelivery::Nmi;
  for (const unsigned sent : {1u, 2u, 3u}) {
    Machine& m = machine();
    m.reset(config("spr"));
    m.load(image);
    for (unsigned i = 0; i < sent; ++i) m.cpu(0).post(2000, 0, nmi);
    CHECK(m.run().status == 2 * std::min(sent, 2u) + 1);
  }
}

TEST_CASE("a SIPI to a CPU that is not there is lost and the sender goes on") {
  const StopReport r = boot(two_cpus(), config("spr", 1), {200000, 60});
  CHECK(r.kind == StopKind::MaxCycles);
}

TEST_CASE("the SystemC quantum never changes a result") {
  u64 cycle = 0, hash = 0;
  for (const u64 quantum : {u64{37}, u64{5000}, u64{1000000}}) {
    MachineConfig c = config("spr", 2);
    c.quantum = quantum;
    CHECK(boot(two_cpus(), c).status == 11);
    if (!cycle) cycle = machine().cycle(), hash = machine().hash();
    CHECK(machine().cycle() == cycle);
    CHECK(machine().hash() == hash);
  }
}

TEST_CASE("elaborated for four CPUs, the machine runs with one to four, back to back") {
  for (unsigned n : {4u, 1u, 3u, 2u}) {
    Assembler c(kMain);
    c.out16(0x510, 5).xor_(eax, eax).in8(0x511).exit_with_eax();
    CHECK(boot(make_image(c), config("icx", n)).status == 2 * n + 1);
  }
  CHECK_THROWS_AS(machine().reset(config("icx", kMaxCpus + 1)), InputError);
}

TEST_CASE("a halted CPU sleeps until its timer, and the time asleep is not counted as unhalted") {
  Assembler h(kHandler);
  h.print('!').exit(0);
  Assembler c(kMain);
  load_tables(c).store(kApic + 0xf0, 0x1ff).store(kApic + 0x320, 0x40).store(kApic + 0x3e0, 0xb);
  c.store(kApic + 0x380, 100000).sti().halt();
  const StopReport r = boot(make_image(c, {tables(0x40, kHandler), part(h)}), config("zen4"));
  CHECK(r.kind == StopKind::Exit);
  CHECK(machine().ports().serial.output() == "!");
  const auto& counts = machine().cpu(0).core().counts();
  u64 unhalted = 0, interrupts = 0;
  for (const CountVector& v : counts) {
    unhalted += v[static_cast<unsigned>(Count::Cycles)];
    interrupts += v[static_cast<unsigned>(Count::Interrupts)];
  }
  CHECK(machine().cycle() >= 100000);
  CHECK(unhalted < 20000);
  CHECK(interrupts == 1);
}

TEST_CASE(
    "an overflow raises its PMI through LVTPC no earlier than the model's skid, and Intel masks the entry") {
  for (const char* id : {"spr", "zen4"}) {
    const bool intel = model(id).vendor == pmu::Vendor::Intel;
    Assembler h(kHandler);
    h.exit(0);
    Assembler c(kMain);
    load_tables(c).store(kApic + 0xf0, 0x1ff).store(kApic + 0x340, 0x40);
    if (intel)
      c.wrmsr(msr::kPerfCtr0, 0xfffffc18)
          .wrmsr(msr::kPerfEvtSel0, kSampleInstructions)
          .wrmsr(msr::kGlobalCtrl, 1);
    else
      c.wrmsr(msr::kAmdPerfCtr0, 0xfffffffffc18)
          .wrmsr(msr::kAmdPerfCtl0, kSampleInstructions)
          .wrmsr(msr::kAmdGlobalCtl, 1);
    c.sti().loops(1000000).exit(9);
    EventList recorder;
    MachineConfig config_ = config(id);
    config_.sink = &recorder;
    const StopReport r = boot(make_image(c, {tables(0x40, kHandler), part(h)}), config_);
    INFO(id);
    CHECK(r.status == 1);
    const auto overflows = recorder.of(EventKind::Overflow), pmis = recorder.of(EventKind::Pmi);
    REQUIRE(overflows.size() >= 1);
    REQUIRE(pmis.size() >= 1);
    CHECK(overflows[0].a == 0);
    CHECK(pmis[0].cycle >= overflows[0].cycle + model(id).pmi_skid);
    CHECK(pmis[0].cycle <= overflows[0].cycle + model(id).pmi_skid + 2);
    CHECK(pmis[0].text == "raise");
    CHECK((machine().cpu(0).apic().lvt(apic::kLvtPc) >> 16 & 1) == (intel ? 1u : 0u));
  }
}

TEST_CASE("stepping gives the same cycles, counts and memory as running blocks") {
  for (const char* id : {"skx", "zen5"}) {
    u64 hashes[2];
    for (int step = 0; step < 2; ++step) {
      MachineConfig c = config(id, 2);
      c.step = step;
      CHECK(boot(two_cpus(), c).status == 11);
      hashes[step] = machine().hash();
    }
    CHECK(hashes[0] == hashes[1]);
  }
}

TEST_CASE("a restored machine has the saved one's hash and goes on as that did") {
  const Image image = two_cpus();
  CHECK(boot(image, config("spr", 2), {700, 60}).kind == StopKind::MaxCycles);
  const std::vector<u8> state = machine().save();
  const u64 at_save = machine().hash();
  CHECK(machine().run().status == 11);
  const u64 at_end = machine().hash(), cycle = machine().cycle();
  CHECK(at_end != at_save);

  machine().restore(state);
  CHECK(machine().hash() == at_save);
  CHECK(machine().run().status == 11);
  CHECK(machine().hash() == at_end);
  CHECK(machine().cycle() == cycle);
  CHECK(machine().ports().serial.output() == "2");
}

TEST_CASE("a run interrupted and continued ends like one that was not") {
  CHECK(boot(two_cpus(), config("spr", 2)).status == 11);
  const u64 hash = machine().hash();
  machine().reset(config("spr", 2));
  machine().load(two_cpus());
  for (u64 limit = 100; limit < 900; limit += 100)
    CHECK(machine().run({limit, 60}).kind == StopKind::MaxCycles);
  CHECK(machine().run().status == 11);
  CHECK(machine().hash() == hash);
}

TEST_CASE("a guest that halts with interrupts disabled is reported as a stall, with what it waits for") {
  Assembler c(kMain);
  c.halt();
  const StopReport r = boot(make_image(c), config("spr", 2));
  CHECK(r.kind == StopKind::Stall);
  REQUIRE(r.cpus.size() == 2);
  CHECK(r.cpus[0].waits_for == "halted with interrupts disabled");
  CHECK(r.cpus[1].waits_for == "waits for a start-up IPI");
  CHECK(r.cpus[0].registers.find("rip=0000000000100001") != std::string::npos);
}

TEST_CASE("an endless loop ends at the cycle limit exactly, or when the predicate holds") {
  Assembler c(kMain);
  c.spin();
  const StopReport r = boot(make_image(c), config("spr"), {123457, 60});
  CHECK(r.kind == StopKind::MaxCycles);
  CHECK(machine().cycle() == 123457);
  CHECK(machine().run_until([] { return machine().cycle() > 300000; }, {}).kind == StopKind::Predicate);
  CHECK(machine().cycle() < 330000);
}

TEST_CASE("a triple fault stops the run with registers and disassembly") {
  Assembler c(kMain);
  c.lidt(0x500).int3();  // zeros: limit 0
  const StopReport r = boot(make_image(c), config("spr"));
  CHECK(r.kind == StopKind::TripleFault);
  CHECK(r.cpu == 0);
  REQUIRE(r.cpus.size() == 1);
  CHECK_FALSE(r.cpus[0].disassembly.empty());
  CHECK(r.text().find("triple fault") == 0);
}

TEST_CASE("an interrupt from outside ends the run") {
  Assembler c(kMain);
  c.spin();
  machine().reset(config("spr"));
  machine().load(make_image(c));
  machine().interrupt();
  CHECK(machine().run({}).kind == StopKind::Interrupted);
}

TEST_CASE("configurations that cannot be are refused") {
  MachineConfig c = config("spr", 2);
  c.sync_window = c.model->ipi_latency + 1;
  CHECK_THROWS_AS(machine().reset(c), InputError);
  c = config("spr");
  c.memory = 4097;
  CHECK_THROWS_AS(machine().reset(c), InputError);
  c = config("spr", 0);
  CHECK_THROWS_AS(machine().reset(c), InputError);
}
