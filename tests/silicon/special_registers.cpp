// SPDX-License-Identifier: Apache-2.0
// Registers that decide what happens, before addresses are chosen.
#include "core/state/state.h"
#include "generator.h"

namespace pmusim::silicon {

using core::RAX, core::RBP, core::RCX, core::RDX;

void Generator::special_registers(const Form& form, const Instruction& i, State& s) {
  const unsigned bits = i.info.operand_width;
  const u16 stack = i.mode == Mode::Long ? u16{0} : s.selectors[core::SS];
  destination_ = landing(i.mode);
  // Which of two faults comes first is not architecture.
  safe_stack_ = form.far || (form.mnemonic == ZYDIS_MNEMONIC_CALL &&
                             (i.operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY || !canonical(destination_)));
  // What lies beyond the width of a count.
  const unsigned width = i.info.address_width;
  const u64 whole = i.mode == Mode::Long ? ~u64{0} : 0xffffffff;
  const u64 narrow = width == 64 ? 0 : (rng_.next() << width) & whole;
  if (form.repeats) {
    s.gpr[RCX] = narrow | rng_.below(rng_.below(4) ? 12 : 40);
    // Whether a count of 0 is checked for permission is not architecture.
    if (form.io) s.gpr[RCX] |= 1;
    pinned_ |= 1u << RCX;
  }
  if (is_xsave(form.mnemonic) || is_xrstor(form.mnemonic)) {
    // Components that XCR0 of the host has on and the core has not are never asked for.
    s.gpr[RAX] = rng_.below(4);
    s.gpr[RDX] = rng_.next() & 0x7fffff00;
    pinned_ |= 1u << RAX | 1u << RDX;
  }
  switch (form.mnemonic) {
    case ZYDIS_MNEMONIC_DIV:
    case ZYDIS_MNEMONIC_IDIV: {
      // The upper half small, or the sign of the lower: most quotients then fit.
      const bool is_signed = form.mnemonic == ZYDIS_MNEMONIC_IDIV;
      if (rng_.below(4) == 0) break;
      if (bits == 8) {
        const u64 al = s.gpr[RAX] & 0xff;
        const u64 ah = is_signed && (al & 0x80) ? 0xff : rng_.below(3) ? 0 : rng_.below(16);
        s.gpr[RAX] = (s.gpr[RAX] & ~u64{0xff00}) | ah << 8;
      } else {
        const bool negative = s.gpr[RAX] >> (bits - 1) & 1;
        s.gpr[RDX] = is_signed && negative ? whole - rng_.below(3) / 2
                     : rng_.below(3)       ? 0
                                           : values_.integer() >> (64 - bits / 2);
      }
      break;
    }
    case ZYDIS_MNEMONIC_LOOP:
    case ZYDIS_MNEMONIC_LOOPE:
    case ZYDIS_MNEMONIC_LOOPNE:
    case ZYDIS_MNEMONIC_JRCXZ:
    case ZYDIS_MNEMONIC_JECXZ:
    case ZYDIS_MNEMONIC_JCXZ:
      if (rng_.below(2)) s.gpr[RCX] = narrow | rng_.below(3);
      break;
    case ZYDIS_MNEMONIC_BT:
    case ZYDIS_MNEMONIC_BTS:
    case ZYDIS_MNEMONIC_BTR:
    case ZYDIS_MNEMONIC_BTC:
      if (i.operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
          i.operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER) {
        const unsigned n = number_of(i.operands[1].reg.value);
        s.gpr[n] = (form.locked ? rng_.below(i.operands[1].size) : rng_.below(4096) - 2048) & whole;
        if (i.operands[1].size == 32 && i.mode == Mode::Long && rng_.below(2))
          s.gpr[n] = (s.gpr[n] & 0xffffffff) | rng_.next() << 32;
      }
      break;
    case ZYDIS_MNEMONIC_ENTER:
      s.gpr[RBP] = near_offset(rng_.below(8) ? kData + 0x800 + rng_.below(0x800) : target(form), stack);
      pinned_ |= 1u << RBP;
      break;
    case ZYDIS_MNEMONIC_LEAVE:
      s.gpr[RBP] = near_offset(target(form), stack);
      pinned_ |= 1u << RBP;
      break;
    default:
      break;
  }
}

}  // namespace pmusim::silicon
