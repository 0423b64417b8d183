// SPDX-License-Identifier: Apache-2.0
// What handlers of vector instructions share: availability checks, operands, memory of up to 16 bytes, and
// the table rows by which the decoder finds them. Arithmetic is executed by the host's own SSE2 and x87 units
// under the guest's MXCSR and FCW, so that results, NaN payloads, denormals and flags are those of silicon.
// This needs an x86-64 host; there is no software implementation beside it.
#pragma once

#if !defined(__x86_64__) || !defined(__SSE2__)
#error "guest SSE and x87 arithmetic is executed by the host: an x86-64 host with SSE2 is needed"
#endif

#include <emmintrin.h>

#include "core/execute/execute.h"

namespace pmusim::core {

using Vec = __m128i;

// --- Availability (SDM Vol. 2, "Exception Conditions of Legacy SSE Instructions"; Vol. 3, "x87 FPU and SSE
// Exceptions").
[[noreturn]] void sse_unavailable(const CpuState& s);
inline void check_sse(const Executor& x) {
  if (__builtin_expect((x.s->cr0 & (kCr0Em | kCr0Ts)) | (~x.s->cr4 & kCr4Osfxsr), 0)) sse_unavailable(*x.s);
}
// x87 instructions that wait: #NM, then #MF for a pending unmasked exception. MMX: #UD first.
void check_x87(const Executor& x);
void check_x87_pending(const Executor& x);
void check_mmx(const Executor& x);

// --- Registers. dst and src of a micro-op are kXmm + n or kMmx + n.
inline Vec xmm(const Executor& x, u8 operand) {
  return _mm_loadu_si128(reinterpret_cast<const Vec*>(x.s->fpu.xmm[operand - kXmm]));
}
inline void set_xmm(Executor& x, u8 operand, Vec value) {
  _mm_storeu_si128(reinterpret_cast<Vec*>(x.s->fpu.xmm[operand - kXmm]), value);
}
inline u64& low(Executor& x, u8 operand) {
  return x.s->fpu.xmm[operand - kXmm][0];
}
inline u64& high(Executor& x, u8 operand) {
  return x.s->fpu.xmm[operand - kXmm][1];
}
inline u64& mmx(Executor& x, u8 operand) {
  return x.s->fpu.r[operand - kMmx].significand;
}
// Every MMX instruction but EMMS: TOP is 0 and all registers are valid; a written register's exponent is all
// ones (SDM Vol. 3, "MMX State and MMX Register Aliasing").
inline void use_mmx(Executor& x) {
  x.s->fpu.set_top(0);
  x.s->fpu.tags = 0xff;
}
inline void set_mmx(Executor& x, u8 operand, u64 value) {
  use_mmx(x);
  x.s->fpu.r[operand - kMmx] = {value, 0xffff};
}
inline Vec vec(u64 low, u64 high = 0) {
  return _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
}
inline u64 low_half(Vec v) {
  return static_cast<u64>(_mm_cvtsi128_si64(v));
}

// --- Memory. 16 bytes are two accesses of 8; both fault before either has an effect.
inline Vec load_unaligned(Executor& x, u64 linear) {
  const u64 low = x.mmu->read<u64>(linear);
  return vec(low, x.mmu->read<u64>(linear + 8));
}
// A store of `size` bytes to `linear` will not fault.
inline void probe_store(Executor& x, u64 linear, unsigned size) {
  x.mmu->probe_write(linear, 1);
  const u64 next = (linear | kPageMask) + 1;
  if (next - linear < size) x.mmu->probe_write(next, 1);
}
inline void store_unaligned(Executor& x, u64 linear, Vec value) {
  if ((linear & kPageMask) > kPageSize - 16) probe_store(x, linear, 16);
  x.mmu->write<u64>(linear, low_half(value));
  x.mmu->write<u64>(linear + 8, low_half(_mm_unpackhi_epi64(value, value)));
}
// Any number of bytes, up to two pages; faults before the first is written. Accesses are `part` bytes wide
// (what alignment checks see), single bytes at the end.
void read_bytes(Executor& x, u64 linear, u8* to, unsigned size, unsigned part = 8);
void write_bytes(Executor& x, u64 linear, const u8* from, unsigned size, unsigned part = 8);
inline u64 aligned_address(Executor& x, const MicroOp& op) {
  const u64 linear = effective_address(x, op);
  if (linear & 15) raise_gp();
  return linear;
}

// --- Sources.
struct FromXmm {
  static Vec get(Executor& x, const MicroOp& op) { return xmm(x, op.src); }
};
struct FromAligned {
  static Vec get(Executor& x, const MicroOp& op) { return load_unaligned(x, aligned_address(x, op)); }
};
struct FromUnaligned {
  static Vec get(Executor& x, const MicroOp& op) { return load_unaligned(x, effective_address(x, op)); }
};
template <class T>
struct FromMemory {  // the rest is zero
  static Vec get(Executor& x, const MicroOp& op) { return vec(load<T>(x, op)); }
};

// --- Decoding: a row for each instruction and form.
enum class OperandKind : u8 {
  None,
  Xmm,
  Mmx,
  St,
  R16,
  R32,
  R64,
  Imm,
  Mem16,
  Mem32,
  Mem64,
  Mem80,
  Mem128,
  Mem14Bytes,
  Mem28Bytes,
  Mem94Bytes,
  Mem108Bytes,
  Mem512Bytes,
  Mem576Bytes,
  Other
};
enum class MemoryUse : u8 { Load, Store, None };
struct VectorRow {
  u16 mnemonic;  // ZydisMnemonic
  Op op;
  OperandKind first, second;
  Handler run;
  MemoryUse memory = MemoryUse::Load;
};
struct VectorRows {
  const VectorRow* begin;
  const VectorRow* end;
};
VectorRows vector_move_rows();
VectorRows vector_integer_rows();
VectorRows vector_shuffle_rows();
VectorRows vector_float_rows();
VectorRows vector_convert_rows();
VectorRows x87_rows();
VectorRows x87_control_rows();
VectorRows fpu_save_rows();
VectorRows xsave_rows();

namespace op {
void xsetbv(Executor& x, const MicroOp& op);
}

}  // namespace pmusim::core
