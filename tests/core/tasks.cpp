// SPDX-License-Identifier: Apache-2.0
// Hardware task switches. Expectations: SDM Vol. 3, "Task Management" ("Task-State Segment", "Task
// Switching", Table 7-1 with its exceptions, "Task Linking"), "Interrupt Tasks"; "Treatment of Task Switches"
// and the exit qualification of task switches; Vol. 2, IRET.
#include <doctest/doctest.h>

#include "core/system/task_switch.h"
#include "machine.h"
#include "program.h"

using namespace pmusim;
using namespace pmusim::core;
using namespace pmusim::core::test;

namespace {

constexpr u16 kNewTss = 0x90, kOwnGate = 0x98, kLdt = 0xa0, kTss16 = 0xa8;
constexpr u64 kNewAt = 0x4800, kLdtAt = 0x4c00, kTss16At = 0x4d00, kNewStack = 0xb000;

struct Tasks : Machine {
  Tasks() {
    protected_mode();
    s.gdtr.limit = 0xaf;
    put(kGdt + kTss, descriptor(kTssAt, 0x67, 0x8b, 0));
    load_tss();
    put(kGdt + kNewTss, descriptor(kNewAt, 0x67, 0xe9, 0));
    put(kGdt + kLdt, descriptor(kLdtAt, 0x7, 0x82, 0));
    put(kGdt + kTss16, descriptor(kTss16At, 0x2b, 0x81, 0));
    task(0x20, 0x6000);
    task(0x24, kFixed1 | kZF);
    for (unsigned i = 0; i < 8; ++i) task(0x28 + 4 * i, 0x100 + i);
    task(0x38, kNewStack);
    for (unsigned i = 0; i < 6; ++i) task(0x48 + 4 * i, kData);
    task(0x4c, kCode32);
    for (unsigned i = 0; i < 8; ++i) s.gpr[i] = 0xabc0 + i;
    s.gpr[RSP] = kStack;
    x.next_rip = 0x5007;
  }
  void task(u64 offset, u32 value) { put(kNewAt + offset, value, 4); }
  u32 old(u64 offset) const { return static_cast<u32>(get(kTssAt + offset, 4)); }
  u8 type(u16 selector) const { return get(kGdt + selector + 5, 1) & 15; }
  void gate(u16 tss, u8 access = 0xe5) { put(kGdt + kOwnGate, u64{tss} << 16 | u64{access} << 40); }
  void switch_by(TaskSource source) {
    switch (source) {
      case TaskSource::Call:
        return far_call(x, kNewTss, 0, 4);
      case TaskSource::Jump:
        return far_jump(x, kNewTss, 0, 4);
      case TaskSource::Gate:
        gate32(13, kNewTss, 0, 0x85);
        return deliver_through_idt(x, exception(13, 0x1234));
      case TaskSource::Iret:
        put(kGdt + kNewTss, descriptor(kNewAt, 0x67, 0xeb, 0));
        put(kTssAt, kNewTss, 4);
        s.rflags |= kNT;
        return iret(x, 4);
    }
  }
};

constexpr TaskSource kSources[] = {TaskSource::Call, TaskSource::Iret, TaskSource::Jump, TaskSource::Gate};

}  // namespace

