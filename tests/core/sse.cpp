// SPDX-License-Identifier: Apache-2.0
// SSE, SSE2 and MMX. Expectations: SDM Vol. 2, each instruction and "Exception Conditions of Legacy SSE
// Instructions"; Vol. 1, "SSE and SSE2 SIMD Floating-Point Exceptions", "Operating on SNaNs and QNaNs"; Vol.
// 3, "MMX State and MMX Register Aliasing".
#include <doctest/doctest.h>

#include <cmath>

#include "vector_program.h"

using namespace pmusim;
using namespace pmusim::core;
using namespace pmusim::core::test;

namespace {

constexpr u64 kOne = 0x3f800000, kTwo = 0x40000000, kThree = 0x40400000,
              kHuge = 0x7f000000;  // single precision
constexpr u64 kTinyNormal = 0x00800000, kDenormal = 0x00000001, kSnan = 0x7f800001, kQnan = 0x7fc00000;
constexpr u32 kUnmask(u32 exception) {
  return kMxcsrReset & ~(exception << kMxcsrMaskShift);
}

const std::vector<u8> kMovapsLoad{0x0f, 0x28, 0x07};       // movaps xmm0, [rdi]
const std::vector<u8> kMovapsStore{0x0f, 0x29, 0x07};      // movaps [rdi], xmm0
const std::vector<u8> kMovupsLoad{0x0f, 0x10, 0x07};       // movups xmm0, [rdi]
const std::vector<u8> kMovupsStore{0x0f, 0x11, 0x07};      // movups [rdi], xmm0
const std::vector<u8> kPadddLoad{0x66, 0x0f, 0xfe, 0x07};  // paddd xmm0, [rdi]
const std::vector<u8> kAddps{0x0f, 0x58, 0xc1};            // addps xmm0, xmm1
const std::vector<u8> kAddss{0xf3, 0x0f, 0x58, 0xc1};      // addss xmm0, xmm1
const std::vector<u8> kMulss{0xf3, 0x0f, 0x59, 0xc1};      // mulss xmm0, xmm1
const std::vector<u8> kDivss{0xf3, 0x0f, 0x5e, 0xc1};      // divss xmm0, xmm1
const std::vector<u8> kDivps{0x0f, 0x5e, 0xc1};            // divps xmm0, xmm1
const std::vector<u8> kPaddbMmx{0x0f, 0xfc, 0xc1};         // paddb mm0, mm1
const std::vector<u8> kLdmxcsr{0x0f, 0xae, 0x17};          // ldmxcsr [rdi]
const std::vector<u8> kStmxcsr{0x0f, 0xae, 0x1f};          // stmxcsr [rdi]

u64 single(float value) {
  u32 bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}
float to_float(u64 bits) {
  const u32 low = static_cast<u32>(bits);
  float value;
  std::memcpy(&value, &low, 4);
  return value;
}

}  // namespace

TEST_CASE("SSE instructions are undefined with CR0.EM or without CR4.OSFXSR, not available with CR0.TS") {
  for (const auto& bytes : {kMovapsLoad, kAddps, kStmxcsr}) {
    VectorProgram m;
    m.s.gpr[RDI] = m.kDataAt;
    m.set_xmm(0, 7, 8);
    m.s.cr0 |= kCr0Ts;
    CHECK(m.execute(bytes) == kNM);
    CHECK(m.pushed_rip(false) == m.kCode);
    m.s.cr0 |= kCr0Em;
    CHECK(m.execute(bytes) == kUD);  // before #NM
    m.s.cr0 &= ~(kCr0Ts | kCr0Em);
    m.s.cr4 &= ~kCr4Osfxsr;
    CHECK(m.execute(bytes) == kUD);
    CHECK(m.xmm_is(0, 7, 8));
    m.s.cr4 |= kCr4Osfxsr;
    CHECK(m.execute(bytes) == 0);
  }
}

TEST_CASE("MMX needs CR0.EM and CR0.TS clear but not CR4.OSFXSR") {
  VectorProgram m;
  m.s.cr4 &= ~kCr4Osfxsr;
  CHECK(m.execute(kPaddbMmx) == 0);
  m.s.cr0 |= kCr0Ts;
  CHECK(m.execute(kPaddbMmx) == kNM);
  m.s.cr0 |= kCr0Em;
  CHECK(m.execute(kPaddbMmx) == kUD);
}

