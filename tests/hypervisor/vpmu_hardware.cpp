// SPDX-License-Identifier: Apache-2.0
// Guest counters in hardware: filtering shadows, emulated increments, PMIs, and policies that differ by
// asset.
#include <doctest/doctest.h>

#include <cerrno>

#include "hypervisor/vpmu/kvm_rules.h"
#include "vpmu_fixture.h"

using namespace pmusim;
using namespace pmusim::hv;
using namespace pmusim::hv::test;
using pmu::kFixedBase;
using pmu::Outcome;

TEST_CASE("A denied selector reaches hardware without its enable bit, and reads back as written") {
  Guest g(spr(), "mediated");
  g.vpmu->set_filter(deny(pmu::Vendor::Intel, {0xc0}));
  g.write(msr::kPerfEvtSel0, kSampleInstructions);
  g.program(msr::kPerfEvtSel0 + 1, kSampleIntelBranches);
  g.vpmu->load(g.cpu);
  CHECK(g.cpu.selector(0) == (kSampleInstructions & ~evtsel::kEn));
  CHECK(g.cpu.selector(1) == kSampleIntelBranches);
  g.vpmu->put(g.cpu);
  CHECK(g.read(msr::kPerfEvtSel0) == kSampleInstructions);
  g.vpmu->instruction_emulated(false, false);
  CHECK(g.read(msr::kPerfCtr0) == 0);
}

TEST_CASE("A second FIXED_CTR_CTRL write cannot enable a denied counter from 7.2 on (9c6e2463c9f3)") {
  for (KernelRelease release : {KernelRelease::V7_0, KernelRelease::V7_2}) {
    Guest g(spr(), "mediated", release);
    g.vpmu->set_filter(deny(pmu::Vendor::Intel, {}, 1));
    g.program(msr::kFixedCtrCtrl, 0x003);
    g.program(msr::kFixedCtrCtrl, 0x033);
    g.vpmu->load(g.cpu);
    CHECK(g.cpu.msrs[msr::kFixedCtrCtrl] == (release == KernelRelease::V7_0 ? 0x033 : 0x030));
    g.vpmu->put(g.cpu);
  }
}

TEST_CASE(
    "AMD hardware always gets GuestOnly, whatever the guest writes, its own bits decide whether it counts") {
  Guest g(zen4(), "mediated");
  CpuidTable cpuid = kvm_supported_cpuid(g.model, KernelRelease::V7_2, true);
  cpuid.find(0x80000001, 0)->regs.ecx |= 1 << 2;  // SVM
  g.vpmu->set_cpuid(cpuid);
  const auto hardware = [&](u64 selector) {
    g.program(msr::kAmdPerfCtl0, selector);
    g.vpmu->guest_mode_changed();
    g.vpmu->load(g.cpu);
    const u64 value = g.cpu.selector(0);
    g.vpmu->put(g.cpu);
    CHECK(g.read(msr::kAmdPerfCtl0) == selector);
    return value;
  };
  using evtsel::kGuestOnly, evtsel::kHostOnly;
  constexpr u64 kOn = kCountInstructions | kGuestOnly, kOff = kOn & ~evtsel::kEn;
  CHECK(hardware(kCountInstructions) == kOn);
  CHECK(hardware(kCountInstructions | kHostOnly) == kOff);  // EFER.SVME = 0
  g.hooks.efer = 1 << 12;
  CHECK(hardware(kCountInstructions | kHostOnly) == kOn);
  CHECK(hardware(kCountInstructions | kGuestOnly) == kOff);
  g.hooks.nested = true;
  CHECK(hardware(kCountInstructions | kGuestOnly) == kOn);
  CHECK(hardware(kCountInstructions | kHostOnly) == kOff);
  CHECK(hardware(kCountInstructions | kGuestOnly | kHostOnly) == kOn);
}

TEST_CASE(
    "An emulated instruction that wraps a counter sets its status at once, and asks for a PMI with INT") {
  Guest g(spr(), "mediated");
  g.write(msr::kPerfEvtSel0, kSampleInstructions);
  g.program(msr::kPerfCtr0, 0xffffffff);
  g.vpmu->instruction_emulated(false, false);
  CHECK(g.read(msr::kPerfCtr0) == 0);
  CHECK(g.read(msr::kGlobalStatus) == 1);
  CHECK(g.hooks.pmi_requested);
}

