// SPDX-License-Identifier: Apache-2.0
// Conversions between integers, single and double precision, in XMM, MMX and general registers.
#include <Zydis/Mnemonic.h>

#include <iterator>

#include "core/execute/vector_float.h"

namespace pmusim::core {
namespace {

// clang-format off
PMUSIM_FLOAT_OPERATION_NEVER_TINY(cvtdq2ps); PMUSIM_FLOAT_OPERATION_NEVER_TINY(cvtdq2pd);
PMUSIM_FLOAT_OPERATION_NEVER_TINY(cvtps2dq); PMUSIM_FLOAT_OPERATION_NEVER_TINY(cvttps2dq);
PMUSIM_FLOAT_OPERATION_NEVER_TINY(cvtpd2dq); PMUSIM_FLOAT_OPERATION_NEVER_TINY(cvttpd2dq);
PMUSIM_FLOAT_OPERATION_NEVER_TINY(cvtps2pd); PMUSIM_FLOAT_OPERATION_NEVER_TINY(cvtss2sd);
PMUSIM_FLOAT_OPERATION(cvtpd2ps, u32, 2); PMUSIM_FLOAT_OPERATION(cvtsd2ss, u32, 1);
// clang-format on

// --- From a general register or memory: the low lane; the rest stays.
#define FROM_INTEGER(name)                                                                      \
  struct name##_op {                                                                            \
    template <class T>                                                                          \
    static u32 apply(Vec& a, T b, u32 mxcsr) {                                                  \
      u32 flags;                                                                                \
      asm volatile("ldmxcsr %[in]\n\t" #name " %[b], %[a]\n\tstmxcsr %[out]\n\tldmxcsr %[host]" \
                   : [a] "+x"(a), [out] "=m"(flags)                                             \
                   : [b] "r"(b), [in] "m"(mxcsr), [host] "m"(kHostMxcsr));                      \
      return flags;                                                                             \
    }                                                                                           \
  }
FROM_INTEGER(cvtsi2ss);
FROM_INTEGER(cvtsi2sd);
template <class Op, class T, bool Memory>
void from_integer(Executor& x, const MicroOp& op) {
  check_sse(x);
  const T b = Memory ? load<T>(x, op) : get<T>(x, op.src);
  Vec a = xmm(x, op.dst);
  report(x, Op::apply(a, b, operating_mxcsr(x)));
  set_xmm(x, op.dst, a);
}

// --- To a general register.
#define TO_INTEGER(name)                                                                        \
  struct name##_op {                                                                            \
    template <class T>                                                                          \
    static u32 apply(T& a, Vec b, u32 mxcsr) {                                                  \
      u32 flags;                                                                                \
      asm volatile("ldmxcsr %[in]\n\t" #name " %[b], %[a]\n\tstmxcsr %[out]\n\tldmxcsr %[host]" \
                   : [a] "=r"(a), [out] "=m"(flags)                                             \
                   : [b] "x"(b), [in] "m"(mxcsr), [host] "m"(kHostMxcsr));                      \
      return flags;                                                                             \
    }                                                                                           \
  }
TO_INTEGER(cvtss2si);
TO_INTEGER(cvttss2si);
TO_INTEGER(cvtsd2si);
TO_INTEGER(cvttsd2si);
template <class Op, class T, class Source>
void to_integer(Executor& x, const MicroOp& op) {
  check_sse(x);
  const Vec b = Source::get(x, op);
  T a;
  report(x, Op::apply(a, b, operating_mxcsr(x)));
  put<T>(x, op.dst, a);
}

// --- MMX registers: the 128-bit conversion on one half; the other half is zero and exact.
template <class Op, class Source>
void to_mmx(Executor& x, const MicroOp& op) {
  check_sse(x);
  check_mmx(x);
  const Vec b = Source::get(x, op);
  Vec a = vec(0);
  const u32 flags = Op::apply(a, b, operating_mxcsr(x));
  if (!x.config->amd) use_mmx(x);  // on Intel, even where #XM follows
  report(x, flags);
  set_mmx(x, op.dst, low_half(a));
}
template <class Source>
struct LowHalfOf {
  static Vec get(Executor& x, const MicroOp& op) { return vec(low_half(Source::get(x, op))); }
};
// From memory neither touches MMX state. CVTPI2PS keeps the upper half of its destination.
template <bool Memory>
void pi_to_ps(Executor& x, const MicroOp& op) {
  check_sse(x);
  if (!Memory) check_mmx(x);
  const Vec b = vec(Memory ? load<u64>(x, op) : mmx(x, op.src));
  Vec a = vec(0);
  const u32 flags = cvtdq2ps_op::apply(a, b, operating_mxcsr(x));
  if (!Memory && !x.config->amd) use_mmx(x);
  report(x, flags);
  if (!Memory) use_mmx(x);
  low(x, op.dst) = low_half(a);
}
template <bool Memory>
void pi_to_pd(Executor& x, const MicroOp& op) {
  check_sse(x);
  if (!Memory) check_mmx(x);
  const Vec b = vec(Memory ? load<u64>(x, op) : mmx(x, op.src));
  Vec a = vec(0);
  report(x, cvtdq2pd_op::apply(a, b, operating_mxcsr(x)));
  if (!Memory) use_mmx(x);
  set_xmm(x, op.dst, a);
}

