// SPDX-License-Identifier: Apache-2.0
// KVM's register rules: arch/x86/kvm/{pmu.c, vmx/pmu_intel.c, svm/pmu.c, msrs.c, cpuid.c}.
#include "hypervisor/vpmu/kvm_rules.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "vpmu_fixture.h"

using namespace pmusim;
using namespace pmusim::hv;
using namespace pmusim::hv::test;
using pmu::Outcome;

TEST_CASE("After definition GLOBAL_CTRL enables all GP counters and no fixed one (kvm_pmu_refresh)") {
  for (const char* policy : {"emulated", "mediated"}) {
    Guest g(spr(), policy);
    CHECK(g.read(msr::kGlobalCtrl) == 0xff);
    CHECK(g.read(msr::kPerfEvtSel0) == 0);
    CHECK(g.read(msr::kGlobalStatus) == 0);
  }
  Guest amd(zen4(), "emulated");
  CHECK(amd.read(msr::kAmdGlobalCtl) == 0x3f);
}

TEST_CASE("PERFCTRn sign-extends 32 bits for guests, A_PMCn takes the width and faults above it") {
  for (const char* policy : {"emulated", "mediated"}) {
    Guest g(spr(), policy);
    CHECK(g.write(msr::kPerfCtr0, 0xffffffff) == Outcome::Ok);
    CHECK(g.read(msr::kPerfCtr0) == 0xffffffffffff);
    CHECK(g.write(msr::kPerfCtr0, 0xff7fffffff) == Outcome::Ok);
    CHECK(g.read(msr::kAPmc0) == 0x7fffffff);
    CHECK(g.write(msr::kAPmc0, 0xffffffff) == Outcome::Ok);
    CHECK(g.read(msr::kPerfCtr0) == 0xffffffff);
    CHECK(g.write(msr::kAPmc0, u64{1} << 48) == Outcome::Fault);
    CHECK(g.read(msr::kAPmc0) == 0xffffffff);
    CHECK(g.vpmu->set_msr(msr::kPerfCtr0, 0x123456789abc, true) == Outcome::Ok);  // userspace: not extended
    CHECK(g.read(msr::kPerfCtr0) == 0x123456789abc);
  }
}

TEST_CASE("Fixed counters truncate to their width and are not sign-extended (b29a2acd36dd)") {
  Guest g(spr(), "emulated");
  CHECK(g.write(msr::kFixedCtr0, 0xabcd0000ffffffff) == Outcome::Ok);
  CHECK(g.read(msr::kFixedCtr0) == 0xffffffff);
  CHECK(g.write(msr::kFixedCtr0 + 3, 0) == Outcome::Fault);  // KVM has three
}

TEST_CASE("Reserved selector bits fault on Intel: AnyThread and 63:32, pin control is accepted") {
  Guest g(spr(), "emulated");
  CHECK(g.write(msr::kPerfEvtSel0, 0xffdfffff) == Outcome::Ok);
  for (unsigned b : {21u, 32u, 33u, 34u, 63u})
    CHECK(g.write(msr::kPerfEvtSel0, u64{1} << b) == Outcome::Fault);
  CHECK(g.read(msr::kPerfEvtSel0) == 0xffdfffff);
  CHECK(g.write(msr::kPerfEvtSel0 + 7, 1) == Outcome::Ok);
  CHECK(g.write(msr::kPerfEvtSel0 + 8, 1) == Outcome::Fault);
}

TEST_CASE("IN_TX needs TSX in host and guest, IN_TXCP counter 2 besides") {
  CpuModel host = skx();
  host.caps.rtm = true;
  host.cpuid.set(7, 0, {0, 1 << 11, 0, 0});
  Guest g(host, "emulated");
  CHECK(g.write(msr::kPerfEvtSel0, evtsel::kInTx) == Outcome::Ok);
  CHECK(g.write(msr::kPerfEvtSel0 + 1, evtsel::kInTxCp) == Outcome::Fault);
  CHECK(g.write(msr::kPerfEvtSel0 + 2, evtsel::kInTxCp) == Outcome::Ok);
}

