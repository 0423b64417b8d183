// SPDX-License-Identifier: Apache-2.0
// Segment loads and far transfers. Expectations: SDM Vol. 3, "Segment Descriptors", "Privilege Levels"; Vol.
// 2, MOV, LLDT, LTR, JMP, CALL, RET, IRET (the Operation sections).
#include <doctest/doctest.h>

#include "machine.h"

using namespace pmusim;
using namespace pmusim::core;
using namespace pmusim::core::test;

namespace {

// Pushes values of `size` bytes so that the first one is on top.
void stack_of(Machine& m, unsigned size, std::initializer_list<u64> values) {
  u64 at = m.s.gpr[RSP] = Machine::kStack - size * values.size();
  for (const u64 v : values) {
    m.put(at, v, size);
    at += size;
  }
}

}  // namespace

TEST_CASE("real mode: a segment load sets base to selector x 16 and keeps limit and rights") {
  Machine m;
  m.s.seg[DS].limit = 0xffffffff;
  load_segment(m.x, DS, 0x1234);
  CHECK(m.s.seg[DS].base == 0x12340);
  CHECK(m.s.seg[DS].limit == 0xffffffff);
}

TEST_CASE("a data segment load decodes the descriptor and sets its accessed bit") {
  Machine m;
  m.protected_mode();
  m.put(Machine::kGdt + kData, Machine::descriptor(0x12345678, 0x54321, 0x92, 0x4));
  load_segment(m.x, DS, kData);
  CHECK(m.s.seg[DS].base == 0x12345678);
  CHECK(m.s.seg[DS].limit == 0x54321);
  CHECK(m.s.seg[DS].access == 0x4093);
  CHECK(m.get(Machine::kGdt + kData + 5, 1) == 0x93);
  m.put(Machine::kGdt + kData, Machine::descriptor(0, 0x54321, 0x92, 0xc));
  load_segment(m.x, ES, kData);
  CHECK(m.s.seg[ES].limit == 0x54321fff);
}

TEST_CASE("a selector is checked against the table's limit: the last byte inside, one short outside") {
  Machine m;
  m.protected_mode();
  m.s.gdtr.limit = kData + 7;
  CHECK_NOTHROW(load_segment(m.x, DS, kData));
  m.s.gdtr.limit = kData + 6;
  CHECK(faults_with([&] { load_segment(m.x, DS, kData); }, kGP, kData));
  m.s.ldtr.access = 1 << 16;
  CHECK(faults_with([&] { load_segment(m.x, DS, 0xc); }, kGP, 0xc));
}

TEST_CASE("data segments: type, privilege and presence") {
  Machine m;
  m.protected_mode();
  CHECK(faults_with([&] { load_segment(m.x, DS, kExecuteOnly); }, kGP, kExecuteOnly));
  CHECK(faults_with([&] { load_segment(m.x, DS, kTss); }, kGP, kTss));
  CHECK(faults_with([&] { load_segment(m.x, DS, kAbsentData); }, kNP, kAbsentData));
  CHECK(faults_with([&] { load_segment(m.x, DS, kData | 1); }, kGP, kData));
  CHECK_NOTHROW(load_segment(m.x, DS, kReadOnly));
  CHECK_NOTHROW(load_segment(m.x, DS, kCode32));
  CHECK_NOTHROW(load_segment(m.x, DS, kUserData | 3));
  m.user();
  CHECK(faults_with([&] { load_segment(m.x, DS, kData); }, kGP, kData));
  CHECK_NOTHROW(load_segment(m.x, DS, kConformingCode | 3));
  load_segment(m.x, GS, 0);
  CHECK(m.s.seg[GS].unusable());
}

