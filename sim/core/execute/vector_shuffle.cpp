// SPDX-License-Identifier: Apache-2.0
// Shuffles, byte shifts, insertion, extraction and masks of lanes (SDM Vol. 2, each instruction).
#include <Zydis/Mnemonic.h>

#include <iterator>

#include "core/execute/vector.h"

namespace pmusim::core {
namespace {

template <class T>
struct Of {
  T at[16 / sizeof(T)];
  Of() = default;
  explicit Of(Vec v) { std::memcpy(at, &v, 16); }
  Vec whole() const {
    Vec v;
    std::memcpy(&v, at, 16);
    return v;
  }
};

// Field i of an immediate, two bits each.
unsigned select(u64 imm, unsigned i) {
  return imm >> (2 * i) & 3;
}

// What the second operand and the immediate make of the first.
struct Pshufd {
  static Vec apply(Vec, Vec b, u64 imm) {
    const Of<u32> s(b);
    Of<u32> r;
    for (unsigned i = 0; i < 4; ++i) r.at[i] = s.at[select(imm, i)];
    return r.whole();
  }
};
template <unsigned From>  // words From to From + 3; the others as they are
struct PshufWords {
  static Vec apply(Vec, Vec b, u64 imm) {
    const Of<u16> s(b);
    Of<u16> r = s;
    for (unsigned i = 0; i < 4; ++i) r.at[From + i] = s.at[From + select(imm, i)];
    return r.whole();
  }
};
struct Shufps {
  static Vec apply(Vec a, Vec b, u64 imm) {
    const Of<u32> s(a), t(b);
    Of<u32> r;
    for (unsigned i = 0; i < 4; ++i) r.at[i] = (i < 2 ? s : t).at[select(imm, i)];
    return r.whole();
  }
};
struct Shufpd {
  static Vec apply(Vec a, Vec b, u64 imm) {
    const Of<u64> s(a), t(b);
    return vec(s.at[imm & 1], t.at[imm >> 1 & 1]);
  }
};
template <bool Left>
struct ShiftBytes {
  static Vec apply(Vec a, Vec, u64 imm) {
    const Of<u8> s(a);
    Of<u8> r(vec(0));
    const unsigned n = imm & 0xff;
    for (unsigned i = n; i < 16; ++i) r.at[Left ? i : i - n] = s.at[Left ? i - n : i];
    return r.whole();
  }
};

struct NoSource {
  static Vec get(Executor&, const MicroOp&) { return vec(0); }
};
template <class Op, class Source>
void shuffle(Executor& x, const MicroOp& op) {
  check_sse(x);
  const Vec b = Source::get(x, op);
  set_xmm(x, op.dst, Op::apply(xmm(x, op.dst), b, op.imm));
}

u64 shuffle_words(u64 value, u64 imm) {
  return low_half(PshufWords<0>::apply(vec(0), vec(value), imm));
}
void pshufw(Executor& x, const MicroOp& op) {
  check_mmx(x);
  set_mmx(x, op.dst, shuffle_words(mmx(x, op.src), op.imm));
}
void pshufw_mem(Executor& x, const MicroOp& op) {
  check_mmx(x);
  set_mmx(x, op.dst, shuffle_words(load<u64>(x, op), op.imm));
}

template <bool Memory>
void pinsrw(Executor& x, const MicroOp& op) {
  check_sse(x);
  const u16 word = Memory ? load<u16>(x, op) : get<u16>(x, op.src);
  Of<u16> r(xmm(x, op.dst));
  r.at[op.imm & 7] = word;
  set_xmm(x, op.dst, r.whole());
}
void pextrw(Executor& x, const MicroOp& op) {
  check_sse(x);
  put<u32>(x, op.dst, Of<u16>(xmm(x, op.src)).at[op.imm & 7]);
}
template <bool Memory>
void pinsrw_mmx(Executor& x, const MicroOp& op) {
  check_mmx(x);
  const u64 word = Memory ? load<u16>(x, op) : get<u16>(x, op.src);
  const unsigned at = 16 * (op.imm & 3);
  set_mmx(x, op.dst, (mmx(x, op.dst) & ~(u64{0xffff} << at)) | word << at);
}
void pextrw_mmx(Executor& x, const MicroOp& op) {
  check_mmx(x);
  use_mmx(x);
  put<u32>(x, op.dst, static_cast<u16>(mmx(x, op.src) >> 16 * (op.imm & 3)));
}

// Sign bits of the lanes.
template <class T>
u32 signs(Vec v) {
  const Of<T> s(v);
  u32 mask = 0;
  for (unsigned i = 0; i < 16 / sizeof(T); ++i) mask |= static_cast<u32>(s.at[i] >> (8 * sizeof(T) - 1)) << i;
  return mask;
}
template <class T>
void move_mask(Executor& x, const MicroOp& op) {
  check_sse(x);
  put<u32>(x, op.dst, signs<T>(xmm(x, op.src)));
}
void move_mask_mmx(Executor& x, const MicroOp& op) {
  check_mmx(x);
  use_mmx(x);
  put<u32>(x, op.dst, signs<u8>(vec(mmx(x, op.src))));
}

constexpr auto Xmm = OperandKind::Xmm, Mmx = OperandKind::Mmx, R32 = OperandKind::R32, R64 = OperandKind::R64,
               Imm = OperandKind::Imm, M16 = OperandKind::Mem16, M64 = OperandKind::Mem64,
               M128 = OperandKind::Mem128;

// clang-format off
#define M(name) ZYDIS_MNEMONIC_##name, Op::name
#define SHUFFLE(name, op) {M(name), Xmm, Xmm, shuffle<op, FromXmm>}, {M(name), Xmm, M128, shuffle<op, FromAligned>}
#define GENERAL(name, from, handler) {M(name), R32, from, handler}, {M(name), R64, from, handler}
const VectorRow kRows[] = {
    SHUFFLE(PSHUFD, Pshufd), SHUFFLE(PSHUFLW, PshufWords<0>), SHUFFLE(PSHUFHW, PshufWords<4>),
    SHUFFLE(SHUFPS, Shufps), SHUFFLE(SHUFPD, Shufpd),
    {M(PSLLDQ), Xmm, Imm, shuffle<ShiftBytes<true>, NoSource>},
    {M(PSRLDQ), Xmm, Imm, shuffle<ShiftBytes<false>, NoSource>},
    {M(PSHUFW), Mmx, Mmx, pshufw}, {M(PSHUFW), Mmx, M64, pshufw_mem},
    {M(PINSRW), Xmm, R32, pinsrw<false>}, {M(PINSRW), Xmm, R64, pinsrw<false>}, {M(PINSRW), Xmm, M16, pinsrw<true>},
    {M(PINSRW), Mmx, R32, pinsrw_mmx<false>}, {M(PINSRW), Mmx, R64, pinsrw_mmx<false>},
    {M(PINSRW), Mmx, M16, pinsrw_mmx<true>},
    GENERAL(PEXTRW, Xmm, pextrw), GENERAL(PEXTRW, Mmx, pextrw_mmx),
    GENERAL(PMOVMSKB, Xmm, move_mask<u8>), GENERAL(PMOVMSKB, Mmx, move_mask_mmx),
    GENERAL(MOVMSKPS, Xmm, move_mask<u32>), GENERAL(MOVMSKPD, Xmm, move_mask<u64>),
};
// clang-format on

}  // namespace

VectorRows vector_shuffle_rows() {
  return {std::begin(kRows), std::end(kRows)};
}

}  // namespace pmusim::core
