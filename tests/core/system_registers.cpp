// SPDX-License-Identifier: Apache-2.0
// Control and debug registers. Expectations: SDM Vol. 2, MOV of them, LMSW, CLTS; Vol. 3, "Control
// Registers".
#include <doctest/doctest.h>

#include "program.h"
#include "system_cpu.h"

using namespace pmusim;
using namespace pmusim::core;
using namespace pmusim::core::test;

TEST_CASE("CR0: PG needs PE, NW needs CD, the upper half is reserved, ET stays set") {
  Machine m;
  m.protected_mode();
  CHECK(gp([&] { mov_to_cr(m.x, 0, kCr0Pg, RAX); }));
  CHECK(gp([&] { mov_to_cr(m.x, 0, kCr0Pe | kCr0Nw, RAX); }));
  mov_to_cr(m.x, 0, kCr0Pe | kCr0Nw | kCr0Cd, RAX);
  CHECK(mov_from_cr(m.x, 0, RAX) == (kCr0Pe | kCr0Nw | kCr0Cd | kCr0Et));
  Cpu n;
  CHECK(gp([&] { mov_to_cr(n.x, 0, n.s.cr0 | u64{1} << 32, RAX); }));
}

TEST_CASE("setting PG with LME activates long mode, given PAE and a CS without L") {
  Machine m;
  m.protected_mode();
  m.s.efer = kEferLme;
  CHECK(gp([&] { mov_to_cr(m.x, 0, m.s.cr0 | kCr0Pg, RAX); }));
  m.s.cr4 = kCr4Pae;
  m.segments(kCode64, kData);
  CHECK(gp([&] { mov_to_cr(m.x, 0, m.s.cr0 | kCr0Pg, RAX); }));
  CHECK(m.s.efer == kEferLme);
  m.segments(kCode32, kData);
  mov_to_cr(m.x, 0, m.s.cr0 | kCr0Pg, RAX);
  CHECK(m.s.long_mode());
  mov_to_cr(m.x, 0, m.s.cr0 & ~kCr0Pg, RAX);
  CHECK(m.s.efer == kEferLme);
}

TEST_CASE("64-bit code cannot turn paging off, long mode cannot lose PAE") {
  Cpu m;
  CHECK(gp([&] { mov_to_cr(m.x, 0, m.s.cr0 & ~kCr0Pg, RAX); }));
  CHECK(gp([&] { mov_to_cr(m.x, 4, 0, RAX); }));
}

TEST_CASE("CR4 takes the bits this CPU has and refuses the others") {
  const u64 always =
      kCr4Tsd | kCr4De | kCr4Pse | kCr4Pae | kCr4Mce | kCr4Pge | kCr4Pce | kCr4Osfxsr | kCr4Osxmmexcpt;
  const u64 enumerated = kCr4Umip | kCr4Fsgsbase | kCr4Pcide | kCr4Osxsave | kCr4Smep | kCr4Smap;
  for (const bool has : {false, true})
    for (unsigned i = 0; i < 64; ++i) {
      CAPTURE(i);
      CAPTURE(has);
      Cpu m;
      if (!has) m.config.features = {};
      const u64 value = u64{1} << i;
      CHECK(gp([&] { mov_to_cr(m.x, 4, value | kCr4Pae, RAX); }) ==
            !((has ? always | enumerated : always) & value));
    }
}

TEST_CASE("bits of features that software is not told of are reserved too") {
  Cpu m;
  m.config.enumerated = {};
  m.config.enumerated.set(Feature::Smep);
  CHECK(gp([&] { mov_to_cr(m.x, 4, kCr4Pae | kCr4Fsgsbase, RAX); }));
  mov_to_cr(m.x, 4, kCr4Pae | kCr4Smep, RAX);
  CHECK(m.s.cr4 == (kCr4Pae | kCr4Smep));
  CHECK(gp([&] { m.wrmsr(msr::kEfer, m.s.efer | kEferNxe); }));
  m.config.enumerated.set(Feature::Nx);
  m.wrmsr(msr::kEfer, m.s.efer | kEferNxe);
}

TEST_CASE("CR3 in long mode: bits from the physical width up are reserved") {
  Cpu m;
  m.mmu.set_physical_bits(46);
  CHECK(gp([&] { mov_to_cr(m.x, 3, u64{1} << 46, RAX); }));
  mov_to_cr(m.x, 3, u64{1} << 45, RAX);
  CHECK(m.s.cr3 == u64{1} << 45);
}

TEST_CASE("CR3, CR0.WP and EFER.NXE writes drop cached translations") {
  Cpu m;
  m.map(0x40000000, 0x6000, Machine::kP);
  const auto mapped = [&] { return !fault_of([&] { m.mmu.read<u8>(0x40000000); }); };
  const auto stale = [&](auto write) {
    m.map(0x40000000, 0x6000, Machine::kP);
    m.mmu.read<u8>(0x40000000);
    m.map(0x40000000, 0, 0);
    CHECK(mapped());
    write();
    return mapped();
  };
  CHECK_FALSE(stale([&] { mov_to_cr(m.x, 3, m.s.cr3, RAX); }));
  CHECK_FALSE(stale([&] { mov_to_cr(m.x, 0, m.s.cr0 & ~kCr0Wp, RAX); }));
  CHECK_FALSE(stale([&] { mov_to_cr(m.x, 4, m.s.cr4 | kCr4Pge, RAX); }));
  CHECK_FALSE(stale([&] { m.wrmsr(msr::kEfer, kEferLme | kEferNxe); }));
  CHECK_FALSE(stale([&] { invlpg(m.x, 0x40000000); }));
  CHECK(stale([&] { mov_to_cr(m.x, 0, m.s.cr0 ^ kCr0Mp, RAX); }));
}