TEST_CASE("FIXED_CTR_CTRL accepts OS, USR and PMI of existing counters, AnyThread and others fault") {
  Guest g(spr(), "emulated");
  CHECK(g.write(msr::kFixedCtrCtrl, 0xbbb) == Outcome::Ok);
  CHECK(g.write(msr::kFixedCtrCtrl, 0x004) == Outcome::Fault);
  CHECK(g.write(msr::kFixedCtrCtrl, 0x1000) == Outcome::Fault);
  CHECK(g.read(msr::kFixedCtrCtrl) == 0xbbb);
}

TEST_CASE("GLOBAL_CTRL faults on counters that do not exist and on PERF_METRICS") {
  Guest g(spr(), "emulated");
  CHECK(g.write(msr::kGlobalCtrl, 0x7000000ff) == Outcome::Ok);
  CHECK(g.write(msr::kGlobalCtrl, 0x100) == Outcome::Fault);
  CHECK(g.write(msr::kGlobalCtrl, u64{1} << 35) == Outcome::Fault);
  CHECK(g.write(msr::kGlobalCtrl, u64{1} << 48) == Outcome::Fault);
}

TEST_CASE("Intel's status faults on guest writes, is set by userspace, and is cleared through OVF_CTRL") {
  Guest g(spr(), "emulated");
  CHECK(g.write(msr::kGlobalStatus, 0) == Outcome::Fault);
  CHECK(g.vpmu->set_msr(msr::kGlobalStatus, 0x100000003, true) == Outcome::Ok);
  CHECK(g.vpmu->set_msr(msr::kGlobalStatus, 0x100, true) == Outcome::Fault);
  CHECK(g.write(msr::kGlobalStatusReset, 0xc000000000000001) == Outcome::Ok);
  CHECK(g.read(msr::kGlobalStatus) == 0x100000002);
  CHECK(g.write(msr::kGlobalStatusReset, u64{1} << 55) == Outcome::Fault);
  CHECK(g.read(msr::kGlobalStatusReset) == 0);
  CHECK(g.outcome == Outcome::Ok);
  CHECK(g.vpmu->set_msr(msr::kGlobalStatusReset, 2, true) == Outcome::Ignored);  // userspace: no effect
  CHECK(g.read(msr::kGlobalStatus) == 0x100000002);
}

TEST_CASE("STATUS_SET and INUSE never exist for Intel guests") {
  for (const char* policy : {"emulated", "mediated", "dedicated"}) {
    Guest g(skx(), policy);
    for (u32 m : {msr::kGlobalStatusSet, msr::kGlobalInuse}) {
      g.read(m);
      CHECK(g.outcome == Outcome::Fault);
      CHECK(g.write(m, 0) == Outcome::Fault);
      CHECK(g.vpmu->msr_intercepted(m));
    }
  }
}

TEST_CASE("AMD drops reserved selector bits and ignores writes of read-only and reserved bits") {
  Guest g(zen4(), "emulated");
  CHECK(g.write(msr::kAmdPerfCtl0, ~u64{0}) == Outcome::Ok);
  CHECK(g.read(msr::kAmdPerfCtl0) == (~u64{0} & ~0xfffffff000280000));
  CHECK(g.read(msr::kK7EvntSel0) == g.read(msr::kAmdPerfCtl0));  // aliases
  CHECK(g.write(msr::kAmdGlobalCtl, ~u64{0}) == Outcome::Ok);
  CHECK(g.read(msr::kAmdGlobalCtl) == 0x3f);
  CHECK(g.write(msr::kAmdGlobalStatus, 1) == Outcome::Ignored);
  CHECK(g.write(msr::kAmdGlobalStatusSet, 0x1ff) == Outcome::Ok);
  CHECK(g.read(msr::kAmdGlobalStatus) == 0x3f);
  CHECK(g.write(msr::kAmdGlobalStatusClr, 0x100000000000001) == Outcome::Ok);
  CHECK(g.read(msr::kAmdGlobalStatus) == 0x3e);
  CHECK(g.vpmu->set_msr(msr::kAmdGlobalStatusClr, 0x3e, true) == Outcome::Ignored);
  CHECK(g.vpmu->set_msr(msr::kAmdGlobalStatusSet, 1, true) == Outcome::Ignored);
  CHECK(g.read(msr::kAmdGlobalStatus) == 0x3e);
  CHECK(g.write(msr::kAmdPerfCtr0, 0xffff0000ffffffff) == Outcome::Ok);
  CHECK(g.read(msr::kK7PerfCtr0) == 0xffffffff);
}