TEST_CASE("SS: null, RPL, DPL, type and presence") {
  Machine m;
  m.protected_mode();
  CHECK(faults_with([&] { load_segment(m.x, SS, 0); }, kGP, 0));
  CHECK(faults_with([&] { load_segment(m.x, SS, kUserData | 3); }, kGP, kUserData));
  CHECK(faults_with([&] { load_segment(m.x, SS, kReadOnly); }, kGP, kReadOnly));
  CHECK(faults_with([&] { load_segment(m.x, SS, kAbsentData); }, kSS, kAbsentData));
  CHECK_NOTHROW(load_segment(m.x, SS, kData));
  m.long_mode();
  CHECK_NOTHROW(load_segment(m.x, SS, 0));
  CHECK(faults_with([&] { load_segment(m.x, SS, 3); }, kGP, 0));
  m.user();
  CHECK(faults_with([&] { load_segment(m.x, SS, 3); }, kGP, 0));
}

TEST_CASE("LTR takes an available TSS, marks it busy, and refuses it the second time") {
  Machine m;
  m.protected_mode();
  CHECK(faults_with([&] { load_tr(m.x, 0); }, kGP, 0));
  CHECK(faults_with([&] { load_tr(m.x, kData); }, kGP, kData));
  CHECK(faults_with([&] { load_tr(m.x, kTss | 4); }, kGP, kTss | 4));
  load_tr(m.x, kTss);
  CHECK(m.s.tr.base == Machine::kTssAt);
  CHECK((m.s.tr.access & 15) == 11);
  CHECK(m.get(Machine::kGdt + kTss + 5, 1) == 0x8b);
  CHECK(faults_with([&] { load_tr(m.x, kTss); }, kGP, kTss));
  m.user();
  CHECK(faults_with([&] { load_tr(m.x, kTss); }, kGP, 0));
}

TEST_CASE("in long mode system descriptors have 16 bytes with the upper base") {
  Machine m;
  m.long_mode();
  m.put(Machine::kGdt + kTss + 8, 0xffff8000);
  load_tr(m.x, kTss);
  CHECK(m.s.tr.base == (0xffff800000000000 | Machine::kTssAt));
  m.put(Machine::kGdt + kTss, Machine::descriptor(0x3000, 0xff, 0x82, 0));
  m.s.gdtr.limit = kTss + 15;
  load_ldtr(m.x, kTss);
  CHECK(m.s.ldtr.base == 0xffff800000003000);
  m.s.gdtr.limit = kTss + 14;
  CHECK(faults_with([&] { load_ldtr(m.x, kTss); }, kGP, kTss));
  load_ldtr(m.x, 0);
  CHECK(m.s.ldtr.unusable());
}

TEST_CASE("LLDT and LTR are undefined in real mode") {
  Machine m;
  CHECK(fault_of([&] { load_ldtr(m.x, 0); })->vector == kUD);
  CHECK(fault_of([&] { load_tr(m.x, kTss); })->vector == kUD);
}

TEST_CASE("a far jump from 16-bit protected mode enters 32-bit code, as an AP's trampoline does") {
  Machine m;
  m.s.cr0 |= kCr0Pe;  // CS is still the real-mode one
  m.mmu.set_state(&m.s);
  far_jump(m.x, kCode32, 0x12345, 4);
  CHECK(m.s.rip == 0x12345);
  CHECK(m.s.seg[CS].selector == kCode32);
  CHECK(m.s.seg[CS].big());
  CHECK(m.s.cpl == 0);
  far_jump(m.x, kCode32, 0x12345, 2);
  CHECK(m.s.rip == 0x2345);
}

TEST_CASE("a far jump or return from compatibility mode enters 64-bit code") {
  Machine m;
  m.long_mode();
  m.segments(kCode32, kData);
  CHECK_FALSE(m.s.code64());
  far_jump(m.x, kCode64, 0x5000, 4);
  CHECK(m.s.code64());
  m.segments(kCode32, kData);
  stack_of(m, 4, {0x6000, kCode64});
  far_return(m.x, 4, 0);
  CHECK(m.s.code64());
  CHECK(m.s.rip == 0x6000);
  CHECK(m.s.gpr[RSP] == Machine::kStack);
}