TEST_CASE("a task switch saves the old task's registers and loads the new one's") {
  for (const TaskSource source : kSources) {
    Tasks m;
    m.s.rflags = kFixed1 | kCF;
    m.switch_by(source);
    INFO(static_cast<int>(source));
    CHECK(m.s.rip == 0x6000);
    CHECK(m.x.committed);
    CHECK(m.s.tr.selector == kNewTss);
    CHECK(m.s.tr.base == kNewAt);
    for (unsigned i = 0; i < 8; ++i)
      if (i != RSP) CHECK(m.s.gpr[i] == 0x100 + i);
    CHECK((m.s.cr0 & kCr0Ts));
    CHECK(m.s.seg[CS].selector == kCode32);
    CHECK(m.s.seg[GS].selector == kData);
    CHECK(m.old(0x20) == (source == TaskSource::Gate ? 0x5000 : 0x5007));  // the fault's own instruction
    CHECK(m.old(0x24) == (source == TaskSource::Gate ? kFixed1 | kCF | kRF : kFixed1 | kCF));
    for (unsigned i = 0; i < 8; ++i) CHECK(m.old(0x28 + 4 * i) == (i == RSP ? Machine::kStack : 0xabc0 + i));
    CHECK(m.old(0x4c) == kCode32);
    CHECK(m.old(0x5c) == kData);
  }
}

TEST_CASE("busy flags, NT and the link follow the source of the switch") {
  for (const TaskSource source : kSources) {
    Tasks m;
    m.switch_by(source);
    const bool nested = source == TaskSource::Call || source == TaskSource::Gate;
    INFO(static_cast<int>(source));
    CHECK(m.type(kTss) == (nested ? 11 : 9));
    CHECK(m.type(kNewTss) == 11);
    CHECK((m.s.tr.access & 15) == 11);
    CHECK(((m.s.rflags & kNT) != 0) == nested);
    CHECK(m.get(kNewAt, 2) == (nested ? kTss : 0));
  }
}

TEST_CASE(
    "IRET of a nested task goes back to where the call was made, and the task goes on behind its IRET") {
  Tasks m;
  far_call(m.x, kNewTss, 0, 4);
  m.x.next_rip = 0x6001;
  m.s.gpr[RAX] = 42;
  iret(m.x, 4);
  CHECK(m.s.rip == 0x5007);
  CHECK(m.s.gpr[RAX] == 0xabc0);
  CHECK(m.type(kTss) == 11);
  CHECK(m.type(kNewTss) == 9);
  CHECK(m.get(kNewAt + 0x20, 4) == 0x6001);
  CHECK(m.get(kNewAt + 0x28, 4) == 42);
  CHECK(!(m.get(kNewAt + 0x24, 4) & kNT));
}

TEST_CASE("the TSS descriptor is checked in the old task's context") {
  const auto fault = [](TaskSource source, auto prepare) {
    Tasks m;
    prepare(m);
    const auto f = fault_of([&] { m.switch_by(source); });
    REQUIRE(f);
    CHECK(!m.x.committed);
    CHECK(m.s.tr.selector == kTss);
    CHECK(m.s.gpr[RAX] == 0xabc0);
    return *f;
  };
  const auto is = [](const Fault& f, u8 vector, u32 code) {
    return f.vector == vector && f.error_code == code;
  };
  const auto busy = [](Tasks& m) {
    m.put(Machine::kGdt + kNewTss, Machine::descriptor(kNewAt, 0x67, 0xeb, 0));
  };
  const auto absent = [](Tasks& m) {
    m.put(Machine::kGdt + kNewTss, Machine::descriptor(kNewAt, 0x67, 0x69, 0));
  };
  const auto small = [](Tasks& m) {
    m.put(Machine::kGdt + kNewTss, Machine::descriptor(kNewAt, 0x66, 0xe9, 0));
  };
  CHECK(is(fault(TaskSource::Call, busy), kGP, kNewTss));
  CHECK(is(fault(TaskSource::Jump, busy), kGP, kNewTss));
  CHECK(is(fault(TaskSource::Gate, busy), kGP, kNewTss | 1));
  CHECK(is(fault(TaskSource::Jump, absent), kNP, kNewTss));
  CHECK(is(fault(TaskSource::Jump, small), kTS, kNewTss));
  CHECK(is(fault(TaskSource::Gate, small), kTS, kNewTss | 1));
  // IRET wants a busy TSS and has #TS for everything.
  Tasks m;
  m.put(Machine::kTssAt, kNewTss, 4);
  m.s.rflags |= kNT;
  CHECK(faults_with([&] { iret(m.x, 4); }, kTS, kNewTss));
  m.put(Machine::kTssAt, kNewTss | 4, 4);
  CHECK(faults_with([&] { iret(m.x, 4); }, kTS, kNewTss | 4));
  m.put(Machine::kTssAt, 0xb0, 4);
  CHECK(faults_with([&] { iret(m.x, 4); }, kTS, 0xb0));
}

