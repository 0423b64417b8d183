// SPDX-License-Identifier: Apache-2.0
// FXSAVE and FXRSTOR (SDM Vol. 1, "FXSAVE and FXRSTOR"; Vol. 2). Bytes of the area that hold no state are
// neither written nor read. An AMD CPU writes zeros for the x87 pointers unless an exception is pending (Zen
// 2 and later). Not modelled: AMD's fast FXSAVE (EFER.FFXSR).
#include <Zydis/Mnemonic.h>

#include <iterator>

#include "core/x87.h"

namespace pmusim::core {
namespace {

constexpr unsigned kHeader = 32, kRegisters = 160;  // up to the XMM registers

unsigned xmm_count(const Executor& x) {
  return x.code64 ? 16 : 8;
}
u64 area(Executor& x, const MicroOp& op) {
  if (x.s->cr0 & kCr0Em) raise(kUD);
  if (x.s->cr0 & kCr0Ts) raise(kNM);
  return aligned_address(x, op);
}

template <class T>
void put_at(u8* image, unsigned at, T value) {
  std::memcpy(image + at, &value, sizeof(T));
}
template <class T>
T at(const u8* image, unsigned offset) {
  T value;
  std::memcpy(&value, image + offset, sizeof(T));
  return value;
}

template <bool Wide>  // REX.W: 64-bit pointers
void fxsave(Executor& x, const MicroOp& op) {
  const u64 to = area(x, op);
  const FpuState& f = x.s->fpu;
  u8 image[kRegisters + 256] = {};
  put_at(image, 0, f.control);
  put_at(image, 2, f.status);
  put_at(image, 4, f.tags);
  if (!x.config->amd || f.status & kFswSummary) {
    put_at(image, 6, f.opcode);
    put_at(image, 8, Wide ? f.instruction : f.instruction & 0xffffffff);
    put_at(image, 16, Wide ? f.operand : f.operand & 0xffffffff);
  }
  put_at(image, 24, f.mxcsr);
  put_at(image, 28, kMxcsrMask);
  for (unsigned i = 0; i < 8; ++i) {
    const X87Register& r = f.r[(f.top() + i) & 7];
    put_at(image, kHeader + 16 * i, r.significand);
    put_at(image, kHeader + 16 * i + 8, r.exponent);
  }
  std::memcpy(image + kRegisters, f.xmm, 16 * xmm_count(x));
  write_bytes(x, to, image, kRegisters + 16 * xmm_count(x));
}

template <bool Wide>
void fxrstor(Executor& x, const MicroOp& op) {
  const u64 from = area(x, op);
  u8 image[kRegisters + 256];
  read_bytes(x, from, image, kRegisters + 16 * xmm_count(x));
  const u32 mxcsr = at<u32>(image, 24);
  if (mxcsr & ~kMxcsrMask) raise_gp();
  FpuState& f = x.s->fpu;
  set_control(f, at<u16>(image, 0));
  f.status = at<u16>(image, 2);
  f.tags = at<u8>(image, 4);
  f.opcode = at<u16>(image, 6) & 0x7ff;
  f.instruction = Wide ? at<u64>(image, 8) : at<u32>(image, 8);
  f.operand = Wide ? at<u64>(image, 16) : at<u32>(image, 16);
  f.mxcsr = mxcsr;
  for (unsigned i = 0; i < 8; ++i)
    st(f, i) = {at<u64>(image, kHeader + 16 * i), at<u16>(image, kHeader + 16 * i + 8)};
  update_summary(f);
  std::memcpy(f.xmm, image + kRegisters, 16 * xmm_count(x));
}

constexpr auto None = OperandKind::None, Area = OperandKind::Mem512Bytes;
constexpr auto Store = MemoryUse::Store;

const VectorRow kRows[] = {
    {ZYDIS_MNEMONIC_FXSAVE, Area, None, fxsave<false>, Store},
    {ZYDIS_MNEMONIC_FXSAVE64, Area, None, fxsave<true>, Store},
    {ZYDIS_MNEMONIC_FXRSTOR, Area, None, fxrstor<false>},
    {ZYDIS_MNEMONIC_FXRSTOR64, Area, None, fxrstor<true>},
};

}  // namespace

VectorRows fpu_save_rows() {
  return {std::begin(kRows), std::end(kRows)};
}

}  // namespace pmusim::core
