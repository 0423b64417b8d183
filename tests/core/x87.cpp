// SPDX-License-Identifier: Apache-2.0
// x87 and FXSAVE. Expectations: SDM Vol. 1, "Programming with the x87 FPU", "FXSAVE and FXRSTOR"; Vol. 2,
// each instruction; Vol. 3, "x87 FPU Exception Conditions", "Processor State After Reset".
#include <doctest/doctest.h>

#include "vector_program.h"

using namespace pmusim;
using namespace pmusim::core;
using namespace pmusim::core::test;

namespace {

struct X87 : VectorProgram {
  X87() { CHECK(execute({0xdb, 0xe3}) == 0); }  // fninit

  void load(double value) {
    std::memcpy(&memory[kDataAt], &value, 8);
    s.gpr[RDI] = kDataAt;
    CHECK(execute({0xdd, 0x07}) == 0);  // fld qword [rdi]
  }
  double pop() {
    s.gpr[RDI] = kDataAt;
    CHECK(execute({0xdd, 0x1f}) == 0);  // fstp qword [rdi]
    double value;
    std::memcpy(&value, &memory[kDataAt], 8);
    return value;
  }
  void control(u16 value) {
    put(kDataAt, value, 2);
    s.gpr[RDI] = kDataAt;
    CHECK(execute({0xd9, 0x2f}) == 0);  // fldcw [rdi]
  }
  unsigned flags() const { return s.fpu.status & kFpExceptions; }
  unsigned conditions() const { return s.fpu.status & 0x4500; }  // C3, C2, C0
};

constexpr u16 unmask(u32 exception) {
  return static_cast<u16>(kFcwInit & ~exception);
}
const std::vector<u8> kFwait{0x9b}, kFld1{0xd9, 0xe8}, kFldz{0xd9, 0xee}, kFdivp{0xde, 0xf9},
    kFaddp{0xde, 0xc1};
const std::vector<u8> kFxsave64{0x48, 0x0f, 0xae, 0x07}, kFxrstor64{0x48, 0x0f, 0xae, 0x0f};  // [rdi]

}  // namespace

TEST_CASE("after reset all x87 registers hold +0.0 and FCW is 0040H, FNINIT empties and masks, INIT keeps") {
  CpuState s;
  reset(s);
  CHECK(s.fpu.control == 0x40);
  CHECK(s.fpu.tags == 0xff);
  CHECK(s.fpu.mxcsr == 0x1f80);
  CHECK(s.fpu.xcr0 == 1);
  s.fpu.xmm[3][1] = 7;
  s.fpu.mxcsr = 0x1fa0;
  init(s);
  CHECK(s.fpu.xmm[3][1] == 7);
  CHECK(s.fpu.mxcsr == 0x1fa0);
  CHECK(s.rip == 0xfff0);
  X87 m;
  CHECK(m.s.fpu.control == 0x37f);
  CHECK(m.s.fpu.status == 0);
  CHECK(m.s.fpu.tags == 0);
}

TEST_CASE("stack arithmetic in all orders of operands") {
  X87 m;
  m.load(10);
  m.load(4);
  CHECK(m.s.fpu.top() == 6);
  CHECK(m.execute({0xdc, 0xe9}) == 0);  // fsub st(1), st: 10 - 4
  CHECK(m.execute({0xd8, 0xf1}) == 0);  // fdiv st, st(1): 4 / 6
  CHECK(m.execute({0xd8, 0xf9}) == 0);  // fdivr st, st(1): 6 / (4 / 6)
  CHECK(m.execute({0xd9, 0xc9}) == 0);  // fxch
  CHECK(m.pop() == 6);
  CHECK(m.pop() == 9);
  CHECK(m.s.fpu.tags == 0);
  m.load(10);
  m.load(4);
  CHECK(m.execute({0xde, 0xf9}) == 0);  // fdivp: ST(1) / ST(0)
  CHECK(m.pop() == 2.5);
  m.load(10);
  m.load(4);
  CHECK(m.execute({0xde, 0xf1}) == 0);  // fdivrp: ST(0) / ST(1)
  CHECK(m.pop() == 0.4);
}

TEST_CASE("a stack fault is an invalid operation with SF, C1 tells overflow from underflow") {
  X87 m;
  for (int i = 0; i < 8; ++i) CHECK(m.execute(kFld1) == 0);
  CHECK(m.flags() == 0);
  CHECK(m.execute(kFld1) == 0);
  CHECK(m.flags() == kFpInvalid);
  CHECK((m.s.fpu.status & kFswStackFault) != 0);
  CHECK((m.s.fpu.status & 0x200) != 0);
  CHECK(m.s.fpu.r[m.s.fpu.top()].significand == 0xc000000000000000);  // the indefinite
  X87 e;
  CHECK(e.execute(kFaddp) == 0);
  CHECK((e.s.fpu.status & 0x241) == 0x41);
}

