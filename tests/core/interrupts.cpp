// SPDX-License-Identifier: Apache-2.0
// Delivery through the IDT. Expectations: SDM Vol. 3, "Interrupt and Exception Handling" ("Exception- or
// Interrupt-Handler Procedures", "Error Code", "Exception and Interrupt Handling in 64-bit Mode", Table 6-5)
// and "Interrupt and Exception Handling in Real-Address Mode".
#include <doctest/doctest.h>

#include "machine.h"

using namespace pmusim;
using namespace pmusim::core;
using namespace pmusim::core::test;

namespace {

struct LongMode : Machine {
  LongMode() {
    long_mode();
    load_tss();
    put(kTssAt + 4, kInnerStack + 8);               // RSP0, deliberately not aligned to 16
    put(kTssAt + 0x24, kIstStack);                  // IST1
    put(kTssAt + 0x24 + 6 * 8, kIstStack + 0x800);  // IST7
    s.rflags = kFixed1 | kIF | kTF;
    s.rip = 0x5000;
    x.next_rip = 0x5002;
  }
  u64 slot(unsigned i) const { return get(s.gpr[RSP] + 8 * i); }
};

constexpr auto kExternal = EventType::ExternalInterrupt;
constexpr auto kHard = EventType::HardwareException;
constexpr auto kSoft = EventType::SoftwareInterrupt;

}  // namespace

TEST_CASE("real mode: the vector table gives CS:IP, three words are pushed, no error code") {
  Machine m;
  m.s.idtr = {0, 0x3ff};
  m.s.seg[CS].selector = 0x700;
  m.s.gpr[RSP] = 0x3000;
  m.s.rip = 0x1122;
  m.s.rflags |= kIF | kTF | kCF;
  m.put(13 * 4, 0x20005678, 4);
  deliver_through_idt(m.x, exception(kGP, 0));
  CHECK(m.s.rip == 0x5678);
  CHECK(m.s.seg[CS].base == 0x20000);
  CHECK(m.s.gpr[RSP] == 0x2ffa);
  CHECK(m.get(0x2ffa, 2) == 0x1122);
  CHECK(m.get(0x2ffc, 2) == 0x700);
  CHECK(m.get(0x2ffe, 2) == (kFixed1 | kIF | kTF | kCF));
  CHECK((m.s.rflags & (kIF | kTF)) == 0);
  m.s.idtr.limit = 13 * 4 + 3;
  CHECK_NOTHROW(deliver_through_idt(m.x, exception(kGP, 0)));
  m.s.idtr.limit = 13 * 4 + 2;
  CHECK(fault_of([&] { deliver_through_idt(m.x, exception(kGP, 0)); })->vector == kGP);
}

TEST_CASE("long mode: SS, RSP, RFLAGS, CS, RIP and the error code go to a stack aligned to 16") {
  LongMode m;
  m.gate64(kGP, kCode64, 0xffff800000001234);
  m.s.gpr[RSP] = Machine::kStack - 4;
  deliver_through_idt(m.x, exception(kGP, 0x28));
  CHECK(m.s.gpr[RSP] == Machine::kStack - 16 - 48);
  CHECK(m.slot(0) == 0x28);
  CHECK(m.slot(1) == 0x5000);
  CHECK(m.slot(2) == kCode64);
  CHECK(m.slot(3) == (kFixed1 | kIF | kTF | kRF));
  CHECK(m.slot(4) == Machine::kStack - 4);
  CHECK(m.slot(5) == kData);
  CHECK(m.s.rip == 0xffff800000001234);
  CHECK(m.s.rflags == kFixed1);
}

TEST_CASE("RF is set in the image of faults, not of interrupts, software interrupts or #DB") {
  for (const PendingEvent& e :
       {event(0x20, kExternal), event(0x20, kSoft), event(kDB, kHard), event(kNMI, EventType::Nmi)}) {
    CAPTURE(e.vector);
    LongMode m;
    m.gate64(e.vector, kCode64, 0x6000);
    deliver_through_idt(m.x, e);
    CHECK((m.slot(2) & kRF) == 0);
  }
  LongMode m;
  m.gate64(kUD, kCode64, 0x6000);
  deliver_through_idt(m.x, event(kUD, kHard));
  CHECK((m.slot(2) & kRF) != 0);
}

