// SPDX-License-Identifier: Apache-2.0
// MONITOR and MWAIT in the core, and monitored lines. Expectations: SDM Vol. 2, MONITOR and MWAIT; Vol. 3,
// "Relative Priority of Faults and VM Exits"; AMD APM Vol. 3, MONITOR and MWAIT (extensions in ECX), Vol. 2,
// 15.9 (exceptions before the intercept, as KVM's svm.c has them: POST_MEM and POST_EX).
#include <doctest/doctest.h>

#include "program.h"

using namespace pmusim;
using namespace pmusim::core;
using namespace pmusim::core::test;

namespace {

struct MonitorEnv : FakeEnv {
  u32 features = 8, extensions = 3;
  u64 line = kNever;
  bool armed = false;
  CpuidRegs cpuid(u32 leaf, u32) override {
    return {0, 0, leaf == 1 ? features : leaf == 5 ? extensions : 0, 0};
  }
  void monitor(u64 physical) override {
    line = physical;
    armed = true;
  }
  bool monitor_armed() override { return armed; }
};

struct Cpu : Machine {
  MonitorEnv own;
  FakeIntercepts intercepts;
  explicit Cpu(bool amd = false) {
    long_mode();
    config.amd = amd;
    x.env = &own;
    intercepts.all = true;
  }
  void guest(bool faults_first) {
    intercepts.faults_first = faults_first;
    x.intercepts = &intercepts;
  }
};

template <class F>
bool ud(F f) {
  const auto fault = fault_of(f);
  return fault && fault->vector == kUD;
}
template <class F>
ExitKind exit_kind(F f) {
  const auto exit = exit_of(f);
  return exit ? exit->kind : ExitKind::None;
}

struct Line final : LineMonitor {
  unsigned stores = 0;
  void stored() override { ++stores; }
};

}  // namespace

TEST_CASE("MONITOR and MWAIT are undefined without their CPUID bit and above CPL 0, before a VM-exit") {
  Cpu m;
  m.guest(false);
  CHECK(exit_kind([&] { monitor(m.x, DS, 0x200000); }) == ExitKind::Monitor);
  CHECK(exit_kind([&] { mwait(m.x); }) == ExitKind::Mwait);
  m.own.features = ~8u;
  CHECK(ud([&] { monitor(m.x, DS, 0x200000); }));
  CHECK(ud([&] { mwait(m.x); }));
  m.own.features = 8;
  m.user();
  CHECK(ud([&] { monitor(m.x, DS, 0x200000); }));
  CHECK(ud([&] { mwait(m.x); }));
}

TEST_CASE("MONITOR arms the physical address it translates to, has no extensions and faults as a load") {
  Cpu m;
  m.map(0x200000, 0x201000, Machine::kP | Machine::kW);
  monitor(m.x, DS, 0x200123);
  CHECK(m.own.line == 0x201123);
  CHECK((m.get(m.entry_at(0x200000, 1)) & (Machine::kA | Machine::kD)) == Machine::kA);
  m.s.gpr[RCX] = 1;
  CHECK(faults_with([&] { monitor(m.x, DS, 0x200000); }, kGP, 0));
  m.s.gpr[RCX] = 0;
  m.map(0x202000, 0, 0);
  const auto fault = fault_of([&] { monitor(m.x, DS, 0x202000); });
  REQUIRE(fault);
  CHECK(fault->vector == kPF);
  CHECK(fault->error_code == 0);
}

TEST_CASE("MWAIT waits only while something is monitored, ECX bit 0 lets masked interrupts end the wait") {
  Cpu m;
  mwait(m.x);
  CHECK(m.s.activity == Activity::Running);
  m.own.armed = true;
  mwait(m.x);
  CHECK(m.s.activity == Activity::Waiting);
  m.s.gpr[RCX] = 1;
  mwait(m.x);
  CHECK(m.s.activity == Activity::WaitingMasked);
  CHECK(m.syncs >= 2);
}

TEST_CASE("MWAIT refuses extensions that leaf 5 does not announce") {
  Cpu m;
  for (const u64 rcx : {u64{2}, u64{1} << 31}) {
    m.s.gpr[RCX] = rcx;
    CHECK(faults_with([&] { mwait(m.x); }, kGP, 0));
  }
  m.s.gpr[RCX] = 1;
  for (const u32 announced : {0u, 1u, 2u}) {
    m.own.extensions = announced;
    CHECK(faults_with([&] { mwait(m.x); }, kGP, 0));
  }
}

TEST_CASE("the upper half of RCX counts in Intel's 64-bit mode only") {
  for (const bool amd : {false, true}) {
    Cpu m(amd);
    m.s.gpr[RCX] = u64{1} << 32;
    CHECK(fault_of([&] { monitor(m.x, DS, 0x200000); }).has_value() == !amd);
    CHECK(fault_of([&] { mwait(m.x); }).has_value() == !amd);
    m.segments(kCode32, kData);
    CHECK(!fault_of([&] { monitor(m.x, DS, 0x200000); }));
    CHECK(!fault_of([&] { mwait(m.x); }));
  }
}

TEST_CASE("a bad extension comes after the VM-exit on VMX and before it on SVM") {
  Cpu vmx, svm(true);
  vmx.guest(false);
  svm.guest(true);
  vmx.s.gpr[RCX] = svm.s.gpr[RCX] = 4;
  CHECK(exit_kind([&] { mwait(vmx.x); }) == ExitKind::Mwait);
  CHECK(exit_kind([&] { monitor(vmx.x, DS, 0x200000); }) == ExitKind::Monitor);
  CHECK(faults_with([&] { mwait(svm.x); }, kGP, 0));
  CHECK(faults_with([&] { monitor(svm.x, DS, 0x200000); }, kGP, 0));
  svm.s.gpr[RCX] = 0;
  CHECK(exit_kind([&] { mwait(svm.x); }) == ExitKind::Mwait);
  CHECK(exit_kind([&] { monitor(svm.x, DS, 0x200000); }) == ExitKind::Monitor);
}

