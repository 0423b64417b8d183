// SPDX-License-Identifier: Apache-2.0
// RDMSR, WRMSR, RDPMC and RDTSC. Expectations: SDM Vol. 2, each instruction; Vol. 3, "Relative Priority of
// Faults and VM Exits"; AMD APM Vol. 2, "Intercepts" (exceptions of RDPMC before its intercept).
#include <doctest/doctest.h>

#include "system_cpu.h"

using namespace pmusim;
using namespace pmusim::core;
using namespace pmusim::core::test;

constexpr u64 kCanonicalTop = 0x00007fffffffffff;

TEST_CASE("RDMSR and WRMSR fault at CPL 3, also where the MSR is intercepted") {
  Cpu m;
  m.guest();
  m.user();
  CHECK(gp([&] { m.rdmsr(msr::kEfer); }));
  CHECK(gp([&] { m.wrmsr(msr::kEfer, 0); }));
}

TEST_CASE("an intercepted unknown MSR exits, one that is not intercepted is #GP(0)") {
  Cpu m;
  CHECK(gp([&] { m.rdmsr(0x12345); }));
  CHECK(gp([&] { m.wrmsr(0x12345, 0); }));
  m.guest();
  CHECK(exit_kind([&] { m.rdmsr(0x12345); }) == ExitKind::Rdmsr);
  const auto exit = exit_of([&] { m.wrmsr(msr::kGlobalCtrl, 0x700000003); });
  REQUIRE(exit);
  CHECK(exit->kind == ExitKind::Wrmsr);
  CHECK(exit->qualification == msr::kGlobalCtrl);
  CHECK(exit->value == 0x700000003);
}

TEST_CASE("other MSRs are the environment's, asked after synchronization, the cost follows") {
  Cpu m;
  m.config.costs.cycles[static_cast<unsigned>(Cost::Wrmsr)] = 150;
  m.env.msrs[msr::kGlobalCtrl] = 0x123456789abcdef0;
  CHECK(m.rdmsr(msr::kGlobalCtrl) == 0x123456789abcdef0);
  CHECK(m.syncs == 1);
  m.wrmsr(msr::kGlobalCtrl, 5);
  CHECK(m.env.msrs[msr::kGlobalCtrl] == 5);
  CHECK(m.syncs == 2);
  CHECK(m.timing.cycle() == 150);
}

TEST_CASE("RDMSR clears the upper halves of RAX and RDX") {
  Cpu m;
  m.env.msrs[msr::kTsc] = ~u64{0};
  m.s.gpr[RAX] = m.s.gpr[RDX] = ~u64{0};
  m.rdmsr(msr::kTsc);
  CHECK(m.s.gpr[RAX] == 0xffffffff);
  CHECK(m.s.gpr[RDX] == 0xffffffff);
}

TEST_CASE("address MSRs refuse the first non-canonical address") {
  for (const u32 index : {msr::kLstar, msr::kCstar, msr::kFsBase, msr::kGsBase, msr::kKernelGsBase,
                          msr::kSysenterEsp, msr::kSysenterEip}) {
    CAPTURE(index);
    Cpu m;
    m.wrmsr(index, kCanonicalTop);
    CHECK(m.rdmsr(index) == kCanonicalTop);
    CHECK(gp([&] { m.wrmsr(index, kCanonicalTop + 1); }));
    CHECK(gp([&] { m.wrmsr(index, 0xffff7fffffffffff); }));
    m.wrmsr(index, 0xffff800000000000);
    CHECK(m.rdmsr(index) == 0xffff800000000000);
  }
}

TEST_CASE("PAT accepts types 0, 1, 4 to 7 in each field") {
  Cpu m;
  for (unsigned type = 0; type <= 8; ++type) {
    CAPTURE(type);
    const bool valid = type < 8 && type != 2 && type != 3;
    CHECK(gp([&] { m.wrmsr(msr::kPat, u64{type} << 56); }) != valid);
  }
}

