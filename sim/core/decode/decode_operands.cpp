// SPDX-License-Identifier: Apache-2.0
// Operands: addresses, segments, and the handler for a register or memory.
#include <algorithm>

#include "core/decode/lowering.h"

namespace pmusim::core {

void Lowering::memory(unsigned n, unsigned loads, unsigned stores, unsigned size) {
  const ZydisDecodedOperandMem& m = o_[n].mem;
  op_.disp = m.disp.has_displacement ? static_cast<u64>(m.disp.value) : 0;
  // Zydis 4.0.0 takes R13D for the base of a SIB byte that has a displacement instead (with 67h and REX.B).
  if (i_.raw.sib.offset && i_.raw.sib.base == 5 && i_.raw.modrm.mod == 0)
    op_.disp = static_cast<u64>(i_.raw.disp.value);
  else if (m.base == ZYDIS_REGISTER_RIP || m.base == ZYDIS_REGISTER_EIP) {
    op_.disp += op_.next_rip;
  } else if (m.base != ZYDIS_REGISTER_NONE) {
    op_.base = static_cast<u8>(ZydisRegisterGetId(m.base));
    op_.address |= kAddrBase;
  }
  if (m.index != ZYDIS_REGISTER_NONE) {
    op_.index = static_cast<u8>(ZydisRegisterGetId(m.index));
    op_.scale = static_cast<u8>(m.scale > 1 ? __builtin_ctz(m.scale) : 0);
    op_.address |= kAddrIndex;
  }
  op_.seg =
      m.segment == ZYDIS_REGISTER_NONE ? static_cast<u8>(DS) : static_cast<u8>(ZydisRegisterGetId(m.segment));
  // Before a near indirect branch, 3EH is CET's no-track prefix as well; Zydis then ignores the segment.
  if (mode_ != 8 && i_.attributes & ZYDIS_ATTRIB_HAS_NOTRACK) op_.seg = DS;
  if (mode_ == 8 && op_.address_size == 8 && op_.seg < FS) op_.address |= kAddrFlat;
  if (stores) op_.address |= kAddrStore;
  if (loads + stores)
    for (unsigned i = 0; i < 16; ++i)
      if (kOperandBytes[i] == std::min(size, 512u)) op_.address |= static_cast<u8>(i << kAddrSizeShift);
  if (loads + stores) implicit(loads, stores);
  if ((i_.attributes & ZYDIS_ATTRIB_HAS_LOCK) && loads) op_.access |= kAccessLocked;
}

void Lowering::checked_as_byte() {
  static_assert(kOperandBytes[1] == 1);
  op_.address |= 1 << kAddrSizeShift;
}

Seg Lowering::segment_override() const {
  constexpr u8 kPrefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};  // in the order of Seg
  Seg seg = DS;
  for (unsigned n = 0; n < i_.raw.prefix_count; ++n)
    for (const Seg s : {ES, CS, SS, DS, FS, GS})
      if (i_.raw.prefixes[n].value == kPrefixes[s] && (mode_ != 8 || s >= FS)) seg = s;
  return seg;
}

Form Lowering::form() const {
  const bool one = i_.operand_count_visible == 1;
  if (i_.operand_count_visible == 0) return Form::None;
  if (is_reg(0))
    return one         ? Form::Reg
           : is_reg(1) ? Form::RegReg
           : is_imm(1) ? Form::RegImm
           : is_mem(1) ? Form::RegMem
                       : Form::Other;
  if (is_mem(0)) return one ? Form::Mem : is_reg(1) ? Form::MemReg : is_imm(1) ? Form::MemImm : Form::Other;
  return is_imm(0) && one ? Form::Imm : Form::Other;
}

void Lowering::either(Op op, Handler if_reg, Handler if_mem, unsigned loads, unsigned stores,
                      bool is_system) {
  if (is_mem(0)) {
    memory(0, loads, stores);
  } else {
    op_.dst = reg(o_[0]);
    op_.size = static_cast<u8>(bytes(0));
  }
  const Handler h = is_mem(0) ? if_mem : if_reg;
  if (is_system)
    system(op, h);
  else
    exact(op, h);
}

void Lowering::mark_stack() {
  for (unsigned n = i_.operand_count_visible; n < i_.operand_count; ++n) {
    if (o_[n].type != ZYDIS_OPERAND_TYPE_MEMORY || o_[n].mem.base == ZYDIS_REGISTER_NONE) continue;
    const auto base = ZydisRegisterGetId(o_[n].mem.base);
    if (base == RSP || base == RBP) op_.access |= kAccessStack;
  }
}

}  // namespace pmusim::core