TEST_CASE("an unmasked exception is #MF at the next waiting instruction") {
  X87 m;
  m.control(unmask(kFpZeroDivide));
  CHECK(m.execute(kFld1) == 0);
  CHECK(m.execute(kFldz) == 0);
  CHECK(m.execute(kFdivp) == 0);  // not by the division itself
  CHECK(m.flags() == kFpZeroDivide);
  CHECK((m.s.fpu.status & (kFswSummary | kFswBusy)) == (kFswSummary | kFswBusy));
  CHECK(m.s.fpu.tags == 0xc0);          // nothing popped
  CHECK(m.execute({0xdf, 0xe0}) == 0);  // fnstsw ax does not wait
  CHECK((m.s.gpr[RAX] & 0xffff) == m.s.fpu.status);
  for (const auto& waiting : {kFwait, kFld1, std::vector<u8>{0x0f, 0xfc, 0xc1}}) {
    CHECK(m.execute(waiting) == kMF);
    CHECK(m.pushed_rip(false) == m.kCode);
  }
  CHECK(m.execute({0xdb, 0xe2}) == 0);  // fnclex
  CHECK(m.execute(kFwait) == 0);
  CHECK(m.flags() == 0);
}

// Observed on Zen 4; the manuals name the first two in the opcode map only.
TEST_CASE(
    "FFREEP empties ST(i) and pops, FSTPNCE pops into ST(i), 8087 control does nothing and does not wait") {
  X87 m;
  m.load(3);
  m.load(2);
  CHECK(m.execute({0xdf, 0xc1}) == 0);  // ffreep st(1)
  CHECK(m.s.fpu.tags == 0);
  m.load(3);
  m.load(2);
  CHECK(m.execute({0xd9, 0xd9}) == 0);  // fstpnce st(1)
  CHECK(m.pop() == 2);
  CHECK(m.s.fpu.tags == 0);
  m.control(unmask(kFpInvalid));
  CHECK(m.execute(kFaddp) == 0);
  const FpuState before = m.s.fpu;
  for (const u8 modrm : {0xe0, 0xe1, 0xe4}) {  // fneni, fndisi, fnsetpm
    CHECK(m.execute({0xdb, modrm}) == 0);
    CHECK(m.s.fpu.status == before.status);
    CHECK(m.s.fpu.opcode == before.opcode);
    CHECK(m.s.fpu.instruction == before.instruction);
  }
  CHECK(m.execute({0xdf, 0xc0}) == kMF);
  CHECK(m.execute({0xd9, 0xd8}) == kMF);
}

TEST_CASE("an SSE instruction does not wait for x87 exceptions") {
  X87 m;
  m.control(unmask(kFpInvalid));
  CHECK(m.execute(kFaddp) == 0);
  CHECK(m.execute({0x0f, 0x58, 0xc1}) == 0);  // addps
  CHECK(m.execute(kFwait) == kMF);
}

TEST_CASE("FLDCW that unmasks a recorded exception makes it pending") {
  X87 m;
  CHECK(m.execute(kFaddp) == 0);
  CHECK(m.execute(kFwait) == 0);
  m.control(unmask(kFpInvalid));
  CHECK(m.execute(kFwait) == kMF);
}

TEST_CASE("an error with CR0.NE clear is reported as not modelled") {
  X87 m;
  m.control(unmask(kFpInvalid));
  CHECK(m.execute(kFaddp) == 0);
  m.s.cr0 &= ~kCr0Ne;
  CHECK_THROWS_AS(m.execute(kFwait), Unimplemented);
}

TEST_CASE("CR0.EM and CR0.TS make x87 instructions #NM, WAIT only TS with MP") {
  for (const u64 bit : {kCr0Em, kCr0Ts}) {
    X87 m;
    m.s.cr0 |= bit;
    CHECK(m.execute(kFld1) == kNM);
    CHECK(m.execute({0xdb, 0xe3}) == kNM);  // fninit
    CHECK(m.s.fpu.tags == 0);
    m.s.cr0 &= ~kCr0Mp;
    CHECK(m.execute(kFwait) == 0);
    m.s.cr0 |= kCr0Mp;
    CHECK(m.execute(kFwait) == (bit == kCr0Ts ? kNM : 0));
  }
}

