// SPDX-License-Identifier: Apache-2.0
// What timing needs of an instruction, by its class: micro-ops, ports, latencies, registers and flags.
#include "core/decode/lowering.h"

namespace pmusim::core {
namespace {

OpClass kind_of(ZydisMnemonic m, unsigned width) {
  // clang-format off
  switch (m) {
    case ZYDIS_MNEMONIC_NOP: case ZYDIS_MNEMONIC_ENDBR64: case ZYDIS_MNEMONIC_ENDBR32:
    case ZYDIS_MNEMONIC_PREFETCH: case ZYDIS_MNEMONIC_PREFETCHNTA: case ZYDIS_MNEMONIC_PREFETCHT0:
    case ZYDIS_MNEMONIC_PREFETCHT1: case ZYDIS_MNEMONIC_PREFETCHT2: case ZYDIS_MNEMONIC_PREFETCHW:
      return OpClass::None;
    case ZYDIS_MNEMONIC_MUL: case ZYDIS_MNEMONIC_IMUL: case ZYDIS_MNEMONIC_POPCNT: case ZYDIS_MNEMONIC_BSF:
    case ZYDIS_MNEMONIC_BSR: case ZYDIS_MNEMONIC_LZCNT: case ZYDIS_MNEMONIC_TZCNT:
      return OpClass::Multiply;
    case ZYDIS_MNEMONIC_DIV: case ZYDIS_MNEMONIC_IDIV:
      return width == 64 ? OpClass::Divide64 : OpClass::Divide;
    case ZYDIS_MNEMONIC_ADDPS: case ZYDIS_MNEMONIC_ADDPD: case ZYDIS_MNEMONIC_ADDSS: case ZYDIS_MNEMONIC_ADDSD:
    case ZYDIS_MNEMONIC_SUBPS: case ZYDIS_MNEMONIC_SUBPD: case ZYDIS_MNEMONIC_SUBSS: case ZYDIS_MNEMONIC_SUBSD:
    case ZYDIS_MNEMONIC_MINPS: case ZYDIS_MNEMONIC_MINPD: case ZYDIS_MNEMONIC_MINSS: case ZYDIS_MNEMONIC_MINSD:
    case ZYDIS_MNEMONIC_MAXPS: case ZYDIS_MNEMONIC_MAXPD: case ZYDIS_MNEMONIC_MAXSS: case ZYDIS_MNEMONIC_MAXSD:
    case ZYDIS_MNEMONIC_CMPPS: case ZYDIS_MNEMONIC_CMPPD: case ZYDIS_MNEMONIC_CMPSS:
    case ZYDIS_MNEMONIC_COMISS: case ZYDIS_MNEMONIC_COMISD: case ZYDIS_MNEMONIC_UCOMISS: case ZYDIS_MNEMONIC_UCOMISD:
    case ZYDIS_MNEMONIC_CVTDQ2PD: case ZYDIS_MNEMONIC_CVTDQ2PS: case ZYDIS_MNEMONIC_CVTPD2DQ:
    case ZYDIS_MNEMONIC_CVTPD2PS: case ZYDIS_MNEMONIC_CVTPS2DQ: case ZYDIS_MNEMONIC_CVTPS2PD:
    case ZYDIS_MNEMONIC_CVTSD2SS: case ZYDIS_MNEMONIC_CVTSS2SD: case ZYDIS_MNEMONIC_CVTTPD2DQ:
    case ZYDIS_MNEMONIC_CVTTPS2DQ:
    case ZYDIS_MNEMONIC_FADD: case ZYDIS_MNEMONIC_FADDP: case ZYDIS_MNEMONIC_FIADD: case ZYDIS_MNEMONIC_FSUB:
    case ZYDIS_MNEMONIC_FSUBP: case ZYDIS_MNEMONIC_FSUBR: case ZYDIS_MNEMONIC_FSUBRP: case ZYDIS_MNEMONIC_FISUB:
    case ZYDIS_MNEMONIC_FISUBR:
      return OpClass::FpAdd;
    case ZYDIS_MNEMONIC_MULPS: case ZYDIS_MNEMONIC_MULPD: case ZYDIS_MNEMONIC_MULSS: case ZYDIS_MNEMONIC_MULSD:
    case ZYDIS_MNEMONIC_PMULUDQ: case ZYDIS_MNEMONIC_PMULLW: case ZYDIS_MNEMONIC_PMULHW: case ZYDIS_MNEMONIC_PMULHUW:
    case ZYDIS_MNEMONIC_PMADDWD: case ZYDIS_MNEMONIC_PSADBW:
    case ZYDIS_MNEMONIC_FMUL: case ZYDIS_MNEMONIC_FMULP: case ZYDIS_MNEMONIC_FIMUL:
      return OpClass::FpMultiply;
    case ZYDIS_MNEMONIC_DIVPS: case ZYDIS_MNEMONIC_DIVPD: case ZYDIS_MNEMONIC_DIVSS: case ZYDIS_MNEMONIC_DIVSD:
    case ZYDIS_MNEMONIC_FDIV: case ZYDIS_MNEMONIC_FDIVP: case ZYDIS_MNEMONIC_FDIVR: case ZYDIS_MNEMONIC_FDIVRP:
    case ZYDIS_MNEMONIC_FIDIV: case ZYDIS_MNEMONIC_FIDIVR:
      return OpClass::FpDivide;
    case ZYDIS_MNEMONIC_SQRTPS: case ZYDIS_MNEMONIC_SQRTPD: case ZYDIS_MNEMONIC_SQRTSS: case ZYDIS_MNEMONIC_SQRTSD:
    case ZYDIS_MNEMONIC_FSQRT:
      return OpClass::FpSqrt;
    case ZYDIS_MNEMONIC_CVTSI2SD: case ZYDIS_MNEMONIC_CVTSI2SS: case ZYDIS_MNEMONIC_CVTSD2SI:
    case ZYDIS_MNEMONIC_CVTSS2SI: case ZYDIS_MNEMONIC_CVTTSD2SI: case ZYDIS_MNEMONIC_CVTTSS2SI:
    case ZYDIS_MNEMONIC_PMOVMSKB: case ZYDIS_MNEMONIC_MOVMSKPS: case ZYDIS_MNEMONIC_MOVMSKPD:
    case ZYDIS_MNEMONIC_PEXTRW: case ZYDIS_MNEMONIC_PINSRW:
      return OpClass::VectorMove;
    case ZYDIS_MNEMONIC_MOV: case ZYDIS_MNEMONIC_MOVZX: case ZYDIS_MNEMONIC_PUSH: case ZYDIS_MNEMONIC_POP:
    case ZYDIS_MNEMONIC_CALL: case ZYDIS_MNEMONIC_RET: case ZYDIS_MNEMONIC_MOVSB: case ZYDIS_MNEMONIC_MOVSW:
    case ZYDIS_MNEMONIC_MOVSQ: case ZYDIS_MNEMONIC_STOSB: case ZYDIS_MNEMONIC_STOSW: case ZYDIS_MNEMONIC_STOSD:
    case ZYDIS_MNEMONIC_STOSQ: case ZYDIS_MNEMONIC_MOVSD: case ZYDIS_MNEMONIC_MOVSS: case ZYDIS_MNEMONIC_MOVD:
    case ZYDIS_MNEMONIC_MOVQ: case ZYDIS_MNEMONIC_MOVAPS: case ZYDIS_MNEMONIC_MOVAPD: case ZYDIS_MNEMONIC_MOVUPS:
    case ZYDIS_MNEMONIC_MOVUPD: case ZYDIS_MNEMONIC_MOVDQA: case ZYDIS_MNEMONIC_MOVDQU: case ZYDIS_MNEMONIC_MOVNTI:
    case ZYDIS_MNEMONIC_MOVNTDQ: case ZYDIS_MNEMONIC_MOVNTPS: case ZYDIS_MNEMONIC_MOVNTPD:
      return OpClass::Move;
    default:
      return OpClass::Alu;
  }
  // clang-format on
}

// Those that Intel's macro-fusion and AMD's branch fusion have in common; conditions are not looked at.
bool fuses(ZydisMnemonic m) {
  return m == ZYDIS_MNEMONIC_CMP || m == ZYDIS_MNEMONIC_TEST || m == ZYDIS_MNEMONIC_ADD ||
         m == ZYDIS_MNEMONIC_SUB || m == ZYDIS_MNEMONIC_AND || m == ZYDIS_MNEMONIC_INC ||
         m == ZYDIS_MNEMONIC_DEC;
}

bool is_vector(ZydisRegisterClass c) {
  return c == ZYDIS_REGCLASS_XMM || c == ZYDIS_REGCLASS_YMM || c == ZYDIS_REGCLASS_ZMM;
}

// The set's bit of a register; 0 for those that have no part in timing (segments, RIP, control registers).
RegisterSet bit_of(ZydisRegister r, ZydisMachineMode mode) {
  const ZydisRegisterClass c = ZydisRegisterGetClass(r);
  switch (c) {
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64: {
      const ZyanI8 id = ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(mode, r));
      return id >= 0 && id < 16 ? register_bit(static_cast<unsigned>(id)) : 0;
    }
    case ZYDIS_REGCLASS_FLAGS:
      return register_bit(kFlagsRegister);
    case ZYDIS_REGCLASS_X87:
    case ZYDIS_REGCLASS_MMX:
      return register_bit(kX87Register);
    default:
      if (is_vector(c))
        return register_bit(kVectorRegister + static_cast<unsigned>(ZydisRegisterGetId(r)) % 16);
      return 0;
  }
}

u8 bytes_of(const ZydisDecodedOperand& o) {
  const unsigned bytes = o.size / 8u;
  return static_cast<u8>(bytes > 64 ? 64 : bytes);
}

// Whether all are in the list; the rest of it is filled up.
template <unsigned N>
bool make_list(RegisterSet set, u8 (&list)[N], u8 filler) {
  for (u8& entry : list) {
    entry = set ? static_cast<u8>(__builtin_ctzll(set)) : filler;
    set &= set - 1;
  }
  return !set;
}

}  // namespace