// kvm list, naming discussion of April 2024: selectors must be read back to know which counters count.
TEST_CASE(
    "Selectors in hardware are read back once per exit, where enabled, and the hardware counter is "
    "incremented") {
  Guest g(skx(), "dedicated");
  FakeFields fields(g.cpu, true, true);
  const auto exit = [&](u64 global) {
    g.vpmu->prepare_entry(g.cpu, fields);
    fields.at_exit = global;
    g.vpmu->after_exit(g.cpu, fields);
    g.cpu.log.clear();
  };
  using Log = std::vector<std::string>;
  g.cpu.selector(0) = kCountInstructions;
  g.cpu.selector(1) = kCountInstructions;  // not enabled globally
  g.cpu.selector(2) = kCountIntelBranches;
  g.cpu.msrs[msr::kFixedCtrCtrl] = 0x3;
  exit(0x100000005);
  g.cpu.counter(0) = 10;
  g.cpu.counter(kFixedBase) = 20;
  g.vpmu->instruction_emulated(false, false);
  CHECK(g.cpu.log == Log{"rdmsr 186", "rdmsr 188", "rdmsr 38d", "rdpmc 0", "wrmsr 4c1 b", "rdpmc 40000000",
                         "wrmsr 309 15"});
  g.cpu.log.clear();
  g.vpmu->instruction_emulated(true, false);
  CHECK(g.cpu.log ==
        Log{"rdpmc 0", "wrmsr 4c1 c", "rdpmc 2", "wrmsr 4c3 1", "rdpmc 40000000", "wrmsr 309 16"});
  // At the next exit the guest has programmed something else.
  g.cpu.selector(0) = 0x3c | evtsel::kEn | evtsel::kUsr;
  exit(0x1);
  g.vpmu->instruction_emulated(false, false);
  CHECK(g.cpu.log == Log{"rdmsr 186"});
  exit(0);
  g.vpmu->instruction_emulated(false, false);
  CHECK(g.cpu.log.empty());
}

TEST_CASE("An increment in hardware that wraps sets the status there, and asks for a PMI with INT only") {
  for (u64 selector : {kCountInstructions, kSampleInstructions}) {
    Guest g(skx(), "dedicated");
    FakeFields fields(g.cpu, true, true);
    g.cpu.selector(0) = selector;
    g.vpmu->prepare_entry(g.cpu, fields);
    fields.at_exit = 1;
    g.vpmu->after_exit(g.cpu, fields);
    g.cpu.counter(0) = mask(48) - 1;
    g.vpmu->instruction_emulated(false, false);
    CHECK(g.cpu.counter(0) == mask(48));
    CHECK(g.cpu.status() == 0);
    g.vpmu->instruction_emulated(false, false);
    CHECK(g.cpu.counter(0) == 0);
    CHECK(g.cpu.status() == 1);
    CHECK(g.hooks.pmi_requested == (selector == kSampleInstructions));
  }
}

TEST_CASE("On AMD selectors that the guest owns are stopped by GLOBAL_CTL, around each exit") {
  Guest g(zen4(), "dedicated");
  FakeFields fields(g.cpu, false, false);
  g.cpu.selector(0) = kCountInstructions;
  g.vpmu->prepare_entry(g.cpu, fields);
  g.cpu.global() = 1;  // by the guest
  g.vpmu->after_exit(g.cpu, fields);
  CHECK(g.cpu.global() == 0);
  CHECK(g.read(msr::kAmdGlobalCtl) == 1);
  CHECK(g.cpu.global() == 0);
  g.vpmu->instruction_emulated(false, false);
  CHECK(g.cpu.counter(0) == 1);
  g.vpmu->prepare_entry(g.cpu, fields);
  CHECK(g.cpu.global() == 1);
}

