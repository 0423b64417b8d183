// SPDX-License-Identifier: Apache-2.0
// FXSAVE and FXRSTOR (SDM Vol. 1, "FXSAVE and FXRSTOR"; Vol. 2). Bytes of the area that hold no state are
// neither written nor read. An AMD CPU writes zeros for the x87 pointers unless an exception is pending (Zen
// 2 and later). Not modelled: AMD's fast FXSAVE (EFER.FFXSR).
#include <Zydis/Mnemonic.h>

#include <iterator>

#include "core/execute/fpu_save.h"

namespace pmusim::core {

void put_x87(const Executor& x, u8* image, bool wide) {
  const FpuState& f = x.s->fpu;
  put_at(image, 0, f.control);
  put_at(image, 2, f.status);
  put_at(image, 4, f.tags);
  if (!x.config->amd || f.status & kFswSummary) {
    put_at(image, 6, f.opcode);
    put_at(image, 8, wide ? f.instruction : f.instruction & 0xffffffff);
    put_at(image, 16, wide ? f.operand : f.operand & 0xffffffff);
  }
  for (unsigned i = 0; i < 8; ++i) {
    const X87Register& r = f.r[(f.top() + i) & 7];
    put_at(image, kX87RegistersAt + 16 * i, r.significand);
    put_at(image, kX87RegistersAt + 16 * i + 8, r.exponent);
  }
}

void take_x87(Executor& x, const u8* image, bool wide) {
  FpuState& f = x.s->fpu;
  set_control(f, get_at<u16>(image, 0));
  f.status = get_at<u16>(image, 2);
  f.tags = get_at<u8>(image, 4);
  f.opcode = get_at<u16>(image, 6) & 0x7ff;
  f.instruction = wide ? get_at<u64>(image, 8) : get_at<u32>(image, 8);
  f.operand = wide ? get_at<u64>(image, 16) : get_at<u32>(image, 16);
  for (unsigned i = 0; i < 8; ++i)
    st(f, i) = {get_at<u64>(image, kX87RegistersAt + 16 * i),
                get_at<u16>(image, kX87RegistersAt + 16 * i + 8)};
  update_summary(f);
}

void put_mxcsr(const Executor& x, u8* image) {
  put_at(image, kMxcsrAt, x.s->fpu.mxcsr);
  put_at(image, kMxcsrAt + 4, kMxcsrMask);
}

namespace {

u64 area(Executor& x, const MicroOp& op) {
  if (x.s->cr0 & kCr0Em) raise(kUD);
  if (x.s->cr0 & kCr0Ts) raise(kNM);
  return aligned_address(x, op);
}

template <bool Wide>
void fxsave(Executor& x, const MicroOp& op) {
  const u64 to = area(x, op);
  u8 image[kLegacyEnd] = {};
  put_x87(x, image, Wide);
  put_mxcsr(x, image);
  std::memcpy(image + kXmmAt, x.s->fpu.xmm, xmm_bytes(x));
  write_bytes(x, to, image, kXmmAt + xmm_bytes(x));
}

template <bool Wide>
void fxrstor(Executor& x, const MicroOp& op) {
  const u64 from = area(x, op);
  u8 image[kLegacyEnd];
  read_bytes(x, from, image, kXmmAt + xmm_bytes(x));
  const u32 mxcsr = get_at<u32>(image, kMxcsrAt);
  if (mxcsr & ~kMxcsrMask) raise_gp();
  take_x87(x, image, Wide);
  x.s->fpu.mxcsr = mxcsr;
  std::memcpy(x.s->fpu.xmm, image + kXmmAt, xmm_bytes(x));
}

constexpr auto None = OperandKind::None, Area = OperandKind::Mem512Bytes;
constexpr auto Store = MemoryUse::Store;

const VectorRow kRows[] = {
    {ZYDIS_MNEMONIC_FXSAVE, Op::FXSAVE, Area, None, fxsave<false>, Store},
    {ZYDIS_MNEMONIC_FXSAVE64, Op::FXSAVE64, Area, None, fxsave<true>, Store},
    {ZYDIS_MNEMONIC_FXRSTOR, Op::FXRSTOR, Area, None, fxrstor<false>},
    {ZYDIS_MNEMONIC_FXRSTOR64, Op::FXRSTOR64, Area, None, fxrstor<true>},
};

}  // namespace

VectorRows fpu_save_rows() {
  return {std::begin(kRows), std::end(kRows)};
}

}  // namespace pmusim::core
