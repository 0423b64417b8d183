// SPDX-License-Identifier: Apache-2.0
// What is left to the implementation, or to chance, is not provoked.
#include "core/state/state.h"
#include "generator.h"
#include "undefined.h"

namespace pmusim::silicon {

using core::RSP;

// What is left to the implementation, or to chance, is not provoked.
bool Generator::acceptable(const Form& form, const Instruction& i, State& s) {
  const ZydisMnemonic m = form.mnemonic;
  unsigned doubtful = 0;
  for (unsigned k = 0; k < count_; ++k) doubtful += !accesses_[k].certain;
  // What a read-only page holds might set TF.
  const bool pops_flags = m == ZYDIS_MNEMONIC_POPF || m == ZYDIS_MNEMONIC_POPFD || m == ZYDIS_MNEMONIC_POPFQ;
  const u64 first = count_ ? accesses_[0].address.linear : 0;
  if (pops_flags && first > kReadOnly - 8 && first < kUnmapped) return false;
  // Which of two operands faults first is not architecture.
  if (doubtful > 1 && form.compares) return false;
  if (doubtful) s.rflags &= ~core::kACFlag;
  // Where a byte mask or a frame of many parts meets a page that faults, and which alignment operands of 16
  // bytes and more need under AC, is left to the implementation (SDM Vol. 2, "MASKMOVDQU", "MOVUPS",
  // "FXSAVE", "ENTER").
  const bool by_mask = m == ZYDIS_MNEMONIC_MASKMOVQ || m == ZYDIS_MNEMONIC_MASKMOVDQU;
  if (doubtful && by_mask) return false;
  for (unsigned k = 0; k < count_; ++k) {
    const Access& a = accesses_[k];
    const unsigned bits = a.operand->size;
    if (form.uses_fx && bits > 80) s.rflags &= ~core::kACFlag;
    // Misaligned, and not canonical or beyond a limit: #GP or #SS.
    const bool beyond =
        i.mode != Mode::Long && !allows(a.address.segment, a.address.offset, a.size, writes(*a.operand));
    if (bits == 128 && beyond && a.address.linear & 15) return false;
    if (!has_parts(*a.operand)) continue;
    const u64 alignment = bits == kXsaveBits ? 64 : 16;
    if ((!canonical(a.address.linear) || beyond) && a.address.linear % alignment) return false;
    const u64 page = a.first / kPage, last = (a.first + a.size - 1) / kPage;
    if (page != last && (page < kData / kPage || last >= kReadOnly / kPage)) return false;
    if (i.mode != Mode::Long && !a.certain) {
      const bool w = writes(*a.operand);
      const u64 offset = a.address.offset - (a.address.linear - a.first);
      if (allows(a.address.segment, offset, a.size, w) != allows(a.address.segment, offset, 1, w))
        return false;
    }
  }
  if (m == ZYDIS_MNEMONIC_ENTER || by_mask || safe_stack_) s.rflags &= ~core::kACFlag;
  // Switching to 32-bit code leaves upper halves undefined; CALL RSP would have two reasons to fault.
  if (form.far && s.gpr[RSP] >> 32) return false;
  // How much of the stack a far return needs before it looks at the selector.
  constexpr u64 frame = 0x480;
  if (form.far && i.mode != Mode::Long) {
    const Address stack = addressing_.stack(i, s);
    if (!allows(stack.segment, stack.offset, frame, true)) return false;
  }
  if (m != ZYDIS_MNEMONIC_CALL) return true;
  const ZydisDecodedOperand& callee = i.operands[0];
  if (i.mode != Mode::Long) {
    s.rflags &= ~core::kACFlag;
    // The stack, or a target beyond the limit; and whether a call from here to 64-bit code uses the base of
    // SS.
    const bool flat = s.selectors[core::SS] == kUserData;
    return accesses_[count_ - 1].certain && (flat || !form.far);
  }
  return canonical(s.gpr[RSP]) || callee.type != ZYDIS_OPERAND_TYPE_REGISTER ||
         number_of(callee.reg.value) != RSP;
}

}  // namespace pmusim::silicon
