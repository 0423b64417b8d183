// SPDX-License-Identifier: Apache-2.0
// Integer instructions: arithmetic, moves, branches, stack, strings.
#include "core/decode/lowering.h"

namespace pmusim::core {
namespace {

// Condition code by mnemonic, for Jcc, CMOVcc and SETcc: the low four bits of their opcode.
unsigned condition_code(const ZydisDecodedInstruction& i) {
  return i.opcode & 15;
}

}  // namespace

// clang-format off
void Lowering::integer_table() {
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
    case ZYDIS_MNEMONIC_POPCNT: if (lacks(Feature::Popcnt)) return; return scan(Scan::Popcnt);
    case ZYDIS_MNEMONIC_ANDN: return bmi(Bmi::Andn, Feature::Bmi1);
    case ZYDIS_MNEMONIC_BEXTR: return bmi(Bmi::Bextr, Feature::Bmi1);
    case ZYDIS_MNEMONIC_BLSI: return lowest_bit(LowestBit::Isolate);
    case ZYDIS_MNEMONIC_BLSMSK: return lowest_bit(LowestBit::Mask);
    case ZYDIS_MNEMONIC_BLSR: return lowest_bit(LowestBit::Reset);
    case ZYDIS_MNEMONIC_BZHI: return bmi(Bmi::Bzhi, Feature::Bmi2);
    case ZYDIS_MNEMONIC_PDEP: return bmi(Bmi::Pdep, Feature::Bmi2);
    case ZYDIS_MNEMONIC_PEXT: return bmi(Bmi::Pext, Feature::Bmi2);
    case ZYDIS_MNEMONIC_SARX: return bmi(Bmi::Sarx, Feature::Bmi2);
    case ZYDIS_MNEMONIC_SHLX: return bmi(Bmi::Shlx, Feature::Bmi2);
    case ZYDIS_MNEMONIC_SHRX: return bmi(Bmi::Shrx, Feature::Bmi2);
    case ZYDIS_MNEMONIC_RORX: return bmi(Bmi::Rorx, Feature::Bmi2);
    case ZYDIS_MNEMONIC_MULX: return bmi(Bmi::Mulx, Feature::Bmi2);
    case ZYDIS_MNEMONIC_ADCX: case ZYDIS_MNEMONIC_ADOX:
      if (lacks(Feature::Adx)) return;
      register_source(1);
      mark(kOpReadsFlags);
      return use(select_add_flag(i_.mnemonic == ZYDIS_MNEMONIC_ADOX, is_mem(1), op_.size));
    case ZYDIS_MNEMONIC_MUL: return multiply(Multiply::Mul);
    case ZYDIS_MNEMONIC_IMUL: return multiply(Multiply::Imul);
    case ZYDIS_MNEMONIC_DIV: return multiply(Multiply::Div);
    case ZYDIS_MNEMONIC_IDIV: return multiply(Multiply::Idiv);

    case ZYDIS_MNEMONIC_MOV: return move();
    case ZYDIS_MNEMONIC_MOVZX: return extend(false);
    case ZYDIS_MNEMONIC_MOVSX: case ZYDIS_MNEMONIC_MOVSXD:
      if (bytes(0) == bytes(1)) return move();  // MOVSXD with a 16- or 32-bit destination
      // MOVSXD with a 16-bit destination reads 16 bits on Intel, 32 on AMD; Zydis knows AMD's.
      if (!amd_ && bytes(0) == 2 && bytes(1) == 4) {
        op_.dst = reg(o_[0]);
        if (is_mem(1)) memory(1, 1, 0, 2); else op_.src = reg(o_[1]);
        return use(select_move(is_mem(1) ? Form::RegMem : Form::RegReg, op_.size));
      }
      return extend(true);
    case ZYDIS_MNEMONIC_MOVBE:
      if (lacks(Feature::Movbe)) return;
      op_.size = static_cast<u8>(bytes(0));
      if (is_mem(0)) op_.src = reg(o_[1]); else op_.dst = reg(o_[0]);
      if (is_mem(0)) memory(0, 0, 1); else memory(1, 1, 0);
      return use(select_movbe(is_mem(0), op_.size));
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
        op_.access |= kAccessLocked;
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
    case ZYDIS_MNEMONIC_CMPXCHG16B: if (lacks(Feature::Cx16)) return; memory(0, 1, 1); return use(op::cmpxchg16b);
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
      return branch(OpBranch::Conditional, mode_ == 8 ? op::jcc : op::jcc_limited);
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
      near_branch();
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
    case ZYDIS_MNEMONIC_BOUND:
      op_.size = static_cast<u8>(bytes(0));
      op_.dst = reg(o_[0]);
      memory(1, 2, 0);
      return use(op::bound);
    case ZYDIS_MNEMONIC_SYSENTER: if (lacks(Feature::Sep)) return; return far_branch(op::sysenter);
    case ZYDIS_MNEMONIC_SYSEXIT: if (lacks(Feature::Sep)) return; return far_branch(op::sysexit);
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
    case ZYDIS_MNEMONIC_AAA: case ZYDIS_MNEMONIC_AAS:
      op_.aux = i_.mnemonic == ZYDIS_MNEMONIC_AAS;
      mark(kOpReadsFlags);
      return use(op::ascii_adjust);
    case ZYDIS_MNEMONIC_DAA: case ZYDIS_MNEMONIC_DAS:
      op_.aux = i_.mnemonic == ZYDIS_MNEMONIC_DAS;
      mark(kOpReadsFlags);
      return use(op::decimal_adjust);
    case ZYDIS_MNEMONIC_AAM: immediate(0); return exact(op::ascii_multiply);
    case ZYDIS_MNEMONIC_AAD: immediate(0); return exact(op::ascii_divide);
    case ZYDIS_MNEMONIC_LAHF: if (mode_ == 8 && lacks(Feature::Lahf64)) return; mark(kOpReadsFlags); return use(op::lahf);
    case ZYDIS_MNEMONIC_SAHF: if (mode_ == 8 && lacks(Feature::Lahf64)) return; return use(op::sahf);
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
    default: break;
  }
  system_table();
}
// clang-format on

}  // namespace pmusim::core
