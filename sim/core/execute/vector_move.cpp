// SPDX-License-Identifier: Apache-2.0
// SSE, SSE2 and MMX moves, non-temporal and masked stores, MXCSR (SDM Vol. 2, each instruction). Non-temporal
// stores are ordinary stores.
#include <Zydis/Mnemonic.h>

#include <iterator>

#include "core/execute/vector.h"

namespace pmusim::core {
namespace {

template <class Source>
void move_all(Executor& x, const MicroOp& op) {
  check_sse(x);
  set_xmm(x, op.dst, Source::get(x, op));
}
void store_aligned(Executor& x, const MicroOp& op) {
  check_sse(x);
  store_unaligned(x, aligned_address(x, op), xmm(x, op.src));
}
void store_any(Executor& x, const MicroOp& op) {
  check_sse(x);
  store_unaligned(x, effective_address(x, op), xmm(x, op.src));
}

// The low 32 or 64 bits. Between registers the rest stays, from memory it is cleared.
template <class T>
void merge_low(Executor& x, const MicroOp& op) {
  check_sse(x);
  const T value = static_cast<T>(low(x, op.src));
  std::memcpy(&low(x, op.dst), &value, sizeof(T));
}
template <class T>
void store_low(Executor& x, const MicroOp& op) {
  check_sse(x);
  x.mmu->write<T>(effective_address(x, op), static_cast<T>(low(x, op.src)));
}
void clear_high(Executor& x, const MicroOp& op) {
  check_sse(x);
  set_xmm(x, op.dst, vec(low(x, op.src)));
}
template <class T>
void from_general(Executor& x, const MicroOp& op) {
  check_sse(x);
  set_xmm(x, op.dst, vec(get<T>(x, op.src)));
}
template <class T>
void to_general(Executor& x, const MicroOp& op) {
  check_sse(x);
  put<T>(x, op.dst, static_cast<T>(low(x, op.src)));
}

// Halves.
void load_low_half(Executor& x, const MicroOp& op) {
  check_sse(x);
  low(x, op.dst) = load<u64>(x, op);
}
void load_high_half(Executor& x, const MicroOp& op) {
  check_sse(x);
  high(x, op.dst) = load<u64>(x, op);
}
void store_high_half(Executor& x, const MicroOp& op) {
  check_sse(x);
  x.mmu->write<u64>(effective_address(x, op), high(x, op.src));
}
void high_to_low(Executor& x, const MicroOp& op) {
  check_sse(x);
  low(x, op.dst) = high(x, op.src);
}
void low_to_high(Executor& x, const MicroOp& op) {
  check_sse(x);
  high(x, op.dst) = low(x, op.src);
}

// MMX.
template <class T>
void mmx_from_general(Executor& x, const MicroOp& op) {
  check_mmx(x);
  set_mmx(x, op.dst, get<T>(x, op.src));
}
template <class T>
void mmx_to_general(Executor& x, const MicroOp& op) {
  check_mmx(x);
  use_mmx(x);
  put<T>(x, op.dst, static_cast<T>(mmx(x, op.src)));
}
template <class T>
void mmx_load(Executor& x, const MicroOp& op) {
  check_mmx(x);
  set_mmx(x, op.dst, load<T>(x, op));
}
template <class T>
void mmx_store(Executor& x, const MicroOp& op) {
  check_mmx(x);
  if (!x.config->amd) x.s->fpu.set_top(0);  // on Intel, even where the store then faults
  x.mmu->write<T>(effective_address(x, op), static_cast<T>(mmx(x, op.src)));
  use_mmx(x);
}
void mmx_move(Executor& x, const MicroOp& op) {
  check_mmx(x);
  set_mmx(x, op.dst, mmx(x, op.src));
}
void mmx_to_xmm(Executor& x, const MicroOp& op) {
  check_sse(x);
  check_mmx(x);
  use_mmx(x);
  set_xmm(x, op.dst, vec(mmx(x, op.src)));
}
void xmm_to_mmx(Executor& x, const MicroOp& op) {
  check_sse(x);
  check_mmx(x);
  set_mmx(x, op.dst, low(x, op.src));
}
void emms(Executor& x, const MicroOp&) {
  check_mmx(x);
  x.s->fpu.set_top(0);  // SDM Vol. 3, "Effects of MMX Instructions on x87 FPU State"
  x.s->fpu.tags = 0;
}

// MOVNTI is no SSE instruction as far as availability goes.
template <class T>
void store_general(Executor& x, const MicroOp& op) {
  x.mmu->write<T>(effective_address(x, op), get<T>(x, op.src));
}

// Bytes whose mask bit 7 is set are written; a page none of whose bytes is written is not accessed. Alignment
// is checked as that of quadwords, like that of other unaligned accesses to 16 bytes.
void store_masked(Executor& x, const MicroOp& op, const u8* value, const u8* mask, unsigned size) {
  const u64 address = effective_address(x, op);
  for (unsigned i = 0; i < size; ++i)
    if (mask[i] & 0x80) x.mmu->probe_write(address + i, 1);
  x.mmu->check_alignment(address, 8);
  for (unsigned i = 0; i < size; ++i)
    if (mask[i] & 0x80) x.mmu->write<u8>(address + i, value[i]);
}
void masked_store(Executor& x, const MicroOp& op) {
  check_sse(x);
  u8 value[16], mask[16];
  std::memcpy(value, &low(x, op.dst), 16);
  std::memcpy(mask, &low(x, op.src), 16);
  store_masked(x, op, value, mask, 16);
}
void mmx_masked_store(Executor& x, const MicroOp& op) {
  check_mmx(x);
  u8 value[8], mask[8];
  std::memcpy(value, &mmx(x, op.dst), 8);
  std::memcpy(mask, &mmx(x, op.src), 8);
  store_masked(x, op, value, mask, 8);
  use_mmx(x);
}

void ldmxcsr(Executor& x, const MicroOp& op) {
  check_sse(x);
  const u32 value = load<u32>(x, op);
  if (value & ~kMxcsrMask) raise_gp();
  x.s->fpu.mxcsr = value;
}
void stmxcsr(Executor& x, const MicroOp& op) {
  check_sse(x);
  x.mmu->write<u32>(effective_address(x, op), x.s->fpu.mxcsr);
}

constexpr auto None = OperandKind::None, Xmm = OperandKind::Xmm, Mmx = OperandKind::Mmx,
               R32 = OperandKind::R32, R64 = OperandKind::R64, M32 = OperandKind::Mem32,
               M64 = OperandKind::Mem64, M128 = OperandKind::Mem128;
constexpr auto Store = MemoryUse::Store;

// clang-format off
#define M(name) ZYDIS_MNEMONIC_##name, Op::name
#define ALIGNED(name) {M(name), Xmm, Xmm, move_all<FromXmm>}, {M(name), Xmm, M128, move_all<FromAligned>}, \
                      {M(name), M128, Xmm, store_aligned, Store}
#define UNALIGNED(name) {M(name), Xmm, Xmm, move_all<FromXmm>}, {M(name), Xmm, M128, move_all<FromUnaligned>}, \
                        {M(name), M128, Xmm, store_any, Store}
#define LOW_HALF(name) {M(name), Xmm, M64, load_low_half}, {M(name), M64, Xmm, store_low<u64>, Store}
#define HIGH_HALF(name) {M(name), Xmm, M64, load_high_half}, {M(name), M64, Xmm, store_high_half, Store}
const VectorRow kRows[] = {
    ALIGNED(MOVAPS), ALIGNED(MOVAPD), ALIGNED(MOVDQA),
    UNALIGNED(MOVUPS), UNALIGNED(MOVUPD), UNALIGNED(MOVDQU),
    LOW_HALF(MOVLPS), LOW_HALF(MOVLPD), HIGH_HALF(MOVHPS), HIGH_HALF(MOVHPD),
    {M(MOVHLPS), Xmm, Xmm, high_to_low}, {M(MOVLHPS), Xmm, Xmm, low_to_high},
    {M(MOVSS), Xmm, Xmm, merge_low<u32>}, {M(MOVSS), Xmm, M32, move_all<FromMemory<u32>>},
    {M(MOVSS), M32, Xmm, store_low<u32>, Store},
    {M(MOVSD), Xmm, Xmm, merge_low<u64>}, {M(MOVSD), Xmm, M64, move_all<FromMemory<u64>>},
    {M(MOVSD), M64, Xmm, store_low<u64>, Store},
    {M(MOVD), Xmm, R32, from_general<u32>}, {M(MOVD), Xmm, M32, move_all<FromMemory<u32>>},
    {M(MOVD), R32, Xmm, to_general<u32>}, {M(MOVD), M32, Xmm, store_low<u32>, Store},
    {M(MOVD), Mmx, R32, mmx_from_general<u32>}, {M(MOVD), Mmx, M32, mmx_load<u32>},
    {M(MOVD), R32, Mmx, mmx_to_general<u32>}, {M(MOVD), M32, Mmx, mmx_store<u32>, Store},
    {M(MOVQ), Xmm, Xmm, clear_high}, {M(MOVQ), Xmm, M64, move_all<FromMemory<u64>>},
    {M(MOVQ), M64, Xmm, store_low<u64>, Store}, {M(MOVQ), Xmm, R64, from_general<u64>},
    {M(MOVQ), R64, Xmm, to_general<u64>},
    {M(MOVQ), Mmx, Mmx, mmx_move}, {M(MOVQ), Mmx, M64, mmx_load<u64>}, {M(MOVQ), M64, Mmx, mmx_store<u64>, Store},
    {M(MOVQ), Mmx, R64, mmx_from_general<u64>}, {M(MOVQ), R64, Mmx, mmx_to_general<u64>},
    {M(MOVQ2DQ), Xmm, Mmx, mmx_to_xmm}, {M(MOVDQ2Q), Mmx, Xmm, xmm_to_mmx},
    {M(MOVNTPS), M128, Xmm, store_aligned, Store}, {M(MOVNTPD), M128, Xmm, store_aligned, Store},
    {M(MOVNTDQ), M128, Xmm, store_aligned, Store}, {M(MOVNTQ), M64, Mmx, mmx_store<u64>, Store},
    {M(MOVNTI), M32, R32, store_general<u32>, Store}, {M(MOVNTI), M64, R64, store_general<u64>, Store},
    {M(MASKMOVDQU), Xmm, Xmm, masked_store, Store}, {M(MASKMOVQ), Mmx, Mmx, mmx_masked_store, Store},
    {M(LDMXCSR), M32, None, ldmxcsr}, {M(STMXCSR), M32, None, stmxcsr, Store},
    {M(EMMS), None, None, emms},
};
// clang-format on

}  // namespace

VectorRows vector_move_rows() {
  return {std::begin(kRows), std::end(kRows)};
}

}  // namespace pmusim::core
