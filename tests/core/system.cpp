// SPDX-License-Identifier: Apache-2.0
// System instructions. Expectations: SDM Vol. 2, each instruction; Vol. 3, "Control Registers", "Relative
// Priority of Faults and VM Exits"; AMD APM Vol. 2, "Intercepts" (exceptions of RDPMC before its intercept),
// Vol. 3, SYSCALL.
#include <doctest/doctest.h>

#include "arch/msr.h"
#include "machine.h"

using namespace pmusim;
using namespace pmusim::core;
using namespace pmusim::core::test;

namespace {

struct Cpu : Machine {
  FakeIntercepts intercepts;
  explicit Cpu(bool amd = false) {
    long_mode();
    config.amd = amd;
  }
  void guest(bool faults_first = false) {
    intercepts.all = true;
    intercepts.faults_first = faults_first;
    x.intercepts = &intercepts;
  }
  void wrmsr(u32 index, u64 value) {
    s.gpr[RCX] = index;
    s.gpr[RAX] = value & 0xffffffff;
    s.gpr[RDX] = value >> 32;
    core::wrmsr(x);
  }
  u64 rdmsr(u32 index) {
    s.gpr[RCX] = index;
    core::rdmsr(x);
    return s.gpr[RAX] | s.gpr[RDX] << 32;
  }
  void rdpmc(u32 ecx) {
    s.gpr[RCX] = ecx;
    core::rdpmc(x);
  }
};

template <class F>
bool gp(F f) {
  return faults_with(f, kGP, 0);
}
template <class F>
bool ud(F f) {
  const auto fault = fault_of(f);
  return fault && fault->vector == kUD && !fault->has_error_code;
}
template <class F>
ExitKind exit_kind(F f) {
  const auto exit = exit_of(f);
  return exit ? exit->kind : ExitKind::None;
}

constexpr u64 kCanonicalTop = 0x00007fffffffffff;

}  // namespace

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
  const auto exit = exit_of([&] { m.wrmsr(0x38f, 0x700000003); });
  REQUIRE(exit);
  CHECK(exit->kind == ExitKind::Wrmsr);
  CHECK(exit->qualification == 0x38f);
  CHECK(exit->value == 0x700000003);
}

TEST_CASE("other MSRs are the environment's, asked after synchronization, the cost follows") {
  Cpu m;
  m.config.costs.cycles[static_cast<unsigned>(Cost::Wrmsr)] = 150;
  m.env.msrs[0x38f] = 0x123456789abcdef0;
  CHECK(m.rdmsr(0x38f) == 0x123456789abcdef0);
  CHECK(m.syncs == 1);
  m.wrmsr(0x38f, 5);
  CHECK(m.env.msrs[0x38f] == 5);
  CHECK(m.syncs == 2);
  CHECK(m.timing.cycle() == 150);
}

