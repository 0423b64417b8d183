// SPDX-License-Identifier: Apache-2.0
// Enumeration of the encoding space.
#include "form.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "arena.h"

namespace pmusim::silicon {
namespace {

bool uses_fx_state(const ZydisDecodedInstruction& i, const ZydisDecodedOperand* o) {
  switch (i.meta.isa_set) {
    case ZYDIS_ISA_SET_X87:
    case ZYDIS_ISA_SET_FCMOV:
    case ZYDIS_ISA_SET_SSE3X87:
    case ZYDIS_ISA_SET_PENTIUMMMX:
    case ZYDIS_ISA_SET_SSEMXCSR:
    case ZYDIS_ISA_SET_FXSAVE:
    case ZYDIS_ISA_SET_FXSAVE64:
    case ZYDIS_ISA_SET_XSAVE:
    case ZYDIS_ISA_SET_XSAVEOPT:
    case ZYDIS_ISA_SET_XSAVEC:
    case ZYDIS_ISA_SET_SSE:
    case ZYDIS_ISA_SET_SSE2:
    case ZYDIS_ISA_SET_SSE2MMX:
    case ZYDIS_ISA_SET_SSE3:
    case ZYDIS_ISA_SET_SSSE3:
    case ZYDIS_ISA_SET_SSSE3MMX:
      return true;
    default:
      break;
  }
  for (unsigned n = 0; n < i.operand_count; ++n) {
    if (o[n].type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
    const ZydisRegisterClass c = ZydisRegisterGetClass(o[n].reg.value);
    if (c == ZYDIS_REGCLASS_X87 || c == ZYDIS_REGCLASS_MMX || c == ZYDIS_REGCLASS_XMM ||
        c == ZYDIS_REGCLASS_YMM)
      return true;
  }
  return false;
}

bool implemented(const Instruction& i, const core::Features& features) {
  core::DecodedInstruction to;
  if (!core::decode(i.bytes, sizeof i.bytes, kCode, bytes_of(i.mode), {features, host_is_amd()}, to))
    return false;
  if (to.what.is(core::Op::UNIMPLEMENTED)) return false;
  const ZydisMnemonic m = i.info.mnemonic;
  const bool ud = m == ZYDIS_MNEMONIC_UD0 || m == ZYDIS_MNEMONIC_UD1 || m == ZYDIS_MNEMONIC_UD2;
  return ud || !to.what.is(core::Op::UNDEFINED);
}

bool is_iret(ZydisMnemonic m) {
  return m == ZYDIS_MNEMONIC_IRET || m == ZYDIS_MNEMONIC_IRETD || m == ZYDIS_MNEMONIC_IRETQ;
}

bool leaves(const ZydisDecodedInstruction& i) {
  return i.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE || is_iret(i.mnemonic);
}

bool loads_segment(const ZydisDecodedInstruction& i, const ZydisDecodedOperand* o) {
  if (i.mnemonic == ZYDIS_MNEMONIC_LSS || i.mnemonic == ZYDIS_MNEMONIC_LES ||
      i.mnemonic == ZYDIS_MNEMONIC_LDS)
    return true;
  return o[0].type == ZYDIS_OPERAND_TYPE_REGISTER && (o[0].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) &&
         ZydisRegisterGetClass(o[0].reg.value) == ZYDIS_REGCLASS_SEGMENT;
}

class Enumeration {
 public:
  explicit Enumeration(const core::Features& features) : features_(features) {}

  void opcode(Mode mode, Encoding e) {
    Instruction i;
    i.mode = mode;
    FreeBits f;
    e.has_modrm = true;
    // Registers, then a memory operand [RCX] for each value of ModRM.reg.
    for (unsigned m = is_vector_prefix(e) ? 0x40 : 0; m < 0x48; ++m) {
      e.modrm = static_cast<u8>(m < 0x40 ? 0xc0 + m : (m & 7) << 3 | 1);
      emit(e, f, i.bytes);
      if (!decode_instruction(i)) continue;
      if (!(i.info.attributes & ZYDIS_ATTRIB_HAS_MODRM)) {
        e.has_modrm = false;
        emit(e, f, i.bytes);
        if (decode_instruction(i)) add(e, i);
        return;
      }
      add(e, i);
    }
  }

  FormSet take() {
    FormSet set;
    for (auto& [name, form] : forms_) {
      form.name = name;
      set.forms.push_back(std::move(form));
    }
    set.left_out = std::move(left_out_);
    return set;
  }

 private:
  // BOUND, LES and LDS have no register form: it is a prefix.
  static bool is_vector_prefix(const Encoding& e) {
    return e.map == Map::One && (e.opcode == 0x62 || e.opcode == 0xc4 || e.opcode == 0xc5);
  }

  void add(Encoding e, const Instruction& instruction) {
    const ZydisDecodedInstruction& i = instruction.info;
    const ZydisDecodedOperand* o = instruction.operands;
    const std::string k = key_of(instruction);
    if (forms_.count(k)) return;
    if (!implemented(instruction, features_)) return;
    if (excluded(i.mnemonic)) {
      if (std::find(left_out_.begin(), left_out_.end(), i.mnemonic) == left_out_.end())
        left_out_.push_back(i.mnemonic);
      return;
    }
    // PREFETCHW's opcode with a register: #UD for AMD (APM Vol. 3, "PREFETCHW"; not compared), NOP for Intel.
    if (host_is_amd() && i.mnemonic == ZYDIS_MNEMONIC_NOP && i.opcode_map == ZYDIS_OPCODE_MAP_0F &&
        i.opcode == 0x0d)
      return;
    // FS belongs to the process that executes the states, and so does the base of GS in 64-bit mode.
    const bool long_mode = instruction.mode == Mode::Long;
    if (o[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
        (o[0].reg.value == ZYDIS_REGISTER_FS || (o[0].reg.value == ZYDIS_REGISTER_GS && long_mode)) &&
        (o[0].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
      return;
    // 64-bit branches with an operand-size prefix: AMD's truncate RIP (APM Vol. 3, "JMP"; not compared).
    if (host_is_amd() && long_mode && i.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE &&
        std::count(std::begin(e.prefixes), std::end(e.prefixes), 0x66))
      return;
    for (unsigned n = 0; n < i.operand_count_visible; ++n) {
      if (o[n].encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG) e.free_reg = true;
      if (o[n].encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM) e.free_rm = true;
      if (o[n].encoding == ZYDIS_OPERAND_ENCODING_OPCODE) e.free_opcode = true;
    }
    Form form;
    form.mnemonic = i.mnemonic;
    form.isa = i.meta.isa_set;
    form.mode = instruction.mode;
    form.encoding = e;
    form.branches = leaves(i);
    form.locked = (i.attributes & ZYDIS_ATTRIB_HAS_LOCK) || (i.mnemonic == ZYDIS_MNEMONIC_XCHG);
    form.io = i.meta.category == ZYDIS_CATEGORY_IOSTRINGOP;
    form.far = i.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR || is_iret(i.mnemonic);
    form.loads_segments = !long_mode || form.far || loads_segment(i, o);
    form.compares = i.meta.category == ZYDIS_CATEGORY_STRINGOP && i.operand_count > 2 &&
                    o[0].type == ZYDIS_OPERAND_TYPE_MEMORY && o[1].type == ZYDIS_OPERAND_TYPE_MEMORY;
    form.repeats = i.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);
    form.uses_fx = uses_fx_state(i, o);
    forms_.emplace(k, form);
  }

  core::Features features_;
  std::map<std::string, Form> forms_;
  std::vector<ZydisMnemonic> left_out_;
};

bool is_prefix(u8 byte, Mode mode) {
  const bool rex_or_vex = (byte >= 0x40 && byte <= 0x4f) || byte == 0x62 || byte == 0xc4 || byte == 0xc5;
  return (byte & 0xe7) == 0x26 || (byte >= 0x64 && byte <= 0x67) || byte == 0xf0 || byte == 0xf2 ||
         byte == 0xf3 || byte == 0x0f || (mode == Mode::Long && rex_or_vex);
}

void enumerate_legacy(Enumeration& all, Mode mode) {
  static const u8 prefixes[][3] = {{},           {0x66}, {0xf3},       {0xf2}, {0x66, 0xf3},
                                   {0x66, 0xf2}, {0xf0}, {0x66, 0xf0}, {0x67}, {0x67, 0x66}};
  for (const auto& p : prefixes)
    for (unsigned w = 0; w < (mode == Mode::Long ? 2 : 1); ++w)
      for (const Map m : {Map::One, Map::Two, Map::Three38, Map::Three3a})
        for (unsigned opcode = 0; opcode < 256; ++opcode) {
          if (m == Map::One && is_prefix(static_cast<u8>(opcode), mode)) continue;
          if (m == Map::Two && (opcode == 0x38 || opcode == 0x3a || opcode == 0x0f)) continue;
          Encoding e;
          std::memcpy(e.prefixes, p, sizeof e.prefixes);
          e.map = m;
          e.opcode = static_cast<u8>(opcode);
          e.w = w;
          all.opcode(mode, e);
        }
}

void enumerate_vex(Enumeration& all, Mode mode) {
  for (const Map m : {Map::Vex2, Map::Vex38, Map::Vex3a})
    for (unsigned opcode = 0; opcode < 256; ++opcode)
      for (unsigned pp = 0; pp < 4; ++pp)
        for (unsigned wl = 0; wl < 4; ++wl) {
          Encoding e;
          e.map = m;
          e.opcode = static_cast<u8>(opcode);
          e.vex_pp = static_cast<u8>(pp);
          e.w = wl & 1;
          e.vex_l = static_cast<u8>(wl >> 1);
          all.opcode(mode, e);
        }
}

}  // namespace

FormSet enumerate_forms(const core::Features& features) {
  Enumeration all(features);
  for (const Mode mode : kModes) {
    enumerate_legacy(all, mode);
    enumerate_vex(all, mode);
  }
  return all.take();
}

}  // namespace pmusim::silicon