TEST_CASE("far jump: selector, type, privilege, presence, L with D") {
  Machine m;
  m.long_mode();
  CHECK(faults_with([&] { far_jump(m.x, 0, 0, 8); }, kGP, 0));
  CHECK(faults_with([&] { far_jump(m.x, kGdtEnd, 0, 8); }, kGP, kGdtEnd));
  CHECK(faults_with([&] { far_jump(m.x, kData, 0, 8); }, kGP, kData));
  CHECK(faults_with([&] { far_jump(m.x, kTss, 0, 8); }, kGP, kTss));
  CHECK(faults_with([&] { far_jump(m.x, kCode64 | 3, 0, 8); }, kGP, kCode64));
  CHECK(faults_with([&] { far_jump(m.x, kUserCode64, 0, 8); }, kGP, kUserCode64));
  CHECK(faults_with([&] { far_jump(m.x, kBothLD, 0, 8); }, kGP, kBothLD));
  CHECK(faults_with([&] { far_jump(m.x, kAbsentCode, 0, 8); }, kNP, kAbsentCode));
  CHECK(faults_with([&] { far_jump(m.x, kGate, 0, 8); }, kGP, kGate));  // half a call gate
  CHECK(m.s.seg[CS].selector == kCode64);
  CHECK(m.s.rip == 0x5000);
}

TEST_CASE("a conforming segment runs at the caller's privilege") {
  Machine m;
  m.protected_mode();
  m.user();
  far_jump(m.x, kConformingCode, 0x100, 4);
  CHECK(m.s.cpl == 3);
  CHECK(m.s.seg[CS].selector == (kConformingCode | 3));
}

TEST_CASE("far targets: at the limit fine, above it #GP(0), in 64-bit code the canonical boundary") {
  Machine m;
  m.protected_mode();
  CHECK_NOTHROW(far_jump(m.x, kShortCode, 0x1fff, 4));
  CHECK(faults_with([&] { far_jump(m.x, kShortCode, 0x2000, 4); }, kGP, 0));
  m.long_mode();
  CHECK_NOTHROW(far_jump(m.x, kCode64, 0x7fffffffffff, 8));
  CHECK(faults_with([&] { far_jump(m.x, kCode64, 0x800000000000, 8); }, kGP, 0));
}

TEST_CASE("a far call pushes CS and the next address, a far return undoes it and drops its operand") {
  for (const unsigned size : {2u, 4u, 8u}) {
    CAPTURE(size);
    Machine m;
    if (size == 8)
      m.long_mode();
    else
      m.protected_mode();
    const u16 cs = m.s.seg[CS].selector;
    m.x.next_rip = 0x5007;
    far_call(m.x, cs, 0x1111, size);
    CHECK(m.s.rip == 0x1111);
    CHECK(m.s.gpr[RSP] == Machine::kStack - 2 * size);
    CHECK(m.get(m.s.gpr[RSP], size) == 0x5007);
    CHECK(m.get(m.s.gpr[RSP] + size, size) == cs);
    far_return(m.x, size, 16);
    CHECK(m.s.rip == 0x5007);
    CHECK(m.s.gpr[RSP] == Machine::kStack + 16);
  }
}

TEST_CASE("a far call whose push faults leaves everything as it was") {
  Machine m;
  m.protected_mode();
  m.s.seg[SS].limit = 0x7ffb;
  m.s.gpr[RSP] = 0x7ffc;
  CHECK_NOTHROW(far_call(m.x, kCode32, 0x1111, 4));
  m.s.gpr[RSP] = 0x8004;
  m.s.rip = 0x5000;
  CHECK(faults_with([&] { far_call(m.x, kCode32, 0x2222, 4); }, kSS, 0));
  CHECK(m.s.gpr[RSP] == 0x8004);
  CHECK(m.s.rip == 0x5000);
}

TEST_CASE("a far return to an outer level loads the stack and drops inner data segments") {
  Machine m;
  m.protected_mode();
  load_segment(m.x, FS, kConformingCode);
  load_segment(m.x, ES, kUserData | 3);
  stack_of(m, 4, {0x700, kUserCode32 | 3, /*parameter*/ 1, 0x7000, kUserData | 3});
  far_return(m.x, 4, 4);
  CHECK(m.s.cpl == 3);
  CHECK(m.s.seg[CS].selector == (kUserCode32 | 3));
  CHECK(m.s.gpr[RSP] == 0x7004);
  CHECK(m.s.seg[DS].unusable());
  CHECK(m.s.seg[DS].selector == 0);
  CHECK_FALSE(m.s.seg[ES].unusable());
  CHECK_FALSE(m.s.seg[FS].unusable());
}

