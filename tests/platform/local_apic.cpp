// SPDX-License-Identifier: Apache-2.0
// Local APIC rules. Sources: SDM Vol. 3, "Advanced Programmable Interrupt Controller" and "Extended XAPIC
// (x2APIC)"; for AMD's LVTPC the kernel's exemption in kvm_pmu_deliver_pmi and APM Vol. 2, 16.4.
#include <doctest/doctest.h>

#include "platform/apic/local_apic.h"

using namespace pmusim;
using namespace pmusim::platform;

namespace {

struct Wires : ApicBus {
  std::vector<ApicMessage> sent;
  std::vector<u8> ended;
  void send(const ApicMessage& m) override { sent.push_back(m); }
  void broadcast_eoi(u8 vector) override { ended.push_back(vector); }
};

// TSC runs at twice, the timer at half the cycle rate.
struct TestClock : ApicClock {
  u64 now = 0;
  u64 cycle() const override { return now; }
  u64 tsc() const override { return 2 * now; }
  u64 cycle_at_tsc(u64 tsc) const override { return (tsc + 1) / 2; }
  u64 timer_ticks() const override { return now / 2; }
  u64 cycle_at_timer_ticks(u64 ticks) const override { return 2 * ticks; }
};

struct Rig {
  Wires wires;
  TestClock clock;
  LocalApic apic{wires, clock};
  explicit Rig(u32 id = 0, bool intel = true) {
    ApicFeatures f;
    f.masks_lvtpc_on_pmi = intel;
    apic.power_on(id, id == 0, f);
    apic.write(apic::kSvr, 0x1ff);
  }
  void at(u64 cycle) {
    clock.now = cycle;
    apic.update();
  }
  bool x2() { return apic.write_base(apic.base() | apic::kBaseExtd); }
};

ApicMessage fixed_to(u32 destination, bool logical) {
  ApicMessage m;
  m.vector = 0x40;
  m.destination = destination;
  m.logical = logical;
  m.broadcast = destination == 0xff;
  m.source = 99;
  return m;
}

}  // namespace

TEST_CASE("every LVT entry is masked after reset") {
  Wires w;
  TestClock c;
  LocalApic a(w, c);
  a.power_on(0, true, {});
  for (u32 offset = apic::kLvtTimer; offset <= apic::kLvtError; offset += 16)
    CHECK(a.read(offset) == 0x10000);
  CHECK(a.read(apic::kSvr) == 0xff);
  CHECK(a.read(apic::kDfr) == 0xffffffff);
  const u32 version = a.read(apic::kVersion);
  CHECK((version & 0xff) >= 0x10);
  CHECK((version & 0xff) <= 0x15);
}

TEST_CASE("Intel masks LVTPC when it handles a PMI, AMD does not") {
  for (const bool intel : {true, false}) {
    Rig r(0, intel);
    r.apic.write(apic::kLvtPc, 0x40);
    CHECK(r.apic.pmi() == LocalApic::Local::Fixed);
    CHECK(r.apic.pending() == 0x40);
    CHECK((r.apic.read(apic::kLvtPc) & apic::kMasked) == (intel ? apic::kMasked : 0u));
    CHECK(r.apic.pmi() == (intel ? LocalApic::Local::Masked : LocalApic::Local::Fixed));
  }
}

TEST_CASE("a masked LVTPC loses the PMI instead of pending it") {
  Rig r;
  CHECK(r.apic.pmi() == LocalApic::Local::Masked);
  r.apic.write(apic::kLvtPc, 0x40);
  CHECK(r.apic.pending() == -1);
}

TEST_CASE("LVTPC in NMI mode latches at most one NMI") {
  Rig r(0, false);
  r.apic.write(apic::kLvtPc, 0x400);
  CHECK(r.apic.pmi() == LocalApic::Local::Nmi);
  CHECK(r.apic.pmi() == LocalApic::Local::Nmi);
  CHECK(r.apic.nmi_pending());
  r.apic.take_nmi();
  CHECK_FALSE(r.apic.nmi_pending());
}

TEST_CASE(
    "while the APIC is software-disabled LVT masks cannot be cleared and fixed interrupts are not accepted") {
  Rig r;
  r.apic.write(apic::kSvr, 0xff);
  r.apic.write(apic::kLvtPc, 0x40);
  CHECK(r.apic.read(apic::kLvtPc) == 0x10040);
  r.apic.receive(fixed_to(0, false));
  CHECK(r.apic.pending() == -1);
  ApicMessage nmi = fixed_to(0, false);
  nmi.delivery = ApicDelivery::Nmi;
  r.apic.receive(nmi);
  CHECK(r.apic.nmi_pending());
}

