// SPDX-License-Identifier: Apache-2.0
// Adjustments of decimal arithmetic, outside 64-bit mode only (SDM Vol. 2, AAA, AAD, AAM, AAS, DAA, DAS).
// Flags that the manual leaves undefined keep their value.
#include "core/execute/alu.h"
#include "core/execute/execute.h"

namespace pmusim::core::op {
namespace {

constexpr u8 kAl = 0, kAh = 1;

// Was there a carry out of the low digit, or is the digit none?
bool adjusts(const Executor& x) {
  return (get<u8>(x, kAl) & 15) > 9 || x.s->rflags & kAF;
}
void set_result_flags(Executor& x, u8 result) {
  alu::replace(x.s->rflags, kSF | kZF | kPFlag, alu::result_flags<u8>(result));
}

}  // namespace

void ascii_adjust(Executor& x, const MicroOp& op) {
  const bool subtracts = op.aux, adjust = adjusts(x);
  if (adjust) {
    const u16 ax = get<u16>(x, 0);
    put<u16>(x, 0, static_cast<u16>(subtracts ? ax - 0x106 : ax + 0x106));
  }
  alu::replace(x.s->rflags, kAF | kCF, adjust ? kAF | kCF : 0);
  put<u8>(x, kAl, get<u8>(x, kAl) & 15);
}

void decimal_adjust(Executor& x, const MicroOp& op) {
  const bool subtracts = op.aux, low = adjusts(x);
  const u8 old = get<u8>(x, kAl);
  const bool high = old > 0x99 || x.s->rflags & kCF;
  const unsigned by = (low ? 6u : 0u) + (high ? 0x60u : 0u);
  const u8 al = static_cast<u8>(subtracts ? old - by : old + by);
  // DAS: a borrow of the first step alone sets CF as well.
  const bool carry = high || (subtracts && low && old < 6);
  put<u8>(x, kAl, al);
  alu::replace(x.s->rflags, kAF | kCF, (low ? kAF : 0) | (carry ? kCF : 0));
  set_result_flags(x, al);
}

void ascii_multiply(Executor& x, const MicroOp& op) {
  const u8 base = static_cast<u8>(op.imm), al = get<u8>(x, kAl);
  if (base == 0) raise(kDE);
  put<u8>(x, kAh, static_cast<u8>(al / base));
  put<u8>(x, kAl, static_cast<u8>(al % base));
  set_result_flags(x, get<u8>(x, kAl));
}

void ascii_divide(Executor& x, const MicroOp& op) {
  const u8 al = static_cast<u8>(get<u8>(x, kAl) + get<u8>(x, kAh) * static_cast<u8>(op.imm));
  put<u16>(x, 0, al);
  set_result_flags(x, al);
}

}  // namespace pmusim::core::op