TEST_CASE("MOVNTI is available whatever CR0 and CR4 say about SSE") {
  VectorProgram m;
  m.s.cr0 |= kCr0Em | kCr0Ts;
  m.s.cr4 &= ~kCr4Osfxsr;
  m.s.gpr[RDI] = m.kDataAt + 1;
  m.s.gpr[RAX] = 0x1122334455667788;
  CHECK(m.execute({0x48, 0x0f, 0xc3, 0x07}) == 0);  // movnti [rdi], rax
  CHECK(m.get(m.kDataAt + 1) == 0x1122334455667788);
}

TEST_CASE("a misaligned 16-byte operand is #GP(0), but not of MOVUPS") {
  VectorProgram m;
  m.put(m.kDataAt, 0x0807060504030201);
  m.put(m.kDataAt + 8, 0x100f0e0d0c0b0a09);
  m.put(m.kDataAt + 16, 0x11);
  for (const u64 offset : {u64{1}, u64{8}, u64{15}}) {
    m.s.gpr[RDI] = m.kDataAt + offset;
    for (const auto& bytes : {kMovapsLoad, kMovapsStore, kPadddLoad}) {
      CHECK(m.execute(bytes) == kGP);
      CHECK(m.error_code() == 0);
      CHECK(m.pushed_rip(true) == m.kCode);
    }
    CHECK(m.execute(kMovupsLoad) == 0);
  }
  m.s.gpr[RDI] = m.kDataAt + 1;
  CHECK(m.execute(kMovupsLoad) == 0);
  CHECK(m.xmm_is(0, 0x0908070605040302, 0x11100f0e0d0c0b0a));
  m.s.gpr[RDI] = m.kDataAt;
  CHECK(m.execute(kMovapsLoad) == 0);
  CHECK(m.xmm_is(0, 0x0807060504030201, 0x100f0e0d0c0b0a09));
}

TEST_CASE("an access across pages faults at the first byte that is not there and changes nothing") {
  const u64 page = VectorProgram::kDataAt + kPageSize;
  for (const u64 before : {u64{1}, u64{7}, u64{8}, u64{9}, u64{15}}) {
    CAPTURE(before);
    VectorProgram m;
    m.map(page, 0, 0);  // not present
    m.set_xmm(0, ~u64{0}, ~u64{0});
    m.s.gpr[RDI] = page - before;
    CHECK(m.execute(kMovupsStore) == kPF);
    CHECK(m.s.cr2 == page);
    CHECK(m.error_code() == 2);  // write, supervisor, not present
    for (u64 i = 0; i < before; ++i) CHECK(m.get(page - before + i, 1) == 0);
    CHECK(m.execute(kMovupsLoad) == kPF);
    CHECK(m.s.cr2 == page);
    CHECK(m.error_code() == 0);
    CHECK(m.xmm_is(0, ~u64{0}, ~u64{0}));
  }
  VectorProgram m;
  m.map(page - kPageSize, 0, 0);
  m.s.gpr[RDI] = page - 5;
  CHECK(m.execute(kMovupsStore) == kPF);
  CHECK(m.s.cr2 == page - 5);
  m.s.gpr[RDI] = page - 17;
  CHECK(m.execute(kMovupsLoad) == kPF);
  CHECK(m.s.cr2 == page - 17);
}

TEST_CASE("a 16-byte access across present pages moves all bytes") {
  VectorProgram m;
  const u64 page = m.kDataAt + kPageSize;
  m.map(page, m.kDataAt + 8 * kPageSize, Machine::kP | Machine::kW | Machine::kU);
  m.set_xmm(0, 0x0807060504030201, 0x100f0e0d0c0b0a09);
  m.s.gpr[RDI] = page - 5;
  CHECK(m.execute(kMovupsStore) == 0);
  CHECK(m.get(page - 5, 5) == 0x0504030201);
  CHECK(m.get(m.kDataAt + 8 * kPageSize) == 0x0d0c0b0a09080706);
  m.set_xmm(0, 0, 0);
  CHECK(m.execute(kMovupsLoad) == 0);
  CHECK(m.xmm_is(0, 0x0807060504030201, 0x100f0e0d0c0b0a09));
}

TEST_CASE("misalignment is reported before a page fault") {
  VectorProgram m;
  m.map(m.kDataAt, 0, 0);
  m.s.gpr[RDI] = m.kDataAt + 4;
  CHECK(m.execute(kMovapsLoad) == kGP);
  m.s.gpr[RDI] = m.kDataAt;
  CHECK(m.execute(kMovapsLoad) == kPF);
}

