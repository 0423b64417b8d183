// SPDX-License-Identifier: Apache-2.0
// The port by which hypervisor code uses the CPU: what it counts and costs, when the host's handler runs, and
// guest mode with a minimal control block.
#include <doctest/doctest.h>

#include <functional>
#include <utility>

#include "arch/msr.h"
#include "tests/support/assembler.h"
#include "tests/support/event_list.h"
#include "tests/support/machine/machine.h"
#include "tests/support/selectors.h"

using namespace pmusim;
using namespace pmusim::platform;
using namespace pmusim::platform::test;
using namespace pmusim::test;

namespace {

struct Program final : CpuProgram {
  std::function<void(Cpu&)> body;
  void run(Cpu& cpu) override { body(cpu); }
};

struct Handler final : HostHandler {
  std::function<void()> nmi = [] {};
  std::function<void(u8)> interrupt = [](u8) {};
  void host_nmi() override { nmi(); }
  void host_interrupt(u8 vector) override { interrupt(vector); }
};

StopReport run_host(const MachineConfig& c, std::function<void(Cpu&)> body,
                    const RunLimits& limits = {10000000, 60}) {
  Program p;
  p.body = std::move(body);
  machine().reset(c);
  machine().set_program(0, &p);
  const StopReport r = machine().run(limits);
  machine().reset(c);  // before the program goes out of scope
  return r;
}

u64 host(Cpu& cpu, Count kind, bool user = false) {
  return cpu.core().counts()[context_of(World::Host, user)][static_cast<unsigned>(kind)];
}

struct Identity final : core::SecondStage {
  Result translate(u64 a) const override { return {a < (8u << 20), true, a}; }
};

// Intercepts CPUID, HLT and physical interrupts; flat 32-bit guest.
struct Block final : ControlBlock {
  core::CpuState state;
  Identity stage;
  std::string entry_error;
  std::vector<std::string> order;
  PendingEvent injection;
  Block() {
    core::reset(state);
    state.cr0 = core::kCr0Pe | core::kCr0Et;
    for (core::Segment& s : state.seg) s = {0, 0xffffffff, 0xc093, 0x10};
    state.seg[core::CS] = {0, 0xffffffff, 0xc09b, 0x08};
    state.rip = 0x100000;
  }
  bool instruction(core::ExitKind k) const override {
    return k == core::ExitKind::Cpuid || k == core::ExitKind::Hlt;
  }
  bool msr(u32, bool) const override { return false; }
  bool io(u16, unsigned) const override { return true; }
  bool exception(u8, u32) const override { return false; }
  bool cr(unsigned, bool, u64) const override { return false; }
  bool external_interrupt() const override { return true; }
  bool nmi() const override { return true; }
  bool faults_before_intercept() const override { return false; }
  core::CpuState& guest_state() override { return state; }
  const core::SecondStage& second_stage() const override { return stage; }
  u16 tag() const override { return 1; }
  std::string load(PhysicalCpu&) override {
    order.push_back("load");
    return entry_error;
  }
  void store(PhysicalCpu&, const core::VmExit&) override { order.push_back("store"); }
  PendingEvent take_injection() override { return std::exchange(injection, {}); }
  s64 tsc_offset() const override { return 0; }
};

void put_guest(const Assembler& c) {
  machine().ram().write(c.base(), c.bytes().data(), c.bytes().size());
}

}  // namespace

TEST_CASE("every port operation counts one host instruction and takes its cost") {
  run_host(config("spr"), [](Cpu& cpu) {
    const u64 start = cpu.cycle();
    u64 v = 0;
    CHECK(cpu.rdmsr(msr::kApicBase, v));
    CHECK(v == 0xfee00900);
    CHECK(host(cpu, Count::Instructions) == 1);
    u32 cost = 0;
    for (const auto& [name, cycles] : cpu.model().costs)
      if (name == "rdmsr") cost = cycles;
    REQUIRE(cost > 0);
    CHECK(cpu.cycle() >= start + cost);
    CHECK(cpu.cycle() <= start + cost + 1);
    CHECK_FALSE(cpu.rdmsr(0x12345, v));
    CHECK_FALSE(cpu.wrmsr(0x12345, 0));
    CHECK(host(cpu, Count::Instructions) == 3);
  });
}

