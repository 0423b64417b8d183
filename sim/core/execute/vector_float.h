// SPDX-License-Identifier: Apache-2.0
// SIMD floating-point execution under the guest's MXCSR (SDM Vol. 1, "SSE and SSE2 SIMD Floating-Point
// Exceptions"). The host executes with every exception masked; its flags tell what happened. If an exception
// is unmasked, flags are recorded and the instruction faults before its destination changes; an unmasked
// pre-computation exception (IE, DE, ZE) hides the post-computation ones of all lanes. Limit: beside an
// unmasked OE or UE, PE is reported as for the masked response (silicon asks whether the result would be
// inexact with an unbounded exponent).
#pragma once

#include "core/execute/vector.h"

namespace pmusim::core {

inline const u32 kHostMxcsr = kMxcsrReset;

inline bool unmasked(const Executor& x, u32 exception) {
  return !(x.s->fpu.mxcsr >> kMxcsrMaskShift & exception);
}

// MXCSR to execute under. Flush-to-zero needs underflow to be masked.
inline u32 operating_mxcsr(const Executor& x) {
  const u32 ftz = unmasked(x, kFpUnderflow) ? kMxcsrFtz : 0;
  return (x.s->fpu.mxcsr & ~(kFpExceptions | ftz)) | kFpExceptions << kMxcsrMaskShift;
}

// Records flags; faults if one is unmasked.
inline void report(Executor& x, u32 flags) {
  u32& mxcsr = x.s->fpu.mxcsr;
  flags &= kFpExceptions;
  const u32 unmasked = flags & ~(mxcsr >> kMxcsrMaskShift);
  if (__builtin_expect(unmasked, 0)) {
    constexpr u32 kBefore = kFpInvalid | kFpDenormal | kFpZeroDivide;
    if (unmasked & kBefore) flags &= kBefore;
    mxcsr |= flags;
    raise(x.s->cr4 & kCr4Osxmmexcpt ? kXM : kUD);
  }
  mxcsr |= flags;
}

// Unmasked underflow is raised by every tiny result, also an exact one, for which the masked run has no flag.
// T: the lane's integer of the same size.
template <class T, unsigned Lanes>
inline u32 tiny(Vec v) {
  constexpr T kMagnitude = static_cast<T>(~T{0}) >> 1;
  constexpr T kSmallestNormal = T{1} << (sizeof(T) == 4 ? 23 : 52);
  T lane[16 / sizeof(T)];
  std::memcpy(lane, &v, 16);
  for (unsigned i = 0; i < Lanes; ++i)
    if ((lane[i] & kMagnitude) != 0 && (lane[i] & kMagnitude) < kSmallestNormal) return kFpUnderflow;
  return 0;
}

// `insn` with operands a (read and written) and b; flags afterwards.
#define PMUSIM_UNDER_MXCSR(insn, a, b, mxcsr, flags)                                           \
  asm volatile("ldmxcsr %[in]\n\t" insn " %[src], %[dst]\n\tstmxcsr %[out]\n\tldmxcsr %[host]" \
               : [dst] "+x"(a), [out] "=m"(flags)                                              \
               : [src] "x"(b), [in] "m"(mxcsr), [host] "m"(kHostMxcsr))

// Operation whose result cannot underflow (Lane = void) or can.
#define PMUSIM_FLOAT_OPERATION(name, lane, lanes)                  \
  struct name##_op {                                               \
    static u32 apply(Vec& a, Vec b, u32 mxcsr) {                   \
      u32 flags;                                                   \
      PMUSIM_UNDER_MXCSR(#name, a, b, mxcsr, flags);               \
      return flags;                                                \
    }                                                              \
    static u32 tiny_result(Vec r) { return tiny<lane, lanes>(r); } \
  }
#define PMUSIM_FLOAT_OPERATION_NEVER_TINY(name)      \
  struct name##_op {                                 \
    static u32 apply(Vec& a, Vec b, u32 mxcsr) {     \
      u32 flags;                                     \
      PMUSIM_UNDER_MXCSR(#name, a, b, mxcsr, flags); \
      return flags;                                  \
    }                                                \
    static u32 tiny_result(Vec) { return 0; }        \
  }

template <class Op, class Source>
void floating(Executor& x, const MicroOp& op) {
  check_sse(x);
  const Vec b = Source::get(x, op);
  Vec a = xmm(x, op.dst);
  u32 flags = Op::apply(a, b, operating_mxcsr(x));
  if (__builtin_expect(unmasked(x, kFpUnderflow), 0)) flags |= Op::tiny_result(a);
  report(x, flags);
  set_xmm(x, op.dst, a);
}

}  // namespace pmusim::core