TEST_CASE("a 16-byte operand counts one load or one store") {
  VectorProgram m;
  m.s.gpr[RDI] = m.kDataAt;
  m.execute(kMovapsLoad);
  m.execute(kPadddLoad);
  m.execute(kMovapsStore);
  m.execute(kAddps);
  CHECK(m.count(Count::Loads) == 2);
  CHECK(m.count(Count::Stores) == 1);
  CHECK(m.count(Count::Instructions) == 4);
}

TEST_CASE("MOVSS and MOVSD merge between registers and clear the rest when they load") {
  VectorProgram m;
  m.set_xmm(0, ~u64{0}, ~u64{0});
  m.set_xmm(1, 0x1111111122222222, 3);
  CHECK(m.execute({0xf3, 0x0f, 0x10, 0xc1}) == 0);  // movss xmm0, xmm1
  CHECK(m.xmm_is(0, 0xffffffff22222222, ~u64{0}));
  CHECK(m.execute({0xf2, 0x0f, 0x10, 0xc1}) == 0);  // movsd xmm0, xmm1
  CHECK(m.xmm_is(0, 0x1111111122222222, ~u64{0}));
  m.put(m.kDataAt, 0x5555555566666666);
  m.s.gpr[RDI] = m.kDataAt;
  CHECK(m.execute({0xf3, 0x0f, 0x10, 0x07}) == 0);  // movss xmm0, [rdi]
  CHECK(m.xmm_is(0, 0x66666666, 0));
  m.set_xmm(0, 0, 9);
  CHECK(m.execute({0xf2, 0x0f, 0x10, 0x07}) == 0);  // movsd xmm0, [rdi]
  CHECK(m.xmm_is(0, 0x5555555566666666, 0));
}

TEST_CASE("an unmasked exception is #XM with its flag recorded and the destination unchanged") {
  VectorProgram m;
  m.set_xmm(0, kOne, 5);
  m.set_xmm(1, 0, 0);
  m.s.fpu.mxcsr = kUnmask(kFpZeroDivide);
  CHECK(m.execute(kDivss) == kXM);
  CHECK(m.pushed_rip(false) == m.kCode);
  CHECK(m.xmm_is(0, kOne, 5));
  CHECK(m.s.fpu.mxcsr == (kUnmask(kFpZeroDivide) | kFpZeroDivide));
  // Sticky: a later instruction without the condition does not fault.
  m.set_xmm(1, kTwo, 0);
  CHECK(m.execute(kDivss) == 0);
  CHECK(m.xmm_is(0, 0x3f000000, 5));
}

TEST_CASE("without CR4.OSXMMEXCPT an unmasked SIMD exception is #UD") {
  VectorProgram m;
  m.s.cr4 &= ~kCr4Osxmmexcpt;
  m.set_xmm(0, kOne, 0);
  m.set_xmm(1, 0, 0);
  m.s.fpu.mxcsr = kUnmask(kFpZeroDivide);
  CHECK(m.execute(kDivss) == kUD);
}

TEST_CASE("masked exceptions set their flags and give the masked response") {
  VectorProgram m;
  m.set_xmm(0, kOne, 0);
  m.set_xmm(1, 0, 0);
  CHECK(m.execute(kDivss) == 0);
  CHECK(m.xmm_is(0, 0x7f800000, 0));
  CHECK(m.s.fpu.mxcsr == (kMxcsrReset | kFpZeroDivide));
  m.set_xmm(0, kOne, 0);
  m.set_xmm(1, kThree, 0);
  CHECK(m.execute(kDivss) == 0);
  CHECK(m.s.fpu.mxcsr == (kMxcsrReset | kFpZeroDivide | kFpPrecision));
  m.s.fpu.mxcsr = kMxcsrReset;
  m.set_xmm(0, kHuge, 0);
  m.set_xmm(1, kHuge, 0);
  CHECK(m.execute(kMulss) == 0);
  CHECK(m.xmm_is(0, 0x7f800000, 0));
  CHECK(m.s.fpu.mxcsr == (kMxcsrReset | kFpOverflow | kFpPrecision));
}

TEST_CASE("an unmasked pre-computation exception of one lane hides post-computation ones of others") {
  VectorProgram m;
  m.set_xmm(0, 0 | kOne << 32, 0);  // 0/0, 1/3
  m.set_xmm(1, 0 | kThree << 32, kOne | kOne << 32);
  m.s.fpu.mxcsr = kUnmask(kFpInvalid);
  CHECK(m.execute(kDivps) == kXM);
  CHECK((m.s.fpu.mxcsr & kFpExceptions) == kFpInvalid);
  // Masked pre-computation and unmasked post-computation exceptions are both recorded.
  m.s.fpu.mxcsr = kUnmask(kFpPrecision);
  CHECK(m.execute(kDivps) == kXM);
  CHECK((m.s.fpu.mxcsr & kFpExceptions) == (kFpInvalid | kFpPrecision));
}

