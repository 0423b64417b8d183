// SPDX-License-Identifier: Apache-2.0
// Zydis decodes; this file maps mnemonics and operands to handlers and says what each instruction counts.
// Loads and stores: one per explicit memory operand access and per stack access of the instruction itself;
// reads of descriptor tables, the IDT and the TSS are not counted.
#include "core/decode.h"

#include <Zydis/Zydis.h>

#include "core/string_ops.h"

namespace pmusim::core {
namespace {

const ZydisDecoder& decoder(unsigned mode, const DecodeOptions& o) {
  struct Set {
    ZydisDecoder of[3][4];
    Set() {
      const ZydisMachineMode modes[] = {ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_MACHINE_MODE_LEGACY_32,
                                        ZYDIS_MACHINE_MODE_LONG_64};
      const ZydisStackWidth widths[] = {ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32, ZYDIS_STACK_WIDTH_64};
      for (unsigned m = 0; m < 3; ++m)
        for (unsigned k = 0; k < 4; ++k) {
          ZydisDecoderInit(&of[m][k], modes[m], widths[m]);
          ZydisDecoderEnableMode(&of[m][k], ZYDIS_DECODER_MODE_TZCNT, (k & 1) != 0);
          ZydisDecoderEnableMode(&of[m][k], ZYDIS_DECODER_MODE_LZCNT, (k & 2) != 0);
        }
    }
  };
  static const Set set;
  return set.of[mode == 8 ? 2 : mode == 4 ? 1 : 0][o.bmi1 + 2 * o.lzcnt];
}

// Condition code by mnemonic, for Jcc, CMOVcc and SETcc: the low four bits of their opcode.
unsigned condition_code(const ZydisDecodedInstruction& i) {
  return i.opcode & 15;
}

class Translator {
 public:
  Translator(const ZydisDecodedInstruction& i, const ZydisDecodedOperand* operands, u64 rip, unsigned mode,
             DecodedInstruction& to)
      : i_(i), o_(operands), to_(to), op_(to.op), mode_(mode) {
    op_.next_rip = rip + i.length;
    if (mode != 8) op_.next_rip &= 0xffffffff;
    op_.length = i.length;
    op_.size = static_cast<u8>(i.operand_width / 8);
    op_.address_size = static_cast<u8>(i.address_width / 8);
  }

  void translate();

 private:
  bool is_mem(unsigned n) const {
    return n < i_.operand_count_visible && o_[n].type == ZYDIS_OPERAND_TYPE_MEMORY;
  }
  bool is_reg(unsigned n) const {
    return n < i_.operand_count_visible && o_[n].type == ZYDIS_OPERAND_TYPE_REGISTER;
  }
  bool is_imm(unsigned n) const {
    return n < i_.operand_count_visible && o_[n].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
  }
  unsigned bytes(unsigned n) const { return o_[n].size / 8; }

  static u8 reg(const ZydisDecodedOperand& o) {
    const ZydisRegister r = o.reg.value;
    if (r >= ZYDIS_REGISTER_AL && r <= ZYDIS_REGISTER_BL) return static_cast<u8>((r - ZYDIS_REGISTER_AL) * 8);
    if (r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH)
      return static_cast<u8>((r - ZYDIS_REGISTER_AH) * 8 + 1);
    if (r >= ZYDIS_REGISTER_SPL && r <= ZYDIS_REGISTER_R15B)
      return static_cast<u8>((r - ZYDIS_REGISTER_SPL + 4) * 8);
    return static_cast<u8>(ZydisRegisterGetId(r) * 8);
  }
  bool is_class(unsigned n, ZydisRegisterClass c) const {
    return is_reg(n) && ZydisRegisterGetClass(o_[n].reg.value) == c;
  }
  u8 number(unsigned n) const { return static_cast<u8>(ZydisRegisterGetId(o_[n].reg.value)); }