TEST_CASE("a store to the first or last byte of the line ends the monitoring, one beside it does not") {
  for (const u64 offset : {u64{0x3f}, u64{0x40}, u64{0x7f}, u64{0x80}}) {
    Program m;
    m.code({0xc6, 0x03, 0x01, 0xc6, 0x03, 0x02, 0xf4});  // mov byte [rbx],1; mov byte [rbx],2; hlt
    m.s.gpr[RBX] = Program::kDataAt + offset;
    m.put(Program::kDataAt + offset, 0, 1);
    Line line;
    // The page is written before, so that stores to it would take the fast path.
    m.run(1);
    m.s.rip = Program::kCode;
    m.core.set_state(&m.s);
    m.ram.arm(line, Program::kDataAt + 0x55);
    CHECK(line.line() == Program::kDataAt + 0x40);
    m.run_to_halt();
    CHECK(m.get(Program::kDataAt + offset, 1) == 2);
    const bool inside = offset == 0x40 || offset == 0x7f;
    INFO(offset);
    CHECK(line.stores == (inside ? 1 : 0));
    CHECK(line.armed() == !inside);
    m.ram.disarm(line);
  }
}

TEST_CASE("a store that crosses into the line ends the monitoring, a load does not, a device's write does") {
  Program m;
  m.code({0x48, 0x8b, 0x03, 0xf4});  // mov rax,[rbx]; hlt
  m.s.gpr[RBX] = Program::kDataAt + 0x40;
  Line line;
  m.ram.arm(line, Program::kDataAt + 0x40);
  m.run_to_halt();
  CHECK(line.stores == 0);
  m.s.activity = Activity::Running;
  m.code({0x48, 0x89, 0x03, 0xf4}, Program::kCode + 16);  // mov [rbx],rax
  m.s.gpr[RBX] = Program::kDataAt + 0x39;
  m.start(Program::kCode + 16);
  m.run_to_halt();
  CHECK(line.stores == 1);
  m.ram.arm(line, Program::kDataAt);
  const u8 byte = 0;
  m.ram.write(Program::kDataAt + 0x40, &byte, 1);
  CHECK(line.stores == 1);
  m.ram.write(Program::kDataAt + 0x3f, &byte, 1);
  CHECK(line.stores == 2);
}

TEST_CASE("the address of MONITOR has the address size and the segment of its prefixes") {
  Program m;
  MonitorEnv own;
  Core core(m.ram, own, m.timing);
  core.configure(m.config);
  const auto monitored = [&](const std::vector<u8>& bytes) {
    m.code(bytes);
    m.s.rip = Program::kCode;
    m.s.gpr[RAX] = 0xffffffff00200040;
    m.s.seg[GS].base = 0x1000;
    own.line = kNever;
    core.set_state(&m.s);
    core.run({1, kNever});
    return own.line;
  };
  CHECK(monitored({0x67, 0x0f, 0x01, 0xc8}) == 0x200040);
  CHECK(monitored({0x65, 0x67, 0x0f, 0x01, 0xc8}) == 0x201040);
  CHECK(monitored({0x67, 0x2e, 0x0f, 0x01, 0xc8}) == 0x200040);  // CS has no base in 64-bit mode
  for (const u8 ignored : {0x26, 0x2e, 0x36, 0x3e}) {            // so are the others, behind FS or GS too
    CHECK(monitored({0x65, ignored, 0x67, 0x0f, 0x01, 0xc8}) == 0x201040);
    CHECK(monitored({ignored, 0x65, 0x67, 0x0f, 0x01, 0xc8}) == 0x201040);
  }
  CHECK(monitored({0x0f, 0x01, 0xc8}) == kNever);  // not mapped: #PF, and no IDT entry
}

TEST_CASE("outside 64-bit mode MONITOR is undefined, or exits on VMX, before its segment is looked at") {
  Cpu m;
  m.segments(kCode32, kData);
  m.s.seg[DS] = Segment{};
  m.s.seg[DS].access = 1 << 16;  // unusable
  CHECK(faults_with([&] { monitor(m.x, DS, 0x200000); }, kGP, 0));
  m.own.features = 0;
  CHECK(ud([&] { monitor(m.x, DS, 0x200000); }));
  m.own.features = 8;
  m.guest(false);
  CHECK(exit_kind([&] { monitor(m.x, DS, 0x200000); }) == ExitKind::Monitor);
  m.guest(true);
  CHECK(faults_with([&] { monitor(m.x, DS, 0x200000); }, kGP, 0));
}

TEST_CASE("a MONITOR that executes in 32-bit code exits before the limit of its segment counts") {
  Program m;
  FakeIntercepts intercepts;
  MonitorEnv own;
  Core core(m.ram, own, m.timing);
  core.configure(m.config);
  m.segments(kCode32, kData);
  m.s.seg[DS].limit = 0xfff;
  m.s.seg[DS].access &= ~(1u << 15);
  m.code({0x0f, 0x01, 0xc8});
  m.s.gpr[RAX] = 0x200000;
  core.set_state(&m.s);
  intercepts.all = true;
  core.set_world(World::Guest, nullptr, &intercepts, 1);
  CHECK(core.run({1, kNever}) == Stop::VmExit);
  CHECK(core.exit().kind == ExitKind::Monitor);
  CHECK(m.s.rip == Program::kCode);
}
