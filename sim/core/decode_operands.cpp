// SPDX-License-Identifier: Apache-2.0
// Operands and instruction forms: registers, addresses, immediates, and the handler for their combination.
#include <algorithm>

#include "core/decode_translator.h"

namespace pmusim::core {

void Translator::memory(unsigned n, unsigned loads, unsigned stores) {
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
      if (kOperandBytes[i] == std::min(bytes(n), 512u)) op_.address |= static_cast<u8>(i << kAddrSizeShift);
  if (loads + stores) implicit(loads, stores);
  if ((i_.attributes & ZYDIS_ATTRIB_HAS_LOCK) && loads) op_.access |= kAccessLocked;
}

void Translator::checked_as_byte() {
  static_assert(kOperandBytes[1] == 1);
  op_.address |= 1 << kAddrSizeShift;
}

Seg Translator::segment_override() const {
  constexpr u8 kPrefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};  // in the order of Seg
  Seg seg = DS;
  for (unsigned n = 0; n < i_.raw.prefix_count; ++n)
    for (const Seg s : {ES, CS, SS, DS, FS, GS})
      if (i_.raw.prefixes[n].value == kPrefixes[s] && (mode_ != 8 || s >= FS)) seg = s;
  return seg;
}

void Translator::binary(Binary b) {
  const bool reads_only = b == Binary::Cmp || b == Binary::Test;
  op_.size = static_cast<u8>(bytes(0));
  Form form;
  if (is_mem(0)) {
    memory(0, 1, reads_only ? 0 : 1);
    form = is_imm(1) ? Form::MemImm : Form::MemReg;
    if (is_imm(1))
      immediate(1);
    else
      op_.src = reg(o_[1]);
  } else {
    op_.dst = reg(o_[0]);
    if (is_mem(1)) {
      memory(1, 1, 0);
      form = Form::RegMem;
    } else if (is_imm(1)) {
      immediate(1);
      form = Form::RegImm;
    } else {
      op_.src = reg(o_[1]);
      form = Form::RegReg;
    }
  }
  use(select_binary(b, form, op_.size));
  mark(kOpWritesAll | (b == Binary::Adc || b == Binary::Sbb ? unsigned{kOpReadsFlags} : 0u));
}

void Translator::unary(Unary u) {
  op_.size = static_cast<u8>(bytes(0));
  if (is_mem(0))
    memory(0, 1, 1);
  else
    op_.dst = reg(o_[0]);
  use(select_unary(u, is_mem(0), op_.size));
  if (u == Unary::Neg) mark(kOpWritesAll);
}

void Translator::shift(Shift s) {
  op_.size = static_cast<u8>(bytes(0));
  if (is_mem(0))
    memory(0, 1, 1);
  else
    op_.dst = reg(o_[0]);
  const bool by_cl = is_reg(1);
  if (!by_cl) immediate(1);
  use(select_shift(s, is_mem(0), by_cl, op_.size));
  if (s == Shift::Rcl || s == Shift::Rcr) mark(kOpReadsFlags);
  const bool sets_all = s == Shift::Shl || s == Shift::Shr || s == Shift::Sar;
  if (sets_all && !by_cl && (op_.imm & (op_.size == 8 ? 63 : 31))) mark(kOpWritesAll);
}

void Translator::double_shift(bool left) {
  op_.size = static_cast<u8>(bytes(0));
  if (is_mem(0))
    memory(0, 1, 1);
  else
    op_.dst = reg(o_[0]);
  op_.src = reg(o_[1]);
  if (is_imm(2)) immediate(2);
  use(select_double_shift(left, is_mem(0), !is_imm(2), op_.size));
}

void Translator::bit(BitOp b) {
  op_.size = static_cast<u8>(bytes(0));
  if (is_mem(0))
    memory(0, 1, b == BitOp::Test ? 0 : 1);
  else
    op_.dst = reg(o_[0]);
  if (is_imm(1)) {
    immediate(1);
  } else {
    op_.src = reg(o_[1]);
    op_.address &= static_cast<u8>(~kAddrFlat);
  }
  use(select_bit(b, is_mem(0), is_imm(1), op_.size));
}