TEST_CASE(
    "Without GLOBAL_CTL the hypervisor sees and counts what the guest programmed although it is stopped") {
  Guest g(zen3(), "dedicated");
  FakeFields fields(g.cpu, false, false);
  g.vpmu->prepare_entry(g.cpu, fields);
  g.cpu.selector(0) = kSampleInstructions;  // by the guest
  g.cpu.counter(0) = mask(48);
  g.vpmu->after_exit(g.cpu, fields);
  CHECK(g.cpu.selector(0) == (kSampleInstructions & ~evtsel::kEn));
  CHECK(g.read(msr::kAmdPerfCtl0) == kSampleInstructions);
  CHECK(g.cpu.selector(0) == (kSampleInstructions & ~evtsel::kEn));
  g.cpu.log.clear();
  g.vpmu->instruction_emulated(false, false);
  CHECK(g.cpu.counter(0) == 0);
  CHECK(g.hooks.pmi_requested);
  for (const std::string& line : g.cpu.log) CHECK(line.find("c00003") == std::string::npos);  // no such MSR
  g.vpmu->prepare_entry(g.cpu, fields);
  CHECK(g.cpu.selector(0) == kSampleInstructions);
}

TEST_CASE("Locked down on AMD, selectors that the guest had written count in the guest only") {
  for (const CpuModel& model : {zen3(), zen4()}) {
    CAPTURE(model.id);
    Guest g(model, "dedicated");
    FakeFields fields(g.cpu, false, false);
    g.vpmu->prepare_entry(g.cpu, fields);
    g.cpu.selector(0) = kCountInstructions;  // by the guest
    g.cpu.selector(1) = kCountAmdBranches;
    g.vpmu->after_exit(g.cpu, fields);
    CHECK(g.vpmu->set_filter(deny(pmu::Vendor::Amd, {0xc2})) == 0);
    g.requests();
    CHECK(g.cpu.selector(0) == (kCountInstructions | evtsel::kGuestOnly));
    CHECK(g.cpu.selector(1) == ((kCountAmdBranches | evtsel::kGuestOnly) & ~evtsel::kEn));
    g.cpu.log.clear();
    g.vpmu->prepare_entry(g.cpu, fields);
    g.vpmu->after_exit(g.cpu, fields);
    CHECK(g.cpu.selector(0) == (kCountInstructions | evtsel::kGuestOnly));  // GuestOnly does it from now on
    for (const std::string& line : g.cpu.log) CHECK(line.rfind("wrmsr", 0) != 0);
  }
}

TEST_CASE("The fast path is closed while a counter of instructions is enabled, filtered or not") {
  Guest g(spr(), "mediated");
  CHECK(g.vpmu->fastpath_allowed());
  g.write(msr::kPerfEvtSel0, kCountIntelBranches);
  CHECK(g.vpmu->fastpath_allowed());
  g.vpmu->set_filter(deny(pmu::Vendor::Intel, {0xc0}));
  g.write(msr::kPerfEvtSel0, kCountInstructions);
  CHECK_FALSE(g.vpmu->fastpath_allowed());
  g.write(msr::kGlobalCtrl, 0);
  CHECK(g.vpmu->fastpath_allowed());
  Guest e(spr(), "emulated");
  e.write(msr::kPerfEvtSel0, kCountInstructions);
  CHECK(e.vpmu->fastpath_allowed());
}

TEST_CASE("The physical LVTPC takes the guest's mask bit at each load: a PMI masks it on Intel") {
  Guest g(spr(), "mediated");
  g.vpmu->load(g.cpu);
  CHECK(g.cpu.apic[0x340] == 0xf5);
  g.vpmu->mediated_pmi();
  g.vpmu->put(g.cpu);
  CHECK(g.cpu.apic[0x340] == 0x400);
  g.requests();
  CHECK(g.hooks.delivered == 1);
  g.vpmu->load(g.cpu);
  CHECK(g.cpu.apic[0x340] == 0x100f5);
  CHECK_FALSE(g.perf.handle_nmi(g.cpu));  // perf looks at nothing while the guest has LVTPC
  CHECK(g.perf.nmis_ignored() == 1);
  g.vpmu->put(g.cpu);
}