TEST_CASE("Legacy PMU MSRs that a vCPU lacks read 0 and swallow writes, others fault (kvm_set_msr_common)") {
  Guest intel(spr(), "emulated"), amd(zen4(), "emulated");
  for (u32 m : {msr::kK7EvntSel0, msr::kK7EvntSel0 + 3, msr::kK7PerfCtr0, msr::kK7PerfCtr0 + 3}) {
    CHECK(intel.vpmu->owns_msr(m));
    CHECK(intel.write(m, 5) == Outcome::Ignored);
    CHECK(intel.read(m) == 0);
    CHECK(intel.outcome == Outcome::Ignored);
  }
  for (u32 m : {msr::kPerfCtr0, msr::kPerfCtr0 + 1, msr::kPerfEvtSel0, msr::kPerfEvtSel0 + 1})
    CHECK(amd.write(m, 5) == Outcome::Ignored);
  amd.vpmu->disable();
  CHECK(amd.write(msr::kK7EvntSel0, 1) == Outcome::Ignored);
  CHECK(amd.write(msr::kAmdPerfCtl0, 1) == Outcome::Fault);
  CHECK(amd.write(msr::kAmdGlobalCtl, 0) == Outcome::Fault);
  CHECK_FALSE(amd.vpmu->owns_msr(msr::kPerfCtr0 + 2));
  intel.vpmu->disable();
  CHECK(intel.write(msr::kPerfCtr0 + 1, 0) == Outcome::Ignored);
  CHECK(intel.write(msr::kPerfCtr0 + 2, 0) == Outcome::Fault);
}

TEST_CASE("Userspace may read, and write 0 to, MSRs it was told to save but this vCPU lacks") {
  Guest g(zen4(), "emulated");
  g.vpmu->disable();
  u64 value = 7;
  CHECK(g.vpmu->get_msr(msr::kAmdGlobalCtl, value, true) == Outcome::Ignored);
  CHECK(value == 0);
  CHECK(g.vpmu->set_msr(msr::kAmdGlobalCtl, 0, true) == Outcome::Ignored);
  CHECK(g.vpmu->set_msr(msr::kAmdGlobalCtl, 1, true) == Outcome::Fault);
}

// Linux: msrs_to_save_pmu, kvm_probe_msr_to_save. PEBS registers are named there too: this host has none.
// MSR_PERF_METRICS is not (the list in kvm.ko of Debian's 7.2.13 is 309H to 30BH, 38DH to 38FH, 3F1H, 600H,
// 3F2H, C1H to C8H, 186H to 18DH, and AMD's).
TEST_CASE("Userspace is told to save what the host has and KVM gives to guests, and nothing else") {
  const auto saved = [](const CpuModel& host) {
    const std::vector<u32> list = kvm_msrs_to_save(host);
    return [list](u32 msr) { return std::count(list.begin(), list.end(), msr); };
  };
  const auto intel = saved(spr());
  for (u32 msr : {msr::kFixedCtr0, msr::kFixedCtr0 + 2, msr::kPerfCtr0 + 7, msr::kPerfEvtSel0 + 7,
                  msr::kFixedCtrCtrl, msr::kGlobalStatus, msr::kGlobalCtrl, msr::kDsArea})
    CHECK(intel(msr) == 1);
  for (u32 msr :
       {msr::kFixedCtr0 + 3, msr::kPerfCtr0 + 8, msr::kPerfEvtSel0 + 8, msr::kAPmc0, msr::kGlobalStatusReset,
        msr::kGlobalStatusSet, msr::kGlobalInuse, msr::kPerfMetrics, msr::kPebsEnable, msr::kK7EvntSel0})
    CHECK(intel(msr) == 0);
  const auto amd = saved(zen4()), older = saved(zen3());
  for (u32 msr : {msr::kK7EvntSel0, msr::kK7PerfCtr0 + 3, msr::kAmdPerfCtl0 + 10, msr::kAmdPerfCtr0 + 10}) {
    CHECK(amd(msr) == 1);
    CHECK(older(msr) == 1);
  }
  for (u32 msr :
       {msr::kAmdGlobalStatus, msr::kAmdGlobalCtl, msr::kAmdGlobalStatusClr, msr::kAmdGlobalStatusSet}) {
    CHECK(amd(msr) == 1);
    CHECK(older(msr) == 0);  // PerfMonV2
  }
  CHECK(amd(msr::kAmdPerfCtl0 + 12) == 0);
}