TEST_CASE("control registers that do not exist are #UD, then comes privilege, then the exit") {
  Cpu m;
  m.guest();
  for (const unsigned cr : {1u, 5u, 7u, 9u, 15u}) {
    CHECK(ud([&] { mov_from_cr(m.x, cr, RAX); }));
    CHECK(ud([&] { mov_to_cr(m.x, cr, 0, RAX); }));
  }
  const auto exit = exit_of([&] { mov_to_cr(m.x, 4, 0x80000000, RBX); });  // a value that would be #GP
  REQUIRE(exit);
  CHECK(exit->kind == ExitKind::CrAccess);
  CHECK(exit->qualification == (4 | 1 << 8 | RBX << 16));
  CHECK(exit->value == 0x80000000);
  m.user();
  CHECK(gp([&] { mov_from_cr(m.x, 0, RAX); }));
  CHECK(ud([&] { mov_from_cr(m.x, 1, RAX); }));
}

TEST_CASE("CR8 is the environment's") {
  Cpu m;
  mov_to_cr(m.x, 8, 15, RAX);
  CHECK(mov_from_cr(m.x, 8, RAX) == 15);
  CHECK(gp([&] { mov_to_cr(m.x, 8, 16, RAX); }));
}

TEST_CASE("LMSW sets PE but cannot clear it, CLTS clears TS") {
  Machine m;
  lmsw(m.x, 0xffff);
  CHECK((m.s.cr0 & 0xf) == 0xf);
  clts(m.x);
  CHECK((m.s.cr0 & 0xf) == 0x7);
  lmsw(m.x, 0);
  CHECK((m.s.cr0 & 0xf) == 1);
}

TEST_CASE("debug registers: DR4 and DR5 alias DR6 and DR7 unless CR4.DE, fixed bits, upper halves") {
  Cpu m;
  mov_to_dr(m.x, 5, 0x3ff);
  CHECK(m.s.dr[7] == 0x7ff);
  mov_to_dr(m.x, 6, 0);
  CHECK(mov_from_dr(m.x, 4) == 0xffff0ff0);
  CHECK(gp([&] { mov_to_dr(m.x, 7, u64{1} << 32); }));
  CHECK_NOTHROW(mov_to_dr(m.x, 0, ~u64{0}));
  m.s.cr4 |= kCr4De;
  CHECK(ud([&] { mov_from_dr(m.x, 4); }));
  mov_to_dr(m.x, 7, 1 << 13);
  const auto detected = fault_of([&] { mov_from_dr(m.x, 0); });
  REQUIRE(detected);
  CHECK(detected->vector == kDB);
  CHECK((m.s.dr[6] & 1 << 13) != 0);
  m.user();
  CHECK(gp([&] { mov_from_dr(m.x, 0); }));
}

// SDM Vol. 3, "Instructions That Cause VM Exits Conditionally": the exit of MOV DR comes before #GP of the
// privilege level and #UD of CR4.DE; KVM's svm.c has debug registers after the exceptions (POST_EX).
TEST_CASE("a guest's MOV DR exits before every fault on VMX and after every fault on SVM") {
  const auto prepare = [](Cpu& m, bool faults_first) {
    m.s.cr4 |= kCr4De;
    m.s.dr[7] |= 1 << 13;
    m.guest(faults_first);
    m.intercepts.all = true;
  };
  Cpu vmx, svm(true);
  prepare(vmx, false);
  prepare(svm, true);
  CHECK(exit_kind([&] { mov_from_dr(vmx.x, 4); }) == ExitKind::DrAccess);
  CHECK(exit_kind([&] { mov_to_dr(vmx.x, 0, 0); }) == ExitKind::DrAccess);
  CHECK((vmx.s.dr[6] & 1 << 13) == 0);
  vmx.user();
  const auto exit = exit_of([&] { mov_from_dr(vmx.x, 3, RBX); });
  REQUIRE(exit);
  CHECK(exit->qualification == (3 | u64{RBX} << 16));
  CHECK(ud([&] { mov_from_dr(svm.x, 4); }));
  const auto detected = fault_of([&] { mov_from_dr(svm.x, 0); });
  REQUIRE(detected);
  CHECK(detected->vector == kDB);
  svm.s.dr[7] = 0x400;
  CHECK(exit_kind([&] { mov_from_dr(svm.x, 0); }) == ExitKind::DrAccess);
  svm.user();
  CHECK(gp([&] { mov_from_dr(svm.x, 0); }));
}

// SDM Vol. 2, SGDT, SIDT: the check of UMIP comes first.
TEST_CASE("UMIP refuses SGDT and SIDT above CPL 0 before their operand's segment counts") {
  for (const u8 operand : {u8{0x45}, u8{0x4d}})  // sgdt, sidt [rbp]
    for (const bool umip : {false, true}) {
      Program p;
      p.user();
      if (umip) p.s.cr4 |= kCr4Umip;
      p.s.gpr[RBP] = u64{1} << 63;  // not canonical: #SS
      p.code({0x0f, 0x01, operand, 0});
      FakeIntercepts intercepts;
      intercepts.all = true;
      p.core.set_world(World::Guest, nullptr, &intercepts, 1);
      REQUIRE(p.run(1) == Stop::VmExit);
      CHECK(p.core.exit().kind == ExitKind::Exception);
      CHECK(p.core.exit().qualification == (umip ? kGP : kSS));
    }
}
