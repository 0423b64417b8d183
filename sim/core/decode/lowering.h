// SPDX-License-Identifier: Apache-2.0
// Translation of one decoded instruction into a micro-op; internal to the decoder, the only users of Zydis
// types. Operands and instruction forms are in decode_operands.cpp, what each mnemonic is in the tables.
// Loads and stores: one per explicit memory operand access and per stack access of the instruction itself;
// reads of descriptor tables, the IDT and the TSS are not counted.
#pragma once

#include <Zydis/Zydis.h>

#include "core/decode/decode.h"
#include "core/execute/string_ops.h"

namespace pmusim::core {

class Lowering {
 public:
  Lowering(const ZydisDecodedInstruction& i, const ZydisDecodedOperand* operands, u64 rip, unsigned mode,
           const Dialect& dialect, DecodedInstruction& to)
      : i_(i),
        o_(operands),
        features_(dialect.features),
        amd_(dialect.amd),
        to_(to),
        op_(to.op),
        mode_(mode) {
    op_.next_rip = rip + i.length;
    if (mode != 8) op_.next_rip &= 0xffffffff;
    op_.length = i.length;
    op_.size = static_cast<u8>(i.operand_width / 8);
    op_.address_size = static_cast<u8>(i.address_width / 8);
  }

  // Tables by mnemonic; each hands what it does not know to the next, the last to `unimplemented`.
  void integer_table();
  void system_table();
  void vector_table();
  void mark_stack();
  void finish() {
    to_.what.form = form();
    if (integer_ && !(op_.flags & kOpEndsBlock) && !op_.stores) mark(kOpPlain);
  }
  void timing(TimingOp& to);  // after a table (timing_op.cpp)

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
  Form form() const;
  bool is_class(unsigned n, ZydisRegisterClass c) const {
    return is_reg(n) && ZydisRegisterGetClass(o_[n].reg.value) == c;
  }
  u8 number(unsigned n) const { return static_cast<u8>(ZydisRegisterGetId(o_[n].reg.value)); }

  u8 vector_register(unsigned n) const;  // of any class

  void memory(unsigned n, unsigned loads, unsigned stores) { memory(n, loads, stores, bytes(n)); }
  void memory(unsigned n, unsigned loads, unsigned stores, unsigned size);  // bytes
  // For instructions whose memory operand Zydis does not know: the last prefix, DS if none. 64-bit mode
  // ignores the prefixes of ES, CS, SS and DS, behind one of FS or GS too.
  Seg segment_override() const;
  void checked_as_byte();  // the memory operand, by its segment
  void implicit(unsigned loads, unsigned stores) {
    op_.loads = static_cast<u8>(op_.loads + loads);
    op_.stores = static_cast<u8>(op_.stores + stores);
    op_.flags |= kOpExact;
  }
  void immediate(unsigned n) { op_.imm = o_[n].imm.value.u; }

  void use(Op op, Handler h) {
    to_.what.op = op;
    op_.run = h;
  }
  void use(Op op, const Handlers& h) {
    use(op, h.precise);
    to_.fast = h.fast;
  }
  void system(Op op, Handler h) {
    use(op, h);
    op_.flags |= kOpExact | kOpEndsBlock;
  }
  void exact(Op op, Handler h) {
    use(op, h);
    op_.flags |= kOpExact;
  }
  void mark(unsigned flags) { op_.flags = static_cast<u8>(op_.flags | flags); }

  // For instructions that need a feature: without it they are undefined.
  bool lacks(Feature f) {
    if (features_.has(f)) return false;
    system(Op::UNDEFINED, op::undefined);
    return true;
  }

  void binary(Op op, Binary b);
  void unary(Op op, Unary u);
  void shift(Op op, Shift s);
  void double_shift(Op op, bool left);
  void bit(Op op, BitOp b);
  void scan(Op op, Scan s);
  void multiply(Op op, Multiply m);
  void bmi(Op op, Bmi b, Feature f);
  void lowest_bit(Op op, LowestBit b);
  void add_flag(Op op, bool overflow);
  void register_source(unsigned n);
  void move();
  void extend(Op op, bool sign);
  void push();
  void pop();
  void branch(OpBranch kind, Op op, Handler h);
  void near_branch();
  void relative();
  void jump_or_call(bool is_call);
  void far_branch(Op op, Handler h);
  void string(Op op, StringOp s);
  u64 cleared_registers(StringOp s) const;
  // One operand, register or memory.
  void either(Op op, Handler if_reg, Handler if_mem, unsigned loads, unsigned stores, bool is_system);

  const ZydisDecodedInstruction& i_;
  const ZydisDecodedOperand* o_;
  const Features& features_;
  const bool amd_;
  DecodedInstruction& to_;
  MicroOp& op_;
  unsigned mode_;
  bool integer_ = true;  // no other table was asked
};

}  // namespace pmusim::core