TEST_CASE("software interrupts push the next address, everything else the current one") {
  LongMode m;
  m.gate64(0x80, kCode64, 0x6000);
  software_interrupt(m.x, 0x80, kSoft);
  CHECK(m.slot(0) == 0x5002);
  LongMode n;
  n.gate64(0x80, kCode64, 0x6000);
  deliver_through_idt(n.x, event(0x80, kExternal));
  CHECK(n.slot(0) == 0x5000);
}

TEST_CASE("an interrupt gate clears IF, a trap gate keeps it, both clear TF, NT and RF") {
  for (const u8 type : {0x8e, 0x8f}) {
    LongMode m;
    m.s.rflags |= kNT | kRF;
    m.gate64(0x20, kCode64, 0x6000, type);
    deliver_through_idt(m.x, event(0x20, kExternal));
    CHECK((m.s.rflags & (kTF | kNT | kRF)) == 0);
    CHECK(((m.s.rflags & kIF) != 0) == (type == 0x8f));
  }
}

TEST_CASE("from CPL 3 delivery goes to RSP0 with a null SS") {
  LongMode m;
  m.user();
  m.s.gpr[RSP] = 0x7000;
  m.gate64(0x20, kCode64, 0x6000);
  deliver_through_idt(m.x, event(0x20, kExternal));
  CHECK(m.s.cpl == 0);
  CHECK(m.s.gpr[RSP] == Machine::kInnerStack - 40);
  CHECK(m.s.seg[SS].selector == 0);
  CHECK(m.slot(1) == (kUserCode64 | 3));
  CHECK(m.slot(3) == 0x7000);
  CHECK(m.slot(4) == (kUserData | 3));
}

TEST_CASE("an IST entry is used at any privilege") {
  LongMode m;
  m.gate64(kNMI, kCode64, 0x6000, 0x8e, 1);
  deliver_through_idt(m.x, event(kNMI, EventType::Nmi));
  CHECK(m.s.gpr[RSP] == Machine::kIstStack - 40);
  CHECK(m.s.nmi_blocked);
  m.gate64(kDF, kCode64, 0x6000, 0x8e, 7);
  deliver_through_idt(m.x, exception(kDF, 0));
  CHECK(m.s.gpr[RSP] == Machine::kIstStack + 0x800 - 48);
}

TEST_CASE("a TSS too short for the stack pointer is #TS(TR)") {
  LongMode m;
  m.gate64(0x20, kCode64, 0x6000, 0x8e, 7);
  m.s.tr.limit = 0x24 + 7 * 8 - 1;
  CHECK_NOTHROW(deliver_through_idt(m.x, event(0x20, kExternal)));
  m.s.tr.limit -= 1;
  CHECK(faults_with([&] { deliver_through_idt(m.x, event(0x20, kExternal)); }, kTS, kTss | 1));
}

TEST_CASE("a non-canonical inner stack is #SS(EXT)") {
  LongMode m;
  m.user();
  m.put(Machine::kTssAt + 4, 0x900000000000);
  m.gate64(0x20, kCode64, 0x6000, 0xee);
  CHECK(faults_with([&] { deliver_through_idt(m.x, event(0x20, kExternal)); }, kSS, 1));
  CHECK(faults_with([&] { software_interrupt(m.x, 0x20, kSoft); }, kSS, 0));
}

TEST_CASE(
    "the IDT limit: the whole gate must lie inside, the error code names the vector, with EXT unless "
    "software") {
  LongMode m;
  m.gate64(0x20, kCode64, 0x6000);
  m.s.idtr.limit = 0x20f;
  CHECK_NOTHROW(deliver_through_idt(m.x, event(0x20, kExternal)));
  m.s.idtr.limit = 0x20e;
  CHECK(faults_with([&] { deliver_through_idt(m.x, event(0x20, kExternal)); }, kGP, 0x20 * 8 + 3));
  CHECK(faults_with([&] { software_interrupt(m.x, 0x20, kSoft); }, kGP, 0x20 * 8 + 2));
  CHECK(faults_with([&] { software_interrupt(m.x, 0x20, EventType::PrivilegedSoftwareException); }, kGP,
                    0x20 * 8 + 3));
}

TEST_CASE("gate type and presence") {
  LongMode m;
  m.gate64(0x20, kCode64, 0x6000, 0x85);
  CHECK(faults_with([&] { deliver_through_idt(m.x, event(0x20, kExternal)); }, kGP, 0x103));
  m.gate64(0x20, kCode64, 0x6000, 0x0e);
  CHECK(faults_with([&] { deliver_through_idt(m.x, event(0x20, kExternal)); }, kNP, 0x103));
}