  void memory(unsigned n, unsigned loads, unsigned stores);
  void implicit(unsigned loads, unsigned stores) {
    op_.loads = static_cast<u8>(op_.loads + loads);
    op_.stores = static_cast<u8>(op_.stores + stores);
    op_.flags |= kOpExact;
  }
  void immediate(unsigned n) { op_.imm = o_[n].imm.value.u; }

  void use(Handler h) { op_.run = h; }
  void use(const Handlers& h) {
    op_.run = h.precise;
    to_.fast = h.fast;
  }
  void system(Handler h) {
    op_.run = h;
    op_.flags |= kOpExact | kOpEndsBlock;
  }
  void exact(Handler h) {
    op_.run = h;
    op_.flags |= kOpExact;
  }
  void mark(unsigned flags) { op_.flags = static_cast<u8>(op_.flags | flags); }

  void binary(Binary b);
  void unary(Unary u);
  void shift(Shift s);
  void double_shift(bool left);
  void bit(BitOp b);
  void scan(Scan s);
  void multiply(Multiply m);
  void move();
  void extend(bool sign);
  void push();
  void pop();
  void branch(OpBranch kind, Handler h);
  void relative();
  void jump_or_call(bool is_call);
  void far_branch(Handler h);
  void string(StringOp s);
  // One operand, register or memory.
  void either(Handler if_reg, Handler if_mem, unsigned loads, unsigned stores, bool is_system);