TEST_CASE(
    "underflow is reported for an exact tiny result only while it is unmasked, and then nothing is flushed") {
  VectorProgram m;
  m.set_xmm(0, kTinyNormal, 0);
  m.set_xmm(1, 0x3f000000, 0);  // 0.5
  CHECK(m.execute(kMulss) == 0);
  CHECK(m.xmm_is(0, 0x00400000, 0));
  CHECK(m.s.fpu.mxcsr == kMxcsrReset);
  for (const u32 ftz : {0u, kMxcsrFtz}) {
    m.set_xmm(0, kTinyNormal, 0);
    m.s.fpu.mxcsr = kUnmask(kFpUnderflow) | ftz;
    CHECK(m.execute(kMulss) == kXM);
    CHECK((m.s.fpu.mxcsr & kFpExceptions) == kFpUnderflow);
    CHECK(m.xmm_is(0, kTinyNormal, 0));
  }
}

TEST_CASE("flush-to-zero and denormals-are-zeros follow MXCSR") {
  VectorProgram m;
  m.set_xmm(0, kTinyNormal, 0);
  m.set_xmm(1, 0x3f000000, 0);
  m.s.fpu.mxcsr = kMxcsrReset | kMxcsrFtz;
  CHECK(m.execute(kMulss) == 0);
  CHECK(m.xmm_is(0, 0, 0));
  CHECK((m.s.fpu.mxcsr & kFpExceptions) == (kFpUnderflow | kFpPrecision));
  m.set_xmm(0, kDenormal, 0);
  m.set_xmm(1, kDenormal, 0);
  m.s.fpu.mxcsr = kMxcsrReset;
  CHECK(m.execute(kAddss) == 0);
  CHECK(m.xmm_is(0, 2, 0));
  CHECK(m.s.fpu.mxcsr == (kMxcsrReset | kFpDenormal));
  m.s.fpu.mxcsr = kMxcsrReset | kMxcsrDaz;
  CHECK(m.execute(kAddss) == 0);
  CHECK(m.xmm_is(0, 0, 0));
  CHECK(m.s.fpu.mxcsr == (kMxcsrReset | kMxcsrDaz));
}

TEST_CASE("rounding follows MXCSR.RC") {
  const u64 third[] = {0x3eaaaaab, 0x3eaaaaaa, 0x3eaaaaab, 0x3eaaaaaa};  // nearest, down, up, to zero
  VectorProgram m;
  for (u32 rc = 0; rc < 4; ++rc) {
    m.set_xmm(0, kOne, 0);
    m.set_xmm(1, kThree, 0);
    m.s.fpu.mxcsr = kMxcsrReset | rc << 13;
    CHECK(m.execute(kDivss) == 0);
    CHECK(m.xmm_is(0, third[rc], 0));
  }
}

TEST_CASE("of two NaNs the first operand is returned, quiet") {
  VectorProgram m;
  m.set_xmm(0, kSnan | 0x1230, 0);
  m.set_xmm(1, kQnan | 0x777, 0);
  CHECK(m.execute(kAddss) == 0);
  CHECK(m.xmm_is(0, kQnan | 0x1231, 0));
  CHECK((m.s.fpu.mxcsr & kFpExceptions) == kFpInvalid);
  m.set_xmm(0, kOne, 0);
  CHECK(m.execute(kAddss) == 0);
  CHECK(m.xmm_is(0, kQnan | 0x777, 0));
}