TEST_CASE(
    "priority: only a class above the task's and the one in service is delivered, EOI ends the highest") {
  Rig r;
  auto request = [&](u8 vector) {
    ApicMessage m;
    m.vector = vector;
    r.apic.receive(m);
  };
  r.apic.write(apic::kTpr, 0x40);
  request(0x4f);
  CHECK(r.apic.pending() == -1);
  request(0x51);
  CHECK(r.apic.pending() == 0x51);
  r.apic.acknowledge(0x51);
  CHECK(r.apic.read(apic::kPpr) == 0x50);
  request(0x5f);
  CHECK(r.apic.pending() == -1);
  request(0x60);
  CHECK(r.apic.pending() == 0x60);
  r.apic.acknowledge(0x60);
  r.apic.write(apic::kEoi, 0);
  CHECK_FALSE(r.apic.in_service(0x60));
  CHECK(r.apic.in_service(0x51));
  r.apic.write(apic::kEoi, 0);
  CHECK(r.apic.pending() == 0x5f);
}

TEST_CASE("flat logical mode matches any common bit, cluster mode needs the cluster too") {
  Rig r(3);
  r.apic.write(apic::kLdr, 0x24000000);
  CHECK(r.apic.accepts(fixed_to(0x04, true)));
  CHECK(r.apic.accepts(fixed_to(0x20, true)));
  CHECK_FALSE(r.apic.accepts(fixed_to(0x02, true)));
  r.apic.write(apic::kDfr, 0x0fffffff);
  CHECK(r.apic.accepts(fixed_to(0x24, true)));
  CHECK_FALSE(r.apic.accepts(fixed_to(0x14, true)));
  CHECK_FALSE(r.apic.accepts(fixed_to(0x22, true)));
  CHECK(r.apic.accepts(fixed_to(0xff, true)));
  CHECK(r.apic.accepts(fixed_to(3, false)));
  CHECK_FALSE(r.apic.accepts(fixed_to(4, false)));
  CHECK(r.apic.accepts(fixed_to(0xff, false)));
}

TEST_CASE("x2APIC logical IDs derive from the APIC ID and are matched within the cluster") {
  Rig r(0x23);
  CHECK(r.x2());
  u64 ldr = 0;
  CHECK(r.apic.read_msr(0x80d, ldr));
  CHECK(ldr == 0x00020008);
  CHECK(r.apic.accepts(fixed_to(0x0002000f, true)));
  CHECK_FALSE(r.apic.accepts(fixed_to(0x00020007, true)));
  CHECK_FALSE(r.apic.accepts(fixed_to(0x00030008, true)));
}

TEST_CASE("the ICR's busy bit clears although nobody accepts the message") {
  Rig r;
  r.apic.write(apic::kIcrHigh, 0x7f000000);
  r.apic.write(apic::kIcr, 0x4500);
  CHECK((r.apic.read(apic::kIcr) & 0x1000) == 0);
  REQUIRE(r.wires.sent.size() == 1);
  CHECK(r.wires.sent[0].delivery == ApicDelivery::Init);
  CHECK(r.wires.sent[0].destination == 0x7f);
}

TEST_CASE("a self IPI stays in the APIC, an illegal vector is reported in ESR after a write to it") {
  Rig r;
  r.apic.write(apic::kIcr, 0x40040);
  CHECK(r.apic.pending() == 0x40);
  CHECK(r.wires.sent.empty());
  r.apic.write(apic::kIcr, 0x4000f);
  CHECK(r.apic.read(apic::kEsr) == 0);
  r.apic.write(apic::kEsr, 0);
  CHECK(r.apic.read(apic::kEsr) == 0x20);
}

TEST_CASE("one-shot timer counts down at the divided clock, fires once and then reads 0") {
  Rig r;
  r.apic.write(apic::kLvtTimer, 0x40);
  r.apic.write(apic::kDivide, 0x3);  // by 16
  r.apic.write(apic::kInitialCount, 10);
  CHECK(r.apic.read(apic::kCurrentCount) == 10);
  CHECK(r.apic.next_deadline() == 320);  // 10 x 16 ticks of two cycles
  r.at(319);
  CHECK(r.apic.read(apic::kCurrentCount) == 1);
  CHECK(r.apic.pending() == -1);
  r.at(320);
  CHECK(r.apic.pending() == 0x40);
  CHECK(r.apic.read(apic::kCurrentCount) == 0);
  CHECK(r.apic.next_deadline() == kNever);
}