TEST_CASE("a task gate's privilege counts, that of the TSS behind it does not") {
  Tasks m;
  m.user();
  m.put(Machine::kGdt + kNewTss, Machine::descriptor(kNewAt, 0x67, 0x89, 0));
  CHECK(faults_with([&] { far_jump(m.x, kNewTss | 3, 0, 4); }, kGP, kNewTss));
  m.gate(kNewTss, 0x85);
  CHECK(faults_with([&] { far_jump(m.x, kOwnGate | 3, 0, 4); }, kGP, kOwnGate));
  m.gate(kNewTss, 0x65);
  CHECK(faults_with([&] { far_jump(m.x, kOwnGate | 3, 0, 4); }, kNP, kOwnGate));
  m.gate(kNewTss | 4);
  CHECK(faults_with([&] { far_jump(m.x, kOwnGate | 3, 0, 4); }, kGP, kNewTss | 4));
  m.gate(kNewTss);
  far_jump(m.x, kOwnGate | 3, 0xf4f4f4f4, 4);
  CHECK(m.s.cpl == 0);
  CHECK(m.s.rip == 0x6000);
}

TEST_CASE("an event through a task gate pushes its error code on the new task's stack, others nothing") {
  Tasks m;
  m.switch_by(TaskSource::Gate);
  CHECK(m.s.gpr[RSP] == kNewStack - 4);
  CHECK(m.get(kNewStack - 4, 4) == 0x1234);
  Tasks nmi;
  nmi.gate32(2, kNewTss, 0, 0x85);
  deliver_through_idt(nmi.x, event(2, EventType::Nmi));
  CHECK(nmi.s.gpr[RSP] == kNewStack);
  CHECK(nmi.s.nmi_blocked);
  nmi.x.next_rip = 0x6001;
  iret(nmi.x, 4);
  CHECK(!nmi.s.nmi_blocked);
  CHECK(nmi.s.rip == 0x5000);
  Tasks software;
  software.gate32(0x80, kNewTss, 0, 0x85);
  software_interrupt(software.x, 0x80, EventType::SoftwareInterrupt);
  CHECK(software.s.gpr[RSP] == kNewStack);
  CHECK(software.old(0x20) == 0x5007);
}

TEST_CASE(
    "segments that cannot be loaded fault in the new task, CS, SS and LDT with #TS, absent ones apart") {
  const auto fault = [](u64 offset, u32 selector) {
    Tasks m;
    m.task(offset, selector);
    const auto f = fault_of([&] { far_jump(m.x, kNewTss, 0, 4); });
    REQUIRE(f);
    CHECK(m.x.committed);
    CHECK(m.s.tr.selector == kNewTss);
    CHECK(m.s.rip == 0x6000);
    CHECK(m.s.gpr[RAX] == 0x100);
    return u32{f->vector} << 16 | f->error_code;
  };
  const auto ts = [](u32 code) { return u32{kTS} << 16 | code; };
  constexpr u64 kDsAt = 0x54, kCsAt = 0x4c, kSsAt = 0x50, kLdtField = 0x60;
  CHECK(fault(kCsAt, 0) == ts(0));
  CHECK(fault(kCsAt, kData) == ts(kData));
  CHECK(fault(kCsAt, kUserCode32) == ts(kUserCode32));  // DPL 3, RPL 0
  CHECK(fault(kCsAt, kAbsentCode) == (u32{kNP} << 16 | kAbsentCode));
  CHECK(fault(kSsAt, 0) == ts(0));
  CHECK(fault(kSsAt, kReadOnly) == ts(kReadOnly));
  CHECK(fault(kSsAt, kUserData) == ts(kUserData));
  CHECK(fault(kSsAt, kAbsentData) == (u32{kSS} << 16 | kAbsentData));
  CHECK(fault(kDsAt, kExecuteOnly) == ts(kExecuteOnly));
  CHECK(fault(kDsAt, kAbsentData) == (u32{kNP} << 16 | kAbsentData));
  CHECK(fault(kDsAt, 0xb0) == ts(0xb0));
  CHECK(fault(kLdtField, kData) == ts(kData));
  CHECK(fault(kLdtField, kLdt | 4) == ts(kLdt | 4));
  Tasks m;
  m.task(kLdtField, kLdt);
  m.put(kLdtAt, Machine::descriptor(0x7000, 0xfff, 0x92, 4));
  m.task(kDsAt, 4);  // of the new LDT
  far_jump(m.x, kNewTss, 0, 4);
  CHECK(m.s.ldtr.base == kLdtAt);
  CHECK(m.s.seg[DS].base == 0x7000);
}

