// SPDX-License-Identifier: Apache-2.0
// x87, MMX and SSE registers of one logical processor (SDM Vol. 1, "x87 FPU Execution Environment", "SSE
// Programming Environment"). x87 registers are held in physical order, R0 to R7: ST(i) is R[(TOP + i) mod 8],
// MMi is the significand of Ri. The tag word is the abridged one of FXSAVE (bit i set: Ri is not empty).
#pragma once

#include "base/archive.h"
#include "base/types.h"

namespace pmusim::core {

struct X87Register {
  u64 significand = 0;
  u64 exponent = 0;  // sign and exponent in bits 15:0
  void archive(Archive& a) { a(significand, exponent); }
};

struct FpuState {
  u64 xmm[16][2] = {};
  X87Register r[8] = {};
  u64 instruction = 0, operand = 0;  // FIP and FDP: of the last non-control x87 instruction
  u64 xcr0 = 1;
  u32 mxcsr = 0x1f80;
  u16 control = 0x37f, status = 0, opcode = 0;  // FCW, FSW, FOP
  u8 tags = 0;
  void archive(Archive& a) { a(xmm, r, instruction, operand, xcr0, mxcsr, control, status, opcode, tags); }

  unsigned top() const { return status >> 11 & 7; }
  void set_top(unsigned n) { status = static_cast<u16>((status & ~0x3800) | (n & 7) << 11); }
};

// MXCSR and the low bytes of FCW and FSW: flags and, at another place, masks of the same six exceptions.
inline constexpr u32 kFpInvalid = 1, kFpDenormal = 2, kFpZeroDivide = 4, kFpOverflow = 8, kFpUnderflow = 16,
                     kFpPrecision = 32, kFpExceptions = 63;
inline constexpr u32 kMxcsrDaz = 1 << 6, kMxcsrMaskShift = 7, kMxcsrFtz = 1 << 15, kMxcsrMask = 0xffff;
inline constexpr u32 kMxcsrReset = 0x1f80;
inline constexpr u16 kFswStackFault = 1 << 6, kFswSummary = 1 << 7, kFswBusy = 1 << 15;
inline constexpr u16 kFcwInit = 0x37f, kFcwReset = 0x40;
inline constexpr u64 kXcr0X87 = 1, kXcr0Sse = 2;

// XSETBV's check: only XCR0 exists, x87 state cannot be off, and no state beyond SSE can be on.
inline bool xcr_accepts(u32 index, u64 value) {
  return index == 0 && (value == kXcr0X87 || value == (kXcr0X87 | kXcr0Sse));
}

}  // namespace pmusim::core