TEST_CASE("an enabling WRMSR counts itself, a disabling one does not") {
  run_host(config("spr"), [](Cpu& cpu) {
    cpu.wrmsr(msr::kGlobalCtrl, 0);  // its reset value enables the general-purpose counters
    cpu.wrmsr(msr::kPerfEvtSel0, kCountInstructions);
    cpu.wrmsr(msr::kGlobalCtrl, 1);
    cpu.wrmsr(msr::kGlobalCtrl, 0);
    u64 v = 0;
    cpu.rdmsr(msr::kPerfCtr0, v);
    CHECK(v == 1);
  });
}

TEST_CASE("host work advances by the floor rule, in its privilege level") {
  run_host(config("spr"), [](Cpu& cpu) {
    HostWork w;
    w.cycles = 1000;
    w.instructions = 333;
    w.branches = 10;
    w.user = true;
    const u64 start = cpu.cycle();
    cpu.work(w);
    CHECK(cpu.cycle() - start >= 1000);
    CHECK(cpu.cycle() - start <= 1001);
    CHECK(host(cpu, Count::Instructions, true) == 333);
    CHECK(host(cpu, Count::CondTaken, true) == 10);
    CHECK(host(cpu, Count::Instructions) == 0);
  });
}

TEST_CASE("an overflow inside host work has its place: the NMI handler runs there and the rest follows") {
  run_host(config("spr"), [](Cpu& cpu) {
    Handler h;
    cpu.set_handler(&h);
    u64 at = 0, done = 0;
    h.nmi = [&] {
      at = cpu.cycle();
      done = host(cpu, Count::Instructions);
    };
    cpu.apic_write(apic::kSvr, 0x1ff);
    cpu.apic_write(apic::kLvtPc, 0x400);
    cpu.wrmsr(msr::kGlobalCtrl, 0);
    cpu.wrmsr(msr::kPerfCtr0, static_cast<u32>(-101));  // the enabling WRMSR is the first of 101
    cpu.wrmsr(msr::kPerfEvtSel0, kSampleInstructions);
    cpu.wrmsr(msr::kGlobalCtrl, 1);
    const u64 start = cpu.cycle(), before = host(cpu, Count::Instructions);
    HostWork w;
    w.cycles = 10000;
    w.instructions = 1000;
    cpu.work(w);
    CHECK(at >= start + 1000 + cpu.model().pmi_skid);
    CHECK(at <= start + 1002 + cpu.model().pmi_skid + 2000);  // and the cost of delivery
    CHECK(done - before >= 100);
    CHECK(done - before < 400);
    CHECK(host(cpu, Count::Instructions) == before + 1000);
    CHECK(host(cpu, Count::Interrupts) == 1);
  });
}

TEST_CASE("interrupts wait for the host's IF, NMIs do not, a handler's own NMI waits until it returns") {
  run_host(config("zen4"), [](Cpu& cpu) {
    Handler h;
    cpu.set_handler(&h);
    std::string log;
    int depth = 0;
    h.interrupt = [&](u8 vector) {
      log += 'i';
      CHECK(vector == 0x50);
      CHECK_FALSE(cpu.interrupts_enabled());
      cpu.apic_write(apic::kEoi, 0);
    };
    h.nmi = [&] {
      CHECK(++depth == 1);
      if (log.size() < 3) cpu.apic().raise_nmi();
      cpu.rdtsc();
      log += 'n';
      --depth;
    };
    cpu.apic_write(apic::kSvr, 0x1ff);
    cpu.apic_write(apic::kIcr, 0x40050);
    CHECK(log.empty());
    cpu.apic().raise_nmi();
    cpu.rdtsc();
    CHECK(log == "nnn" + std::string(log.size() > 3 ? "n" : ""));
    cpu.set_interrupts(true);
    CHECK(log.back() == 'i');
    CHECK(cpu.interrupts_enabled());
  });
}

TEST_CASE("an interrupt comes in its own cycle of host work, also of work that begins within a cycle") {
  run_host(config("spr"), [](Cpu& cpu) {
    Handler h;
    cpu.set_handler(&h);
    u64 at = 0, cost = 0;
    h.interrupt = [&](u8) {
      at = cpu.cycle();
      cpu.apic_write(apic::kEoi, 0);
    };
    for (const auto& [name, cycles] : cpu.model().costs)
      if (name == "interrupt") cost = cycles;
    REQUIRE(cost > 0);
    cpu.apic_write(apic::kSvr, 0x1ff);
    cpu.apic_write(apic::kLvtTimer, 0x40050);
    cpu.set_interrupts(true);
    for (unsigned after = 0; after < 40; ++after) {
      CAPTURE(after);
      cpu.wrmsr(msr::kTscDeadline, cpu.rdtsc() + 600 + after);
      const u64 due = cpu.apic().next_deadline();
      REQUIRE(due != kNever);
      HostWork w;
      w.cycles = 2000;
      cpu.work(w);
      CHECK(at == due + cost);
    }
  });
}

