// SPDX-License-Identifier: Apache-2.0
// Rows of the manual, and what is taken over from the host because no manual promises it.
#include "undefined.h"

#include <cmath>
#include <cstring>

#include "core/state/state.h"

namespace pmusim::silicon {
namespace {

using core::kAF, core::kCF, core::kOFlag, core::kPFlag, core::kSF, core::kZF;
constexpr u64 kAll = core::kArithmeticFlags;

// What the count of a shift or rotate adds to its row.
enum class By : u8 { Nothing, Shift, ShiftArithmetic, Rotate, RotateThroughCarry, DoubleShift };

struct Row {
  ZydisMnemonic mnemonic;
  u64 flags;
  By by;
};

// SDM Vol. 2, "Flags Affected" of each page.
constexpr Row kRows[] = {
    // "The state of the AF flag is undefined."
    {ZYDIS_MNEMONIC_AND, kAF, By::Nothing},
    {ZYDIS_MNEMONIC_OR, kAF, By::Nothing},
    {ZYDIS_MNEMONIC_XOR, kAF, By::Nothing},
    {ZYDIS_MNEMONIC_TEST, kAF, By::Nothing},
    // "The SF, ZF, AF, and PF flags are undefined."
    {ZYDIS_MNEMONIC_MUL, kSF | kZF | kAF | kPFlag, By::Nothing},
    {ZYDIS_MNEMONIC_IMUL, kSF | kZF | kAF | kPFlag, By::Nothing},
    // "The CF, OF, SF, ZF, AF, and PF flags are undefined."
    {ZYDIS_MNEMONIC_DIV, kAll, By::Nothing},
    {ZYDIS_MNEMONIC_IDIV, kAll, By::Nothing},
    // "The OF flag is affected only for 1-bit shifts ...; otherwise, it is undefined. ... For a non-zero
    // count,
    // the AF flag is undefined." CF: undefined "for SHL and SHR instructions where the count is greater than
    // or
    // equal to the size (in bits) of the destination operand".
    {ZYDIS_MNEMONIC_SHL, kAF, By::Shift},
    {ZYDIS_MNEMONIC_SHR, kAF, By::Shift},
    {ZYDIS_MNEMONIC_SAR, kAF, By::ShiftArithmetic},
    // "The OF flag is affected only for single-bit rotates; it is undefined for multi-bit rotates."
    {ZYDIS_MNEMONIC_ROL, 0, By::Rotate},
    {ZYDIS_MNEMONIC_ROR, 0, By::Rotate},
    {ZYDIS_MNEMONIC_RCL, 0, By::RotateThroughCarry},
    {ZYDIS_MNEMONIC_RCR, 0, By::RotateThroughCarry},
    // "For shifts greater than 1 bit, the OF flag is undefined. If a shift occurs, the AF flag is undefined.
    // ...
    // If the count is greater than the operand size, the flags are undefined", and the result, says
    // "Description".
    {ZYDIS_MNEMONIC_SHLD, kAF, By::DoubleShift},
    {ZYDIS_MNEMONIC_SHRD, kAF, By::DoubleShift},
    // "The OF, SF, AF, and PF flags are undefined."
    {ZYDIS_MNEMONIC_BT, kOFlag | kSF | kAF | kPFlag, By::Nothing},
    {ZYDIS_MNEMONIC_BTS, kOFlag | kSF | kAF | kPFlag, By::Nothing},
    {ZYDIS_MNEMONIC_BTR, kOFlag | kSF | kAF | kPFlag, By::Nothing},
    {ZYDIS_MNEMONIC_BTC, kOFlag | kSF | kAF | kPFlag, By::Nothing},
    // "The CF, OF, SF, AF, and PF flags are undefined." The destination for a source of 0, undefined for
    // Intel,
    // is unchanged for AMD (APM Vol. 3, "BSF"; unverified) and on every CPU known; it is compared.
    {ZYDIS_MNEMONIC_BSF, kCF | kOFlag | kSF | kAF | kPFlag, By::Nothing},
    {ZYDIS_MNEMONIC_BSR, kCF | kOFlag | kSF | kAF | kPFlag, By::Nothing},
    // "OF, SF, PF and AF flags are undefined."
    {ZYDIS_MNEMONIC_TZCNT, kOFlag | kSF | kAF | kPFlag, By::Nothing},
    {ZYDIS_MNEMONIC_LZCNT, kOFlag | kSF | kAF | kPFlag, By::Nothing},
    // "AF and PF flags are undefined."
    {ZYDIS_MNEMONIC_ANDN, kAF | kPFlag, By::Nothing},
    {ZYDIS_MNEMONIC_BLSI, kAF | kPFlag, By::Nothing},
    {ZYDIS_MNEMONIC_BLSMSK, kAF | kPFlag, By::Nothing},
    {ZYDIS_MNEMONIC_BLSR, kAF | kPFlag, By::Nothing},
    {ZYDIS_MNEMONIC_BZHI, kAF | kPFlag, By::Nothing},
    // "The OF, SF, ZF, and PF flags are undefined", "The OF flag is undefined", "The OF, AF, and CF flags are
    // undefined."
    {ZYDIS_MNEMONIC_AAA, kOFlag | kSF | kZF | kPFlag, By::Nothing},
    {ZYDIS_MNEMONIC_AAS, kOFlag | kSF | kZF | kPFlag, By::Nothing},
    {ZYDIS_MNEMONIC_DAA, kOFlag, By::Nothing},
    {ZYDIS_MNEMONIC_DAS, kOFlag, By::Nothing},
    {ZYDIS_MNEMONIC_AAM, kOFlag | kAF | kCF, By::Nothing},
    {ZYDIS_MNEMONIC_AAD, kOFlag | kAF | kCF, By::Nothing},
    // "AF, SF, and PF are undefined."
    {ZYDIS_MNEMONIC_BEXTR, kAF | kSF | kPFlag, By::Nothing},
};

unsigned count_of(const Instruction& i, const Input& in) {
  const ZydisDecodedOperand& last = i.operands[i.info.operand_count_visible - 1];
  if (last.type == ZYDIS_OPERAND_TYPE_IMMEDIATE) return static_cast<unsigned>(last.imm.value.u & 0xff);
  return static_cast<unsigned>(in.state.gpr[core::RCX] & 0xff);
}

}  // namespace

Undefined undefined_after(const Instruction& i, const Input& in) {
  Undefined u;
  const Row* row = nullptr;
  for (const Row& r : kRows)
    if (r.mnemonic == i.info.mnemonic) row = &r;
  // SDM Vol. 2, "BSWAP": "When the BSWAP instruction references a 16-bit register, the result is undefined."
  if (i.info.mnemonic == ZYDIS_MNEMONIC_BSWAP && i.operands[0].size == 16) u.result = true;
  if (!row) return u;
  u.flags = row->flags;
  if (row->by == By::Nothing) return u;
  const unsigned size = i.operands[0].size, count = count_of(i, in) & (size == 64 ? 63 : 31);
  if (count == 0) return {};
  if (count != 1) u.flags |= kOFlag;
  if (row->by == By::Shift && count >= size) u.flags |= kCF;
  if (row->by == By::DoubleShift && count > size) u.result = true;
  return u;
}

namespace {

bool accesses_parts(const Instruction& i) {
  for (unsigned n = 0; n < i.info.operand_count; ++n)
    if (is_memory(i.operands[n]) && has_parts(i.operands[n])) return true;
  return false;
}

bool names_mmx(const Instruction& i) {
  for (unsigned n = 0; n < i.info.operand_count_visible; ++n)
    if (i.operands[n].type == ZYDIS_OPERAND_TYPE_REGISTER &&
        ZydisRegisterGetClass(i.operands[n].reg.value) == ZYDIS_REGCLASS_MMX)
      return true;
  return false;
}

// SDM Vol. 2, "RCPPS", "RSQRTPS": relative error of at most 1.5 x 2^-12; two CPUs may then be 3 x 2^-12
// apart.
void take_over_approximations(const u8* host, u8* core) {
  for (unsigned n = 0; n < 16; n += 4) {
    float h, c;
    std::memcpy(&h, host + n, 4);
    std::memcpy(&c, core + n, 4);
    if (std::fabs(h - c) <= std::fabs(h) * (3.0f / 4096)) std::memcpy(core + n, host + n, 4);
  }
}

void take_over_bytes(const Outcome& host, Outcome& core, u64 offset, unsigned size) {
  for (u64 at = offset; at < offset + size; ++at)
    for (unsigned h = 0; h < host.changed && h < kMaxChangedLines; ++h)
      for (unsigned c = 0; c < core.changed && c < kMaxChangedLines; ++c)
        if (host.line[h] == at / kLine && core.line[c] == at / kLine)
          core.bytes[c][at % kLine] = host.bytes[h][at % kLine];
}

}  // namespace

// Unverified where nothing else is said: what the manuals are cited for here was written from memory; the
// host's behaviour was observed.
void take_over_unpromised(const Instruction& i, const Input& in, const Outcome& host, Outcome& core) {
  constexpr u8 kPageFault = 14, kSimdException = 19;
  constexpr u32 kOverflow = 8, kUnderflow = 16, kPrecision = 32;
  // The order in which the parts of an x87 environment or a state image are accessed: only the page is
  // compared.
  if (core.trap == kPageFault && host.trap == kPageFault && accesses_parts(i) &&
      core.cr2 / kPage == host.cr2 / kPage)
    core.cr2 = host.cr2;
  // An interrupt before the state was read: Intel's CPUs make null selectors 0 on the way back to CPL 3.
  for (const core::Seg n : {core::ES, core::DS, core::GS})
    if (!host_is_amd() && !host.state.selectors[n] && core.state.selectors[n] < 4)
      core.state.selectors[n] = 0;
  // The return address is on the stack before a target beyond the limit of CS is refused (Zen 4), or is not.
  constexpr u8 kGeneralProtection = 13;
  if (i.info.mnemonic == ZYDIS_MNEMONIC_CALL && core.trap == kGeneralProtection && host.trap == core.trap &&
      host.error_code == 0) {
    core.changed = host.changed;
    std::memcpy(core.line, host.line, sizeof core.line);
    std::memcpy(core.bytes, host.bytes, sizeof core.bytes);
  }
  const bool loads_mxcsr =
      i.info.mnemonic == ZYDIS_MNEMONIC_LDMXCSR || i.info.mnemonic == ZYDIS_MNEMONIC_FXRSTOR ||
      i.info.mnemonic == ZYDIS_MNEMONIC_FXRSTOR64 || i.info.mnemonic == ZYDIS_MNEMONIC_XRSTOR ||
      i.info.mnemonic == ZYDIS_MNEMONIC_XRSTOR64;
  // MXCSR.MM, which AMD CPUs with misaligned SSE have (APM Vol. 2, "MXCSR") and the core has not.
  if (loads_mxcsr && host.state.fx.mxcsr >> 17 & 1) core = host;
  // MXCSR_MASK says which MXCSR bits this CPU has.
  const ZydisMnemonic mnemonic = i.info.mnemonic;
  if (is_xsave(mnemonic) || mnemonic == ZYDIS_MNEMONIC_FXSAVE || mnemonic == ZYDIS_MNEMONIC_FXSAVE64)
    take_over_bytes(host, core, in.patches[0].offset + 28, 4);
  FxImage& fx = core.state.fx;
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_RCPPS:
    case ZYDIS_MNEMONIC_RCPSS:
    case ZYDIS_MNEMONIC_RSQRTPS:
    case ZYDIS_MNEMONIC_RSQRTSS:
      for (unsigned n = 0; n < 16; ++n) take_over_approximations(host.state.fx.xmm[n], fx.xmm[n]);
      break;
    default:
      break;
  }
  if (core.trap != kSimdException) return;
  // A limit of the core (vector_float.h): PE beside an unmasked OE or UE.
  if (fx.mxcsr & ~(fx.mxcsr >> 7) & (kOverflow | kUnderflow))
    fx.mxcsr = (fx.mxcsr & ~kPrecision) | (host.state.fx.mxcsr & kPrecision);
  // Whether the transition to MMX state precedes a #XM is not documented.
  if (host_is_amd() && names_mmx(i)) {
    fx.fsw = host.state.fx.fsw;
    fx.ftw = host.state.fx.ftw;
    std::memcpy(fx.st, host.state.fx.st, sizeof fx.st);
  }
}

}  // namespace pmusim::silicon