TEST_CASE("Selectors that are passed through are read back when the vCPU is switched out") {
  Guest g(skx(), "dedicated");
  CHECK_FALSE(g.vpmu->msr_intercepted(msr::kPerfEvtSel0));
  CHECK_FALSE(g.vpmu->msr_intercepted(msr::kFixedCtrCtrl));
  g.cpu.selector(1) = kCountIntelBranches;
  g.cpu.counter(1) = 55;
  g.cpu.msrs[msr::kFixedCtrCtrl] = 0x30;
  g.vpmu->sched_out(g.cpu);
  CHECK(g.cpu.selector(1) == 0);
  CHECK(g.cpu.msrs[msr::kFixedCtrCtrl] == 0);
  CHECK(g.read(msr::kPerfEvtSel0 + 1) == kCountIntelBranches);
  CHECK(g.read(msr::kFixedCtrCtrl) == 0x30);
  g.vpmu->sched_in(g.cpu);
  CHECK(g.cpu.selector(1) == kCountIntelBranches);
  CHECK(g.cpu.counter(1) == 55);
}

TEST_CASE(
    "An access by the hypervisor while guest state is in hardware sees and changes the hardware's value") {
  Guest g(skx(), "dedicated");
  g.cpu.counter(0) = 12;
  CHECK(g.read(msr::kPerfCtr0) == 12);
  CHECK(g.vpmu->set_msr(msr::kPerfCtr0, 99, true) == Outcome::Ok);
  CHECK(g.cpu.counter(0) == 99);
}

TEST_CASE(
    "Installing a filter on passed-through selectors locks the vCPU down: from then on they are "
    "intercepted") {
  Guest g(skx(), "dedicated");
  g.cpu.selector(0) = kCountInstructions;
  g.hooks.recalc_requested = false;
  CHECK(g.vpmu->set_filter(deny(pmu::Vendor::Intel, {0xc0})) == 0);
  CHECK(g.hooks.recalc_requested);
  CHECK(g.vpmu->msr_intercepted(msr::kPerfEvtSel0));
  g.requests();
  CHECK(g.cpu.selector(0) == (kCountInstructions & ~evtsel::kEn));
  CHECK(g.read(msr::kPerfEvtSel0) == kCountInstructions);
  Guest open(skx(), "exitless-pmi");
  CHECK(open.vpmu->set_filter(deny(pmu::Vendor::Intel, {})) == -EOPNOTSUPP);
}

TEST_CASE("Freeze modes decide what GLOBAL_CTRL holds after an exit") {
  const auto after_exit = [](const char* policy) {
    Guest g(skx(), policy);
    g.write(msr::kPerfEvtSel0, kCountInstructions);
    g.write(msr::kPerfEvtSel0 + 1, kCountIntelCycles);
    g.write(msr::kPerfEvtSel0 + 2, kCountIntelBranches);
    g.program(msr::kGlobalCtrl, 0x7);
    FakeFields fields(g.cpu, true, true);
    fields.host = 0x1234;
    g.vpmu->prepare_entry(g.cpu, fields);
    return fields.host == 0x1234 ? g.cpu.global() : fields.host;
  };
  CHECK(after_exit("freeze-guest") == 0);
  CHECK(after_exit("freeze-hybrid") == 2);
  CHECK(after_exit("freeze-vcpu") == 7);
}

TEST_CASE(
    "A vCPU that is redefined while its state is in hardware is switched out, and in again at its next "
    "entry") {
  Guest g(skx(), "dedicated");
  CHECK(g.perf.guest_loaded(0));
  g.cpu.selector(0) = kCountInstructions;
  g.vpmu->set_cpuid(kvm_supported_cpuid(g.model, KernelRelease::V7_2, true));
  CHECK_FALSE(g.perf.guest_loaded(0));
  CHECK(g.cpu.selector(0) == 0);
  CHECK(g.read(msr::kPerfEvtSel0) == 0);
  FakeFields fields(g.cpu, true, false);
  g.vpmu->prepare_entry(g.cpu, fields);
  CHECK(g.perf.guest_loaded(0));
  g.vpmu->disable();
  CHECK_FALSE(g.perf.guest_loaded(0));
}