TEST_CASE("Guest counts and widths are limited to the host's and KVM's, the version is not") {
  CpuidTable guest = kvm_supported_cpuid(spr(), KernelRelease::V7_2, false);
  guest.set(0xa, 0, {5 | 12 << 8 | 60 << 16 | 8 << 24, 0, 0, 9 | 60 << 5});
  const pmu::Caps caps = kvm_caps(guest, 0, spr());
  CHECK(caps.version == 5);
  CHECK(caps.gp_count == 8);
  CHECK(caps.gp_width == 48);
  CHECK(caps.fixed_mask == 7);
  guest.set(0xa, 0, {1 | 4 << 8 | 40 << 16 | 7 << 24, 0, 0, 3 | 40 << 5});
  const pmu::Caps v1 = kvm_caps(guest, 0, spr());
  CHECK(v1.gp_count == 4);
  CHECK(v1.gp_width == 40);
  CHECK(v1.fixed_mask == 0);
  guest.set(0xa, 0, {});
  CHECK(kvm_caps(guest, 0, spr()).version == 0);
}

TEST_CASE("A version-1 guest has no global registers, and counts as globally enabled") {
  Guest g(skx(), "mediated");
  CpuidTable guest = kvm_supported_cpuid(g.model, KernelRelease::V7_2, true);
  guest.set(0xa, 0, {1 | 4 << 8 | 48 << 16 | 7 << 24, 0, 0, 0});
  g.vpmu->set_cpuid(guest);
  CHECK(g.vpmu->set_msr(msr::kPerfCapabilities, 0, true) == Outcome::Ok);
  CHECK(g.write(msr::kGlobalCtrl, 1) == Outcome::Fault);
  CHECK(g.write(msr::kFixedCtrCtrl, 0) == Outcome::Fault);
  CHECK(g.write(msr::kAPmc0, 0) == Outcome::Fault);  // no FW_WRITES offered
  FakeFields fields(g.cpu, true, false);
  g.vpmu->load(g.cpu);
  g.vpmu->prepare_entry(g.cpu, fields);
  CHECK(fields.guest == 0xf);  // invisible, but the hardware must count
}

TEST_CASE("CPUID cannot hide AMD's four legacy counters") {
  CpuidTable guest = kvm_supported_cpuid(zen4(), KernelRelease::V7_2, false);
  guest.set(0x80000001, 0, {});
  guest.set(0x80000022, 0, {});
  const pmu::Caps caps = kvm_caps(guest, 0, zen4());
  CHECK(caps.version == 1);
  CHECK(caps.gp_count == 4);
}

TEST_CASE(
    "KVM offers version 2, three fixed counters and AnyThread deprecated on Sapphire Rapids (cpuid.c, 0AH)") {
  const CpuidTable t = kvm_supported_cpuid(spr(), KernelRelease::V7_2, true);
  CHECK(t.read(0xa, 0).eax == 0x08300802);
  CHECK(t.read(0xa, 0).edx == (3 | 48 << 5 | 1 << 15));
  CHECK(t.read(0xa, 0).ecx == 0);
  CHECK((t.read(1, 0).ecx >> 15 & 1) == 1);
  CHECK(kvm_supported_perf_capabilities(spr()) == 0x2000);
  CHECK(kvm_supported_perf_capabilities(zen4()) == 0);
}