TEST_CASE("COMISS tells by ZF, PF and CF, clears the other flags, and leaves all alone when it faults") {
  const std::vector<u8> comiss{0x0f, 0x2f, 0xc1}, ucomiss{0x0f, 0x2e, 0xc1};  // xmm0, xmm1
  VectorProgram m;
  const auto compare = [&](u64 a, u64 b, const std::vector<u8>& bytes) {
    m.set_xmm(0, a, 0);
    m.set_xmm(1, b, 0);
    m.s.rflags |= kArithmeticFlags;
    CHECK(m.execute(bytes) == 0);
    return m.s.rflags & kArithmeticFlags;
  };
  CHECK(compare(kTwo, kOne, comiss) == 0);
  CHECK(compare(kOne, kTwo, comiss) == kCF);
  CHECK(compare(kOne, kOne, comiss) == kZF);
  CHECK(m.s.fpu.mxcsr == kMxcsrReset);
  CHECK(compare(kQnan, kOne, ucomiss) == (kZF | kPFlag | kCF));
  CHECK(m.s.fpu.mxcsr == kMxcsrReset);  // only COMIS signals for a quiet NaN
  CHECK(compare(kQnan, kOne, comiss) == (kZF | kPFlag | kCF));
  CHECK(m.s.fpu.mxcsr == (kMxcsrReset | kFpInvalid));
  m.s.fpu.mxcsr = kUnmask(kFpInvalid);
  m.s.rflags = kFixed1 | kOFlag;
  CHECK(m.execute(comiss) == kXM);
  CHECK((m.get(m.s.gpr[RSP] + 16) & kArithmeticFlags) == kOFlag);
}

TEST_CASE("LDMXCSR refuses reserved bits") {
  VectorProgram m;
  m.s.gpr[RDI] = m.kDataAt;
  m.put(m.kDataAt, 0xffff, 4);
  CHECK(m.execute(kLdmxcsr) == 0);
  CHECK(m.s.fpu.mxcsr == 0xffff);
  m.put(m.kDataAt, 0x10000, 4);
  CHECK(m.execute(kLdmxcsr) == kGP);
  CHECK(m.error_code() == 0);
  CHECK(m.s.fpu.mxcsr == 0xffff);
  CHECK(m.execute(kStmxcsr) == 0);
  CHECK(m.get(m.kDataAt, 4) == 0xffff);
}

TEST_CASE("MASKMOVDQU writes the selected bytes at RDI and touches no page without one") {
  const std::vector<u8> maskmov{0x66, 0x0f, 0xf7, 0xc1};  // maskmovdqu xmm0, xmm1
  VectorProgram m;
  const u64 page = m.kDataAt + kPageSize;
  m.map(page, 0, 0);
  m.set_xmm(0, 0x0807060504030201, 0x100f0e0d0c0b0a09);
  m.set_xmm(1, 0x0000000080007f80, 0);
  m.s.gpr[RDI] = page - 8;
  CHECK(m.execute(maskmov) == 0);
  CHECK(m.get(page - 8) == 0x04000001);
  CHECK(m.count(Count::Stores) == 1);
  m.set_xmm(1, 0x80, 0x80);
  m.put(page - 8, 0);
  CHECK(m.execute(maskmov) == kPF);
  CHECK(m.s.cr2 == page);
  CHECK(m.get(page - 8) == 0);
}

TEST_CASE(
    "an MMX instruction sets TOP to 0, all tags valid and the exponent of what it writes, EMMS empties") {
  VectorProgram m;
  m.s.fpu.set_top(5);
  m.s.fpu.r[0] = {0x0102030405060708, 0x1234};
  m.s.fpu.r[1] = {0x0101010101010101, 0x4321};
  CHECK(m.execute(kPaddbMmx) == 0);
  CHECK(m.s.fpu.r[0].significand == 0x0203040506070809);
  CHECK(m.s.fpu.r[0].exponent == 0xffff);
  CHECK(m.s.fpu.r[1].exponent == 0x4321);
  CHECK(m.s.fpu.top() == 0);
  CHECK(m.s.fpu.tags == 0xff);
  CHECK(m.execute({0x0f, 0x77}) == 0);  // emms
  CHECK(m.s.fpu.tags == 0);
}

TEST_CASE("CVTPI2PD from memory is no MMX instruction, from a register it is") {
  VectorProgram m;
  m.s.gpr[RDI] = m.kDataAt;
  m.put(m.kDataAt, 0xfffffffe00000003);
  m.s.fpu.tags = 0;
  CHECK(m.execute({0x66, 0x0f, 0x2a, 0x07}) == 0);  // cvtpi2pd xmm0, [rdi]
  CHECK(m.xmm_is(0, 0x4008000000000000, 0xc000000000000000));
  CHECK(m.s.fpu.tags == 0);
  CHECK(m.execute({0x66, 0x0f, 0x2a, 0xc1}) == 0);  // cvtpi2pd xmm0, mm1
  CHECK(m.s.fpu.tags == 0xff);
}