TEST_CASE("periodic timer reloads, also after several periods at once") {
  Rig r;
  r.apic.write(apic::kLvtTimer, 0x20040);
  r.apic.write(apic::kDivide, 0xb);  // by 1
  r.apic.write(apic::kInitialCount, 100);
  r.at(200);
  CHECK(r.apic.pending() == 0x40);
  CHECK(r.apic.next_deadline() == 400);
  r.at(950);
  CHECK(r.apic.next_deadline() == 1000);
  CHECK(r.apic.read(apic::kCurrentCount) == 25);
}

TEST_CASE("a periodic timer with a least period is lengthened to it, a one-shot timer is not") {
  for (const u32 count : {99u, 100u, 101u}) {
    CAPTURE(count);
    Rig r;
    ApicFeatures f;
    f.least_period = 200;
    r.apic.power_on(0, true, f);
    r.apic.write(apic::kSvr, 0x1ff);
    const u64 ticks = 2 * std::max(count, 100u);  // divided by 2; a tick is two cycles
    r.apic.write(apic::kLvtTimer, 0x20040);
    r.apic.write(apic::kInitialCount, count);
    CHECK(r.apic.next_deadline() == 2 * ticks);
    r.at(2 * ticks);
    CHECK(r.apic.pending() == 0x40);
    CHECK(r.apic.next_deadline() == 4 * ticks);
    r.apic.write(apic::kLvtTimer, 0x40);
    r.apic.write(apic::kInitialCount, count);
    CHECK(r.apic.next_deadline() == 2 * ticks + 4 * count);
  }
}

TEST_CASE("a TSC deadline in the past fires at once and reads 0 afterwards") {
  Rig r;
  r.at(1000);
  r.apic.write(apic::kLvtTimer, 0x40040);
  r.apic.write_tsc_deadline(1999);
  CHECK(r.apic.pending() == 0x40);
  CHECK(r.apic.tsc_deadline() == 0);
  r.apic.write_tsc_deadline(2001);
  CHECK(r.apic.tsc_deadline() == 2001);
  CHECK(r.apic.next_deadline() == 1001);
}

TEST_CASE("the TSC deadline is ignored outside its mode, and a mode change disarms") {
  Rig r;
  r.apic.write(apic::kLvtTimer, 0x40);
  r.apic.write_tsc_deadline(5000);
  CHECK(r.apic.next_deadline() == kNever);
  r.apic.write(apic::kLvtTimer, 0x40040);
  r.apic.write_tsc_deadline(5000);
  CHECK(r.apic.next_deadline() == 2500);
  r.apic.write(apic::kInitialCount, 100);  // ignored in this mode
  r.apic.write(apic::kLvtTimer, 0x40);
  CHECK(r.apic.next_deadline() == kNever);
  CHECK(r.apic.tsc_deadline() == 0);
}

TEST_CASE("IA32_APIC_BASE: illegal transitions and reserved bits are #GP") {
  Rig r;
  const u64 on = apic::kBaseDefault | apic::kBaseEnable, ext = apic::kBaseExtd;
  CHECK_FALSE(r.apic.write_base(apic::kBaseDefault | ext));  // EXTD without EN
  CHECK_FALSE(r.apic.write_base(on | 1));
  CHECK_FALSE(r.apic.write_base(on | u64{1} << 46));
  CHECK(r.apic.write_base(on | ext));
  CHECK_FALSE(r.apic.write_base(on));            // x2APIC to xAPIC
  CHECK(r.apic.write_base(apic::kBaseDefault));  // to disabled
  CHECK_FALSE(r.apic.write_base(on | ext));      // disabled to x2APIC
  CHECK(r.apic.write_base(on));
}