void Translator::scan(Scan s) {
  register_source(1);
  use(select_scan(s, is_mem(1), op_.size));
}

// dst and a source that is a register or memory.
void Translator::register_source(unsigned n) {
  op_.size = static_cast<u8>(bytes(0));
  op_.dst = reg(o_[0]);
  if (is_mem(n))
    memory(n, 1, 0);
  else
    op_.src = reg(o_[n]);
}

void Translator::bmi(Bmi b, Feature f) {
  if (lacks(f)) return;
  const bool source_last =  // the others have it second
      b == Bmi::Andn || b == Bmi::Pdep || b == Bmi::Pext || b == Bmi::Mulx;
  const unsigned source = source_last ? 2 : 1;
  register_source(source);
  if (b == Bmi::Rorx)
    immediate(2);
  else
    op_.aux = reg(o_[3 - source]);
  use(select_bmi(b, is_mem(source), op_.size));
  if (b <= Bmi::Bzhi) mark(kOpWritesAll);
}

void Translator::lowest_bit(LowestBit b) {
  if (lacks(Feature::Bmi1)) return;
  register_source(1);
  use(select_lowest_bit(b, is_mem(1), op_.size));
  mark(kOpWritesAll);
}

void Translator::multiply(Multiply m) {
  if (m == Multiply::Imul && i_.operand_count_visible >= 2) {
    register_source(1);
    if (is_imm(2)) immediate(2);
    use(select_imul(is_mem(1), is_imm(2), op_.size));
  } else {
    op_.size = static_cast<u8>(bytes(0));
    if (is_mem(0))
      memory(0, 1, 0);
    else
      op_.dst = reg(o_[0]);
    use(select_multiply(m, is_mem(0), op_.size));
    if (m == Multiply::Div || m == Multiply::Idiv) {
      mark(kOpExact);
      return;  // flags undefined: kept
    }
  }
  mark(kOpWritesAll);
}

