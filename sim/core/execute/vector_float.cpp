// SPDX-License-Identifier: Apache-2.0
// SSE and SSE2 arithmetic and comparisons; approximations.
// RCP and RSQRT are not the host's, because vendors' tables differ: the result here is the exact value
// rounded to 12 significant bits, within the relative error of 1.5 x 2^-12 that the SDM allows.
#include <Zydis/Mnemonic.h>

#include <cmath>
#include <iterator>

#include "core/execute/alu.h"
#include "core/execute/vector_float.h"

namespace pmusim::core {
namespace {

// clang-format off
PMUSIM_FLOAT_OPERATION(addps, u32, 4); PMUSIM_FLOAT_OPERATION(addpd, u64, 2);
PMUSIM_FLOAT_OPERATION(addss, u32, 1); PMUSIM_FLOAT_OPERATION(addsd, u64, 1);
PMUSIM_FLOAT_OPERATION(subps, u32, 4); PMUSIM_FLOAT_OPERATION(subpd, u64, 2);
PMUSIM_FLOAT_OPERATION(subss, u32, 1); PMUSIM_FLOAT_OPERATION(subsd, u64, 1);
PMUSIM_FLOAT_OPERATION(mulps, u32, 4); PMUSIM_FLOAT_OPERATION(mulpd, u64, 2);
PMUSIM_FLOAT_OPERATION(mulss, u32, 1); PMUSIM_FLOAT_OPERATION(mulsd, u64, 1);
PMUSIM_FLOAT_OPERATION(divps, u32, 4); PMUSIM_FLOAT_OPERATION(divpd, u64, 2);
PMUSIM_FLOAT_OPERATION(divss, u32, 1); PMUSIM_FLOAT_OPERATION(divsd, u64, 1);
PMUSIM_FLOAT_OPERATION_NEVER_TINY(minps); PMUSIM_FLOAT_OPERATION_NEVER_TINY(minpd);
PMUSIM_FLOAT_OPERATION_NEVER_TINY(minss); PMUSIM_FLOAT_OPERATION_NEVER_TINY(minsd);
PMUSIM_FLOAT_OPERATION_NEVER_TINY(maxps); PMUSIM_FLOAT_OPERATION_NEVER_TINY(maxpd);
PMUSIM_FLOAT_OPERATION_NEVER_TINY(maxss); PMUSIM_FLOAT_OPERATION_NEVER_TINY(maxsd);
PMUSIM_FLOAT_OPERATION_NEVER_TINY(sqrtps); PMUSIM_FLOAT_OPERATION_NEVER_TINY(sqrtpd);
PMUSIM_FLOAT_OPERATION_NEVER_TINY(sqrtss); PMUSIM_FLOAT_OPERATION_NEVER_TINY(sqrtsd);

// Compares to masks, one operation for each predicate; higher bits of the immediate are reserved and ignored.
#define COMPARE(predicate) \
  PMUSIM_FLOAT_OPERATION_NEVER_TINY(cmp##predicate##ps); PMUSIM_FLOAT_OPERATION_NEVER_TINY(cmp##predicate##pd); \
  PMUSIM_FLOAT_OPERATION_NEVER_TINY(cmp##predicate##ss); PMUSIM_FLOAT_OPERATION_NEVER_TINY(cmp##predicate##sd)
COMPARE(eq); COMPARE(lt); COMPARE(le); COMPARE(unord); COMPARE(neq); COMPARE(nlt); COMPARE(nle); COMPARE(ord);
// clang-format on

#define COMPARE_HANDLER(suffix)                                                         \
  template <class Source>                                                               \
  void compare_##suffix(Executor& x, const MicroOp& op) {                               \
    static constexpr Handler kByPredicate[] = {                                         \
        floating<cmpeq##suffix##_op, Source>,  floating<cmplt##suffix##_op, Source>,    \
        floating<cmple##suffix##_op, Source>,  floating<cmpunord##suffix##_op, Source>, \
        floating<cmpneq##suffix##_op, Source>, floating<cmpnlt##suffix##_op, Source>,   \
        floating<cmpnle##suffix##_op, Source>, floating<cmpord##suffix##_op, Source>};  \
    kByPredicate[op.imm & 7](x, op);                                                    \
  }
COMPARE_HANDLER(ps)
COMPARE_HANDLER(pd)
COMPARE_HANDLER(ss)
COMPARE_HANDLER(sd)

// COMIS, UCOMIS: ZF, PF and CF tell; the other arithmetic flags are cleared.
#define COMPARE_FLAGS(name)                                                                   \
  template <class Source>                                                                     \
  void name(Executor& x, const MicroOp& op) {                                                 \
    check_sse(x);                                                                             \
    const Vec b = Source::get(x, op), a = xmm(x, op.dst);                                     \
    const u32 mxcsr = operating_mxcsr(x);                                                     \
    u32 flags;                                                                                \
    bool zero, parity, carry;                                                                 \
    asm volatile("ldmxcsr %[in]\n\t" #name " %[b], %[a]\n\tstmxcsr %[out]\n\tldmxcsr %[host]" \
                 : [out] "=m"(flags), "=@ccz"(zero), "=@ccp"(parity), "=@ccc"(carry)          \
                 : [a] "x"(a), [b] "x"(b), [in] "m"(mxcsr), [host] "m"(kHostMxcsr));          \
    report(x, flags);                                                                         \
    alu::replace(x.s->rflags, kArithmeticFlags,                                               \
                 (zero ? kZF : 0) | (parity ? kPFlag : 0) | (carry ? kCF : 0));               \
  }
COMPARE_FLAGS(comiss)
COMPARE_FLAGS(comisd)
COMPARE_FLAGS(ucomiss)
COMPARE_FLAGS(ucomisd)

// --- Approximations. No exceptions; denormal operands count as zeros, tiny results are zeros.
constexpr u32 kSign = 0x80000000, kExponent = 0x7f800000, kQuiet = 0x00400000, kDefaultNan = 0xffc00000;

// Value to 12 significant bits, nearest, ties away from zero.
u32 rounded(float value) {
  u32 bits;
  std::memcpy(&bits, &value, 4);
  bits = (bits + 0x800) & ~0xfffu;
  return bits & kExponent ? bits : bits & kSign;
}
struct Reciprocal {
  static u32 of(u32 bits) {
    const u32 sign = bits & kSign, magnitude = bits & ~kSign;
    if (magnitude > kExponent) return bits | kQuiet;
    if (!(bits & kExponent)) return sign | kExponent;
    float value;
    std::memcpy(&value, &bits, 4);
    return rounded(1.0f / value);
  }
};
struct ReciprocalRoot {
  static u32 of(u32 bits) {
    const u32 sign = bits & kSign, magnitude = bits & ~kSign;
    if (magnitude > kExponent) return bits | kQuiet;
    if (!(bits & kExponent)) return sign | kExponent;
    if (sign) return kDefaultNan;
    float value;
    std::memcpy(&value, &bits, 4);
    return rounded(static_cast<float>(1.0 / std::sqrt(static_cast<double>(value))));
  }
};
template <class Op, unsigned Lanes, class Source>
void approximate(Executor& x, const MicroOp& op) {
  check_sse(x);
  const Vec b = Source::get(x, op);
  Vec a = xmm(x, op.dst);
  u32 from[4], to[4];
  std::memcpy(from, &b, 16);
  std::memcpy(to, &a, 16);
  for (unsigned i = 0; i < Lanes; ++i) to[i] = Op::of(from[i]);
  std::memcpy(&a, to, 16);
  set_xmm(x, op.dst, a);
}

constexpr auto Xmm = OperandKind::Xmm, M32 = OperandKind::Mem32, M64 = OperandKind::Mem64,
               M128 = OperandKind::Mem128;
using From32 = FromMemory<u32>;
using From64 = FromMemory<u64>;

// clang-format off
#define M(name) ZYDIS_MNEMONIC_##name, Op::name
#define PACKED(name, op) {M(name), Xmm, Xmm, floating<op, FromXmm>}, {M(name), Xmm, M128, floating<op, FromAligned>}
#define SINGLE(name, op) {M(name), Xmm, Xmm, floating<op, FromXmm>}, {M(name), Xmm, M32, floating<op, From32>}
#define DOUBLE(name, op) {M(name), Xmm, Xmm, floating<op, FromXmm>}, {M(name), Xmm, M64, floating<op, From64>}
#define FOUR(NAME, name) PACKED(NAME##PS, name##ps_op), PACKED(NAME##PD, name##pd_op), \
                         SINGLE(NAME##SS, name##ss_op), DOUBLE(NAME##SD, name##sd_op)
#define ANY(name, memory, handler, from) {M(name), Xmm, Xmm, handler<FromXmm>}, {M(name), Xmm, memory, handler<from>}
#define APPROXIMATE(NAME, op) \
    {M(NAME##PS), Xmm, Xmm, approximate<op, 4, FromXmm>}, {M(NAME##PS), Xmm, M128, approximate<op, 4, FromAligned>}, \
    {M(NAME##SS), Xmm, Xmm, approximate<op, 1, FromXmm>}, {M(NAME##SS), Xmm, M32, approximate<op, 1, From32>}
const VectorRow kRows[] = {
    FOUR(ADD, add), FOUR(SUB, sub), FOUR(MUL, mul), FOUR(DIV, div), FOUR(MIN, min), FOUR(MAX, max), FOUR(SQRT, sqrt),
    ANY(CMPPS, M128, compare_ps, FromAligned), ANY(CMPPD, M128, compare_pd, FromAligned),
    ANY(CMPSS, M32, compare_ss, From32), ANY(CMPSD, M64, compare_sd, From64),
    ANY(COMISS, M32, comiss, From32), ANY(COMISD, M64, comisd, From64),
    ANY(UCOMISS, M32, ucomiss, From32), ANY(UCOMISD, M64, ucomisd, From64),
    APPROXIMATE(RCP, Reciprocal), APPROXIMATE(RSQRT, ReciprocalRoot),
};
// clang-format on

}  // namespace

VectorRows vector_float_rows() {
  return {std::begin(kRows), std::end(kRows)};
}

}  // namespace pmusim::core