TEST_CASE("x2APIC MSRs: #GP in xAPIC mode, on reserved registers and bits, and by direction") {
  Rig r;
  u64 v = 0;
  CHECK_FALSE(r.apic.read_msr(0x802, v));
  CHECK_FALSE(r.apic.write_msr(0x808, 0));
  CHECK(r.x2());
  CHECK(r.apic.read_msr(0x802, v));
  CHECK_FALSE(r.apic.write_msr(0x802, 0));
  CHECK_FALSE(r.apic.read_msr(0x80e, v));  // DFR does not exist
  CHECK_FALSE(r.apic.read_msr(0x831, v));  // upper half of the ICR
  CHECK_FALSE(r.apic.read_msr(0x80b, v));  // EOI is write-only
  CHECK(r.apic.write_msr(0x80b, 0));
  CHECK_FALSE(r.apic.write_msr(0x80b, 1));
  CHECK_FALSE(r.apic.write_msr(0x828, 1));
  CHECK(r.apic.write_msr(0x808, 0xff));
  CHECK_FALSE(r.apic.write_msr(0x808, 0x100));
  CHECK(r.apic.write_msr(0x834, 0x10400));
  CHECK_FALSE(r.apic.write_msr(0x834, 0x20400));  // timer mode bit in LVTPC
  CHECK_FALSE(r.apic.write_msr(0x834, u64{1} << 32));
  CHECK(r.apic.write_msr(0x808, 0));
  CHECK(r.apic.write_msr(0x83f, 0x55));
  CHECK(r.apic.pending() == 0x55);
}

TEST_CASE("the xAPIC page is claimed only while the APIC is enabled in xAPIC mode, at its base") {
  Rig r;
  CHECK(r.apic.claims(0xfee00320));
  CHECK_FALSE(r.apic.claims(0xfee01000));
  CHECK(r.apic.write_base(0xfed00000 | apic::kBaseEnable));
  CHECK(r.apic.claims(0xfed00020));
  CHECK_FALSE(r.apic.claims(0xfee00020));
  CHECK(r.x2());
  CHECK_FALSE(r.apic.claims(0xfed00020));
}

// APM Vol. 2, "APIC ID Register": read and write; arch/x86/kvm/lapic.c, kvm_lapic_reg_write and
// kvm_lapic_set_base.
TEST_CASE("a written xAPIC ID is what physical destinations mean, until the APIC is enabled anew or x2APIC") {
  Rig r(5);
  r.apic.write(apic::kId, 0x42000000);
  CHECK(r.apic.read(apic::kId) == 0x42000000);
  CHECK(r.apic.accepts(fixed_to(0x42, false)));
  CHECK_FALSE(r.apic.accepts(fixed_to(5, false)));
  CHECK(r.apic.id() == 5);
  CHECK(r.apic.write_base(apic::kBaseDefault));
  CHECK(r.apic.write_base(apic::kBaseDefault | apic::kBaseEnable));
  CHECK(r.apic.read(apic::kId) == 0x05000000);
  r.apic.write(apic::kId, 0x42000000);
  CHECK(r.x2());
  CHECK(r.apic.accepts(fixed_to(5, false)));
  CHECK_FALSE(r.apic.accepts(fixed_to(0x42, false)));
}

TEST_CASE("INIT resets the registers but neither ID nor base") {
  Rig r(5);
  r.apic.write(apic::kLvtPc, 0x400);
  r.apic.write(apic::kTpr, 0x50);
  r.apic.init();
  CHECK(r.apic.read(apic::kId) == 0x05000000);
  CHECK(r.apic.read(apic::kLvtPc) == 0x10000);
  CHECK(r.apic.read(apic::kTpr) == 0);
  CHECK(r.apic.enabled());
}

TEST_CASE(
    "the end of a level-triggered interrupt is broadcast, that of an edge is not, and TMR shows which") {
  Rig r;
  ApicMessage m = fixed_to(0, false);
  m.level_trigger = true;
  r.apic.receive(m);
  CHECK(r.apic.read(apic::kTmr + 0x20) == 1);
  CHECK(r.apic.read(apic::kIrr + 0x20) == 1);
  r.apic.acknowledge(0x40);
  CHECK(r.apic.read(apic::kIrr + 0x20) == 0);
  CHECK(r.apic.read(apic::kIsr + 0x20) == 1);
  r.apic.write(apic::kEoi, 0);
  REQUIRE(r.wires.ended.size() == 1);
  CHECK(r.wires.ended[0] == 0x40);
  m.level_trigger = false;
  r.apic.receive(m);
  CHECK(r.apic.read(apic::kTmr + 0x20) == 0);
  r.apic.acknowledge(0x40);
  r.apic.write(apic::kEoi, 0);
  CHECK(r.wires.ended.size() == 1);
}