TEST_CASE("a gate's DPL limits software interrupts only") {
  LongMode m;
  m.user();
  m.gate64(0x20, kCode64, 0x6000, 0x8e);
  CHECK(faults_with([&] { software_interrupt(m.x, 0x20, kSoft); }, kGP, 0x102));
  CHECK(faults_with([&] { software_interrupt(m.x, 0x20, EventType::SoftwareException); }, kGP, 0x102));
  CHECK(m.s.cpl == 3);
  CHECK_NOTHROW(deliver_through_idt(m.x, event(0x20, kExternal)));
  m.user();
  m.gate64(0x20, kCode64, 0x6000, 0xee);
  CHECK_NOTHROW(software_interrupt(m.x, 0x20, kSoft));
}

TEST_CASE("the handler's code segment is checked, in long mode it must be 64-bit") {
  LongMode m;
  const auto deliver = [&](u16 selector) {
    m.gate64(0x20, selector, 0x6000);
    deliver_through_idt(m.x, event(0x20, kExternal));
  };
  CHECK(faults_with([&] { deliver(0); }, kGP, 1));
  CHECK(faults_with([&] { deliver(kGdtEnd); }, kGP, kGdtEnd | 1));
  CHECK(faults_with([&] { deliver(kData); }, kGP, kData | 1));
  CHECK(faults_with([&] { deliver(kUserCode64); }, kGP, kUserCode64 | 1));
  CHECK(faults_with([&] { deliver(kAbsentCode); }, kNP, kAbsentCode | 1));
  CHECK(faults_with([&] { deliver(kCode32); }, kGP, kCode32 | 1));
  m.gate64(0x20, kCode64, 0x800000000000);
  CHECK(faults_with([&] { deliver_through_idt(m.x, event(0x20, kExternal)); }, kGP, 1));
}

TEST_CASE("a fault during delivery leaves registers as they were") {
  LongMode m;
  m.user();
  m.gate64(0x20, kCode64, 0x6000);
  m.put(Machine::kTssAt + 4, 0x80000000);  // not mapped
  const u64 rsp = m.s.gpr[RSP];
  const auto fault = fault_of([&] { deliver_through_idt(m.x, event(0x20, kExternal)); });
  REQUIRE(fault);
  CHECK(fault->vector == kPF);
  CHECK(fault->error_code == 2);  // a supervisor's write
  CHECK(m.s.cpl == 3);
  CHECK(m.s.gpr[RSP] == rsp);
  CHECK(m.s.rip == 0x5000);
}

TEST_CASE("32-bit mode: same privilege pushes EFLAGS, CS, EIP, a 16-bit gate pushes words") {
  Machine m;
  m.protected_mode();
  m.gate32(0x20, kCode32, 0x12345678);
  deliver_through_idt(m.x, event(0x20, kExternal));
  CHECK(m.s.gpr[RSP] == Machine::kStack - 12);
  CHECK(m.get(Machine::kStack - 12, 4) == 0x5000);
  CHECK(m.s.rip == 0x12345678);
  m.protected_mode();
  m.gate32(0x20, kCode32, 0x12345678, 0x86);
  deliver_through_idt(m.x, event(0x20, kExternal));
  CHECK(m.s.gpr[RSP] == Machine::kStack - 6);
  CHECK(m.s.rip == 0x5678);
}

TEST_CASE("32-bit mode: from CPL 3 the TSS gives SS0:ESP0, which are checked") {
  Machine m;
  m.protected_mode();
  m.load_tss();
  m.user();
  m.put(Machine::kTssAt + 4, Machine::kInnerStack, 4);
  m.put(Machine::kTssAt + 8, kData, 4);
  m.gate32(kGP, kCode32, 0x6000);
  deliver_through_idt(m.x, exception(kGP, 0x18));
  CHECK(m.s.cpl == 0);
  CHECK(m.s.seg[SS].selector == kData);
  CHECK(m.s.gpr[RSP] == Machine::kInnerStack - 24);
  CHECK(m.get(m.s.gpr[RSP], 4) == 0x18);
  CHECK(m.get(m.s.gpr[RSP] + 16, 4) == Machine::kStack);
  CHECK(m.get(m.s.gpr[RSP] + 20, 4) == (kUserData | 3));
  const auto with_ss = [&](u16 ss) {
    m.user();
    m.put(Machine::kTssAt + 8, ss, 4);
    return fault_of([&] { deliver_through_idt(m.x, exception(kGP, 0x18)); });
  };
  CHECK(with_ss(0)->vector == kTS);
  CHECK(with_ss(0)->error_code == 1);
  CHECK(with_ss(kUserData | 3)->error_code == (kUserData | 1));
  CHECK(with_ss(kData | 1)->error_code == (kData | 1));
  CHECK(with_ss(kUserData)->error_code == (kUserData | 1));
  CHECK(with_ss(kReadOnly)->vector == kTS);
  CHECK(with_ss(kAbsentData)->vector == kSS);
}

