// SPDX-License-Identifier: Apache-2.0
// x87, MMX, SSE and extended-state instructions. Their handlers' files hold tables with a row for each
// mnemonic and form (kinds of the first two operands); this file looks instructions up there and fills in
// operands.
#include <unordered_map>

#include "core/decode/lowering.h"
#include "core/execute/vector.h"

namespace pmusim::core {
namespace {

OperandKind kind_of_register(ZydisRegister r) {
  switch (ZydisRegisterGetClass(r)) {
    case ZYDIS_REGCLASS_XMM:
      return OperandKind::Xmm;
    case ZYDIS_REGCLASS_MMX:
      return OperandKind::Mmx;
    case ZYDIS_REGCLASS_X87:
      return OperandKind::St;
    case ZYDIS_REGCLASS_GPR16:
      return OperandKind::R16;
    case ZYDIS_REGCLASS_GPR32:
      return OperandKind::R32;
    case ZYDIS_REGCLASS_GPR64:
      return OperandKind::R64;
    default:
      return OperandKind::Other;
  }
}
OperandKind kind_of_memory(unsigned bytes) {
  switch (bytes) {
    case 2:
      return OperandKind::Mem16;
    case 4:
      return OperandKind::Mem32;
    case 8:
      return OperandKind::Mem64;
    case 10:
      return OperandKind::Mem80;
    case 14:
      return OperandKind::Mem14Bytes;
    case 16:
      return OperandKind::Mem128;
    case 28:
      return OperandKind::Mem28Bytes;
    case 94:
      return OperandKind::Mem94Bytes;
    case 108:
      return OperandKind::Mem108Bytes;
    case 512:
      return OperandKind::Mem512Bytes;
    case 576:
      return OperandKind::Mem576Bytes;
    default:
      return OperandKind::Other;
  }
}
OperandKind kind_of(const ZydisDecodedOperand& o) {
  switch (o.type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
      return kind_of_register(o.reg.value);
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
      return OperandKind::Imm;
    case ZYDIS_OPERAND_TYPE_MEMORY:
      return kind_of_memory(o.size / 8);
    default:
      return OperandKind::Other;
  }
}

u32 key(unsigned mnemonic, OperandKind first, OperandKind second) {
  return mnemonic << 10 | static_cast<u32>(first) << 5 | static_cast<u32>(second);
}

const VectorRow* find_row(u32 wanted) {
  static const auto rows = [] {
    std::unordered_map<u32, const VectorRow*> map;
    for (const VectorRows& table :
         {vector_move_rows(), vector_integer_rows(), vector_shuffle_rows(), vector_float_rows(),
          vector_convert_rows(), x87_rows(), x87_control_rows(), fpu_save_rows(), xsave_rows()})
      for (const VectorRow* row = table.begin; row != table.end; ++row)
        map.emplace(key(row->mnemonic, row->first, row->second), row);
    return map;
  }();
  const auto found = rows.find(wanted);
  return found == rows.end() ? nullptr : found->second;
}

// Extensions that no CPU model here enumerates: undefined on such CPUs. VEX and later encodings need XCR0
// bits that cannot be set.
bool not_enumerated(const ZydisDecodedInstruction& i) {
  if (i.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY) return true;
  switch (i.meta.isa_ext) {
    case ZYDIS_ISA_EXT_SSE3:
    case ZYDIS_ISA_EXT_SSSE3:
    case ZYDIS_ISA_EXT_SSE4:
    case ZYDIS_ISA_EXT_SSE4A:
    case ZYDIS_ISA_EXT_AES:
    case ZYDIS_ISA_EXT_PCLMULQDQ:
    case ZYDIS_ISA_EXT_SHA:
    case ZYDIS_ISA_EXT_GFNI:
    case ZYDIS_ISA_EXT_AMD3DNOW:
    case ZYDIS_ISA_EXT_XSAVES:
      return true;
    default:
      return false;
  }
}

}  // namespace

void Lowering::vector_table() {
  const OperandKind first = i_.operand_count_visible > 0 ? kind_of(o_[0]) : OperandKind::None;
  const OperandKind second = i_.operand_count_visible > 1 ? kind_of(o_[1]) : OperandKind::None;
  switch (i_.mnemonic) {
    case ZYDIS_MNEMONIC_XSETBV:
      if (!lacks(Feature::Xsave)) system(Op::XSETBV, op::xsetbv);
      return;
    case ZYDIS_MNEMONIC_XGETBV:
    case ZYDIS_MNEMONIC_XSAVE:
    case ZYDIS_MNEMONIC_XSAVE64:
    case ZYDIS_MNEMONIC_XRSTOR:
    case ZYDIS_MNEMONIC_XRSTOR64:
      if (lacks(Feature::Xsave)) return;
      break;
    case ZYDIS_MNEMONIC_XSAVEOPT:
    case ZYDIS_MNEMONIC_XSAVEOPT64:
      if (lacks(Feature::Xsaveopt)) return;
      break;
    case ZYDIS_MNEMONIC_XSAVEC:
    case ZYDIS_MNEMONIC_XSAVEC64:
      if (lacks(Feature::Xsavec)) return;
      break;
    default:
      break;
  }
  const VectorRow* row = find_row(key(i_.mnemonic, first, second));
  if (!row)
    return not_enumerated(i_) ? system(Op::UNDEFINED, op::undefined)
                              : system(Op::UNIMPLEMENTED, op::unimplemented);
  u8* const registers[] = {&op_.dst, &op_.src};
  for (unsigned n = 0; n < i_.operand_count; ++n) {
    if (o_[n].type == ZYDIS_OPERAND_TYPE_MEMORY)  // also the hidden one of masked stores
      memory(n, row->memory == MemoryUse::Load, row->memory == MemoryUse::Store);
    else if (is_imm(n))
      immediate(n);
    else if (n < 2 && is_reg(n))
      *registers[n] = vector_register(n);
  }
  if (i_.meta.isa_ext == ZYDIS_ISA_EXT_X87)  // FOP: the low bits of the escape byte, and ModRM
    op_.imm = static_cast<u64>(i_.opcode & 7) << 8 | static_cast<u64>(i_.raw.modrm.mod) << 6 |
              static_cast<u64>(i_.raw.modrm.reg) << 3 | i_.raw.modrm.rm;
  exact(row->op, row->run);
}

u8 Lowering::vector_register(unsigned n) const {
  switch (kind_of(o_[n])) {
    case OperandKind::Xmm:
      return static_cast<u8>(kXmm + number(n));
    case OperandKind::Mmx:
      return static_cast<u8>(kMmx + number(n));
    case OperandKind::St:
      return 0;  // the opcode names it
    default:
      return reg(o_[n]);
  }
}

}  // namespace pmusim::core