TEST_CASE("KVM offers PerfMonV2 with six counters on Zen 4 and none on Zen 3") {
  const CpuidTable z4 = kvm_supported_cpuid(zen4(), KernelRelease::V7_2, false);
  CHECK(z4.read(0x80000022, 0).eax == 1);
  CHECK(z4.read(0x80000022, 0).ebx == 6);
  CHECK((z4.read(0x80000001, 0).ecx >> 23 & 1) == 1);
  CHECK(kvm_supported_cpuid(zen3(), KernelRelease::V7_2, false).read(0x80000022, 0).eax == 0);
}

TEST_CASE(
    "PERF_CAPABILITIES: guests may not write, userspace only what is supported, and nothing new after a "
    "run") {
  Guest g(spr(), "emulated");
  CHECK(g.read(msr::kPerfCapabilities) == 0x2000);
  CHECK(g.write(msr::kPerfCapabilities, 0x2000) == Outcome::Fault);
  CHECK(g.vpmu->set_msr(msr::kPerfCapabilities, 0x2020, true) == Outcome::Fault);
  CHECK(g.vpmu->set_msr(msr::kPerfCapabilities, 0, true) == Outcome::Ok);
  CHECK(g.write(msr::kAPmc0, 0) == Outcome::Fault);
  CHECK(g.vpmu->set_msr(msr::kPerfCapabilities, 0x2000, true) == Outcome::Ok);
  g.vpmu->load(g.cpu);
  CHECK(g.vpmu->set_msr(msr::kPerfCapabilities, 0x2000, true) == Outcome::Ok);
  CHECK(g.vpmu->set_msr(msr::kPerfCapabilities, 0, true) == Outcome::Fault);
}

TEST_CASE("PERF_CAPABILITIES keeps its value when the vCPU model changes, and takes none without PDCM") {
  Guest g(spr(), "emulated");
  const CpuidTable with = kvm_supported_cpuid(g.model, KernelRelease::V7_2, false);
  CpuidTable without = with;
  without.find(1, 0)->regs.ecx &= ~(1u << 15);
  CHECK(g.vpmu->set_msr(msr::kPerfCapabilities, 0, true) == Outcome::Ok);
  g.vpmu->set_cpuid(without);
  for (const u64 value : {0, 0x2000})
    CHECK(g.vpmu->set_msr(msr::kPerfCapabilities, value, true) == Outcome::Fault);
  g.vpmu->set_cpuid(with);
  CHECK(g.read(msr::kPerfCapabilities) == 0);
  CHECK(g.vpmu->set_msr(msr::kPerfCapabilities, 0x2000, true) == Outcome::Ok);
  CHECK(g.read(msr::kPerfCapabilities) == 0x2000);
}

TEST_CASE(
    "AMD's Host-Only and Guest-Only bits are kept from 7.2 on, for guests with SVM on hardware counters") {
  const u64 both = u64{3} << 40;
  const auto kept = [&](KernelRelease release, bool hardware, bool svm) {
    KvmRuleOptions o;
    o.vendor = pmu::Vendor::Amd;
    o.release = release;
    o.counters_in_hardware = hardware;
    o.guest_svm = svm;
    const pmu::RuleLayer layer = kvm_rules(o);
    pmu::Caps caps = zen4().caps;
    pmu::Registers regs;
    CHECK(layer.write(msr::kAmdPerfCtl0, caps, regs, false, both) == Outcome::Ok);
    return regs.selector[0];
  };
  CHECK(kept(KernelRelease::V7_2, true, true) == both);
  CHECK(kept(KernelRelease::V7_2, true, false) == 0);
  CHECK(kept(KernelRelease::V7_2, false, true) == 0);
  CHECK(kept(KernelRelease::V7_0, true, true) == 0);
}