TEST_CASE("a conforming CS runs at its RPL, as the level of the task") {
  Tasks m;
  m.put(Machine::kTssAt + 8, kData, 4);
  m.task(0x4c, kConformingCode | 3);
  for (unsigned i : {0x48u, 0x50u, 0x54u, 0x58u, 0x5cu}) m.task(i, kUserData | 3);
  far_call(m.x, kNewTss, 0, 4);
  CHECK(m.s.cpl == 3);
}

TEST_CASE("a task switch switches local breakpoints off") {
  Tasks m;
  m.s.dr[7] = 0x4ff;
  far_jump(m.x, kNewTss, 0, 4);
  CHECK((m.s.dr[7] & 0xff) == 0xaa);
}

TEST_CASE("an event through a task gate is taken at the commit point, a fault before it changes nothing") {
  Tasks m;
  m.config.costs.cycles[static_cast<unsigned>(Cost::Interrupt)] = 100;
  m.gate32(2, kNewTss, 0, 0x85);
  m.s.interrupt_shadow = true;
  m.s.activity = Activity::Halted;
  m.put(Machine::kGdt + kNewTss, Machine::descriptor(kNewAt, 0x67, 0xeb, 0));  // busy
  CHECK(faults_with([&] { deliver_through_idt(m.x, event(2, EventType::Nmi)); }, kGP, kNewTss | 1));
  CHECK(!m.s.nmi_blocked);
  CHECK(m.s.interrupt_shadow);
  CHECK(m.s.activity == Activity::Halted);
  CHECK(m.timing.cycle() == 0);
  m.put(Machine::kGdt + kNewTss, Machine::descriptor(kNewAt, 0x67, 0xe9, 0));
  m.task(0x54, kAbsentData);  // a fault of the new task
  CHECK(faults_with([&] { deliver_through_idt(m.x, event(2, EventType::Nmi)); }, kNP, kAbsentData | 1));
  CHECK(m.s.nmi_blocked);
  CHECK(!m.s.interrupt_shadow);
  CHECK(m.s.activity == Activity::Running);
  CHECK(m.timing.cycle() == 100);
}

TEST_CASE("a 16-bit TSS has the low words and leaves CR3") {
  Tasks m;
  m.put(kTss16At + 0x0e, 0x6000, 2);
  m.put(kTss16At + 0x10, kFixed1, 2);
  m.put(kTss16At + 0x12, 0x1111, 2);
  m.put(kTss16At + 0x1a, 0x7000, 2);
  for (unsigned i = 0; i < 4; ++i) m.put(kTss16At + 0x22 + 2 * i, i == 1 ? kCode32 : kData, 2);
  m.s.gpr[RAX] = 0xaaaa0000;
  far_jump(m.x, kTss16, 0, 4);
  CHECK(m.s.rip == 0x6000);
  CHECK((m.s.gpr[RAX] & 0xffff) == 0x1111);
  CHECK((m.s.gpr[RSP] & 0xffff) == 0x7000);
  CHECK(m.s.seg[FS].unusable());
}