TEST_CASE("64-bit forms of packs and unpacks work on the operands' own halves") {
  VectorProgram m;
  m.s.fpu.r[0].significand = 0x0001007fff80ff7f;
  m.s.fpu.r[1].significand = 0x0000010000010080;
  CHECK(m.execute({0x0f, 0x63, 0xc1}) == 0);  // packsswb mm0, mm1
  CHECK(m.s.fpu.r[0].significand == 0x007f017f017f8080);
  m.s.fpu.r[0].significand = 0x0807060504030201;
  m.s.fpu.r[1].significand = 0x1817161514131211;
  CHECK(m.execute({0x0f, 0x68, 0xc1}) == 0);  // punpckhbw mm0, mm1
  CHECK(m.s.fpu.r[0].significand == 0x1808170716061505);
  m.s.fpu.r[0].significand = 0x0807060504030201;
  CHECK(m.execute({0x0f, 0x60, 0xc1}) == 0);  // punpcklbw mm0, mm1
  CHECK(m.s.fpu.r[0].significand == 0x1404130312021101);
}

TEST_CASE(
    "reciprocals are within 1.5 x 2^-12 of the exact value, and special operands give what the manual says") {
  const std::vector<u8> rcpss{0xf3, 0x0f, 0x53, 0xc1}, rsqrtss{0xf3, 0x0f, 0x52, 0xc1};
  VectorProgram m;
  const auto of = [&](const std::vector<u8>& bytes, u64 operand) {
    m.set_xmm(1, operand, 0);
    CHECK(m.execute(bytes) == 0);
    return m.s.fpu.xmm[0][0];
  };
  const double limit = 1.5 / 4096;
  for (float v = 1.0f; v < 8.0f; v += 0.01371f) {
    CHECK(std::fabs(to_float(of(rcpss, single(v))) * static_cast<double>(v) - 1) <= limit);
    CHECK(std::fabs(to_float(of(rsqrtss, single(v))) * std::sqrt(static_cast<double>(v)) - 1) <= limit);
  }
  CHECK(of(rcpss, 0x80000000) == 0xff800000);
  CHECK(of(rcpss, kDenormal) == 0x7f800000);
  CHECK(of(rcpss, 0xff800000) == 0x80000000);
  CHECK(of(rcpss, kSnan) == (kQnan | 1));
  CHECK(of(rcpss, 0x7f7fffff) == 0);  // the exact value is tiny
  CHECK(of(rsqrtss, 0xbf800000) == 0xffc00000);
  CHECK(of(rsqrtss, 0x80000000) == 0xff800000);
  CHECK(m.s.fpu.mxcsr == kMxcsrReset);
}

TEST_CASE("a count beyond the lane clears it, an arithmetic shift fills it with the sign") {
  VectorProgram m;
  m.set_xmm(0, 0x8000000180000001, 0xffffffff00000001);
  CHECK(m.execute({0x66, 0x0f, 0x72, 0xe0, 0xff}) == 0);  // psrad xmm0, 255
  CHECK(m.xmm_is(0, ~u64{0}, 0xffffffff00000000));
  CHECK(m.execute({0x66, 0x0f, 0x73, 0xd0, 0x40}) == 0);  // psrlq xmm0, 64
  CHECK(m.xmm_is(0, 0, 0));
  m.set_xmm(0, 0x0807060504030201, 0x100f0e0d0c0b0a09);
  CHECK(m.execute({0x66, 0x0f, 0x73, 0xf8, 0x0f}) == 0);  // pslldq xmm0, 15
  CHECK(m.xmm_is(0, 0, 0x0100000000000000));
  CHECK(m.execute({0x66, 0x0f, 0x73, 0xd8, 0x10}) == 0);  // psrldq xmm0, 16
  CHECK(m.xmm_is(0, 0, 0));
}

TEST_CASE("extensions beyond SSE2 are undefined, as no model enumerates them") {
  VectorProgram m;
  CHECK(m.execute({0xf2, 0x0f, 0x7c, 0xc1}) == kUD);              // SSE3 haddps
  CHECK(m.execute({0x66, 0x0f, 0x38, 0x00, 0xc1}) == kUD);        // SSSE3 pshufb
  CHECK(m.execute({0x66, 0x0f, 0x38, 0x40, 0xc1}) == kUD);        // SSE4.1 pmulld
  CHECK(m.execute({0xc5, 0xf0, 0x58, 0xc1}) == kUD);              // AVX vaddps
  CHECK(m.execute({0x62, 0xf1, 0x74, 0x48, 0x58, 0xc1}) == kUD);  // AVX-512 vaddps
}