TEST_CASE("far returns check the return selectors") {
  Machine m;
  m.protected_mode();
  const auto ret = [&](u64 cs, u64 ss, u8 vector, u32 error) {
    stack_of(m, 4, {0x700, cs, 0x7000, ss});
    return faults_with([&] { far_return(m.x, 4, 0); }, vector, error);
  };
  CHECK(ret(0, 0, kGP, 0));
  CHECK(ret(kData, 0, kGP, kData));
  CHECK(ret(kUserCode32, 0, kGP, kUserCode32));
  CHECK(ret(kAbsentCode, 0, kNP, kAbsentCode));
  CHECK(ret(kUserCode32 | 3, 0, kGP, 0));
  CHECK(ret(kUserCode32 | 3, kUserData, kGP, kUserData));
  CHECK(ret(kUserCode32 | 3, kData | 3, kGP, kData));
  CHECK(m.s.cpl == 0);
  m.user();
  CHECK(ret(kCode32, kData, kGP, kCode32));
}

TEST_CASE("IRETQ always loads SS:RSP, unblocks NMIs and takes its cost") {
  Machine m;
  m.long_mode();
  m.config.costs.cycles[static_cast<unsigned>(Cost::Iret)] = 40;
  m.s.nmi_blocked = true;
  stack_of(m, 8, {0x5100, kCode64, kFixed1 | kIF | kRF, 0x7770, kData});
  iret(m.x, 8);
  CHECK(m.s.rip == 0x5100);
  CHECK(m.s.gpr[RSP] == 0x7770);
  CHECK(m.s.rflags == (kFixed1 | kIF | kRF));
  CHECK_FALSE(m.s.nmi_blocked);
  CHECK(m.timing.cycle() == 40);
}

TEST_CASE("a faulting IRET keeps NMIs blocked and changes nothing") {
  Machine m;
  m.long_mode();
  m.s.nmi_blocked = true;
  stack_of(m, 8, {0x800000000000, kCode64, kFixed1, 0x7770, kData});
  const u64 rsp = m.s.gpr[RSP];
  CHECK(faults_with([&] { iret(m.x, 8); }, kGP, 0));
  CHECK(m.s.nmi_blocked);
  CHECK(m.s.gpr[RSP] == rsp);
}

TEST_CASE("IRET to CPL 3 in long mode, there it may change neither IF nor IOPL") {
  Machine m;
  m.long_mode();
  stack_of(m, 8, {0x5100, kUserCode64 | 3, kFixed1 | kIF, 0x7700, kUserData | 3});
  iret(m.x, 8);
  CHECK(m.s.cpl == 3);
  CHECK((m.s.rflags & kIF) != 0);
  m.s.gpr[RSP] = 0x7700;
  stack_of(m, 8, {0x5200, kUserCode64 | 3, kFixed1 | kIopl | kZF, 0x7700, kUserData | 3});
  iret(m.x, 8);
  CHECK(m.s.rip == 0x5200);
  CHECK((m.s.rflags & (kIF | kIopl | kZF)) == (kIF | kZF));
}

TEST_CASE("IRET with a null SS works only to 64-bit code below CPL 3") {
  Machine m;
  m.long_mode();
  stack_of(m, 8, {0x5100, kCode64, kFixed1, 0x7770, 0});
  CHECK_NOTHROW(iret(m.x, 8));
  CHECK(m.s.seg[SS].unusable());
  stack_of(m, 8, {0x5100, kUserCode64 | 3, kFixed1, 0x7770, 3});
  CHECK(faults_with([&] { iret(m.x, 8); }, kGP, 0));
  stack_of(m, 8, {0x5100, kCode32, kFixed1, 0x7770, 0});
  CHECK(faults_with([&] { iret(m.x, 8); }, kGP, 0));
}