TEST_CASE("EFER: LME cannot change under paging, LMA is read-only, SVME is AMD's, the environment is told") {
  Cpu m;
  CHECK(gp([&] { m.wrmsr(msr::kEfer, kEferSce); }));
  m.wrmsr(msr::kEfer, kEferSce | kEferLme | kEferNxe);
  CHECK(m.s.efer == (kEferSce | kEferLme | kEferLma | kEferNxe));
  CHECK(m.env.msrs[msr::kEfer] == m.s.efer);
  CHECK(gp([&] { m.wrmsr(msr::kEfer, kEferLme | kEferSvme); }));
  CHECK(gp([&] { m.wrmsr(msr::kEfer, kEferLme | 2); }));
  Machine unpaged;
  unpaged.s.gpr[RCX] = msr::kEfer;
  unpaged.s.gpr[RAX] = kEferLme | kEferLma;
  core::wrmsr(unpaged.x);
  CHECK(unpaged.s.efer == kEferLme);
  Cpu amd(true);
  amd.wrmsr(msr::kEfer, kEferLme | kEferSvme);
  CHECK((amd.env.msrs[msr::kEfer] & kEferSvme) != 0);
}

TEST_CASE("TSC_AUX exists with RDTSCP and has 32 bits") {
  Cpu m;
  m.wrmsr(msr::kTscAux, 0xffffffff);
  CHECK(gp([&] { m.wrmsr(msr::kTscAux, 0x100000000); }));
  m.env.tsc = 0x500000007;
  rdtsc(m.x, true);
  CHECK(m.s.gpr[RAX] == 7);
  CHECK(m.s.gpr[RDX] == 5);
  CHECK(m.s.gpr[RCX] == 0xffffffff);
  CHECK(rdpid(m.x) == 0xffffffff);
  m.config.features = {};
  CHECK(gp([&] { m.rdmsr(msr::kTscAux); }));
}

TEST_CASE("RDPMC needs CPL 0, CR4.PCE, or real mode, a bad counter is #GP(0)") {
  Cpu m;
  m.env.counters[0x40000001] = 0xff12345678;
  m.rdpmc(0x40000001);
  CHECK(m.s.gpr[RAX] == 0x12345678);
  CHECK(m.s.gpr[RDX] == 0xff);
  CHECK(gp([&] { m.rdpmc(64); }));
  m.user();
  CHECK(gp([&] { m.rdpmc(0x40000001); }));
  m.s.cr4 |= kCr4Pce;
  CHECK_FALSE(fault_of([&] { m.rdpmc(0x40000001); }));
  Machine real;
  real.env.counters[0] = 1;
  CHECK_FALSE(fault_of([&] { rdpmc(real.x); }));
}

TEST_CASE(
    "an intercepted RDPMC: the privilege fault comes first, a bad counter number after VMX's exit, before "
    "SVM's") {
  Cpu intel;
  intel.guest();
  intel.env.counters[0] = 1;
  CHECK(exit_kind([&] { intel.rdpmc(64); }) == ExitKind::Rdpmc);
  intel.user();
  CHECK(gp([&] { intel.rdpmc(0); }));
  CHECK(gp([&] { intel.rdpmc(64); }));
  intel.s.cr4 |= kCr4Pce;
  CHECK(exit_kind([&] { intel.rdpmc(0); }) == ExitKind::Rdpmc);
  CHECK(exit_kind([&] { intel.rdpmc(64); }) == ExitKind::Rdpmc);
  Cpu amd(true);
  amd.guest(true);
  amd.env.counters[0] = 1;
  CHECK(gp([&] { amd.rdpmc(64); }));
  CHECK(exit_kind([&] { amd.rdpmc(0); }) == ExitKind::Rdpmc);
  amd.user();
  CHECK(gp([&] { amd.rdpmc(0); }));
}

TEST_CASE("RDTSC at CPL 3 faults with CR4.TSD, before its intercept") {
  Cpu m;
  m.s.cr4 |= kCr4Tsd;
  CHECK_FALSE(fault_of([&] { rdtsc(m.x, false); }));
  m.guest();
  CHECK(exit_kind([&] { rdtsc(m.x, false); }) == ExitKind::Rdtsc);
  CHECK(exit_kind([&] { rdtsc(m.x, true); }) == ExitKind::Rdtscp);
  m.user();
  CHECK(gp([&] { rdtsc(m.x, false); }));
}