TEST_CASE("RDPMC decodes ECX and checks CPL, PCE and PE in KVM's order (kvm_pmu_rdpmc)") {
  Guest g(spr(), "emulated");
  u64 v = 0;
  g.write(msr::kPerfCtr0 + 7, 9);
  CHECK((g.vpmu->rdpmc(7, v) && v == 9));
  CHECK_FALSE(g.vpmu->rdpmc(8, v));
  CHECK_FALSE(g.vpmu->rdpmc(64, v));
  CHECK(g.vpmu->rdpmc(0x40000002, v));
  CHECK_FALSE(g.vpmu->rdpmc(0x40000003, v));
  CHECK_FALSE(g.vpmu->rdpmc(0x80000000, v));  // fast mode
  CHECK_FALSE(g.vpmu->rdpmc(0x20000000, v));  // PERF_METRICS
  g.hooks.level = 3;
  CHECK_FALSE(g.vpmu->rdpmc(0, v));
  g.cpu.now = 42;
  CHECK((g.vpmu->rdpmc(0x10000, v) && v == 42));  // VMware's, without privilege check
  CHECK_FALSE(g.vpmu->rdpmc(0x10003, v));
  g.hooks.cr4 = 1 << 8;
  CHECK(g.vpmu->rdpmc(0, v));
  g.hooks.cr4 = 0;
  g.hooks.cr0 = 0;  // real mode ignores PCE
  CHECK(g.vpmu->rdpmc(0, v));
  g.vpmu->disable();
  CHECK_FALSE(g.vpmu->rdpmc(0x10000, v));
}

TEST_CASE("On AMD a bad RDPMC index faults before the intercept, and there are no fixed counters") {
  Guest g(zen4(), "emulated");
  CHECK_FALSE(g.vpmu->rdpmc_early_fault(5));
  CHECK(g.vpmu->rdpmc_early_fault(6));
  CHECK(g.vpmu->rdpmc_early_fault(0x40000000));
  CHECK_FALSE(Guest(spr(), "emulated").vpmu->rdpmc_early_fault(64));
}

// vmx_recalc_pmu_msr_intercepts.
TEST_CASE("What is passed through follows the vCPU model: three fixed counters of four never match") {
  Guest s(spr(), "mediated"), k(skx(), "mediated"), z(zen4(), "mediated");
  for (Guest* g : {&s, &k}) {
    CHECK_FALSE(g->vpmu->msr_intercepted(msr::kPerfCtr0));
    CHECK_FALSE(g->vpmu->msr_intercepted(msr::kAPmc0));
    CHECK_FALSE(g->vpmu->msr_intercepted(msr::kFixedCtr0 + 2));
    CHECK(g->vpmu->msr_intercepted(msr::kFixedCtr0 + 3));
    CHECK(g->vpmu->msr_intercepted(msr::kPerfEvtSel0));
    CHECK(g->vpmu->msr_intercepted(msr::kFixedCtrCtrl));
    CHECK(g->vpmu->msr_intercepted(msr::kPerfCapabilities));
    CHECK(g->vpmu->msr_intercepted(msr::kDsArea));
  }
  for (u32 m : {msr::kGlobalCtrl, msr::kGlobalStatus, msr::kGlobalStatusReset}) {
    CHECK(s.vpmu->msr_intercepted(m));
    CHECK_FALSE(k.vpmu->msr_intercepted(m));
  }
  CHECK(s.vpmu->rdpmc_intercepted());
  CHECK_FALSE(k.vpmu->rdpmc_intercepted());
  CHECK_FALSE(z.vpmu->rdpmc_intercepted());
  CHECK_FALSE(z.vpmu->msr_intercepted(msr::kAmdGlobalStatusSet));
  CHECK_FALSE(z.vpmu->msr_intercepted(msr::kK7PerfCtr0 + 3));
  CHECK_FALSE(z.vpmu->msr_intercepted(msr::kAmdPerfCtr0 + 10));
  CHECK(z.vpmu->msr_intercepted(msr::kK7EvntSel0));
  Guest e(skx(), "emulated");
  CHECK(e.vpmu->msr_intercepted(msr::kPerfCtr0));
  CHECK(e.vpmu->rdpmc_intercepted());
}