TEST_CASE("halt returns after the timer's interrupt was handled") {
  run_host(config("spr"), [](Cpu& cpu) {
    Handler h;
    cpu.set_handler(&h);
    int seen = 0;
    h.interrupt = [&](u8) {
      ++seen;
      cpu.apic_write(apic::kEoi, 0);
    };
    cpu.apic_write(apic::kSvr, 0x1ff);
    cpu.apic_write(apic::kLvtTimer, 0x40040);
    cpu.set_interrupts(true);
    const u64 unhalted = host(cpu, Count::Cycles);
    cpu.wrmsr(msr::kTscDeadline, cpu.tsc() + 1000000);
    const u64 start = cpu.tsc();
    cpu.halt();
    CHECK(seen == 1);
    CHECK(cpu.tsc() - start >= 990000);
    CHECK(host(cpu, Count::Cycles) - unhalted < 10000);
  });
}

TEST_CASE("a host that halts with nothing to wake it is a stall, and the machine survives it") {
  const StopReport r = run_host(config("spr"), [](Cpu& cpu) { cpu.halt(); });
  CHECK(r.kind == StopKind::Stall);
  CHECK(run_host(config("spr"), [](Cpu&) {}).kind == StopKind::Finished);
}

TEST_CASE("an error in a program comes out of run()") {
  CHECK_THROWS_AS(run_host(config("spr"), [](Cpu& cpu) { cpu.rdpmc(0x1234); }), std::logic_error);
  CHECK(run_host(config("spr"), [](Cpu&) {}).kind == StopKind::Finished);
}

TEST_CASE("a caller drives a program step by step with pause()") {
  Program p;
  int steps = 0;
  p.body = [&](Cpu& cpu) {
    for (;;) {
      cpu.rdtsc();
      ++steps;
      cpu.pause();
    }
  };
  machine().reset(config("spr"));
  machine().set_program(0, &p);
  for (int i = 1; i <= 3; ++i) {
    CHECK(machine().run().kind == StopKind::Requested);
    CHECK(steps == i);
  }
  machine().reset(config("spr"));
}

TEST_CASE("enter_guest runs the guest in its own context until the intercepted instruction") {
  run_host(config("spr"), [](Cpu& cpu) {
    Assembler c(0x100000);
    c.nop().nop().nop().cpuid();
    put_guest(c);
    Block b;
    const core::VmExit exit = cpu.enter_guest(b);
    CHECK(exit.kind == core::ExitKind::Cpuid);
    CHECK(exit.instruction_length == 2);
    CHECK(b.state.rip == 0x100003);
    CHECK(b.order == std::vector<std::string>{"load", "store"});
    CHECK(cpu.core().counts()[context_of(World::Guest, false)][static_cast<unsigned>(Count::Instructions)] ==
          3);
    CHECK(host(cpu, Count::Instructions) == 1);
    CHECK(cpu.core().world() == World::Host);
  });
}

TEST_CASE("each cycle of the host is booked to what the host works on") {
  run_host(config("spr"), [](Cpu& cpu) {
    const auto booked = [&cpu](HostCause cause) { return cpu.host_cycles()[static_cast<unsigned>(cause)]; };
    const auto cost = [&cpu](const std::string& wanted) {
      u64 found = 0;
      for (const auto& [name, cycles] : cpu.model().costs)
        if (name == wanted) found = cycles;
      return found;
    };
    Handler h;
    cpu.set_handler(&h);
    h.nmi = [&cpu] {
      HostWork w;
      w.cycles = 70;
      cpu.work(w);
    };
    HostWork w;
    w.cycles = 1000;
    u64 value = 0;
    {
      const Charged charged(cpu, HostCause::Monitor);
      cpu.work(w);
      cpu.rdmsr(msr::kApicBase, value);  // its own
      const Charged inner(cpu, HostCause::Handlers);
      w.cycles = 300;
      cpu.work(w);
      cpu.rdmsr(msr::kApicBase, value);
      cpu.apic().raise_nmi();
      cpu.rdtsc();
    }
    put_guest(Assembler(0x100000).cpuid());
    Block b;
    cpu.enter_guest(b);
    // Beside the costs each operation retires an instruction, a part of a cycle.
    const auto near = [](u64 cycles, u64 expected) { return cycles >= expected && cycles <= expected + 2; };
    CHECK(near(booked(HostCause::Monitor), 1000 + cost("rdmsr")));
    CHECK(near(booked(HostCause::Handlers), 300 + cost("rdtsc")));
    CHECK(near(booked(HostCause::Msr), cost("rdmsr")));
    CHECK(near(booked(HostCause::Interrupts), 70 + cost("interrupt")));
    CHECK(near(booked(HostCause::WorldSwitch), cost("vm_entry") + cost("vm_exit")));
    u64 sum = 0;
    for (const u64 cycles : cpu.host_cycles()) sum += cycles;
    CHECK(sum == host(cpu, Count::Cycles));
  });
}

