// SPDX-License-Identifier: Apache-2.0
// Decoding by Zydis, with its known mistakes mended, and names of forms.
#include "instruction.h"

#include <fmt/format.h>

namespace pmusim::silicon {
namespace {

const ZydisDecoder& decoder(Mode mode) {
  struct Set {
    ZydisDecoder of[3];
    Set() {
      ZydisDecoderInit(&of[0], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
      ZydisDecoderInit(&of[1], ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32);
      ZydisDecoderInit(&of[2], ZYDIS_MACHINE_MODE_LONG_COMPAT_16, ZYDIS_STACK_WIDTH_16);
      ZydisDecoderEnableMode(&of[0], ZYDIS_DECODER_MODE_AMD_BRANCHES, host_is_amd());
    }
  };
  static const Set set;
  return set.of[static_cast<unsigned>(mode)];
}

std::string kind_of(const ZydisDecodedOperand& o) {
  switch (o.type) {
    case ZYDIS_OPERAND_TYPE_REGISTER: {
      const ZydisRegister r = o.reg.value;
      if (o.encoding == ZYDIS_OPERAND_ENCODING_NONE) return ZydisRegisterGetString(r);
      switch (ZydisRegisterGetClass(r)) {
        case ZYDIS_REGCLASS_GPR8:
          return r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH ? "r8h" : "r8";
        case ZYDIS_REGCLASS_GPR16:
          return "r16";
        case ZYDIS_REGCLASS_GPR32:
          return "r32";
        case ZYDIS_REGCLASS_GPR64:
          return "r64";
        case ZYDIS_REGCLASS_X87:
          return "st";
        case ZYDIS_REGCLASS_MMX:
          return "mm";
        case ZYDIS_REGCLASS_XMM:
          return "xmm";
        case ZYDIS_REGCLASS_YMM:
          return "ymm";
        default:
          return ZydisRegisterGetString(r);
      }
    }
    case ZYDIS_OPERAND_TYPE_MEMORY:
      return fmt::format("m{}", o.mem.type == ZYDIS_MEMOP_TYPE_MEM ? o.size : 0);
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
      if (o.encoding == ZYDIS_OPERAND_ENCODING_NONE) return fmt::format("{}", o.imm.value.u);
      return fmt::format("{}{}", o.imm.is_relative ? "rel" : "i", o.size);
    default:
      return "ptr";
  }
}

bool opcode_names_register(const ZydisDecodedInstruction& i, const ZydisDecodedOperand* o) {
  for (unsigned n = 0; n < i.operand_count_visible; ++n)
    if (o[n].encoding == ZYDIS_OPERAND_ENCODING_OPCODE) return true;
  return false;
}

}  // namespace

bool decode_instruction(Instruction& instruction) {
  ZydisDecodedInstruction& i = instruction.info;
  ZydisDecodedOperand* o = instruction.operands;
  if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder(instruction.mode), instruction.bytes,
                                           sizeof instruction.bytes, &i, o)))
    return false;
  // Zydis 4.0.0 takes R13D for the base of a SIB byte that has a displacement instead (with 67h and REX.B).
  if (i.raw.sib.offset && i.raw.sib.base == 5 && i.raw.modrm.mod == 0)
    for (unsigned n = 0; n < i.operand_count_visible; ++n)
      if (o[n].type == ZYDIS_OPERAND_TYPE_MEMORY) {
        o[n].mem.base = ZYDIS_REGISTER_NONE;
        o[n].mem.disp = {ZYAN_TRUE, i.raw.disp.value};
      }
  // Before a near indirect branch, 3EH is CET's no-track prefix as well; Zydis then ignores the segment.
  if (instruction.mode != Mode::Long && i.attributes & ZYDIS_ATTRIB_HAS_NOTRACK)
    for (unsigned n = 0; n < i.operand_count_visible; ++n)
      if (o[n].type == ZYDIS_OPERAND_TYPE_MEMORY) o[n].mem.segment = ZYDIS_REGISTER_DS;
  return true;
}

std::string key_of(const Instruction& instruction) {
  const ZydisDecodedInstruction& i = instruction.info;
  const ZydisDecodedOperand* o = instruction.operands;
  std::string name;
  if (i.attributes & ZYDIS_ATTRIB_HAS_LOCK) name += "lock ";
  if (i.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE)) name += "rep ";
  if (i.attributes & ZYDIS_ATTRIB_HAS_REPNE) name += "repne ";
  name += ZydisMnemonicGetString(i.mnemonic);
  for (unsigned n = 0; n < i.operand_count_visible; ++n) name += (n ? "," : " ") + kind_of(o[n]);
  if (i.operand_count_visible == 0 && i.operand_width && i.meta.category != ZYDIS_CATEGORY_X87_ALU)
    name += fmt::format(" w{}", i.operand_width);
  static const char* const maps[] = {"", "0f", "0f38", "0f3a"};
  const u8 opcode = opcode_names_register(i, o) ? i.opcode & 0xf8 : i.opcode;
  name += fmt::format(" /{}{:02x}", i.opcode_map <= ZYDIS_OPCODE_MAP_0F3A ? maps[i.opcode_map] : "?", opcode);
  if (instruction.mode != Mode::Long) name += instruction.mode == Mode::Compat32 ? " code32" : " code16";
  return name;
}

}  // namespace pmusim::silicon