TEST_CASE(
    "an 8259A interrupts through LINT0 as ExtINT, or directly while the APIC is off, never with LINT0 "
    "masked") {
  Rig r;
  ApicMessage line;
  line.delivery = ApicDelivery::ExtInt;
  CHECK(r.apic.accepts(line));
  r.apic.receive(line);
  CHECK_FALSE(r.apic.external_pending());  // masked since reset
  r.apic.connect_virtual_wire();
  CHECK(r.apic.external_pending());
  CHECK(r.apic.interrupt_pending());
  CHECK(r.apic.pending() == -1);
  r.apic.write(apic::kLvtLint0, 0x40);  // fixed
  CHECK_FALSE(r.apic.external_pending());
  CHECK(r.apic.write_base(apic::kBaseDefault));
  CHECK(r.apic.external_pending());
  line.deassert = true;
  CHECK(r.apic.accepts(line));
  r.apic.receive(line);
  CHECK_FALSE(r.apic.external_pending());
}

TEST_CASE("every divide value of the timer, and a new one in mid-count keeps what is left") {
  const std::pair<u32, u64> divides[] = {{0x0, 2},  {0x1, 4},  {0x2, 8},   {0x3, 16},
                                         {0x8, 32}, {0x9, 64}, {0xa, 128}, {0xb, 1}};
  for (const auto& [value, divisor] : divides) {
    Rig r;
    r.apic.write(apic::kLvtTimer, 0x40);
    r.apic.write(apic::kDivide, value);
    CHECK(r.apic.read(apic::kDivide) == value);
    r.apic.write(apic::kInitialCount, 7);
    CHECK(r.apic.next_deadline() == 2 * 7 * divisor);
  }
  Rig r;
  r.apic.write(apic::kLvtTimer, 0x40);
  r.apic.write(apic::kDivide, 0xb);
  r.apic.write(apic::kInitialCount, 100);
  r.at(120);
  r.apic.write(apic::kDivide, 0x0);  // by 2: 40 are left
  CHECK(r.apic.read(apic::kCurrentCount) == 40);
  CHECK(r.apic.next_deadline() == 120 + 2 * 40 * 2);
}

TEST_CASE("one-shot to periodic in mid-count goes on counting, and a count that has ended stays at 0") {
  Rig r;
  r.apic.write(apic::kLvtTimer, 0x40);
  r.apic.write(apic::kDivide, 0xb);
  r.apic.write(apic::kInitialCount, 100);
  r.at(120);
  r.apic.write(apic::kLvtTimer, 0x20040);
  CHECK(r.apic.read(apic::kCurrentCount) == 40);
  r.at(210);
  CHECK(r.apic.read(apic::kCurrentCount) == 95);
  r.apic.write(apic::kLvtTimer, 0x40);
  CHECK(r.apic.read(apic::kCurrentCount) == 95);
  r.at(500);
  CHECK(r.apic.read(apic::kCurrentCount) == 0);
  r.apic.write(apic::kLvtTimer, 0x20040);
  CHECK(r.apic.read(apic::kCurrentCount) == 0);
  CHECK(r.apic.read(apic::kInitialCount) == 100);
}

TEST_CASE("disabled by IA32_APIC_BASE, the APIC accepts nothing but INIT and SIPI, and CR8 still works") {
  Rig r;
  CHECK(r.apic.write_base(apic::kBaseDefault));
  CHECK_FALSE(r.apic.accepts(fixed_to(0, false)));
  ApicMessage init = fixed_to(0, false);
  init.delivery = ApicDelivery::Init;
  CHECK(r.apic.accepts(init));
  r.apic.write_cr8(9);
  CHECK(r.apic.cr8() == 9);
  CHECK_FALSE(r.apic.claims(apic::kBaseDefault + 0x30));
}

TEST_CASE("shorthands: all includes the sender, all but self does not, a lone INIT is latched until taken") {
  Rig r(2);
  ApicMessage m = fixed_to(0, false);
  m.source = 2;
  m.shorthand = ApicShorthand::All;
  CHECK(r.apic.accepts(m));
  m.shorthand = ApicShorthand::AllButSelf;
  CHECK_FALSE(r.apic.accepts(m));
  m.source = 1;
  CHECK(r.apic.accepts(m));
  m.delivery = ApicDelivery::Init;
  r.apic.receive(m);
  CHECK(r.apic.init_pending());
  r.apic.take_init();
  m.deassert = true;  // INIT level de-assert
  r.apic.receive(m);
  CHECK_FALSE(r.apic.init_pending());
}
