// SPDX-License-Identifier: Apache-2.0
// Packed integers and bitwise logic, in 128 bits (SSE2, and SSE's bitwise instructions) and 64 bits (MMX).
// Each is the host's instruction of the same name.
#include <Zydis/Mnemonic.h>

#include <iterator>

#include "core/execute/vector.h"

namespace pmusim::core {
namespace {

#define OPERATION(name)                                    \
  struct name##_op {                                       \
    static Vec apply(Vec a, Vec b) {                       \
      asm(#name " %[b], %[a]" : [a] "+x"(a) : [b] "x"(b)); \
      return a;                                            \
    }                                                      \
  }
// clang-format off
OPERATION(paddb); OPERATION(paddw); OPERATION(paddd); OPERATION(paddq);
OPERATION(psubb); OPERATION(psubw); OPERATION(psubd); OPERATION(psubq);
OPERATION(paddsb); OPERATION(paddsw); OPERATION(paddusb); OPERATION(paddusw);
OPERATION(psubsb); OPERATION(psubsw); OPERATION(psubusb); OPERATION(psubusw);
OPERATION(pmullw); OPERATION(pmulhw); OPERATION(pmulhuw); OPERATION(pmuludq); OPERATION(pmaddwd);
OPERATION(psadbw); OPERATION(pavgb); OPERATION(pavgw);
OPERATION(pmaxub); OPERATION(pmaxsw); OPERATION(pminub); OPERATION(pminsw);
OPERATION(pcmpeqb); OPERATION(pcmpeqw); OPERATION(pcmpeqd);
OPERATION(pcmpgtb); OPERATION(pcmpgtw); OPERATION(pcmpgtd);
OPERATION(pand); OPERATION(pandn); OPERATION(por); OPERATION(pxor);
OPERATION(packsswb); OPERATION(packssdw); OPERATION(packuswb);
OPERATION(punpcklbw); OPERATION(punpcklwd); OPERATION(punpckldq); OPERATION(punpcklqdq);
OPERATION(punpckhbw); OPERATION(punpckhwd); OPERATION(punpckhdq); OPERATION(punpckhqdq);
OPERATION(unpcklps); OPERATION(unpckhps);
OPERATION(psllw); OPERATION(pslld); OPERATION(psllq);
OPERATION(psrlw); OPERATION(psrld); OPERATION(psrlq);
OPERATION(psraw); OPERATION(psrad);
// clang-format on

// How a 64-bit form follows from a 128-bit operation.
template <class Op>
struct Lanes {  // lane by lane: the low half
  static u64 apply(u64 a, u64 b) { return low_half(Op::apply(vec(a), vec(b))); }
};
template <class Op>
struct Pack {  // both operands, packed into one half
  static u64 apply(u64 a, u64 b) { return low_half(Op::apply(vec(a, b), vec(0))); }
};
template <class UnpackLow>
struct UnpackHigh {  // upper half of what interleaving the 64-bit operands gives
  static u64 apply(u64 a, u64 b) {
    const Vec all = UnpackLow::apply(vec(a), vec(b));
    return low_half(_mm_unpackhi_epi64(all, all));
  }
};

template <class Op, class Source>
void packed(Executor& x, const MicroOp& op) {
  check_sse(x);
  const Vec b = Source::get(x, op);
  set_xmm(x, op.dst, Op::apply(xmm(x, op.dst), b));
}
template <class Op>
void packed_imm(Executor& x, const MicroOp& op) {
  check_sse(x);
  set_xmm(x, op.dst, Op::apply(xmm(x, op.dst), vec(op.imm & 0xff)));
}

struct FromMmx {
  static u64 get(Executor& x, const MicroOp& op) { return mmx(x, op.src); }
};
template <class T>
struct MmxFromMemory {
  static u64 get(Executor& x, const MicroOp& op) { return load<T>(x, op); }
};
template <class How, class Source>
void packed_mmx(Executor& x, const MicroOp& op) {
  check_mmx(x);
  const u64 b = Source::get(x, op);
  set_mmx(x, op.dst, How::apply(mmx(x, op.dst), b));
}
template <class Op>
void packed_mmx_imm(Executor& x, const MicroOp& op) {
  check_mmx(x);
  set_mmx(x, op.dst, Lanes<Op>::apply(mmx(x, op.dst), op.imm & 0xff));
}

constexpr auto Xmm = OperandKind::Xmm, Mmx = OperandKind::Mmx, Imm = OperandKind::Imm,
               M32 = OperandKind::Mem32, M64 = OperandKind::Mem64, M128 = OperandKind::Mem128;

// clang-format off
#define M(name) ZYDIS_MNEMONIC_##name, Op::name
#define WIDE(name, op) {M(name), Xmm, Xmm, packed<op, FromXmm>}, {M(name), Xmm, M128, packed<op, FromAligned>}
#define NARROW(name, how) {M(name), Mmx, Mmx, packed_mmx<how, FromMmx>}, \
                          {M(name), Mmx, M64, packed_mmx<how, MmxFromMemory<u64>>}
#define BOTH(name, op) WIDE(name, op), NARROW(name, Lanes<op>)
#define SHIFT(name, op) BOTH(name, op), {M(name), Xmm, Imm, packed_imm<op>}, {M(name), Mmx, Imm, packed_mmx_imm<op>}
#define UNPACK(low, high, op_low, op_high) \
    WIDE(low, op_low), WIDE(high, op_high), {M(low), Mmx, Mmx, packed_mmx<Lanes<op_low>, FromMmx>}, \
    {M(low), Mmx, M32, packed_mmx<Lanes<op_low>, MmxFromMemory<u32>>}, NARROW(high, UnpackHigh<op_low>)
const VectorRow kRows[] = {
    BOTH(PADDB, paddb_op), BOTH(PADDW, paddw_op), BOTH(PADDD, paddd_op), BOTH(PADDQ, paddq_op),
    BOTH(PSUBB, psubb_op), BOTH(PSUBW, psubw_op), BOTH(PSUBD, psubd_op), BOTH(PSUBQ, psubq_op),
    BOTH(PADDSB, paddsb_op), BOTH(PADDSW, paddsw_op), BOTH(PADDUSB, paddusb_op), BOTH(PADDUSW, paddusw_op),
    BOTH(PSUBSB, psubsb_op), BOTH(PSUBSW, psubsw_op), BOTH(PSUBUSB, psubusb_op), BOTH(PSUBUSW, psubusw_op),
    BOTH(PMULLW, pmullw_op), BOTH(PMULHW, pmulhw_op), BOTH(PMULHUW, pmulhuw_op), BOTH(PMULUDQ, pmuludq_op),
    BOTH(PMADDWD, pmaddwd_op), BOTH(PSADBW, psadbw_op), BOTH(PAVGB, pavgb_op), BOTH(PAVGW, pavgw_op),
    BOTH(PMAXUB, pmaxub_op), BOTH(PMAXSW, pmaxsw_op), BOTH(PMINUB, pminub_op), BOTH(PMINSW, pminsw_op),
    BOTH(PCMPEQB, pcmpeqb_op), BOTH(PCMPEQW, pcmpeqw_op), BOTH(PCMPEQD, pcmpeqd_op),
    BOTH(PCMPGTB, pcmpgtb_op), BOTH(PCMPGTW, pcmpgtw_op), BOTH(PCMPGTD, pcmpgtd_op),
    BOTH(PAND, pand_op), BOTH(PANDN, pandn_op), BOTH(POR, por_op), BOTH(PXOR, pxor_op),
    WIDE(PACKSSWB, packsswb_op), WIDE(PACKSSDW, packssdw_op), WIDE(PACKUSWB, packuswb_op),
    NARROW(PACKSSWB, Pack<packsswb_op>), NARROW(PACKSSDW, Pack<packssdw_op>), NARROW(PACKUSWB, Pack<packuswb_op>),
    UNPACK(PUNPCKLBW, PUNPCKHBW, punpcklbw_op, punpckhbw_op),
    UNPACK(PUNPCKLWD, PUNPCKHWD, punpcklwd_op, punpckhwd_op),
    UNPACK(PUNPCKLDQ, PUNPCKHDQ, punpckldq_op, punpckhdq_op),
    WIDE(PUNPCKLQDQ, punpcklqdq_op), WIDE(PUNPCKHQDQ, punpckhqdq_op),
    SHIFT(PSLLW, psllw_op), SHIFT(PSLLD, pslld_op), SHIFT(PSLLQ, psllq_op),
    SHIFT(PSRLW, psrlw_op), SHIFT(PSRLD, psrld_op), SHIFT(PSRLQ, psrlq_op),
    SHIFT(PSRAW, psraw_op), SHIFT(PSRAD, psrad_op),
    // Floating-point names, bitwise work.
    WIDE(ANDPS, pand_op), WIDE(ANDPD, pand_op), WIDE(ANDNPS, pandn_op), WIDE(ANDNPD, pandn_op),
    WIDE(ORPS, por_op), WIDE(ORPD, por_op), WIDE(XORPS, pxor_op), WIDE(XORPD, pxor_op),
    WIDE(UNPCKLPS, unpcklps_op), WIDE(UNPCKHPS, unpckhps_op),
    WIDE(UNPCKLPD, punpcklqdq_op), WIDE(UNPCKHPD, punpckhqdq_op),
};
// clang-format on

}  // namespace

VectorRows vector_integer_rows() {
  return {std::begin(kRows), std::end(kRows)};
}

}  // namespace pmusim::core
