// SPDX-License-Identifier: Apache-2.0
// Guest counters backed by host perf events: the kvm_pmc state machine of arch/x86/kvm/pmu.c.
#include <doctest/doctest.h>

#include <cerrno>

#include "hypervisor/vpmu/kvm_rules.h"
#include "vpmu_fixture.h"

using namespace pmusim;
using namespace pmusim::hv;
using namespace pmusim::hv::test;
using pmu::kFixedBase;
using pmu::Outcome;

TEST_CASE("A selector write takes effect at the next request, and the guest's counter may land elsewhere") {
  Guest g(spr(), "emulated");
  g.write(msr::kPerfEvtSel0 + 3, kCountInstructions);
  CHECK(g.hooks.pmu_requested);
  CHECK(g.perf.counters_in_use(0) == 0);
  g.requests();
  CHECK(g.perf.counters_in_use(0) == bit(kFixedBase));  // GP3 of the guest is FX0 of the host
  g.cpu.counter(kFixedBase) += 77;
  CHECK(g.read(msr::kPerfCtr0 + 3) == 77);
  u64 v = 0;
  CHECK((g.vpmu->rdpmc(3, v) && v == 77));
}

TEST_CASE("A guest's events count in the guest only: GLOBAL_CTRL differs between host and guest") {
  Guest g(spr(), "emulated");
  g.program(msr::kPerfEvtSel0, kCountInstructions);
  FakeFields fields(g.cpu, true, true);
  g.vpmu->prepare_entry(g.cpu, fields);
  const auto s = fields.switched.at(msr::kGlobalCtrl);
  CHECK((s.first >> kFixedBase & 1) == 1);
  CHECK((s.second >> kFixedBase & 1) == 0);
}

TEST_CASE("Writing a running counter moves its base and re-arms its event, which counts on") {
  Guest g(spr(), "emulated");
  g.program(msr::kPerfEvtSel0, kCountInstructions);
  g.cpu.counter(kFixedBase) += 50;
  g.write(msr::kPerfCtr0, 1000);
  CHECK(g.read(msr::kPerfCtr0) == 1000);
  g.cpu.counter(kFixedBase) += 7;
  CHECK(g.read(msr::kPerfCtr0) == 1007);
}

TEST_CASE("Disabling globally freezes the counter at the next request, and enabling resumes it") {
  Guest g(spr(), "emulated");
  g.program(msr::kPerfEvtSel0, kCountInstructions);
  g.cpu.counter(kFixedBase) += 10;
  g.program(msr::kGlobalCtrl, 0);
  CHECK(g.perf.counters_in_use(0) == 0);
  CHECK(g.read(msr::kPerfCtr0) == 10);
  g.program(msr::kGlobalCtrl, 1);
  CHECK(g.perf.counters_in_use(0) == bit(kFixedBase));
  g.cpu.counter(kFixedBase) += 5;
  CHECK(g.read(msr::kPerfCtr0) == 15);
}

TEST_CASE(
    "An overflow sets the status whatever INT says, and asks for a PMI only with INT (kvm-unit-tests pmu)") {
  for (u64 selector : {kCountInstructions, kSampleInstructions}) {
    Guest g(spr(), "emulated");
    g.write(msr::kPerfCtr0, 0xffffffff);  // -1
    g.program(msr::kPerfEvtSel0, selector);
    CHECK(g.cpu.counter(kFixedBase) == mask(48) - 1);  // period 1, armed as 2
    g.cpu.counter(kFixedBase) = 0;
    g.cpu.status() = bit(kFixedBase);
    CHECK(g.perf.handle_nmi(g.cpu));
    CHECK(g.read(msr::kGlobalStatus) == 1);
    CHECK(g.hooks.pmi_requested == (selector == kSampleInstructions));
    g.requests();
    CHECK(g.hooks.delivered == (selector == kSampleInstructions ? 1 : 0));
    CHECK((g.hooks.lvtpc >> 16 & 1) == (selector == kSampleInstructions ? 1u : 0u));  // masked on Intel
    CHECK(g.read(msr::kPerfCtr0) == 1);                                               // -1 + 2
  }
}

TEST_CASE("A PMI with LVTPC masked is lost, not kept, without an in-kernel APIC there is none") {
  Guest g(spr(), "emulated");
  g.hooks.lvtpc = 0x10400;
  g.vpmu->deliver_pmi();
  CHECK(g.hooks.delivered == 0);
  g.hooks.lvtpc = 0x400;
  g.hooks.apic = false;
  g.vpmu->deliver_pmi();
  CHECK(g.hooks.delivered == 0);
}

TEST_CASE("AMD guests' LVTPC is not masked by a PMI") {
  Guest g(zen4(), "emulated");
  g.vpmu->deliver_pmi();
  CHECK(g.hooks.delivered == 1);
  CHECK(g.hooks.lvtpc == 0x400);
}

TEST_CASE("An overflow that meets a pending reprogram is ignored: the guest's write wins") {
  Guest g(spr(), "emulated");
  g.write(msr::kPerfCtr0, 0xffffffff);
  g.program(msr::kPerfEvtSel0, kSampleInstructions);
  g.write(msr::kGlobalCtrl, 0);  // flags the counter
  g.cpu.counter(kFixedBase) = 0;
  g.cpu.status() = bit(kFixedBase);
  g.perf.handle_nmi(g.cpu);
  CHECK(g.read(msr::kGlobalStatus) == 0);
  CHECK_FALSE(g.hooks.pmi_requested);
}

