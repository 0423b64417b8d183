// SPDX-License-Identifier: Apache-2.0
// Forms of moves, the stack and string instructions: operands, and the handler for their combination.
#include "core/decode/lowering.h"

namespace pmusim::core {

void Lowering::move() {
  if (is_class(0, ZYDIS_REGCLASS_SEGMENT)) {
    op_.dst = number(0);
    if (op_.dst == CS) return system(Op::UNDEFINED, op::undefined);
    if (is_mem(1)) {
      memory(1, 1, 0);
      return system(Op::MOV_TO_SEGMENT, op::mov_to_segment_mem);
    }
    op_.src = reg(o_[1]);
    return system(Op::MOV_TO_SEGMENT, op::mov_to_segment_reg);
  }
  if (is_class(1, ZYDIS_REGCLASS_SEGMENT)) {
    op_.src = number(1);
    op_.size = static_cast<u8>(bytes(0));
    if (is_mem(0)) {
      memory(0, 0, 1);
      return use(Op::MOV_FROM_SEGMENT, op::mov_from_segment_mem);
    }
    op_.dst = reg(o_[0]);
    return use(Op::MOV_FROM_SEGMENT, op::mov_from_segment_reg);
  }
  if (is_class(0, ZYDIS_REGCLASS_CONTROL) || is_class(0, ZYDIS_REGCLASS_DEBUG)) {
    op_.dst = number(0);
    op_.src = reg(o_[1]);
    op_.size = mode_ == 8 ? 8 : 4;
    return is_class(0, ZYDIS_REGCLASS_CONTROL) ? system(Op::MOV_TO_CR, op::mov_to_cr)
                                               : system(Op::MOV_TO_DR, op::mov_to_dr);
  }
  if (is_class(1, ZYDIS_REGCLASS_CONTROL) || is_class(1, ZYDIS_REGCLASS_DEBUG)) {
    op_.dst = reg(o_[0]);
    op_.src = number(1);
    op_.size = mode_ == 8 ? 8 : 4;
    return is_class(1, ZYDIS_REGCLASS_CONTROL) ? system(Op::MOV_FROM_CR, op::mov_from_cr)
                                               : system(Op::MOV_FROM_DR, op::mov_from_dr);
  }
  op_.size = static_cast<u8>(bytes(0));
  Form form;
  if (is_mem(0)) {
    memory(0, 0, 1);
    form = is_imm(1) ? Form::MemImm : Form::MemReg;
  } else {
    op_.dst = reg(o_[0]);
    form = is_mem(1) ? Form::RegMem : is_imm(1) ? Form::RegImm : Form::RegReg;
    if (is_mem(1)) memory(1, 1, 0);
  }
  if (is_imm(1))
    immediate(1);
  else if (is_reg(1))
    op_.src = reg(o_[1]);
  use(Op::MOV, select_move(form, op_.size));
}

void Lowering::extend(Op op, bool sign) {
  op_.size = static_cast<u8>(bytes(0));
  op_.dst = reg(o_[0]);
  if (is_mem(1))
    memory(1, 1, 0);
  else
    op_.src = reg(o_[1]);
  use(op, select_extend(sign, is_mem(1), bytes(1), op_.size));
}

void Lowering::push() {
  if (is_class(0, ZYDIS_REGCLASS_SEGMENT)) {
    op_.dst = number(0);
    implicit(0, 1);
    return use(Op::PUSH_SEGMENT, op::push_segment);
  }
  if (is_mem(0)) {
    memory(0, 1, 0);
  } else if (is_imm(0)) {
    immediate(0);
  } else {
    op_.dst = reg(o_[0]);
  }
  implicit(0, 1);
  use(Op::PUSH, select_push(is_mem(0), is_imm(0), op_.size));
}

void Lowering::pop() {
  if (is_class(0, ZYDIS_REGCLASS_SEGMENT)) {
    op_.dst = number(0);
    implicit(1, 0);
    return system(Op::POP_SEGMENT, op::pop_segment);
  }
  if (is_mem(0))
    memory(0, 0, 1);
  else
    op_.dst = reg(o_[0]);
  implicit(1, 0);
  use(Op::POP, select_pop(is_mem(0), op_.size));
}

// Registers, a bit each, whose upper halves a repeated instruction clears before its first iteration, and
// without any: with 32-bit addresses in 64-bit code, on Intel. String I/O: not modelled.
u64 Lowering::cleared_registers(StringOp s) const {
  if (amd_ || mode_ != 8 || op_.address_size != 4) return 0;
  switch (s) {
    case StringOp::Movs:
      return 1 << RCX | 1 << RSI | 1 << RDI;
    case StringOp::Stos:
      return 1 << RCX | 1 << RDI;
    case StringOp::Ins:
    case StringOp::Outs:
      return 0;
    default:
      return 1 << RCX;
  }
}

void Lowering::string(Op op, StringOp s) {
  switch (i_.mnemonic) {
    case ZYDIS_MNEMONIC_MOVSB:
    case ZYDIS_MNEMONIC_CMPSB:
    case ZYDIS_MNEMONIC_STOSB:
    case ZYDIS_MNEMONIC_LODSB:
    case ZYDIS_MNEMONIC_SCASB:
    case ZYDIS_MNEMONIC_INSB:
    case ZYDIS_MNEMONIC_OUTSB:
      op_.size = 1;
      break;
    case ZYDIS_MNEMONIC_MOVSW:
    case ZYDIS_MNEMONIC_CMPSW:
    case ZYDIS_MNEMONIC_STOSW:
    case ZYDIS_MNEMONIC_LODSW:
    case ZYDIS_MNEMONIC_SCASW:
    case ZYDIS_MNEMONIC_INSW:
    case ZYDIS_MNEMONIC_OUTSW:
      op_.size = 2;
      break;
    case ZYDIS_MNEMONIC_MOVSQ:
    case ZYDIS_MNEMONIC_CMPSQ:
    case ZYDIS_MNEMONIC_STOSQ:
    case ZYDIS_MNEMONIC_LODSQ:
    case ZYDIS_MNEMONIC_SCASQ:
      op_.size = 8;
      break;
    default:
      op_.size = 4;
      break;
  }
  const bool compares = s == StringOp::Cmps || s == StringOp::Scas;
  for (unsigned n = 0; n < i_.operand_count; ++n)
    if (o_[n].type == ZYDIS_OPERAND_TYPE_MEMORY && ZydisRegisterGetId(o_[n].mem.base) == RSI)
      op_.seg = static_cast<u8>(ZydisRegisterGetId(o_[n].mem.segment));
  Repeat repeat = Repeat::None;
  if (i_.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE))
    repeat = compares ? Repeat::Repe : Repeat::Rep;
  if (i_.attributes & ZYDIS_ATTRIB_HAS_REPNE) repeat = compares ? Repeat::Repne : Repeat::Rep;
  op_.aux = static_cast<u8>(repeat);
  const bool io = s == StringOp::Ins || s == StringOp::Outs;
  const unsigned loads = s == StringOp::Cmps ? 2 : s == StringOp::Stos || s == StringOp::Ins ? 0 : 1;
  const unsigned stores = s == StringOp::Movs || s == StringOp::Stos || s == StringOp::Ins ? 1 : 0;
  implicit(loads, stores);
  use(op, select_string(s, op_.size));
  if (repeat != Repeat::None) {
    mark(kOpRepeat | kOpEndsBlock);
    op_.imm = cleared_registers(s);
  }
  if (io) mark(kOpEndsBlock);
}

}  // namespace pmusim::core