TEST_CASE("IRETQ returns to exactly where delivery left") {
  LongMode m;
  m.user();
  m.s.gpr[RSP] = 0x7123;
  const CpuState before = m.s;
  m.gate64(0x20, kCode64, 0x6000);
  deliver_through_idt(m.x, event(0x20, kExternal));
  iret(m.x, 8);
  CHECK(m.s.rip == before.rip);
  CHECK(m.s.rflags == before.rflags);
  CHECK(m.s.gpr[RSP] == before.gpr[RSP]);
  CHECK(m.s.cpl == 3);
  CHECK(m.s.seg[SS].selector == before.seg[SS].selector);
}

TEST_CASE("delivery ends the interrupt shadow and a halt, and takes its cost by kind") {
  LongMode m;
  m.config.costs.cycles[static_cast<unsigned>(Cost::Interrupt)] = 100;
  m.config.costs.cycles[static_cast<unsigned>(Cost::Exception)] = 7;
  m.gate64(0x20, kCode64, 0x6000);
  m.gate64(kUD, kCode64, 0x6000);
  m.s.interrupt_shadow = true;
  m.s.activity = Activity::Halted;
  deliver_through_idt(m.x, event(0x20, kExternal));
  CHECK(m.timing.cycle() == 100);
  CHECK_FALSE(m.s.interrupt_shadow);
  CHECK(m.s.activity == Activity::Running);
  deliver_through_idt(m.x, event(kUD, kHard));
  CHECK(m.timing.cycle() == 107);
}

TEST_CASE("INT3 obeys the exception bitmap, INT n does not") {
  LongMode m;
  FakeIntercepts intercepts;
  intercepts.all = true;
  m.x.intercepts = &intercepts;
  m.gate64(kBP, kCode64, 0x6000);
  const auto exit = exit_of([&] { software_interrupt(m.x, kBP, EventType::SoftwareException); });
  REQUIRE(exit);
  CHECK(exit->kind == ExitKind::Exception);
  CHECK(exit->qualification == kBP);
  CHECK_FALSE(exit_of([&] { software_interrupt(m.x, kBP, kSoft); }));
}

TEST_CASE("double faults arise as the table of exception classes says") {
  const u8 benign = kUD, contributory = kGP;
  const auto is = [](u8 first, u8 second) { return escalate(first, true, second); };
  CHECK(is(benign, contributory) == Escalation::Serial);
  CHECK(is(benign, kPF) == Escalation::Serial);
  CHECK(is(contributory, benign) == Escalation::Serial);
  for (const u8 v : {kDE, kTS, kNP, kSS, kGP, kCP}) {
    CAPTURE(v);
    CHECK(is(contributory, v) == Escalation::DoubleFault);
    CHECK(is(v, contributory) == Escalation::DoubleFault);
    CHECK(is(kPF, v) == Escalation::DoubleFault);
    CHECK(is(v, kPF) == Escalation::Serial);
    CHECK(is(kDF, v) == Escalation::TripleFault);
  }
  CHECK(is(kPF, kPF) == Escalation::DoubleFault);
  CHECK(is(20, kPF) == Escalation::DoubleFault);  // virtualization exceptions count as page faults
  CHECK(is(kPF, benign) == Escalation::Serial);
  CHECK(is(kDF, kPF) == Escalation::TripleFault);
  CHECK(is(kDF, benign) == Escalation::Serial);
  CHECK(escalate(kGP, false, kGP) == Escalation::Serial);  // an interrupt with that vector
}

TEST_CASE("a fault becomes a hardware exception, CR2 changes only for page faults") {
  CpuState s;
  const Fault pf{kPF, true, 6, true, 0x1234};
  const PendingEvent e = event_of(pf);
  CHECK(e.valid);
  CHECK(e.vector == kPF);
  CHECK(e.type == kHard);
  CHECK(e.error_code == 6);
  set_cr2(s, pf);
  CHECK(s.cr2 == 0x1234);
  set_cr2(s, Fault{kGP, true, 0});
  CHECK(s.cr2 == 0x1234);
}
