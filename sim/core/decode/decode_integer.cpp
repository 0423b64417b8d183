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
    case ZYDIS_MNEMONIC_ADD: return binary(Op::ADD, Binary::Add);
    case ZYDIS_MNEMONIC_OR: return binary(Op::OR, Binary::Or);
    case ZYDIS_MNEMONIC_ADC: return binary(Op::ADC, Binary::Adc);
    case ZYDIS_MNEMONIC_SBB: return binary(Op::SBB, Binary::Sbb);
    case ZYDIS_MNEMONIC_AND: return binary(Op::AND, Binary::And);
    case ZYDIS_MNEMONIC_SUB: return binary(Op::SUB, Binary::Sub);
    case ZYDIS_MNEMONIC_XOR: return binary(Op::XOR, Binary::Xor);
    case ZYDIS_MNEMONIC_CMP: return binary(Op::CMP, Binary::Cmp);
    case ZYDIS_MNEMONIC_TEST: return binary(Op::TEST, Binary::Test);
    case ZYDIS_MNEMONIC_INC: return unary(Op::INC, Unary::Inc);
    case ZYDIS_MNEMONIC_DEC: return unary(Op::DEC, Unary::Dec);
    case ZYDIS_MNEMONIC_NEG: return unary(Op::NEG, Unary::Neg);
    case ZYDIS_MNEMONIC_NOT: return unary(Op::NOT, Unary::Not);
    case ZYDIS_MNEMONIC_ROL: return shift(Op::ROL, Shift::Rol);
    case ZYDIS_MNEMONIC_ROR: return shift(Op::ROR, Shift::Ror);
    case ZYDIS_MNEMONIC_RCL: return shift(Op::RCL, Shift::Rcl);
    case ZYDIS_MNEMONIC_RCR: return shift(Op::RCR, Shift::Rcr);
    case ZYDIS_MNEMONIC_SHL: return shift(Op::SHL, Shift::Shl);
    case ZYDIS_MNEMONIC_SHR: return shift(Op::SHR, Shift::Shr);
    case ZYDIS_MNEMONIC_SAR: return shift(Op::SAR, Shift::Sar);
    case ZYDIS_MNEMONIC_SHLD: return double_shift(Op::SHLD, true);
    case ZYDIS_MNEMONIC_SHRD: return double_shift(Op::SHRD, false);
    case ZYDIS_MNEMONIC_BT: return bit(Op::BT, BitOp::Test);
    case ZYDIS_MNEMONIC_BTS: return bit(Op::BTS, BitOp::Set);
    case ZYDIS_MNEMONIC_BTR: return bit(Op::BTR, BitOp::Reset);
    case ZYDIS_MNEMONIC_BTC: return bit(Op::BTC, BitOp::Complement);
    case ZYDIS_MNEMONIC_BSF: return scan(Op::BSF, Scan::Bsf);
    case ZYDIS_MNEMONIC_BSR: return scan(Op::BSR, Scan::Bsr);
    case ZYDIS_MNEMONIC_TZCNT: return scan(Op::TZCNT, Scan::Tzcnt);
    case ZYDIS_MNEMONIC_LZCNT: return scan(Op::LZCNT, Scan::Lzcnt);
    case ZYDIS_MNEMONIC_POPCNT: if (lacks(Feature::Popcnt)) return; return scan(Op::POPCNT, Scan::Popcnt);
    case ZYDIS_MNEMONIC_ANDN: return bmi(Op::ANDN, Bmi::Andn, Feature::Bmi1);
    case ZYDIS_MNEMONIC_BEXTR: return bmi(Op::BEXTR, Bmi::Bextr, Feature::Bmi1);
    case ZYDIS_MNEMONIC_BLSI: return lowest_bit(Op::BLSI, LowestBit::Isolate);
    case ZYDIS_MNEMONIC_BLSMSK: return lowest_bit(Op::BLSMSK, LowestBit::Mask);
    case ZYDIS_MNEMONIC_BLSR: return lowest_bit(Op::BLSR, LowestBit::Reset);
    case ZYDIS_MNEMONIC_BZHI: return bmi(Op::BZHI, Bmi::Bzhi, Feature::Bmi2);
    case ZYDIS_MNEMONIC_PDEP: return bmi(Op::PDEP, Bmi::Pdep, Feature::Bmi2);
    case ZYDIS_MNEMONIC_PEXT: return bmi(Op::PEXT, Bmi::Pext, Feature::Bmi2);
    case ZYDIS_MNEMONIC_SARX: return bmi(Op::SARX, Bmi::Sarx, Feature::Bmi2);
    case ZYDIS_MNEMONIC_SHLX: return bmi(Op::SHLX, Bmi::Shlx, Feature::Bmi2);
    case ZYDIS_MNEMONIC_SHRX: return bmi(Op::SHRX, Bmi::Shrx, Feature::Bmi2);
    case ZYDIS_MNEMONIC_RORX: return bmi(Op::RORX, Bmi::Rorx, Feature::Bmi2);
    case ZYDIS_MNEMONIC_MULX: return bmi(Op::MULX, Bmi::Mulx, Feature::Bmi2);
    case ZYDIS_MNEMONIC_ADCX: return add_flag(Op::ADCX, false);
    case ZYDIS_MNEMONIC_ADOX: return add_flag(Op::ADOX, true);
    case ZYDIS_MNEMONIC_MUL: return multiply(Op::MUL, Multiply::Mul);
    case ZYDIS_MNEMONIC_IMUL: return multiply(Op::IMUL, Multiply::Imul);
    case ZYDIS_MNEMONIC_DIV: return multiply(Op::DIV, Multiply::Div);
    case ZYDIS_MNEMONIC_IDIV: return multiply(Op::IDIV, Multiply::Idiv);

    case ZYDIS_MNEMONIC_MOV: return move();
    case ZYDIS_MNEMONIC_MOVZX: return extend(Op::MOVZX, false);
    case ZYDIS_MNEMONIC_MOVSX: case ZYDIS_MNEMONIC_MOVSXD:
      if (bytes(0) == bytes(1)) return move();  // MOVSXD with a 16- or 32-bit destination
      // MOVSXD with a 16-bit destination reads 16 bits on Intel, 32 on AMD; Zydis knows AMD's.
      if (!amd_ && bytes(0) == 2 && bytes(1) == 4) {
        op_.dst = reg(o_[0]);
        if (is_mem(1)) memory(1, 1, 0, 2); else op_.src = reg(o_[1]);
        return use(Op::MOV, select_move(is_mem(1) ? Form::RegMem : Form::RegReg, op_.size));
      }
      return extend(Op::MOVSX, true);
    case ZYDIS_MNEMONIC_MOVBE:
      if (lacks(Feature::Movbe)) return;
      op_.size = static_cast<u8>(bytes(0));
      if (is_mem(0)) op_.src = reg(o_[1]); else op_.dst = reg(o_[0]);
      if (is_mem(0)) memory(0, 0, 1); else memory(1, 1, 0);
      return use(Op::MOVBE, select_movbe(is_mem(0), op_.size));
    case ZYDIS_MNEMONIC_LEA:
      op_.size = static_cast<u8>(bytes(0));
      op_.dst = reg(o_[0]);
      memory(1, 0, 0);
      return use(Op::LEA, op::lea);
    case ZYDIS_MNEMONIC_XCHG:
      op_.size = static_cast<u8>(bytes(0));
      if (is_mem(0) || is_mem(1)) {
        memory(is_mem(0) ? 0 : 1, 1, 1);
        op_.src = reg(o_[is_mem(0) ? 1 : 0]);
        op_.access |= kAccessLocked;
        return use(Op::XCHG, select_exchange(true, op_.size));
      }
      op_.dst = reg(o_[0]);
      op_.src = reg(o_[1]);
      return use(Op::XCHG, select_exchange(false, op_.size));
    case ZYDIS_MNEMONIC_CMPXCHG: case ZYDIS_MNEMONIC_XADD: {
      op_.size = static_cast<u8>(bytes(0));
      if (is_mem(0)) memory(0, 1, 1); else op_.dst = reg(o_[0]);
      op_.src = reg(o_[1]);
      mark(kOpWritesAll);
      return i_.mnemonic == ZYDIS_MNEMONIC_XADD ? use(Op::XADD, select_xadd(is_mem(0), op_.size))
                                                : use(Op::CMPXCHG, select_cmpxchg(is_mem(0), op_.size));
    }
    case ZYDIS_MNEMONIC_CMPXCHG8B: memory(0, 1, 1); return use(Op::CMPXCHG8B, op::cmpxchg8b);
    case ZYDIS_MNEMONIC_CMPXCHG16B: if (lacks(Feature::Cx16)) return; memory(0, 1, 1); return use(Op::CMPXCHG16B, op::cmpxchg16b);
    case ZYDIS_MNEMONIC_BSWAP: op_.dst = reg(o_[0]); op_.size = static_cast<u8>(bytes(0)); return use(Op::BSWAP, op::bswap);
    case ZYDIS_MNEMONIC_XLAT:
      implicit(1, 0);
      for (unsigned n = 0; n < i_.operand_count; ++n)
        if (o_[n].type == ZYDIS_OPERAND_TYPE_MEMORY)
          op_.seg = static_cast<u8>(ZydisRegisterGetId(o_[n].mem.segment));
      return use(Op::XLAT, op::xlat);

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
      return use(Op::CMOVCC, select_cmov(is_mem(1), op_.size));
    case ZYDIS_MNEMONIC_SETB: case ZYDIS_MNEMONIC_SETBE: case ZYDIS_MNEMONIC_SETL: case ZYDIS_MNEMONIC_SETLE:
    case ZYDIS_MNEMONIC_SETNB: case ZYDIS_MNEMONIC_SETNBE: case ZYDIS_MNEMONIC_SETNL: case ZYDIS_MNEMONIC_SETNLE:
    case ZYDIS_MNEMONIC_SETNO: case ZYDIS_MNEMONIC_SETNP: case ZYDIS_MNEMONIC_SETNS: case ZYDIS_MNEMONIC_SETNZ:
    case ZYDIS_MNEMONIC_SETO: case ZYDIS_MNEMONIC_SETP: case ZYDIS_MNEMONIC_SETS: case ZYDIS_MNEMONIC_SETZ:
      op_.aux = static_cast<u8>(condition_code(i_));
      mark(kOpReadsFlags);
      if (is_mem(0)) {
        memory(0, 0, 1);
        return use(Op::SETCC, op::setcc_mem);
      }
      op_.dst = reg(o_[0]);
      return use(Op::SETCC, op::setcc_reg);
    case ZYDIS_MNEMONIC_JB: case ZYDIS_MNEMONIC_JBE: case ZYDIS_MNEMONIC_JL: case ZYDIS_MNEMONIC_JLE:
    case ZYDIS_MNEMONIC_JNB: case ZYDIS_MNEMONIC_JNBE: case ZYDIS_MNEMONIC_JNL: case ZYDIS_MNEMONIC_JNLE:
    case ZYDIS_MNEMONIC_JNO: case ZYDIS_MNEMONIC_JNP: case ZYDIS_MNEMONIC_JNS: case ZYDIS_MNEMONIC_JNZ:
    case ZYDIS_MNEMONIC_JO: case ZYDIS_MNEMONIC_JP: case ZYDIS_MNEMONIC_JS: case ZYDIS_MNEMONIC_JZ:
      op_.aux = static_cast<u8>(condition_code(i_));
      mark(kOpReadsFlags);
      relative();
      return branch(OpBranch::Conditional, Op::JCC, mode_ == 8 ? op::jcc : op::jcc_limited);
    case ZYDIS_MNEMONIC_LOOPNE: case ZYDIS_MNEMONIC_LOOPE: case ZYDIS_MNEMONIC_LOOP:
      op_.aux = i_.mnemonic == ZYDIS_MNEMONIC_LOOP ? 2 : i_.mnemonic == ZYDIS_MNEMONIC_LOOPE ? 1 : 0;
      relative();
      return branch(OpBranch::Conditional, Op::LOOP, op::loop);
    case ZYDIS_MNEMONIC_JCXZ: case ZYDIS_MNEMONIC_JECXZ: case ZYDIS_MNEMONIC_JRCXZ:
      relative();
      return branch(OpBranch::Conditional, Op::JRCXZ, op::jrcxz);
    case ZYDIS_MNEMONIC_JMP: return jump_or_call(false);
    case ZYDIS_MNEMONIC_CALL: return jump_or_call(true);
    case ZYDIS_MNEMONIC_RET:
      if (is_imm(0)) immediate(0);
      if (i_.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) {
        implicit(2, 0);
        return far_branch(Op::RET_FAR, op::ret_far);
      }
      near_branch();
      implicit(1, 0);
      return branch(OpBranch::Return, Op::RET, op::ret);
    case ZYDIS_MNEMONIC_IRET: op_.size = 2; implicit(3, 0); return far_branch(Op::IRET, op::iret);
    case ZYDIS_MNEMONIC_IRETD: op_.size = 4; implicit(mode_ == 8 ? 5 : 3, 0); return far_branch(Op::IRET, op::iret);
    case ZYDIS_MNEMONIC_IRETQ: op_.size = 8; implicit(5, 0); return far_branch(Op::IRET, op::iret);
    case ZYDIS_MNEMONIC_INT:
      immediate(0);
      op_.imm &= 0xff;
      mark(kOpSoftInterrupt);
      implicit(0, mode_ == 8 ? 5 : 3);
      return far_branch(Op::INT, op::int_n);
    case ZYDIS_MNEMONIC_INT3: mark(kOpSoftInterrupt); implicit(0, mode_ == 8 ? 5 : 3); return far_branch(Op::INT3, op::int3);
    case ZYDIS_MNEMONIC_INT1: mark(kOpSoftInterrupt); implicit(0, mode_ == 8 ? 5 : 3); return far_branch(Op::INT1, op::int1);
    case ZYDIS_MNEMONIC_INTO: mark(kOpReadsFlags | kOpSetsRip); return system(Op::INTO, op::into);
    case ZYDIS_MNEMONIC_BOUND:
      op_.size = static_cast<u8>(bytes(0));
      op_.dst = reg(o_[0]);
      memory(1, 2, 0);
      return use(Op::BOUND, op::bound);
    case ZYDIS_MNEMONIC_SYSENTER: if (lacks(Feature::Sep)) return; return far_branch(Op::SYSENTER, op::sysenter);
    case ZYDIS_MNEMONIC_SYSEXIT: if (lacks(Feature::Sep)) return; return far_branch(Op::SYSEXIT, op::sysexit);
    case ZYDIS_MNEMONIC_SYSCALL: return far_branch(Op::SYSCALL, op::syscall);
    case ZYDIS_MNEMONIC_SYSRET: return far_branch(Op::SYSRET, op::sysret);

    case ZYDIS_MNEMONIC_PUSH: return push();
    case ZYDIS_MNEMONIC_POP: return pop();
    case ZYDIS_MNEMONIC_PUSHF: case ZYDIS_MNEMONIC_PUSHFD: case ZYDIS_MNEMONIC_PUSHFQ:
      implicit(0, 1);
      return use(Op::PUSHF, op::pushf);
    case ZYDIS_MNEMONIC_POPF: case ZYDIS_MNEMONIC_POPFD: case ZYDIS_MNEMONIC_POPFQ:
      implicit(1, 0);
      return system(Op::POPF, op::popf);
    case ZYDIS_MNEMONIC_PUSHA: case ZYDIS_MNEMONIC_PUSHAD: implicit(0, 8); return use(Op::PUSHA, op::pusha);
    case ZYDIS_MNEMONIC_POPA: case ZYDIS_MNEMONIC_POPAD: implicit(8, 0); return use(Op::POPA, op::popa);
    case ZYDIS_MNEMONIC_ENTER: {
      immediate(0);
      op_.imm &= 0xffff;
      op_.aux = static_cast<u8>(o_[1].imm.value.u & 31);
      if (mode_ == 8 && op_.size == 4) op_.size = 8;
      implicit(op_.aux > 1 ? op_.aux - 1u : 0u, 1u + op_.aux);
      return use(Op::ENTER, op::enter);
    }
    case ZYDIS_MNEMONIC_LEAVE:
      if (mode_ == 8 && op_.size == 4) op_.size = 8;
      implicit(1, 0);
      return use(Op::LEAVE, op::leave);

    case ZYDIS_MNEMONIC_CBW: op_.size = 2; return use(Op::CONVERT_ACCUMULATOR, op::convert_accumulator);
    case ZYDIS_MNEMONIC_CWDE: op_.size = 4; return use(Op::CONVERT_ACCUMULATOR, op::convert_accumulator);
    case ZYDIS_MNEMONIC_CDQE: op_.size = 8; return use(Op::CONVERT_ACCUMULATOR, op::convert_accumulator);
    case ZYDIS_MNEMONIC_CWD: op_.size = 2; return use(Op::CONVERT_DOUBLE, op::convert_double);
    case ZYDIS_MNEMONIC_CDQ: op_.size = 4; return use(Op::CONVERT_DOUBLE, op::convert_double);
    case ZYDIS_MNEMONIC_CQO: op_.size = 8; return use(Op::CONVERT_DOUBLE, op::convert_double);
    case ZYDIS_MNEMONIC_AAA: case ZYDIS_MNEMONIC_AAS:
      op_.aux = i_.mnemonic == ZYDIS_MNEMONIC_AAS;
      mark(kOpReadsFlags);
      return use(Op::ASCII_ADJUST, op::ascii_adjust);
    case ZYDIS_MNEMONIC_DAA: case ZYDIS_MNEMONIC_DAS:
      op_.aux = i_.mnemonic == ZYDIS_MNEMONIC_DAS;
      mark(kOpReadsFlags);
      return use(Op::DECIMAL_ADJUST, op::decimal_adjust);
    case ZYDIS_MNEMONIC_AAM: immediate(0); return exact(Op::AAM, op::ascii_multiply);
    case ZYDIS_MNEMONIC_AAD: immediate(0); return exact(Op::AAD, op::ascii_divide);
    case ZYDIS_MNEMONIC_LAHF: if (mode_ == 8 && lacks(Feature::Lahf64)) return; mark(kOpReadsFlags); return use(Op::LAHF, op::lahf);
    case ZYDIS_MNEMONIC_SAHF: if (mode_ == 8 && lacks(Feature::Lahf64)) return; return use(Op::SAHF, op::sahf);
    case ZYDIS_MNEMONIC_CLC: return use(Op::CLC, op::clc);
    case ZYDIS_MNEMONIC_STC: return use(Op::STC, op::stc);
    case ZYDIS_MNEMONIC_CMC: mark(kOpReadsFlags); return use(Op::CMC, op::cmc);
    case ZYDIS_MNEMONIC_CLD: return use(Op::CLD, op::cld);
    case ZYDIS_MNEMONIC_STD: return use(Op::STD, op::std_);

    case ZYDIS_MNEMONIC_MOVSB: case ZYDIS_MNEMONIC_MOVSW: case ZYDIS_MNEMONIC_MOVSQ: return string(Op::MOVS, StringOp::Movs);
    case ZYDIS_MNEMONIC_CMPSB: case ZYDIS_MNEMONIC_CMPSW: case ZYDIS_MNEMONIC_CMPSQ: return string(Op::CMPS, StringOp::Cmps);
    case ZYDIS_MNEMONIC_STOSB: case ZYDIS_MNEMONIC_STOSW: case ZYDIS_MNEMONIC_STOSD:
    case ZYDIS_MNEMONIC_STOSQ: return string(Op::STOS, StringOp::Stos);
    case ZYDIS_MNEMONIC_LODSB: case ZYDIS_MNEMONIC_LODSW: case ZYDIS_MNEMONIC_LODSD:
    case ZYDIS_MNEMONIC_LODSQ: return string(Op::LODS, StringOp::Lods);
    case ZYDIS_MNEMONIC_SCASB: case ZYDIS_MNEMONIC_SCASW: case ZYDIS_MNEMONIC_SCASD:
    case ZYDIS_MNEMONIC_SCASQ: return string(Op::SCAS, StringOp::Scas);
    case ZYDIS_MNEMONIC_INSB: case ZYDIS_MNEMONIC_INSW: case ZYDIS_MNEMONIC_INSD: return string(Op::INS, StringOp::Ins);
    case ZYDIS_MNEMONIC_OUTSB: case ZYDIS_MNEMONIC_OUTSW: case ZYDIS_MNEMONIC_OUTSD: return string(Op::OUTS, StringOp::Outs);
    case ZYDIS_MNEMONIC_MOVSD:  // also an SSE instruction
      if (i_.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY && i_.opcode == 0xa5) return string(Op::MOVS, StringOp::Movs);
      break;
    case ZYDIS_MNEMONIC_CMPSD:
      if (i_.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY && i_.opcode == 0xa7) return string(Op::CMPS, StringOp::Cmps);
      break;
    default: break;
  }
  system_table();
}
// clang-format on

}  // namespace pmusim::core