  const ZydisDecodedInstruction& i_;
  const ZydisDecodedOperand* o_;
  DecodedInstruction& to_;
  MicroOp& op_;
  unsigned mode_;
};

void Translator::memory(unsigned n, unsigned loads, unsigned stores) {
  const ZydisDecodedOperandMem& m = o_[n].mem;
  op_.disp = m.disp.has_displacement ? static_cast<u64>(m.disp.value) : 0;
  if (m.base == ZYDIS_REGISTER_RIP || m.base == ZYDIS_REGISTER_EIP) {
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
  if (mode_ == 8 && op_.address_size == 8 && op_.seg < FS) op_.address |= kAddrFlat;
  if (loads + stores) implicit(loads, stores);
  if ((i_.attributes & ZYDIS_ATTRIB_HAS_LOCK) && loads) op_.locked = 1;
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
  op_.size = static_cast<u8>(bytes(0));
  op_.dst = reg(o_[0]);
  if (is_mem(1))
    memory(1, 1, 0);
  else
    op_.src = reg(o_[1]);
  use(select_scan(s, is_mem(1), op_.size));
}

void Translator::multiply(Multiply m) {
  if (m == Multiply::Imul && i_.operand_count_visible >= 2) {
    op_.size = static_cast<u8>(bytes(0));
    op_.dst = reg(o_[0]);
    if (is_mem(1))
      memory(1, 1, 0);
    else
      op_.src = reg(o_[1]);
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
    return branch(is_call ? OpBranch::DirectCall : OpBranch::DirectJump, is_call ? op::call : op::jmp);
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

// clang-format off
void Translator::translate() {
  switch (i_.mnemonic) {
    case ZYDIS_MNEMONIC_ADD: return binary(Binary::Add);
    case ZYDIS_MNEMONIC_OR: return binary(Binary::Or);
    case ZYDIS_MNEMONIC_ADC: return binary(Binary::Adc);
    case ZYDIS_MNEMONIC_SBB: return binary(Binary::Sbb);
    case ZYDIS_MNEMONIC_AND: return binary(Binary::And);
    case ZYDIS_MNEMONIC_SUB: return binary(Binary::Sub);
    case ZYDIS_MNEMONIC_XOR: return binary(Binary::Xor);
    case ZYDIS_MNEMONIC_CMP: return binary(Binary::Cmp);
    case ZYDIS_MNEMONIC_TEST: return binary(Binary::Test);
    case ZYDIS_MNEMONIC_INC: return unary(Unary::Inc);
    case ZYDIS_MNEMONIC_DEC: return unary(Unary::Dec);
    case ZYDIS_MNEMONIC_NEG: return unary(Unary::Neg);
    case ZYDIS_MNEMONIC_NOT: return unary(Unary::Not);
    case ZYDIS_MNEMONIC_ROL: return shift(Shift::Rol);
    case ZYDIS_MNEMONIC_ROR: return shift(Shift::Ror);
    case ZYDIS_MNEMONIC_RCL: return shift(Shift::Rcl);
    case ZYDIS_MNEMONIC_RCR: return shift(Shift::Rcr);
    case ZYDIS_MNEMONIC_SHL: return shift(Shift::Shl);
    case ZYDIS_MNEMONIC_SHR: return shift(Shift::Shr);
    case ZYDIS_MNEMONIC_SAR: return shift(Shift::Sar);
    case ZYDIS_MNEMONIC_SHLD: return double_shift(true);
    case ZYDIS_MNEMONIC_SHRD: return double_shift(false);
    case ZYDIS_MNEMONIC_BT: return bit(BitOp::Test);
    case ZYDIS_MNEMONIC_BTS: return bit(BitOp::Set);
    case ZYDIS_MNEMONIC_BTR: return bit(BitOp::Reset);
    case ZYDIS_MNEMONIC_BTC: return bit(BitOp::Complement);
    case ZYDIS_MNEMONIC_BSF: return scan(Scan::Bsf);
    case ZYDIS_MNEMONIC_BSR: return scan(Scan::Bsr);
    case ZYDIS_MNEMONIC_TZCNT: return scan(Scan::Tzcnt);
    case ZYDIS_MNEMONIC_LZCNT: return scan(Scan::Lzcnt);
    case ZYDIS_MNEMONIC_POPCNT: return scan(Scan::Popcnt);
    case ZYDIS_MNEMONIC_MUL: return multiply(Multiply::Mul);
    case ZYDIS_MNEMONIC_IMUL: return multiply(Multiply::Imul);
    case ZYDIS_MNEMONIC_DIV: return multiply(Multiply::Div);
    case ZYDIS_MNEMONIC_IDIV: return multiply(Multiply::Idiv);

    case ZYDIS_MNEMONIC_MOV: return move();
    case ZYDIS_MNEMONIC_MOVZX: return extend(false);
    case ZYDIS_MNEMONIC_MOVSX: case ZYDIS_MNEMONIC_MOVSXD:
      if (bytes(0) == bytes(1)) return move();  // MOVSXD with a 16- or 32-bit destination
      return extend(true);
    case ZYDIS_MNEMONIC_LEA:
      op_.size = static_cast<u8>(bytes(0));
      op_.dst = reg(o_[0]);
      memory(1, 0, 0);
      return use(op::lea);
    case ZYDIS_MNEMONIC_XCHG:
      op_.size = static_cast<u8>(bytes(0));
      if (is_mem(0) || is_mem(1)) {
        memory(is_mem(0) ? 0 : 1, 1, 1);
        op_.src = reg(o_[is_mem(0) ? 1 : 0]);
        op_.locked = 1;
        return use(select_exchange(true, op_.size));
      }
      op_.dst = reg(o_[0]);
      op_.src = reg(o_[1]);
      return use(select_exchange(false, op_.size));
    case ZYDIS_MNEMONIC_CMPXCHG: case ZYDIS_MNEMONIC_XADD: {
      op_.size = static_cast<u8>(bytes(0));
      if (is_mem(0)) memory(0, 1, 1); else op_.dst = reg(o_[0]);
      op_.src = reg(o_[1]);
      mark(kOpWritesAll);
      return use(i_.mnemonic == ZYDIS_MNEMONIC_XADD ? select_xadd(is_mem(0), op_.size)
                                                    : select_cmpxchg(is_mem(0), op_.size));
    }
    case ZYDIS_MNEMONIC_CMPXCHG8B: memory(0, 1, 1); return use(op::cmpxchg8b);
    case ZYDIS_MNEMONIC_CMPXCHG16B: memory(0, 1, 1); return use(op::cmpxchg16b);
    case ZYDIS_MNEMONIC_BSWAP: op_.dst = reg(o_[0]); op_.size = static_cast<u8>(bytes(0)); return use(op::bswap);
    case ZYDIS_MNEMONIC_XLAT:
      implicit(1, 0);
      for (unsigned n = 0; n < i_.operand_count; ++n)
        if (o_[n].type == ZYDIS_OPERAND_TYPE_MEMORY)
          op_.seg = static_cast<u8>(ZydisRegisterGetId(o_[n].mem.segment));
      return use(op::xlat);

    case ZYDIS_MNEMONIC_CMOVB: case ZYDIS_MNEMONIC_CMOVBE: case ZYDIS_MNEMONIC_CMOVL: case ZYDIS_MNEMONIC_CMOVLE:
    case ZYDIS_MNEMONIC_CMOVNB: case ZYDIS_MNEMONIC_CMOVNBE: case ZYDIS_MNEMONIC_CMOVNL:
    case ZYDIS_MNEMONIC_CMOVNLE: case ZYDIS_MNEMONIC_CMOVNO: case ZYDIS_MNEMONIC_CMOVNP:
    case ZYDIS_MNEMONIC_CMOVNS: case ZYDIS_MNEMONIC_CMOVNZ: case ZYDIS_MNEMONIC_CMOVO: case ZYDIS_MNEMONIC_CMOVP:
    case ZYDIS_MNEMONIC_CMOVS: case ZYDIS_MNEMONIC_CMOVZ:
      op_.size = static_cast<u8>(bytes(0));
      op_.aux = static_cast<u8>(condition_code(i_));
      op_.dst = reg(o_[0]);
      if (is_mem(1)) memory(1, 1, 0); else op_.src = reg(o_[1]);
      mark(kOpReadsFlags);
      return use(select_cmov(is_mem(1), op_.size));
    case ZYDIS_MNEMONIC_SETB: case ZYDIS_MNEMONIC_SETBE: case ZYDIS_MNEMONIC_SETL: case ZYDIS_MNEMONIC_SETLE:
    case ZYDIS_MNEMONIC_SETNB: case ZYDIS_MNEMONIC_SETNBE: case ZYDIS_MNEMONIC_SETNL: case ZYDIS_MNEMONIC_SETNLE:
    case ZYDIS_MNEMONIC_SETNO: case ZYDIS_MNEMONIC_SETNP: case ZYDIS_MNEMONIC_SETNS: case ZYDIS_MNEMONIC_SETNZ:
    case ZYDIS_MNEMONIC_SETO: case ZYDIS_MNEMONIC_SETP: case ZYDIS_MNEMONIC_SETS: case ZYDIS_MNEMONIC_SETZ:
      op_.aux = static_cast<u8>(condition_code(i_));
      mark(kOpReadsFlags);
      if (is_mem(0)) {
        memory(0, 0, 1);
        return use(op::setcc_mem);
      }
      op_.dst = reg(o_[0]);
      return use(op::setcc_reg);
    case ZYDIS_MNEMONIC_JB: case ZYDIS_MNEMONIC_JBE: case ZYDIS_MNEMONIC_JL: case ZYDIS_MNEMONIC_JLE:
    case ZYDIS_MNEMONIC_JNB: case ZYDIS_MNEMONIC_JNBE: case ZYDIS_MNEMONIC_JNL: case ZYDIS_MNEMONIC_JNLE:
    case ZYDIS_MNEMONIC_JNO: case ZYDIS_MNEMONIC_JNP: case ZYDIS_MNEMONIC_JNS: case ZYDIS_MNEMONIC_JNZ:
    case ZYDIS_MNEMONIC_JO: case ZYDIS_MNEMONIC_JP: case ZYDIS_MNEMONIC_JS: case ZYDIS_MNEMONIC_JZ:
      op_.aux = static_cast<u8>(condition_code(i_));
      mark(kOpReadsFlags);
      relative();
      return branch(OpBranch::Conditional, op::jcc);
    case ZYDIS_MNEMONIC_LOOPNE: case ZYDIS_MNEMONIC_LOOPE: case ZYDIS_MNEMONIC_LOOP:
      op_.aux = i_.mnemonic == ZYDIS_MNEMONIC_LOOP ? 2 : i_.mnemonic == ZYDIS_MNEMONIC_LOOPE ? 1 : 0;
      relative();
      return branch(OpBranch::Conditional, op::loop);
    case ZYDIS_MNEMONIC_JCXZ: case ZYDIS_MNEMONIC_JECXZ: case ZYDIS_MNEMONIC_JRCXZ:
      relative();
      return branch(OpBranch::Conditional, op::jrcxz);
    case ZYDIS_MNEMONIC_JMP: return jump_or_call(false);
    case ZYDIS_MNEMONIC_CALL: return jump_or_call(true);
    case ZYDIS_MNEMONIC_RET:
      if (is_imm(0)) immediate(0);
      if (i_.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) {
        implicit(2, 0);
        return far_branch(op::ret_far);
      }
      if (mode_ == 8) op_.size = 8;
      implicit(1, 0);
      return branch(OpBranch::Return, op::ret);
    case ZYDIS_MNEMONIC_IRET: op_.size = 2; implicit(3, 0); return far_branch(op::iret);
    case ZYDIS_MNEMONIC_IRETD: op_.size = 4; implicit(mode_ == 8 ? 5 : 3, 0); return far_branch(op::iret);
    case ZYDIS_MNEMONIC_IRETQ: op_.size = 8; implicit(5, 0); return far_branch(op::iret);
    case ZYDIS_MNEMONIC_INT:
      immediate(0);
      op_.imm &= 0xff;
      mark(kOpSoftInterrupt);
      implicit(0, mode_ == 8 ? 5 : 3);
      return far_branch(op::int_n);
    case ZYDIS_MNEMONIC_INT3: mark(kOpSoftInterrupt); implicit(0, mode_ == 8 ? 5 : 3); return far_branch(op::int3);
    case ZYDIS_MNEMONIC_INT1: mark(kOpSoftInterrupt); implicit(0, mode_ == 8 ? 5 : 3); return far_branch(op::int1);
    case ZYDIS_MNEMONIC_INTO: mark(kOpReadsFlags | kOpSetsRip); return system(op::into);
    case ZYDIS_MNEMONIC_SYSCALL: return far_branch(op::syscall);
    case ZYDIS_MNEMONIC_SYSRET: return far_branch(op::sysret);

    case ZYDIS_MNEMONIC_PUSH: return push();
    case ZYDIS_MNEMONIC_POP: return pop();
    case ZYDIS_MNEMONIC_PUSHF: case ZYDIS_MNEMONIC_PUSHFD: case ZYDIS_MNEMONIC_PUSHFQ:
      implicit(0, 1);
      return use(op::pushf);
    case ZYDIS_MNEMONIC_POPF: case ZYDIS_MNEMONIC_POPFD: case ZYDIS_MNEMONIC_POPFQ:
      implicit(1, 0);
      return system(op::popf);
    case ZYDIS_MNEMONIC_PUSHA: case ZYDIS_MNEMONIC_PUSHAD: implicit(0, 8); return use(op::pusha);
    case ZYDIS_MNEMONIC_POPA: case ZYDIS_MNEMONIC_POPAD: implicit(8, 0); return use(op::popa);
    case ZYDIS_MNEMONIC_ENTER: {
      immediate(0);
      op_.imm &= 0xffff;
      op_.aux = static_cast<u8>(o_[1].imm.value.u & 31);
      if (mode_ == 8 && op_.size == 4) op_.size = 8;
      implicit(op_.aux > 1 ? op_.aux - 1u : 0u, 1u + op_.aux);
      return use(op::enter);
    }
    case ZYDIS_MNEMONIC_LEAVE:
      if (mode_ == 8 && op_.size == 4) op_.size = 8;
      implicit(1, 0);
      return use(op::leave);

    case ZYDIS_MNEMONIC_CBW: op_.size = 2; return use(op::convert_accumulator);
    case ZYDIS_MNEMONIC_CWDE: op_.size = 4; return use(op::convert_accumulator);
    case ZYDIS_MNEMONIC_CDQE: op_.size = 8; return use(op::convert_accumulator);
    case ZYDIS_MNEMONIC_CWD: op_.size = 2; return use(op::convert_double);
    case ZYDIS_MNEMONIC_CDQ: op_.size = 4; return use(op::convert_double);
    case ZYDIS_MNEMONIC_CQO: op_.size = 8; return use(op::convert_double);
    case ZYDIS_MNEMONIC_LAHF: mark(kOpReadsFlags); return use(op::lahf);
    case ZYDIS_MNEMONIC_SAHF: return use(op::sahf);
    case ZYDIS_MNEMONIC_CLC: return use(op::clc);
    case ZYDIS_MNEMONIC_STC: return use(op::stc);
    case ZYDIS_MNEMONIC_CMC: mark(kOpReadsFlags); return use(op::cmc);
    case ZYDIS_MNEMONIC_CLD: return use(op::cld);
    case ZYDIS_MNEMONIC_STD: return use(op::std_);

    case ZYDIS_MNEMONIC_MOVSB: case ZYDIS_MNEMONIC_MOVSW: case ZYDIS_MNEMONIC_MOVSQ: return string(StringOp::Movs);
    case ZYDIS_MNEMONIC_CMPSB: case ZYDIS_MNEMONIC_CMPSW: case ZYDIS_MNEMONIC_CMPSQ: return string(StringOp::Cmps);
    case ZYDIS_MNEMONIC_STOSB: case ZYDIS_MNEMONIC_STOSW: case ZYDIS_MNEMONIC_STOSD:
    case ZYDIS_MNEMONIC_STOSQ: return string(StringOp::Stos);
    case ZYDIS_MNEMONIC_LODSB: case ZYDIS_MNEMONIC_LODSW: case ZYDIS_MNEMONIC_LODSD:
    case ZYDIS_MNEMONIC_LODSQ: return string(StringOp::Lods);
    case ZYDIS_MNEMONIC_SCASB: case ZYDIS_MNEMONIC_SCASW: case ZYDIS_MNEMONIC_SCASD:
    case ZYDIS_MNEMONIC_SCASQ: return string(StringOp::Scas);
    case ZYDIS_MNEMONIC_INSB: case ZYDIS_MNEMONIC_INSW: case ZYDIS_MNEMONIC_INSD: return string(StringOp::Ins);
    case ZYDIS_MNEMONIC_OUTSB: case ZYDIS_MNEMONIC_OUTSW: case ZYDIS_MNEMONIC_OUTSD: return string(StringOp::Outs);
    case ZYDIS_MNEMONIC_MOVSD:  // also an SSE instruction
      if (i_.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY && i_.opcode == 0xa5) return string(StringOp::Movs);
      break;
    case ZYDIS_MNEMONIC_CMPSD:
      if (i_.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY && i_.opcode == 0xa7) return string(StringOp::Cmps);
      break;

    case ZYDIS_MNEMONIC_NOP: case ZYDIS_MNEMONIC_ENDBR64: case ZYDIS_MNEMONIC_ENDBR32:
    case ZYDIS_MNEMONIC_PREFETCH: case ZYDIS_MNEMONIC_PREFETCHNTA: case ZYDIS_MNEMONIC_PREFETCHT0:
    case ZYDIS_MNEMONIC_PREFETCHT1: case ZYDIS_MNEMONIC_PREFETCHT2: case ZYDIS_MNEMONIC_PREFETCHW:
      return use(op::nop);
    case ZYDIS_MNEMONIC_PAUSE: return exact(op::pause);
    case ZYDIS_MNEMONIC_MFENCE: case ZYDIS_MNEMONIC_LFENCE: case ZYDIS_MNEMONIC_SFENCE: return system(op::fence);
    case ZYDIS_MNEMONIC_CLFLUSH: case ZYDIS_MNEMONIC_CLFLUSHOPT: memory(0, 0, 0); return system(op::clflush);
    case ZYDIS_MNEMONIC_UD0: case ZYDIS_MNEMONIC_UD1: case ZYDIS_MNEMONIC_UD2: return system(op::undefined);

    case ZYDIS_MNEMONIC_RDMSR: return system(op::rdmsr);
    case ZYDIS_MNEMONIC_WRMSR: return system(op::wrmsr);
    case ZYDIS_MNEMONIC_RDPMC: return system(op::rdpmc);
    case ZYDIS_MNEMONIC_RDTSC: return system(op::rdtsc);
    case ZYDIS_MNEMONIC_RDTSCP: return system(op::rdtscp);
    case ZYDIS_MNEMONIC_CPUID: return system(op::cpuid);
    case ZYDIS_MNEMONIC_HLT: return system(op::hlt);
    case ZYDIS_MNEMONIC_CLI: return system(op::cli);
    case ZYDIS_MNEMONIC_STI: return system(op::sti);
    case ZYDIS_MNEMONIC_CLTS: return system(op::clts);
    case ZYDIS_MNEMONIC_LMSW: return either(op::lmsw_reg, op::lmsw_mem, 1, 0, true);
    case ZYDIS_MNEMONIC_SMSW: return either(op::smsw_reg, op::smsw_mem, 0, 1, false);
    case ZYDIS_MNEMONIC_LGDT: case ZYDIS_MNEMONIC_LIDT: case ZYDIS_MNEMONIC_SGDT: case ZYDIS_MNEMONIC_SIDT: {
      const bool loads = i_.mnemonic == ZYDIS_MNEMONIC_LGDT || i_.mnemonic == ZYDIS_MNEMONIC_LIDT;
      op_.aux = i_.mnemonic == ZYDIS_MNEMONIC_LIDT || i_.mnemonic == ZYDIS_MNEMONIC_SIDT;
      if (mode_ == 8) op_.size = 8;
      memory(0, loads ? 2 : 0, loads ? 0 : 2);
      return system(loads ? op::load_table : op::store_table);
    }
    case ZYDIS_MNEMONIC_LLDT: case ZYDIS_MNEMONIC_LTR:
      op_.aux = i_.mnemonic == ZYDIS_MNEMONIC_LTR;
      return either(op::load_system_segment_reg, op::load_system_segment_mem, 1, 0, true);
    case ZYDIS_MNEMONIC_SLDT: case ZYDIS_MNEMONIC_STR:
      op_.aux = i_.mnemonic == ZYDIS_MNEMONIC_STR;
      return either(op::store_system_segment_reg, op::store_system_segment_mem, 0, 1, false);
    case ZYDIS_MNEMONIC_LDS: case ZYDIS_MNEMONIC_LES: case ZYDIS_MNEMONIC_LFS: case ZYDIS_MNEMONIC_LGS:
    case ZYDIS_MNEMONIC_LSS:
      op_.aux = i_.mnemonic == ZYDIS_MNEMONIC_LDS ? DS : i_.mnemonic == ZYDIS_MNEMONIC_LES ? ES
              : i_.mnemonic == ZYDIS_MNEMONIC_LFS ? FS : i_.mnemonic == ZYDIS_MNEMONIC_LGS ? GS : SS;
      op_.dst = reg(o_[0]);
      op_.size = static_cast<u8>(bytes(0));
      memory(1, 2, 0);
      return system(op::load_far_pointer);
    case ZYDIS_MNEMONIC_INVLPG: memory(0, 0, 0); return system(op::invlpg);
    case ZYDIS_MNEMONIC_INVD: case ZYDIS_MNEMONIC_WBINVD:
      op_.aux = i_.mnemonic == ZYDIS_MNEMONIC_WBINVD;
      return system(op::invalidate_caches);
    case ZYDIS_MNEMONIC_IN: case ZYDIS_MNEMONIC_OUT: {
      const bool in = i_.mnemonic == ZYDIS_MNEMONIC_IN;
      const unsigned port = in ? 1 : 0;
      op_.size = static_cast<u8>(bytes(1 - port));
      op_.aux = is_reg(port);
      if (is_imm(port)) op_.imm = o_[port].imm.value.u & 0xff;
      return system(in ? op::in : op::out);
    }
    case ZYDIS_MNEMONIC_SWAPGS: return system(op::swapgs);
    case ZYDIS_MNEMONIC_VMCALL: return system(op::vmcall);
    case ZYDIS_MNEMONIC_VMMCALL: op_.aux = 1; return system(op::vmcall);
    case ZYDIS_MNEMONIC_RDPID: op_.dst = reg(o_[0]); return system(op::rdpid);
    case ZYDIS_MNEMONIC_XGETBV: case ZYDIS_MNEMONIC_XSETBV: return system(op::xgetbv);
    case ZYDIS_MNEMONIC_MONITOR: case ZYDIS_MNEMONIC_MWAIT: return system(op::undefined);  // not enumerated
    // Features that no CPU model here enumerates: undefined on such CPUs.
    case ZYDIS_MNEMONIC_VMXON: case ZYDIS_MNEMONIC_VMXOFF: case ZYDIS_MNEMONIC_VMCLEAR: case ZYDIS_MNEMONIC_VMPTRLD:
    case ZYDIS_MNEMONIC_VMPTRST: case ZYDIS_MNEMONIC_VMREAD: case ZYDIS_MNEMONIC_VMWRITE:
    case ZYDIS_MNEMONIC_VMLAUNCH: case ZYDIS_MNEMONIC_VMRESUME: case ZYDIS_MNEMONIC_VMFUNC:
    case ZYDIS_MNEMONIC_INVEPT: case ZYDIS_MNEMONIC_INVVPID: case ZYDIS_MNEMONIC_VMRUN: case ZYDIS_MNEMONIC_VMLOAD:
    case ZYDIS_MNEMONIC_VMSAVE: case ZYDIS_MNEMONIC_STGI: case ZYDIS_MNEMONIC_CLGI: case ZYDIS_MNEMONIC_SKINIT:
    case ZYDIS_MNEMONIC_INVLPGA: case ZYDIS_MNEMONIC_INVPCID: case ZYDIS_MNEMONIC_STAC: case ZYDIS_MNEMONIC_CLAC:
    case ZYDIS_MNEMONIC_RDRAND: case ZYDIS_MNEMONIC_RDSEED: case ZYDIS_MNEMONIC_XBEGIN: case ZYDIS_MNEMONIC_XEND:
    case ZYDIS_MNEMONIC_XABORT: case ZYDIS_MNEMONIC_XTEST: case ZYDIS_MNEMONIC_RDPKRU: case ZYDIS_MNEMONIC_WRPKRU:
    case ZYDIS_MNEMONIC_RDFSBASE: case ZYDIS_MNEMONIC_RDGSBASE: case ZYDIS_MNEMONIC_WRFSBASE:
    case ZYDIS_MNEMONIC_WRGSBASE: case ZYDIS_MNEMONIC_XSAVE: case ZYDIS_MNEMONIC_XRSTOR:
      return system(op::undefined);
    default: break;
  }
  system(op::unimplemented);
}
// clang-format on

}  // namespace

bool decode(const u8* bytes, unsigned available, u64 rip, unsigned mode, const DecodeOptions& options,
            DecodedInstruction& to) {
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  to = {};
  const unsigned length = available < kMaxInstructionBytes ? available : kMaxInstructionBytes;
  const ZyanStatus status =
      ZydisDecoderDecodeFull(&decoder(mode, options), bytes, length, &instruction, operands);
  if (ZYAN_SUCCESS(status)) {
    Translator(instruction, operands, rip, mode, to).translate();
    return true;
  }
  const bool truncated = status == ZYDIS_STATUS_NO_MORE_DATA;
  if (truncated && available < kMaxInstructionBytes) return false;
  to.op.run = truncated || status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG ? op::too_long : op::undefined;
  to.op.flags = kOpExact | kOpEndsBlock;
  to.op.length = 1;
  to.op.next_rip = rip + 1;
  return true;
}

}  // namespace pmusim::core
