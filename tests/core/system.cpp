// SPDX-License-Identifier: Apache-2.0
// System instructions that are about neither MSRs, control registers nor system calls. Expectations: SDM Vol.
// 2, each instruction; Vol. 3, "Relative Priority of Faults and VM Exits", "Processor State After Reset".
#include <doctest/doctest.h>

#include "system_cpu.h"

using namespace pmusim;
using namespace pmusim::core;
using namespace pmusim::core::test;

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
