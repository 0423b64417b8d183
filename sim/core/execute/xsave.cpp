// SPDX-License-Identifier: Apache-2.0
// XSAVE, XSAVEOPT, XSAVEC, XRSTOR, XGETBV, XSETBV with x87 and SSE state (SDM Vol. 1, "Managing State Using
// the XSAVE Feature Set"). XSAVEOPT and XSAVEC leave out components in their initial configuration; XSAVEOPT
// does not remember what XRSTOR loaded (its modified optimization is optional). Not modelled: XSAVES,
// XRSTORS, state beyond SSE.
#include <Zydis/Mnemonic.h>

#include <iterator>

#include "core/execute/fpu_save.h"

namespace pmusim::core {
namespace {

constexpr unsigned kHeaderAt = 512, kHeaderSize = 64, kAreaSize = kHeaderAt + kHeaderSize;
constexpr u64 kCompacted = u64{1} << 63;

u64 area(Executor& x, const MicroOp& op) {
  if (!(x.s->cr4 & kCr4Osxsave)) raise(kUD);
  if (x.s->cr0 & kCr0Ts) raise(kNM);
  const u64 linear = effective_address(x, op);
  if (linear & 63) raise_gp();
  return linear;
}
u64 edx_eax(const Executor& x) {
  return x.s->gpr[RDX] << 32 | static_cast<u32>(x.s->gpr[RAX]);
}
u64 requested(const Executor& x) {
  return edx_eax(x) & x.s->fpu.xcr0;
}

// Components that are not in their initial configuration.
u64 in_use(const FpuState& f) {
  u64 used = 0;
  if (f.control != kFcwInit || f.status || f.tags || f.opcode || f.instruction || f.operand) used |= kXcr0X87;
  for (const X87Register& r : f.r)
    if (r.significand || r.exponent) used |= kXcr0X87;
  for (const auto& v : f.xmm)
    if (v[0] || v[1]) used |= kXcr0Sse;
  return used;
}

void store_x87(Executor& x, u64 to, bool wide) {
  u8 image[kXmmAt] = {};
  put_x87(x, image, wide);
  write_bytes(x, to, image, kMxcsrAt);
  write_bytes(x, to + kX87RegistersAt, image + kX87RegistersAt, kXmmAt - kX87RegistersAt);
}
void store_sse(Executor& x, u64 to) {
  write_bytes(x, to + kXmmAt, reinterpret_cast<const u8*>(x.s->fpu.xmm), xmm_bytes(x));
}
void store_mxcsr(Executor& x, u64 to) {
  u8 image[kX87RegistersAt] = {};
  put_mxcsr(x, image);
  write_bytes(x, to + kMxcsrAt, image + kMxcsrAt, 8);
}

// Standard format: XSTATE_BV keeps the bits of components that were not asked for.
template <bool Wide, bool Optimized>
void xsave(Executor& x, const MicroOp& op) {
  const u64 to = area(x, op), wanted = requested(x), used = in_use(x.s->fpu);
  const u64 written = Optimized ? wanted & used : wanted;
  probe_store(x, to, kAreaSize);
  const u64 before = x.mmu->read<u64>(to + kHeaderAt);
  if (written & kXcr0X87) store_x87(x, to, Wide);
  if (written & kXcr0Sse) store_sse(x, to);
  if (wanted & kXcr0Sse) store_mxcsr(x, to);
  x.mmu->write<u64>(to + kHeaderAt, (before & ~wanted) | (wanted & used));
}

// Compacted format; with x87 and SSE alone the legacy region is laid out as in the standard one. MXCSR counts
// as SSE state here.
template <bool Wide>
void xsavec(Executor& x, const MicroOp& op) {
  const u64 to = area(x, op), wanted = requested(x);
  const u64 used = in_use(x.s->fpu) | (x.s->fpu.mxcsr != kMxcsrReset ? kXcr0Sse : 0);
  const u64 written = wanted & used;
  probe_store(x, to, kAreaSize);
  if (written & kXcr0X87) store_x87(x, to, Wide);
  if (written & kXcr0Sse) {
    store_sse(x, to);
    store_mxcsr(x, to);
  }
  x.mmu->write<u64>(to + kHeaderAt, written);
  x.mmu->write<u64>(to + kHeaderAt + 8, wanted | kCompacted);
}

// What a header may say; #GP otherwise.
bool acceptable(const Executor& x, u64 present, u64 compaction, const u8* reserved) {
  const u64 enabled = x.s->fpu.xcr0;
  const bool compacted = compaction & kCompacted;
  u8 other = 0;  // bytes 16 to 63; the standard form tests 16 to 23 only
  for (unsigned i = 0; i < (compacted ? 48u : 8u); ++i) other |= reserved[i];
  if (other) return false;
  if (!compacted) return compaction == 0 && !(present & ~enabled);
  const u64 format = compaction & ~kCompacted;
  return x.config->features.has(Feature::Xsavec) && !(format & ~enabled) && !(present & ~format);
}

template <bool Wide>
void xrstor(Executor& x, const MicroOp& op) {
  const u64 from = area(x, op), wanted = requested(x);
  u8 image[kAreaSize];
  read_bytes(x, from + kHeaderAt, image + kHeaderAt, kHeaderSize);
  const u64 present = get_at<u64>(image, kHeaderAt), compaction = get_at<u64>(image, kHeaderAt + 8);
  if (!acceptable(x, present, compaction, image + kHeaderAt + 16)) raise_gp();
  const u64 loaded = wanted & present;
  read_bytes(x, from, image, kXmmAt + xmm_bytes(x));
  // The standard form loads MXCSR whenever SSE state is asked for, present or not.
  const bool loads_mxcsr = compaction & kCompacted ? loaded & kXcr0Sse : wanted & kXcr0Sse;
  const u32 mxcsr = loads_mxcsr ? get_at<u32>(image, kMxcsrAt) : kMxcsrReset;
  if (mxcsr & ~kMxcsrMask) raise_gp();
  FpuState& f = x.s->fpu;
  if (loaded & kXcr0X87) {
    take_x87(x, image, Wide);
  } else if (wanted & kXcr0X87) {
    initialize(f);
    for (X87Register& r : f.r) r = {};
  }
  if (loaded & kXcr0Sse)
    std::memcpy(f.xmm, image + kXmmAt, xmm_bytes(x));
  else if (wanted & kXcr0Sse)
    std::memset(f.xmm, 0, xmm_bytes(x));
  if (wanted & kXcr0Sse) f.mxcsr = mxcsr;
}

void xgetbv(Executor& x, const MicroOp&) {
  if (!(x.s->cr4 & kCr4Osxsave)) raise(kUD);
  const u32 index = static_cast<u32>(x.s->gpr[RCX]);
  if (index > 1 || (index == 1 && !x.config->features.has(Feature::Xgetbv1))) raise_gp();
  const u64 xcr0 = x.s->fpu.xcr0;
  const u64 value = index == 0 ? xcr0 : xcr0 & in_use(x.s->fpu);
  put<u32>(x, RAX * 8, static_cast<u32>(value));
  put<u32>(x, RDX * 8, static_cast<u32>(value >> 32));
}

constexpr auto None = OperandKind::None, Area = OperandKind::Mem576Bytes;
constexpr auto Store = MemoryUse::Store;

// clang-format off
#define M(name) ZYDIS_MNEMONIC_##name, Op::name
const VectorRow kRows[] = {
    {M(XSAVE), Area, None, xsave<false, false>, Store}, {M(XSAVE64), Area, None, xsave<true, false>, Store},
    {M(XSAVEOPT), Area, None, xsave<false, true>, Store}, {M(XSAVEOPT64), Area, None, xsave<true, true>, Store},
    {M(XSAVEC), Area, None, xsavec<false>, Store}, {M(XSAVEC64), Area, None, xsavec<true>, Store},
    {M(XRSTOR), Area, None, xrstor<false>}, {M(XRSTOR64), Area, None, xrstor<true>},
    {M(XGETBV), None, None, xgetbv},
};
// clang-format on

}  // namespace

VectorRows xsave_rows() {
  return {std::begin(kRows), std::end(kRows)};
}

// Privilege is checked before the VM-exit, XCR and value after it (SDM Vol. 3, "Relative Priority of Faults
// and VM Exits").
void op::xsetbv(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  if (!(x.s->cr4 & kCr4Osxsave)) raise(kUD);
  if (x.s->cpl != 0) raise_gp();
  check_intercept(x, ExitKind::Xsetbv);
  const u64 value = edx_eax(x);
  if (!xcr_accepts(static_cast<u32>(x.s->gpr[RCX]), value)) raise_gp();
  x.s->fpu.xcr0 = value;
}

}  // namespace pmusim::core