TEST_CASE("RDMSR clears the upper halves of RAX and RDX") {
  Cpu m;
  m.env.msrs[0x10] = ~u64{0};
  m.s.gpr[RAX] = m.s.gpr[RDX] = ~u64{0};
  m.rdmsr(0x10);
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

TEST_CASE("CPUID fills the four registers, at any CPL, or exits") {
  Cpu m;
  m.user();
  m.s.gpr[RAX] = 0xa;
  m.s.gpr[RCX] = 2;
  m.s.gpr[RBX] = ~u64{0};
  cpuid(m.x);
  CHECK(m.s.gpr[RAX] == 0xa);
  CHECK(m.s.gpr[RBX] == 2);
  CHECK(m.s.gpr[RDX] == 4);
  m.guest();
  CHECK(exit_kind([&] { cpuid(m.x); }) == ExitKind::Cpuid);
}

TEST_CASE("HLT halts at CPL 0, faults at CPL 3, exits where intercepted") {
  Cpu m;
  hlt(m.x);
  CHECK(m.s.activity == Activity::Halted);
  m.guest();
  CHECK(exit_kind([&] { hlt(m.x); }) == ExitKind::Hlt);
  m.user();
  CHECK(gp([&] { hlt(m.x); }));
}

TEST_CASE("CLI and STI obey IOPL, STI casts a shadow only when it enables") {
  Cpu m;
  sti(m.x);
  CHECK((m.s.rflags & kIF) != 0);
  CHECK(m.s.interrupt_shadow);
  m.s.interrupt_shadow = false;
  sti(m.x);
  CHECK_FALSE(m.s.interrupt_shadow);
  m.user();
  CHECK(gp([&] { cli(m.x); }));
  CHECK(gp([&] { sti(m.x); }));
  m.s.rflags |= 2 << 12;
  CHECK(gp([&] { cli(m.x); }));
  m.s.rflags |= 3 << 12;
  cli(m.x);
  CHECK((m.s.rflags & kIF) == 0);
}

TEST_CASE("POPF changes IF by IOPL and IOPL only at CPL 0, it clears RF and leaves VM, VIF, VIP") {
  Cpu m;
  m.s.rflags |= kRF;
  popf_value(m.x, ~u64{0}, 8);
  CHECK(m.s.rflags == (kFixed1 | kArithmeticFlags | kTF | kIF | kDFlag | kIopl | kNT | kACFlag | kID));
  CHECK(pushf_value(m.x) == m.s.rflags);
  m.s.rflags = kFixed1;
  m.user();
  popf_value(m.x, ~u64{0}, 8);
  CHECK((m.s.rflags & (kIF | kIopl)) == 0);
  m.s.rflags = kFixed1 | kACFlag | kRF;
  popf_value(m.x, kCF, 2);
  CHECK(m.s.rflags == (kFixed1 | kACFlag | kRF | kCF));
  CHECK(pushf_value(m.x) == (kFixed1 | kACFlag | kCF));
}

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

TEST_CASE(
    "LGDT and LIDT: 24-bit base with 16-bit operands, 32-bit otherwise, 64-bit and canonical in 64-bit "
    "code") {
  Machine m;
  m.protected_mode();
  m.put(0x7000, 0x1234, 2);
  m.put(0x7002, 0xffff8000abcdef12);
  load_descriptor_table(m.x, false, 0x7000, 2);
  CHECK(m.s.gdtr.limit == 0x1234);
  CHECK(m.s.gdtr.base == 0xcdef12);
  load_descriptor_table(m.x, true, 0x7000, 4);
  CHECK(m.s.idtr.base == 0xabcdef12);
  Cpu n;
  n.put(0x7002, 0xffff8000abcdef12);
  load_descriptor_table(n.x, true, 0x7000, 8);
  CHECK(n.s.idtr.base == 0xffff8000abcdef12);
  store_descriptor_table(n.x, true, 0x7100, 8);
  CHECK(n.get(0x7102) == 0xffff8000abcdef12);
  n.put(0x7002, 0x800000000000);
  CHECK(gp([&] { load_descriptor_table(n.x, true, 0x7000, 8); }));
  n.user();
  CHECK(gp([&] { load_descriptor_table(n.x, true, 0x7000, 8); }));
  CHECK_NOTHROW(store_descriptor_table(n.x, true, 0x7100, 8));
  n.s.cr4 |= kCr4Umip;
  CHECK(gp([&] { store_descriptor_table(n.x, true, 0x7100, 8); }));
}

TEST_CASE("port I/O above IOPL is decided by the TSS's bitmap, before the exit") {
  Cpu m;
  CHECK(in(m.x, 0x3f8, 1) == 0xf8);
  out(m.x, 0xf4, 0x1ff, 1);
  CHECK(m.env.io_writes == std::vector<u64>{0xff});
  m.user();
  m.s.tr.access = 0x83;  // a 16-bit TSS has no bitmap
  CHECK(gp([&] { in(m.x, 0x3f8, 1); }));
  m.load_tss();
  m.s.tr.limit = 0x66;  // too short to say where the bitmap is
  m.put(Machine::kTssAt + 0x66, 0, 2);
  CHECK(gp([&] { in(m.x, 0, 1); }));
  m.s.tr.limit = 0x67;
  CHECK_NOTHROW(in(m.x, 0, 1));
  m.s.tr.limit = 0x68 + 0x3ff / 8 + 1;
  m.put(Machine::kTssAt + 0x66, 0x68, 2);
  for (u64 i = 0; i <= 0x80; ++i) m.put(Machine::kTssAt + 0x68 + i, 0, 1);
  m.put(Machine::kTssAt + 0x68 + 0x3f8 / 8, 2, 1);  // port 0x3f9 denied
  CHECK_NOTHROW(in(m.x, 0x3f8, 1));
  CHECK(gp([&] { in(m.x, 0x3f9, 1); }));
  CHECK(gp([&] { in(m.x, 0x3f8, 2); }));
  CHECK_NOTHROW(in(m.x, 0x3fa, 4));
  CHECK_NOTHROW(in(m.x, 0x3ff, 1));
  CHECK(gp([&] { in(m.x, 0x400, 1); }));  // beyond the TSS limit
  m.guest();
  CHECK(gp([&] { in(m.x, 0x3f9, 1); }));
  const auto exit = exit_of([&] { in(m.x, 0x3f8, 1); });
  REQUIRE(exit);
  CHECK(exit->kind == ExitKind::Io);
  CHECK(exit->qualification == (0x3f8 | 1 << 16 | 1 << 24));
  m.s.rflags |= kIopl;
  CHECK(exit_kind([&] { out(m.x, 0x3f9, 0, 4); }) == ExitKind::Io);
}

TEST_CASE("SWAPGS is for 64-bit code at CPL 0") {
  Cpu m;
  m.s.seg[GS].base = 1;
  m.s.kernel_gs_base = 2;
  swapgs(m.x);
  CHECK(m.s.seg[GS].base == 2);
  CHECK(m.s.kernel_gs_base == 1);
  m.user();
  CHECK(gp([&] { swapgs(m.x); }));
  m.segments(kCode32, kData);
  CHECK(ud([&] { swapgs(m.x); }));
}

TEST_CASE("SYSCALL and SYSRET load fixed segments from STAR and exchange RIP and RFLAGS") {
  Cpu m;
  m.s.star = u64{0x1b} << 48 | u64{0x08} << 32;
  m.s.lstar = 0xffffffff81000000;
  m.s.sfmask = kIF | kTF;
  m.user();
  m.s.rflags = kFixed1 | kIF | kCF | kRF;
  m.x.next_rip = 0x401002;
  syscall(m.x);
  CHECK(m.s.rip == 0xffffffff81000000);
  CHECK(m.s.gpr[RCX] == 0x401002);
  CHECK(m.s.gpr[R11] == (kFixed1 | kIF | kCF));
  CHECK(m.s.rflags == (kFixed1 | kCF));
  CHECK(m.s.cpl == 0);
  CHECK(m.s.seg[CS].selector == 0x08);
  CHECK(m.s.seg[CS].access == 0xa09b);
  CHECK(m.s.seg[SS].selector == 0x10);
  CHECK(m.s.seg[SS].access == 0xc093);
  m.s.gpr[R11] = ~u64{0};
  sysret(m.x, 8);
  CHECK(m.s.rip == 0x401002);
  CHECK(m.s.cpl == 3);
  CHECK(m.s.seg[CS].selector == 0x2b);
  CHECK(m.s.seg[CS].access == 0xa0fb);
  CHECK(m.s.seg[SS].selector == 0x23);
  CHECK(m.s.seg[SS].access == 0xc0f3);
  CHECK(m.s.rflags == 0x3c7fd7);
}

TEST_CASE("32-bit SYSRET returns to compatibility mode") {
  Cpu m;
  m.s.star = u64{0x1b} << 48;
  m.s.gpr[RCX] = 0x1200401002;
  sysret(m.x, 4);
  CHECK(m.s.rip == 0x401002);
  CHECK(m.s.seg[CS].selector == 0x1b);
  CHECK(m.s.seg[CS].access == 0xc0fb);
}

TEST_CASE(
    "SYSRET with a non-canonical RCX faults on Intel only, SYSCALL in compatibility mode is #UD on Intel "
    "only") {
  for (const bool amd : {false, true}) {
    CAPTURE(amd);
    Cpu m(amd);
    m.s.gpr[RCX] = 0x800000000000;
    CHECK(gp([&] { sysret(m.x, 8); }) == !amd);
    m.s.cpl = 0;
    m.segments(kUserCode32 | 3, kUserData | 3);
    m.s.cstar = 0x1000;
    CHECK(ud([&] { syscall(m.x); }) == !amd);
    Cpu n(amd);
    n.s.efer &= ~kEferSce;
    CHECK(ud([&] { syscall(n.x); }));
    CHECK(ud([&] { sysret(n.x, 8); }));
  }
}

TEST_CASE("VMCALL is Intel's, VMMCALL AMD's, both are undefined outside a guest") {
  for (const bool amd : {false, true}) {
    Cpu m(amd);
    CHECK(ud([&] { vmcall(m.x, amd); }));
    m.guest();
    CHECK(exit_kind([&] { vmcall(m.x, amd); }) == ExitKind::Vmcall);
    CHECK(ud([&] { vmcall(m.x, !amd); }));
  }
}

TEST_CASE("CLFLUSH faults as a read, cache invalidation is privileged") {
  Cpu m;
  CHECK(faults_with([&] { clflush(m.x, 0x40000000); }, kPF, 0));
  CHECK_NOTHROW(clflush(m.x, 0x6000));
  CHECK_NOTHROW(invalidate_caches(m.x, true));
  m.guest();
  CHECK(exit_kind([&] { invalidate_caches(m.x, true); }) == ExitKind::Wbinvd);
  CHECK(exit_kind([&] { invalidate_caches(m.x, false); }) == ExitKind::Invd);
  CHECK(exit_kind([&] { invlpg(m.x, 0x5000); }) == ExitKind::Invlpg);
  m.user();
  CHECK(gp([&] { invalidate_caches(m.x, false); }));
  CHECK(gp([&] { invlpg(m.x, 0x5000); }));
}

TEST_CASE("reset: CS:RIP is F000:FFF0 over base FFFF0000, real mode, caches off") {
  CpuState s;
  s.cpl = 3;
  s.gpr[RBX] = 7;
  reset(s);
  CHECK(s.seg[CS].base + s.rip == 0xfffffff0);
  CHECK(s.seg[CS].selector == 0xf000);
  CHECK(s.cr0 == 0x60000010);
  CHECK(s.rflags == 2);
  CHECK(s.cpl == 0);
  CHECK(s.gpr[RBX] == 0);
  CHECK(s.dr[6] == 0xffff0ff0);
  CHECK(s.dr[7] == 0x400);
}