TEST_CASE("what the host's cycles were booked to is restored with the state") {
  const MachineConfig c = config("spr");
  Program p;
  p.body = [](Cpu& cpu) {
    const Charged charged(cpu, HostCause::Monitor);
    HostWork w;
    w.cycles = 1000;
    cpu.work(w);
  };
  machine().reset(c);
  machine().set_program(0, &p);
  machine().run({10000000, 60});
  const std::vector<u8> state = machine().save();
  const HostCycles saved = machine().cpu(0).host_cycles();
  CHECK(saved[static_cast<unsigned>(HostCause::Monitor)] >= 1000);
  machine().reset(c);
  machine().restore(state);
  CHECK(machine().cpu(0).host_cycles() == saved);
}

TEST_CASE("a failed entry reports the block's reason and stores nothing") {
  run_host(config("spr"), [](Cpu& cpu) {
    Block b;
    b.entry_error = "reserved bits";
    CHECK(cpu.enter_guest(b).kind == core::ExitKind::EntryFailure);
    CHECK(cpu.entry_failure() == "reserved bits");
    CHECK(b.order == std::vector<std::string>{"load"});
  });
}

TEST_CASE("a physical interrupt in guest mode exits and reaches the host when it enables interrupts") {
  run_host(config("spr"), [](Cpu& cpu) {
    Assembler c(0x100000);
    c.spin();
    put_guest(c);
    Handler h;
    cpu.set_handler(&h);
    std::string log;
    h.interrupt = [&](u8) {
      log += 'i';
      cpu.apic_write(apic::kEoi, 0);
    };
    h.nmi = [&] { log += 'n'; };
    cpu.apic_write(apic::kSvr, 0x1ff);
    cpu.apic_write(apic::kLvtTimer, 0x40040);
    cpu.wrmsr(msr::kTscDeadline, cpu.tsc() + 50000);
    Block b;
    CHECK(cpu.enter_guest(b).kind == core::ExitKind::ExternalInterrupt);
    CHECK(log.empty());
    cpu.set_interrupts(true);
    CHECK(log == "i");
    cpu.set_interrupts(false);
    // An NMI from a counter that overflows in the guest: handled before enter_guest() returns.
    cpu.apic_write(apic::kLvtPc, 0x400);
    cpu.wrmsr(msr::kPerfCtr0, static_cast<u32>(-20000));
    cpu.wrmsr(msr::kPerfEvtSel0, kSampleInstructions);
    cpu.wrmsr(msr::kGlobalCtrl, 1);
    CHECK(cpu.enter_guest(b).kind == core::ExitKind::Nmi);
    CHECK(log == "in");
  });
}

TEST_CASE("physical MSR accesses appear in the event stream in order") {
  EventList recorder;
  MachineConfig c = config("spr");
  c.sink = &recorder;
  run_host(c, [](Cpu& cpu) {
    u64 v;
    cpu.wrmsr(msr::kGlobalCtrl, 3);
    cpu.rdmsr(msr::kGlobalCtrl, v);
    cpu.hw_wrmsr(msr::kGlobalCtrl, 0, PhysicalCpu::Source::Field);
  });
  const auto list = recorder.of(EventKind::HostMsr);
  REQUIRE(list.size() == 3);
  CHECK(list[0].text == "wrmsr");
  CHECK(list[0].write);
  CHECK(list[1].b == 3);
  CHECK(list[2].text == "hw_wrmsr");
}