TEST_CASE("a store that faults has not popped, one with an unmasked exception has not stored") {
  X87 m;
  m.load(1.5);
  m.map(m.kDataAt + kPageSize, 0, 0);
  m.s.gpr[RDI] = m.kDataAt + kPageSize - 4;
  m.put(m.kDataAt + kPageSize - 4, 0x77, 4);
  CHECK(m.execute({0xdd, 0x1f}) == kPF);  // fstp qword [rdi]
  CHECK(m.s.cr2 == m.kDataAt + kPageSize);
  CHECK(m.get(m.kDataAt + kPageSize - 4, 4) == 0x77);
  CHECK(m.s.fpu.tags == 0x80);
  CHECK(m.pop() == 1.5);
  m.load(1e300);
  m.control(unmask(kFpOverflow));
  m.s.gpr[RDI] = m.kDataAt + 64;
  m.put(m.kDataAt + 64, 0x77);
  CHECK(m.execute({0xd9, 0x1f}) == 0);  // fstp dword [rdi]
  CHECK(m.get(m.kDataAt + 64) == 0x77);
  CHECK(m.s.fpu.tags == 0x80);
  CHECK(m.execute(kFwait) == kMF);
  // Precision is reported after the store.
  X87 p;
  p.load(1.0 / 3);
  p.control(unmask(kFpPrecision));
  p.s.gpr[RDI] = p.kDataAt + 64;
  CHECK(p.execute({0xd9, 0x1f}) == 0);
  CHECK(p.get(p.kDataAt + 64, 4) == 0x3eaaaaab);
  CHECK(p.s.fpu.tags == 0);
  CHECK(p.execute(kFwait) == kMF);
}

TEST_CASE("FLD and FSTP of 80 bits keep every bit") {
  X87 m;
  m.put(m.kDataAt + 32, 0x123456789abcdef1);
  m.put(m.kDataAt + 40, 0xabcd, 2);
  m.s.gpr[RDI] = m.kDataAt + 32;
  CHECK(m.execute({0xdb, 0x2f}) == 0);  // fld tbyte [rdi]
  m.put(m.kDataAt + 32, 0);
  m.put(m.kDataAt + 40, 0x5555000000000000);
  CHECK(m.execute({0xdb, 0x3f}) == 0);  // fstp tbyte [rdi]
  CHECK(m.get(m.kDataAt + 32) == 0x123456789abcdef1);
  CHECK(m.get(m.kDataAt + 40) == 0x555500000000abcd);
  CHECK(m.count(Count::Loads) == 1);
  CHECK(m.count(Count::Stores) == 1);
}

TEST_CASE("FILD and FISTP convert, out of range is the indefinite") {
  X87 m;
  m.put(m.kDataAt + 32, 0xfff6, 2);
  m.s.gpr[RDI] = m.kDataAt + 32;
  CHECK(m.execute({0xdf, 0x07}) == 0);  // fild word [rdi]
  CHECK(m.pop() == -10);
  m.load(2.5);
  m.s.gpr[RDI] = m.kDataAt + 32;
  CHECK(m.execute({0xdb, 0x1f}) == 0);   // fistp dword [rdi]
  CHECK(m.get(m.kDataAt + 32, 4) == 2);  // nearest, ties to even
  m.load(40000);
  m.s.gpr[RDI] = m.kDataAt + 32;
  CHECK(m.execute({0xdf, 0x1f}) == 0);  // fistp word [rdi]
  CHECK(m.get(m.kDataAt + 32, 2) == 0x8000);
  CHECK((m.flags() & kFpInvalid) != 0);
}

TEST_CASE("FCOMI sets ZF, PF and CF, FCOM the condition codes, FCMOV obeys EFLAGS") {
  X87 m;
  m.load(1);
  m.load(2);
  m.s.rflags |= kArithmeticFlags;
  CHECK(m.execute({0xdb, 0xf1}) == 0);  // fcomi st, st(1): 2 > 1
  CHECK((m.s.rflags & kArithmeticFlags) == 0);
  CHECK(m.execute({0xd8, 0xd1}) == 0);  // fcom st(1)
  CHECK(m.conditions() == 0);
  CHECK(m.execute({0xd9, 0xc9}) == 0);  // fxch
  CHECK(m.execute({0xdb, 0xf1}) == 0);
  CHECK((m.s.rflags & kArithmeticFlags) == kCF);
  CHECK(m.execute({0xd8, 0xd1}) == 0);
  CHECK(m.conditions() == 0x100);
  CHECK(m.execute({0xda, 0xc9}) == 0);  // fcmove st, st(1): ZF is clear
  CHECK(m.execute({0xda, 0xc1}) == 0);  // fcmovb st, st(1): CF is set
  CHECK(m.pop() == 2);
  CHECK(m.pop() == 2);
}