constexpr auto Xmm = OperandKind::Xmm, Mmx = OperandKind::Mmx, R32 = OperandKind::R32, R64 = OperandKind::R64,
               M32 = OperandKind::Mem32, M64 = OperandKind::Mem64, M128 = OperandKind::Mem128;
using From32 = FromMemory<u32>;
using From64 = FromMemory<u64>;

// clang-format off
#define M(name) ZYDIS_MNEMONIC_##name, Op::name
#define CONVERT(NAME, op, memory, from) \
    {M(NAME), Xmm, Xmm, floating<op, FromXmm>}, {M(NAME), Xmm, memory, floating<op, from>}
#define FROM_GENERAL(NAME, op) \
    {M(NAME), Xmm, R32, from_integer<op, u32, false>}, {M(NAME), Xmm, M32, from_integer<op, u32, true>}, \
    {M(NAME), Xmm, R64, from_integer<op, u64, false>}, {M(NAME), Xmm, M64, from_integer<op, u64, true>}
#define TO_GENERAL(NAME, op, memory, from) \
    {M(NAME), R32, Xmm, to_integer<op, u32, FromXmm>}, {M(NAME), R32, memory, to_integer<op, u32, from>}, \
    {M(NAME), R64, Xmm, to_integer<op, u64, FromXmm>}, {M(NAME), R64, memory, to_integer<op, u64, from>}
const VectorRow kRows[] = {
    CONVERT(CVTDQ2PS, cvtdq2ps_op, M128, FromAligned), CONVERT(CVTPS2DQ, cvtps2dq_op, M128, FromAligned),
    CONVERT(CVTTPS2DQ, cvttps2dq_op, M128, FromAligned), CONVERT(CVTPD2DQ, cvtpd2dq_op, M128, FromAligned),
    CONVERT(CVTTPD2DQ, cvttpd2dq_op, M128, FromAligned), CONVERT(CVTPD2PS, cvtpd2ps_op, M128, FromAligned),
    CONVERT(CVTDQ2PD, cvtdq2pd_op, M64, From64), CONVERT(CVTPS2PD, cvtps2pd_op, M64, From64),
    CONVERT(CVTSS2SD, cvtss2sd_op, M32, From32), CONVERT(CVTSD2SS, cvtsd2ss_op, M64, From64),
    FROM_GENERAL(CVTSI2SS, cvtsi2ss_op), FROM_GENERAL(CVTSI2SD, cvtsi2sd_op),
    TO_GENERAL(CVTSS2SI, cvtss2si_op, M32, From32), TO_GENERAL(CVTTSS2SI, cvttss2si_op, M32, From32),
    TO_GENERAL(CVTSD2SI, cvtsd2si_op, M64, From64), TO_GENERAL(CVTTSD2SI, cvttsd2si_op, M64, From64),
    {M(CVTPI2PS), Xmm, Mmx, pi_to_ps<false>}, {M(CVTPI2PS), Xmm, M64, pi_to_ps<true>},
    {M(CVTPI2PD), Xmm, Mmx, pi_to_pd<false>}, {M(CVTPI2PD), Xmm, M64, pi_to_pd<true>},
    {M(CVTPS2PI), Mmx, Xmm, to_mmx<cvtps2dq_op, LowHalfOf<FromXmm>>}, {M(CVTPS2PI), Mmx, M64, to_mmx<cvtps2dq_op, From64>},
    {M(CVTTPS2PI), Mmx, Xmm, to_mmx<cvttps2dq_op, LowHalfOf<FromXmm>>},
    {M(CVTTPS2PI), Mmx, M64, to_mmx<cvttps2dq_op, From64>},
    {M(CVTPD2PI), Mmx, Xmm, to_mmx<cvtpd2dq_op, FromXmm>}, {M(CVTPD2PI), Mmx, M128, to_mmx<cvtpd2dq_op, FromAligned>},
    {M(CVTTPD2PI), Mmx, Xmm, to_mmx<cvttpd2dq_op, FromXmm>},
    {M(CVTTPD2PI), Mmx, M128, to_mmx<cvttpd2dq_op, FromAligned>},
};
// clang-format on

}  // namespace

VectorRows vector_convert_rows() {
  return {std::begin(kRows), std::end(kRows)};
}

}  // namespace pmusim::core