TEST_CASE("with paging the new task has its own CR3") {
  Tasks m;
  m.s.cr3 = Machine::kTables;
  for (const u64 table : {Machine::kTables, Machine::kTables + 0x4000})  // 4 MiB identity, 32-bit paging
    m.put(table, Machine::kP | Machine::kW | Machine::kPs, 4);
  m.s.cr4 = kCr4Pse;
  m.s.cr0 |= kCr0Pg;
  m.mmu.set_state(&m.s);
  m.task(0x1c, Machine::kTables + 0x4000);
  far_jump(m.x, kNewTss, 0, 4);
  CHECK(m.s.cr3 == Machine::kTables + 0x4000);
  CHECK(m.old(0x1c) == 0);  // not saved
}

TEST_CASE("in a guest a task switch is a VM-exit that tells TSS and source, after the descriptor's checks") {
  for (const TaskSource source : kSources) {
    Tasks m;
    FakeIntercepts intercepts;
    intercepts.all = true;
    m.x.intercepts = &intercepts;
    const auto exit = exit_of([&] { m.switch_by(source); });
    REQUIRE(exit);
    CHECK(exit->kind == ExitKind::TaskSwitch);
    CHECK(exit->qualification == (kNewTss | u64{static_cast<u8>(source)} << 30));
    CHECK(!m.x.committed);
    CHECK(m.s.tr.selector == kTss);
  }
  Tasks m;
  FakeIntercepts intercepts;
  intercepts.all = true;
  m.x.intercepts = &intercepts;
  m.put(Machine::kGdt + kNewTss, Machine::descriptor(kNewAt, 0x67, 0xeb, 0));
  CHECK(faults_with([&] { far_jump(m.x, kNewTss, 0, 4); }, kGP, kNewTss));
  m.gate32(0x80, kNewTss, 0, 0x85);
  m.put(Machine::kGdt + kNewTss, Machine::descriptor(kNewAt, 0x67, 0xe9, 0));
  const auto exit = exit_of([&] { software_interrupt(m.x, 0x80, EventType::SoftwareInterrupt); });
  REQUIRE(exit);
  CHECK(exit->vectoring.valid);
  CHECK(exit->vectoring.type == EventType::SoftwareInterrupt);
}

// SDM Vol. 3, "Architectural State Before a VM Exit" and "Information for VM Exits Due to Instruction
// Execution": of an injected software interrupt the length is the VM-entry's.
TEST_CASE("an injected event that meets a task gate exits recognized, with the length of its instruction") {
  const auto exit_of_event = [](Tasks& m, PendingEvent e) {
    FakeIntercepts intercepts;
    Core core(m.ram, m.env, m.timing);
    core.configure(m.config);
    m.gate32(e.vector, kNewTss, 0, 0x85);
    m.s.activity = Activity::Halted;
    m.s.interrupt_shadow = true;
    core.set_state(&m.s);
    intercepts.all = true;
    core.set_world(World::Guest, nullptr, &intercepts, 1);
    REQUIRE(core.deliver(e) == Stop::VmExit);
    CHECK(core.exit().kind == ExitKind::TaskSwitch);
    CHECK(core.exit().vectoring.valid);
    CHECK(core.exit().vectoring.vector == e.vector);
    CHECK(m.s.rip == 0x5000);
    CHECK(m.s.tr.selector == kTss);
    CHECK(m.s.activity == Activity::Running);
    CHECK(!m.s.interrupt_shadow);
    return core.exit();
  };
  for (const EventType type : {EventType::SoftwareInterrupt, EventType::SoftwareException}) {
    Tasks m;
    PendingEvent software = event(4, type);
    software.instruction_length = 2;
    CHECK(exit_of_event(m, software).instruction_length == 2);
    CHECK(!m.s.nmi_blocked);
  }
  Tasks m;
  CHECK(exit_of_event(m, event(2, EventType::Nmi)).instruction_length == 0);
  CHECK(m.s.nmi_blocked);
}