void Translator::move() {
  if (is_class(0, ZYDIS_REGCLASS_SEGMENT)) {
    op_.dst = number(0);
    if (op_.dst == CS) return system(op::undefined);
    if (is_mem(1)) {
      memory(1, 1, 0);
      return system(op::mov_to_segment_mem);
    }
    op_.src = reg(o_[1]);
    return system(op::mov_to_segment_reg);
  }
  if (is_class(1, ZYDIS_REGCLASS_SEGMENT)) {
    op_.src = number(1);
    op_.size = static_cast<u8>(bytes(0));
    if (is_mem(0)) {
      memory(0, 0, 1);
      return use(op::mov_from_segment_mem);
    }
    op_.dst = reg(o_[0]);
    return use(op::mov_from_segment_reg);
  }
  if (is_class(0, ZYDIS_REGCLASS_CONTROL) || is_class(0, ZYDIS_REGCLASS_DEBUG)) {
    op_.dst = number(0);
    op_.src = reg(o_[1]);
    op_.size = mode_ == 8 ? 8 : 4;
    return system(is_class(0, ZYDIS_REGCLASS_CONTROL) ? op::mov_to_cr : op::mov_to_dr);
  }
  if (is_class(1, ZYDIS_REGCLASS_CONTROL) || is_class(1, ZYDIS_REGCLASS_DEBUG)) {
    op_.dst = reg(o_[0]);
    op_.src = number(1);
    op_.size = mode_ == 8 ? 8 : 4;
    return system(is_class(1, ZYDIS_REGCLASS_CONTROL) ? op::mov_from_cr : op::mov_from_dr);
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
  use(select_move(form, op_.size));
}

void Translator::extend(bool sign) {
  op_.size = static_cast<u8>(bytes(0));
  op_.dst = reg(o_[0]);
  if (is_mem(1))
    memory(1, 1, 0);
  else
    op_.src = reg(o_[1]);
  use(select_extend(sign, is_mem(1), bytes(1), op_.size));
}

void Translator::push() {
  if (is_class(0, ZYDIS_REGCLASS_SEGMENT)) {
    op_.dst = number(0);
    implicit(0, 1);
    return use(op::push_segment);
  }
  if (is_mem(0)) {
    memory(0, 1, 0);
  } else if (is_imm(0)) {
    immediate(0);
  } else {
    op_.dst = reg(o_[0]);
  }
  implicit(0, 1);
  use(select_push(is_mem(0), is_imm(0), op_.size));
}

void Translator::pop() {
  if (is_class(0, ZYDIS_REGCLASS_SEGMENT)) {
    op_.dst = number(0);
    implicit(1, 0);
    return system(op::pop_segment);
  }
  if (is_mem(0))
    memory(0, 0, 1);
  else
    op_.dst = reg(o_[0]);
  implicit(1, 0);
  use(select_pop(is_mem(0), op_.size));
}

void Translator::branch(OpBranch kind, Handler h) {
  op_.branch = kind;
  mark(kOpSetsRip);
  system(h);
}

void Translator::relative() {
  op_.imm = op_.next_rip + o_[0].imm.value.u;
  if (mode_ != 8) op_.imm &= op_.size == 2 ? 0xffff : 0xffffffff;
}

void Translator::jump_or_call(bool is_call) {
  if (i_.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) {
    if (is_mem(0)) {
      memory(0, 2, 0);
    } else {
      op_.disp = o_[0].ptr.segment;
      op_.imm = o_[0].ptr.offset;
    }
    if (is_call) implicit(0, 2);
    return far_branch(is_call ? (is_mem(0) ? op::call_far_mem : op::call_far)
                              : (is_mem(0) ? op::jmp_far_mem : op::jmp_far));
  }
  if (mode_ == 8) op_.size = 8;
  if (is_call) implicit(0, 1);
  if (is_imm(0)) {
    relative();
    return branch(is_call ? OpBranch::DirectCall : OpBranch::DirectJump, is_call      ? op::call
                                                                         : mode_ == 8 ? op::jmp
                                                                                      : op::jmp_limited);
  }
  const OpBranch kind = is_call ? OpBranch::IndirectCall : OpBranch::IndirectJump;
  if (is_mem(0)) {
    memory(0, 1, 0);
    return branch(kind, is_call ? op::call_mem : op::jmp_mem);
  }
  op_.dst = reg(o_[0]);
  branch(kind, is_call ? op::call_reg : op::jmp_reg);
}

void Translator::far_branch(Handler h) {
  branch(OpBranch::Far, h);
}

void Translator::string(StringOp s) {
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
  use(select_string(s, op_.size));
  if (repeat != Repeat::None) mark(kOpRepeat | kOpEndsBlock);
  if (io) mark(kOpEndsBlock);
}

void Translator::either(Handler if_reg, Handler if_mem, unsigned loads, unsigned stores, bool is_system) {
  if (is_mem(0)) {
    memory(0, loads, stores);
  } else {
    op_.dst = reg(o_[0]);
    op_.size = static_cast<u8>(bytes(0));
  }
  const Handler h = is_mem(0) ? if_mem : if_reg;
  if (is_system)
    system(h);
  else
    exact(h);
}

void Translator::mark_stack() {
  for (unsigned n = i_.operand_count_visible; n < i_.operand_count; ++n) {
    if (o_[n].type != ZYDIS_OPERAND_TYPE_MEMORY || o_[n].mem.base == ZYDIS_REGISTER_NONE) continue;
    const auto base = ZydisRegisterGetId(o_[n].mem.base);
    if (base == RSP || base == RBP) op_.access |= kAccessStack;
  }
}

}  // namespace pmusim::core
