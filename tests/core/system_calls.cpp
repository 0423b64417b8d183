// SPDX-License-Identifier: Apache-2.0
// SWAPGS, SYSCALL and SYSRET. Expectations: SDM Vol. 2 and AMD APM Vol. 3, each instruction.
#include <doctest/doctest.h>

#include "system_cpu.h"

using namespace pmusim;
using namespace pmusim::core;
using namespace pmusim::core::test;

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