TEST_CASE("IRET with NT set is #GP(0) in long mode") {
  Machine m;
  m.long_mode();
  m.s.rflags |= kNT;
  stack_of(m, 8, {0x5100, kCode64, kFixed1, 0x7770, kData});
  CHECK(faults_with([&] { iret(m.x, 8); }, kGP, 0));
}

TEST_CASE("32-bit IRET to the same level leaves SS:ESP alone") {
  Machine m;
  m.protected_mode();
  stack_of(m, 4, {0x5100, kCode32, kFixed1 | kIF});
  iret(m.x, 4);
  CHECK(m.s.gpr[RSP] == Machine::kStack);
  CHECK(m.s.seg[SS].selector == kData);
}

TEST_CASE("16-bit IRET in real mode keeps the upper flags") {
  Machine m;
  m.s.rflags |= kACFlag;
  m.s.gpr[RSP] = 0x2000;
  m.put(0x2000, 0x1234, 2);
  m.put(0x2002, 0x0100, 2);
  m.put(0x2004, kFixed1 | kIF | kCF, 2);
  iret(m.x, 2);
  CHECK(m.s.rip == 0x1234);
  CHECK(m.s.seg[CS].base == 0x1000);
  CHECK(m.s.rflags == (kFixed1 | kIF | kCF | kACFlag));
  CHECK(m.s.gpr[RSP] == 0x2006);
}

TEST_CASE(
    "SS must have the current privilege as its RPL, a 16-bit TSS is one for LTR outside long mode only") {
  Machine m;
  m.protected_mode();
  CHECK(faults_with([&] { load_segment(m.x, SS, kData | 1); }, kGP, kData));
  m.put(Machine::kGdt + kTss, Machine::descriptor(Machine::kTssAt, 0x2b, 0x81, 0));
  CHECK_NOTHROW(load_tr(m.x, kTss));
  CHECK((m.s.tr.access & 15) == 3);
  m.long_mode();
  m.put(Machine::kGdt + kTss, Machine::descriptor(Machine::kTssAt, 0x2b, 0x81, 0));
  CHECK(faults_with([&] { load_tr(m.x, kTss); }, kGP, kTss));
}

TEST_CASE("a far return to conforming code needs its DPL at or below the return RPL") {
  Machine m;
  m.protected_mode();
  m.put(Machine::kGdt + kConformingCode, Machine::descriptor(0, 0xfffff, 0xfe, 0xc));  // DPL 3
  stack_of(m, 4, {0x700, kConformingCode});
  CHECK(faults_with([&] { far_return(m.x, 4, 0); }, kGP, kConformingCode));
  m.put(Machine::kGdt + kConformingCode, Machine::descriptor(0, 0xfffff, 0x9e, 0xc));
  CHECK_NOTHROW(far_return(m.x, 4, 0));
}

TEST_CASE("a 16-bit stack wraps within 64 KiB and keeps the rest of ESP") {
  Machine m;
  m.protected_mode();
  m.put(Machine::kGdt + kData, Machine::descriptor(0, 0xffff, 0x92, 0));
  load_segment(m.x, SS, kData);
  m.s.gpr[RSP] = 0x00ab0000;
  m.x.next_rip = 0x5007;
  far_call(m.x, kCode32, 0x1111, 4);
  CHECK(m.s.gpr[RSP] == 0x00abfff8);
  CHECK(m.get(0xfff8, 4) == 0x5007);
}

TEST_CASE("an expand-down stack begins just above its limit") {
  Machine m;
  m.protected_mode();
  m.put(Machine::kGdt + kData, Machine::descriptor(0, 0x6fff, 0x96, 0x4));
  load_segment(m.x, SS, kData);
  m.s.gpr[RSP] = 0x7008;
  CHECK_NOTHROW(far_call(m.x, kCode32, 0x1111, 4));
  m.s.gpr[RSP] = 0x7007;
  CHECK(faults_with([&] { far_call(m.x, kCode32, 0x1111, 4); }, kSS, 0));
}
