// SPDX-License-Identifier: Apache-2.0
// Forms of integer arithmetic, shifts and bit instructions: operands, and the handler for their combination.
#include "core/decode/lowering.h"

namespace pmusim::core {

void Lowering::binary(Op op, Binary b) {
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
  use(op, select_binary(b, form, op_.size));
  mark(kOpWritesAll | (b == Binary::Adc || b == Binary::Sbb ? unsigned{kOpReadsFlags} : 0u));
}

void Lowering::unary(Op op, Unary u) {
  op_.size = static_cast<u8>(bytes(0));
  if (is_mem(0))
    memory(0, 1, 1);
  else
    op_.dst = reg(o_[0]);
  use(op, select_unary(u, is_mem(0), op_.size));
  if (u == Unary::Neg) mark(kOpWritesAll);
}

void Lowering::shift(Op op, Shift s) {
  op_.size = static_cast<u8>(bytes(0));
  if (is_mem(0))
    memory(0, 1, 1);
  else
    op_.dst = reg(o_[0]);
  const bool by_cl = is_reg(1);
  if (!by_cl) immediate(1);
  use(op, select_shift(s, is_mem(0), by_cl, op_.size));
  if (s == Shift::Rcl || s == Shift::Rcr) mark(kOpReadsFlags);
  const bool sets_all = s == Shift::Shl || s == Shift::Shr || s == Shift::Sar;
  if (sets_all && !by_cl && (op_.imm & (op_.size == 8 ? 63 : 31))) mark(kOpWritesAll);
}

void Lowering::double_shift(Op op, bool left) {
  op_.size = static_cast<u8>(bytes(0));
  if (is_mem(0))
    memory(0, 1, 1);
  else
    op_.dst = reg(o_[0]);
  op_.src = reg(o_[1]);
  if (is_imm(2)) immediate(2);
  use(op, select_double_shift(left, is_mem(0), !is_imm(2), op_.size));
}

void Lowering::bit(Op op, BitOp b) {
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
  use(op, select_bit(b, is_mem(0), is_imm(1), op_.size));
}

void Lowering::scan(Op op, Scan s) {
  register_source(1);
  use(op, select_scan(s, is_mem(1), op_.size));
}

// dst and a source that is a register or memory.
void Lowering::register_source(unsigned n) {
  op_.size = static_cast<u8>(bytes(0));
  op_.dst = reg(o_[0]);
  if (is_mem(n))
    memory(n, 1, 0);
  else
    op_.src = reg(o_[n]);
}

void Lowering::bmi(Op op, Bmi b, Feature f) {
  if (lacks(f)) return;
  const bool source_last =  // the others have it second
      b == Bmi::Andn || b == Bmi::Pdep || b == Bmi::Pext || b == Bmi::Mulx;
  const unsigned source = source_last ? 2 : 1;
  register_source(source);
  if (b == Bmi::Rorx)
    immediate(2);
  else
    op_.aux = reg(o_[3 - source]);
  use(op, select_bmi(b, is_mem(source), op_.size));
  if (b <= Bmi::Bzhi) mark(kOpWritesAll);
}

void Lowering::lowest_bit(Op op, LowestBit b) {
  if (lacks(Feature::Bmi1)) return;
  register_source(1);
  use(op, select_lowest_bit(b, is_mem(1), op_.size));
  mark(kOpWritesAll);
}

void Lowering::add_flag(Op op, bool overflow) {
  if (lacks(Feature::Adx)) return;
  register_source(1);
  mark(kOpReadsFlags);
  use(op, select_add_flag(overflow, is_mem(1), op_.size));
}

void Lowering::multiply(Op op, Multiply m) {
  if (m == Multiply::Imul && i_.operand_count_visible >= 2) {
    register_source(1);
    if (is_imm(2)) immediate(2);
    use(op, select_imul(is_mem(1), is_imm(2), op_.size));
  } else {
    op_.size = static_cast<u8>(bytes(0));
    if (is_mem(0))
      memory(0, 1, 0);
    else
      op_.dst = reg(o_[0]);
    use(op, select_multiply(m, is_mem(0), op_.size));
    if (m == Multiply::Div || m == Multiply::Idiv) {
      mark(kOpExact);
      return;  // flags undefined: kept
    }
  }
  mark(kOpWritesAll);
}

}  // namespace pmusim::core