void Lowering::timing(TimingOp& t) {
  constexpr auto reads = ZYDIS_OPERAND_ACTION_MASK_READ, conditional = ZYDIS_OPERAND_ACTION_CONDWRITE,
                 writes = ZYDIS_OPERAND_ACTION_MASK_WRITE;
  bool general = false, stack = false;
  for (unsigned n = 0; n < i_.operand_count; ++n) {
    const ZydisDecodedOperand& o = o_[n];
    if (o.type == ZYDIS_OPERAND_TYPE_REGISTER) {
      const RegisterSet bit = bit_of(o.reg.value, i_.machine_mode);
      const bool is_general = bit && bit < register_bit(kFlagsRegister);
      const bool partial = is_general && o.size < 32;
      if (bit >= register_bit(kVectorRegister)) t.vector = true;
      general |= is_general;
      if (o.actions & (reads | conditional) || (partial && o.actions & writes)) t.sources |= bit;
      if (o.actions & writes) t.destinations |= bit;
    } else if (o.type == ZYDIS_OPERAND_TYPE_MEMORY) {
      const RegisterSet address = bit_of(o.mem.base, i_.machine_mode) | bit_of(o.mem.index, i_.machine_mode);
      if (o.mem.type == ZYDIS_MEMOP_TYPE_AGEN) {
        t.sources |= address;
        continue;
      }
      t.address = static_cast<u16>(t.address | address);
      const bool load = o.actions & reads, store = o.actions & writes;
      unsigned access = 0;
      if (o.visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT)
        access = (load ? unsigned{kLoadOperand} : 0u) | (store ? unsigned{kStoreOperand} : 0u);
      else if (address == register_bit(RSP))
        access = (load ? unsigned{kPopStack} : 0u) | (store ? unsigned{kPushStack} : 0u), stack = true;
      else if (address == register_bit(RSI))
        access = load ? unsigned{kLoadSource} : 0u;
      else if (address == register_bit(RDI))
        access = (load ? unsigned{kLoadDestination} : 0u) | (store ? unsigned{kStoreDestination} : 0u);
      t.accesses = static_cast<u8>(t.accesses | access);
      if (load) t.load_size = bytes_of(o);
      if (store) t.store_size = bytes_of(o);
    }
  }
  // The stack engine keeps RSP out of the dependences of PUSH, POP, CALL and RET.
  if (stack) {
    t.sources &= ~register_bit(RSP);
    t.destinations &= ~register_bit(RSP);
  }
  t.kind = kind_of(i_.mnemonic, i_.operand_width);
  if (fuses(i_.mnemonic) && !(t.accesses & kStoreOperand)) t.fuses = kFuseBranch;
  // Same-register XOR and SUB break the dependence.
  const bool idiom = i_.mnemonic == ZYDIS_MNEMONIC_XOR || i_.mnemonic == ZYDIS_MNEMONIC_SUB ||
                     i_.mnemonic == ZYDIS_MNEMONIC_PXOR || i_.mnemonic == ZYDIS_MNEMONIC_XORPS ||
                     i_.mnemonic == ZYDIS_MNEMONIC_XORPD;
  if (idiom && is_reg(0) && is_reg(1) && o_[0].reg.value == o_[1].reg.value && o_[0].size >= 32)
    t.sources = 0;
  if (t.vector && t.kind == OpClass::Alu) t.kind = OpClass::Vector;
  if (t.vector && t.kind == OpClass::Move && general) t.kind = OpClass::VectorMove;
  // Prefetches have an operand whose access is not architectural.
  if (i_.mnemonic >= ZYDIS_MNEMONIC_PREFETCH && i_.mnemonic <= ZYDIS_MNEMONIC_PREFETCHWT1) {
    t.accesses = kPrefetch;
    t.write_prefetch = i_.mnemonic == ZYDIS_MNEMONIC_PREFETCHW;
  }
  const bool near = op_.branch != OpBranch::None && op_.branch != OpBranch::Far;
  if (op_.flags & kOpEndsBlock && !near) {
    t.kind = OpClass::Serialize;
    t.accesses = 0;
  }
  const bool serializes = t.kind == OpClass::Serialize;
  if (t.kind == OpClass::None && !t.accesses) t.fuses = kFuseNop;
  if (!serializes) t.joins = kFuseNop;
  if (op_.branch == OpBranch::Conditional) t.joins |= kFuseBranch;
  t.executes = t.kind != OpClass::None && !(t.kind == OpClass::Move && t.accesses);
  t.port = t.vector ? Ports::kVector : t.kind == OpClass::Multiply ? Ports::kMultiply : Ports::kAlu;
  t.predicted = op_.branch != OpBranch::None && !serializes;
  const bool sources = make_list(t.sources, t.source, kReadyRegister),
             address = make_list(t.address, t.address_register, kReadyRegister),
             destinations = make_list(t.destinations, t.destination, kUnreadRegister);
  t.listed = sources && address && destinations;
  t.plain = t.listed && t.executes && !t.accesses && !t.predicted && !serializes;
}

}  // namespace pmusim::core