TEST_CASE("a fault behind the commit point is delivered in the new task, at its first instruction") {
  Tasks t;
  Core core(t.ram, t.env, t.timing);
  core.configure(t.config);
  t.gate32(kNP, kCode32, 0x7000);
  t.task(0x54, kAbsentData);
  const u8 code[] = {0xea, 0, 0, 0, 0, kNewTss, 0};  // jmp 90h:0
  t.ram.write(0x5000, code, sizeof code);
  core.set_state(&t.s);
  core.run({1, kNever});
  CHECK(t.s.rip == 0x7000);
  CHECK(t.s.tr.selector == kNewTss);
  CHECK(t.s.gpr[RSP] == kNewStack - 16);
  CHECK(t.get(t.s.gpr[RSP], 4) == kAbsentData);
  CHECK(t.get(t.s.gpr[RSP] + 4, 4) == 0x6000);
}

// SDM Vol. 3, "Task-Switch Exception Condition": a trap, before the new task's first instruction.
TEST_CASE("the T flag of a TSS traps once the instruction that switches tasks has retired") {
  const std::vector<u8> by_jump{0xea, 0, 0, 0, 0, kNewTss, 0}, by_int{0xcd, 0x80}, by_fault{0x0f, 0x0b};
  const auto run = [](const std::vector<u8>& code, bool step, bool trap) {
    Tasks t;
    Core core(t.ram, t.env, t.timing);
    core.configure(t.config);
    core.set_step(step);
    t.gate32(kDB, kCode32, 0x7000);
    t.gate32(0x80, kNewTss, 0, 0xe5);
    t.gate32(kUD, kNewTss, 0, 0x85);
    t.task(0x64, trap);
    t.ram.write(0x5000, code.data(), code.size());
    const u8 nop = 0x90;
    t.ram.write(0x6000, &nop, 1);
    core.set_state(&t.s);
    core.run({1, kNever});
    CHECK(t.s.tr.selector == kNewTss);
    CHECK(t.s.rip == (trap ? 0x7000 : 0x6000));
    CHECK((t.s.dr[6] >> 15 & 1) == trap);
    if (trap) CHECK(t.get(t.s.gpr[RSP], 4) == 0x6000);
    u64 branches = 0, instructions = 0;
    for (const CountVector& v : core.counts()) {
      instructions += v[static_cast<unsigned>(Count::Instructions)];
      branches += v[static_cast<unsigned>(Count::FarBranch)];
    }
    CHECK(branches == instructions);
    return instructions;
  };
  for (const bool step : {false, true})
    for (const bool trap : {false, true}) {
      CHECK(run(by_jump, step, trap) == 1);
      CHECK(run(by_int, step, trap) == 1);
      CHECK(run(by_fault, step, trap) == 0);
    }
}

TEST_CASE("single stepping and the T flag are one debug exception") {
  Tasks t;
  Core core(t.ram, t.env, t.timing);
  core.configure(t.config);
  t.gate32(kDB, kCode32, 0x7000);
  t.task(0x64, 1);
  const u8 code[] = {0xea, 0, 0, 0, 0, kNewTss, 0};
  t.ram.write(0x5000, code, sizeof code);
  t.s.rflags |= kTF;
  core.set_state(&t.s);
  core.run({1, kNever});
  CHECK(t.s.rip == 0x7000);
  CHECK((t.s.dr[6] & 0xc000) == 0xc000);
  CHECK(t.s.gpr[RSP] == kNewStack - 12);
}