TEST_CASE("FCW controls precision and rounding") {
  X87 m;
  m.control(0x007f);  // single precision
  m.load(1);
  m.load(3);
  CHECK(m.execute(kFdivp) == 0);
  CHECK(m.pop() == static_cast<double>(1.0f / 3.0f));
  m.control(0x037f | 0x0c00);  // toward zero
  m.load(-2.7);
  CHECK(m.execute({0xd9, 0xfc}) == 0);  // frndint
  CHECK(m.pop() == -2);
}

TEST_CASE("FNSTENV stores and masks, FNSAVE stores and initializes, FRSTOR brings all back") {
  X87 m;
  m.control(unmask(kFpInvalid));
  m.load(3);
  m.load(0);
  const FpuState before = m.s.fpu;
  m.s.gpr[RDI] = m.kDataAt + 64;
  CHECK(m.execute({0xd9, 0x37}) == 0);  // fnstenv [rdi]
  CHECK(m.get(m.kDataAt + 64, 2) == 0x37e);
  CHECK(m.get(m.kDataAt + 68, 2) == before.status);
  CHECK(m.get(m.kDataAt + 72, 2) == 0x1fff);  // R7 valid, R6 zero, the others empty
  CHECK(m.s.fpu.control == 0x37f);
  m.s.fpu.control = before.control;
  CHECK(m.execute({0xdd, 0x37}) == 0);  // fnsave [rdi]
  CHECK(m.s.fpu.control == 0x37f);
  CHECK(m.s.fpu.tags == 0);
  CHECK(m.execute({0xdd, 0x27}) == 0);  // frstor [rdi]
  CHECK(m.s.fpu.control == before.control);
  CHECK(m.s.fpu.tags == before.tags);
  CHECK(m.s.fpu.top() == 6);
  CHECK(m.pop() == 0);
  CHECK(m.pop() == 3);
}

TEST_CASE("FXSAVE64 and FXRSTOR64 keep the whole state in the documented places") {
  X87 m;
  m.load(3);
  m.set_xmm(15, 0x1122334455667788, 0x99aabbccddeeff00);
  m.s.fpu.mxcsr = 0x1fa1;
  const FpuState before = m.s.fpu;
  m.s.gpr[RDI] = m.kDataAt + 1024;
  m.put(m.kDataAt + 1024 + 464, ~u64{0});
  CHECK(m.execute(kFxsave64) == 0);
  const u64 at = m.kDataAt + 1024;
  CHECK(m.get(at, 2) == 0x37f);
  CHECK(m.get(at + 2, 2) == before.status);
  CHECK(m.get(at + 4, 1) == 0x80);  // R7
  CHECK(m.get(at + 24, 4) == 0x1fa1);
  CHECK(m.get(at + 28, 4) == 0xffff);
  CHECK(m.get(at + 32) == 0xc000000000000000);  // ST(0)
  CHECK(m.get(at + 160 + 15 * 16 + 8) == 0x99aabbccddeeff00);
  CHECK(m.get(at + 464) == ~u64{0});  // for software
  m.s.fpu = {};
  CHECK(m.execute(kFxrstor64) == 0);
  CHECK(m.s.fpu.mxcsr == 0x1fa1);
  CHECK(m.xmm_is(15, 0x1122334455667788, 0x99aabbccddeeff00));
  CHECK(m.s.fpu.tags == 0x80);
  CHECK(m.s.fpu.instruction == before.instruction);
  CHECK(m.s.fpu.opcode == before.opcode);
  CHECK(m.pop() == 3);
}

TEST_CASE(
    "FXSAVE and FXRSTOR fault on misalignment, reserved MXCSR bits, CR0.TS and CR0.EM, with nothing "
    "changed") {
  X87 m;
  m.s.gpr[RDI] = m.kDataAt + 8;
  CHECK(m.execute(kFxsave64) == kGP);
  CHECK(m.execute(kFxrstor64) == kGP);
  m.s.gpr[RDI] = m.kDataAt;
  m.put(m.kDataAt + 24, 0x10000, 4);
  m.set_xmm(0, 5, 6);
  CHECK(m.execute(kFxrstor64) == kGP);
  CHECK(m.xmm_is(0, 5, 6));
  m.s.cr0 |= kCr0Ts;
  CHECK(m.execute(kFxsave64) == kNM);
  m.s.cr0 |= kCr0Em;
  CHECK(m.execute(kFxsave64) == kUD);
  m.s.cr0 &= ~(kCr0Ts | kCr0Em);
  m.map(m.kDataAt + kPageSize, 0, 0);
  m.s.gpr[RDI] = m.kDataAt + kPageSize - 64;
  m.put(m.kDataAt + kPageSize - 64, 0x1234);
  CHECK(m.execute(kFxsave64) == kPF);
  CHECK(m.s.cr2 == m.kDataAt + kPageSize);
  CHECK(m.get(m.kDataAt + kPageSize - 64) == 0x1234);
}