TEST_CASE(
    "Emulated instructions count by select and umask, CPL and enables, EDGE, INV and CMASK do not matter") {
  Guest g(spr(), "emulated");
  g.write(msr::kPerfEvtSel0, kCountInstructions | evtsel::kEdge | evtsel::kInv | 2 << 24);
  g.write(msr::kPerfEvtSel0 + 1, 0xc0 | evtsel::kEn | evtsel::kUsr);
  g.write(msr::kPerfEvtSel0 + 2, kCountIntelBranches);
  g.write(msr::kPerfEvtSel0 + 3, kCountIntelCycles);  // of which there are none
  g.write(msr::kFixedCtrCtrl, 0x3);
  g.program(msr::kGlobalCtrl, 0xff | u64{1} << 32);
  g.vpmu->instruction_emulated(false, false);
  g.vpmu->instruction_emulated(true, false);
  CHECK(g.read(msr::kPerfCtr0) == 2);
  CHECK(g.read(msr::kPerfCtr0 + 1) == 0);
  CHECK(g.read(msr::kPerfCtr0 + 2) == 1);
  CHECK(g.read(msr::kPerfCtr0 + 3) == 0);
  CHECK(g.read(msr::kFixedCtr0) == 2);
  CHECK(g.hooks.pmu_requested);
}

TEST_CASE(
    "An emulated increment that wraps shows at the next pause, and is lost if the counter is off by then") {
  for (bool disabled : {false, true}) {
    Guest g(spr(), "emulated");
    g.write(msr::kPerfCtr0, 0xffffffff);
    g.program(msr::kPerfEvtSel0, kSampleInstructions);
    g.vpmu->instruction_emulated(false, false);
    CHECK(g.read(msr::kGlobalStatus) == 0);
    if (disabled) g.write(msr::kGlobalCtrl, 0);
    g.requests();
    CHECK(g.read(msr::kPerfCtr0) == 0);
    CHECK(g.read(msr::kGlobalStatus) == (disabled ? 0 : 1));
    CHECK(g.hooks.delivered == (disabled ? 0 : 1));
  }
}

TEST_CASE(
    "A denied event freezes mid-run without a fault, for emulated instructions too, the selector reads "
    "back") {
  Guest g(spr(), "emulated");
  g.write(msr::kPerfEvtSel0, kCountInstructions);
  g.write(msr::kFixedCtrCtrl, 0x3);
  g.program(msr::kGlobalCtrl, 0xff | u64{1} << 32);
  CHECK(g.vpmu->set_filter(deny(pmu::Vendor::Intel, {0xc0})) == 0);
  CHECK(g.hooks.pmu_requested);
  g.requests();
  CHECK(__builtin_popcountll(g.perf.counters_in_use(0)) == 1);  // the fixed counter obeys its bitmap
  g.vpmu->instruction_emulated(false, false);
  CHECK(g.read(msr::kPerfCtr0) == 0);
  CHECK(g.read(msr::kFixedCtr0) == 1);
  CHECK(g.read(msr::kPerfEvtSel0) == kCountInstructions);
}

TEST_CASE("A counter with IN_TXCP never overflows: its event has no period") {
  CpuModel host = skx();
  host.caps.rtm = true;
  host.cpuid.set(7, 0, {0, 1 << 11, 0, 0});
  Guest g(host, "emulated");
  g.write(msr::kPerfCtr0 + 2, 0xffffffff);
  g.program(msr::kPerfEvtSel0 + 2, kSampleInstructions | evtsel::kInTxCp);
  CHECK(g.cpu.counter(0) == ((u64{0} - mask(47)) & mask(48)));  // armed with the longest period
}

TEST_CASE("The NMI watchdog takes a counter, and the guest counter left over stands still without a fault") {
  Guest g(zen4(), "emulated");
  CHECK(g.perf.start_watchdog(g.cpu) == 0);
  for (u32 n = 0; n < 6; ++n) CHECK(g.write(msr::kAmdPerfCtl0 + 2 * n, kCountInstructions) == Outcome::Ok);
  g.requests();
  for (unsigned n = 0; n < 6; ++n) g.cpu.counter(n) += 9;
  for (u32 n = 0; n < 5; ++n) CHECK(g.read(msr::kAmdPerfCtr0 + 2 * n) == 9);
  CHECK(g.read(msr::kAmdPerfCtr0 + 10) == 0);
  g.perf.stop_watchdog(g.cpu);
  CHECK(g.perf.counters_in_use(0) == 0x3e);  // still: KVM does not hear of it
  g.program(msr::kAmdGlobalCtl, 0x1f);
  g.program(msr::kAmdGlobalCtl, 0x3f);
  CHECK(__builtin_popcountll(g.perf.counters_in_use(0)) == 6);
}

TEST_CASE("Events of counters that are off and untouched are released after the vCPU was scheduled in") {
  Guest g(spr(), "emulated");
  g.program(msr::kPerfEvtSel0, kCountInstructions);
  g.cpu.counter(kFixedBase) += 4;
  g.program(msr::kPerfEvtSel0, 0);
  for (int i = 0; i < 2; ++i) {
    g.vpmu->sched_out(g.cpu);
    g.vpmu->sched_in(g.cpu);
    g.requests();
  }
  CHECK(g.read(msr::kPerfCtr0) == 4);
  CHECK(g.perf.create_mediated_vm(true) == 0);  // no event is left
  g.perf.release_mediated_vm(true);
}
