// SPDX-License-Identifier: Apache-2.0
#include "form.h"

#include <fmt/format.h>

#if defined(__x86_64__)
#include <sys/auxv.h>
#endif

#include <algorithm>
#include <cstring>
#include <map>

#include "arena.h"

namespace pmusim::silicon {
namespace {

const ZydisDecoder& decoder() {
  static const ZydisDecoder d = [] {
    ZydisDecoder made;
    ZydisDecoderInit(&made, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return made;
  }();
  return d;
}

struct FreeBits {
  u8 rex_rxb = 0;
  bool force_rex = false;
  u8 vvvv = 0;
  bool address_prefix = false;
  u8 segment_prefix = 0;
  u8 sib = 0x24;
  u8 tail[12] = {};
};

// Bytes of an encoding, always ZYDIS_MAX_INSTRUCTION_LENGTH of them: the decoder takes what it needs.
void emit(const Encoding& e, const FreeBits& f, u8* to) {
  u8 buffer[40] = {};
  unsigned n = 0;
  if (f.segment_prefix) buffer[n++] = f.segment_prefix;
  if (f.address_prefix) buffer[n++] = 0x67;
  for (const u8 p : e.prefixes)
    if (p) buffer[n++] = p;
  if (e.map >= Map::Vex2) {
    buffer[n++] = 0xc4;
    buffer[n++] =
        static_cast<u8>((~f.rex_rxb & 7) << 5 | (static_cast<u8>(e.map) - static_cast<u8>(Map::Vex2) + 1));
    buffer[n++] = static_cast<u8>(e.w << 7 | (~f.vvvv & 15) << 3 | e.vex_l << 2 | e.vex_pp);
  } else {
    if (e.w || f.rex_rxb || f.force_rex) buffer[n++] = static_cast<u8>(0x40 | e.w << 3 | f.rex_rxb);
    if (e.map != Map::One) buffer[n++] = 0x0f;
    if (e.map == Map::Three38) buffer[n++] = 0x38;
    if (e.map == Map::Three3a) buffer[n++] = 0x3a;
  }
  buffer[n++] = e.opcode;
  if (e.has_modrm) {
    buffer[n++] = e.modrm;
    if ((e.modrm & 0xc0) != 0xc0 && (e.modrm & 7) == 4) buffer[n++] = f.sib;
  }
  std::memcpy(buffer + n, f.tail, sizeof f.tail);
  std::memcpy(to, buffer, ZYDIS_MAX_INSTRUCTION_LENGTH);
}

bool decode(const u8* bytes, ZydisDecodedInstruction& i, ZydisDecodedOperand* o) {
  if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder(), bytes, ZYDIS_MAX_INSTRUCTION_LENGTH, &i, o)))
    return false;
  // Zydis 4.0.0 takes R13D for the base of a SIB byte that has a displacement instead (with 67h and REX.B).
  if (i.raw.sib.offset && i.raw.sib.base == 5 && i.raw.modrm.mod == 0)
    for (unsigned n = 0; n < i.operand_count_visible; ++n)
      if (o[n].type == ZYDIS_OPERAND_TYPE_MEMORY) {
        o[n].mem.base = ZYDIS_REGISTER_NONE;
        o[n].mem.disp = {ZYAN_TRUE, i.raw.disp.value};
      }
  return true;
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

// The identity of a form.
std::string key(const ZydisDecodedInstruction& i, const ZydisDecodedOperand* o) {
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
  return name;
}

bool uses_fx_state(const ZydisDecodedInstruction& i, const ZydisDecodedOperand* o) {
  switch (i.meta.isa_set) {
    case ZYDIS_ISA_SET_X87:
    case ZYDIS_ISA_SET_FCMOV:
    case ZYDIS_ISA_SET_SSE3X87:
    case ZYDIS_ISA_SET_PENTIUMMMX:
    case ZYDIS_ISA_SET_SSEMXCSR:
    case ZYDIS_ISA_SET_FXSAVE:
    case ZYDIS_ISA_SET_FXSAVE64:
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

bool implemented(const u8* bytes, const core::Features& features, ZydisMnemonic m) {
  core::DecodedInstruction to;
  if (!core::decode(bytes, ZYDIS_MAX_INSTRUCTION_LENGTH, kCode, 8, features, to)) return false;
  if (to.op.run == core::op::unimplemented) return false;
  const bool ud = m == ZYDIS_MNEMONIC_UD0 || m == ZYDIS_MNEMONIC_UD1 || m == ZYDIS_MNEMONIC_UD2;
  return ud || to.op.run != core::op::undefined;
}

bool is_iret(ZydisMnemonic m) {
  return m == ZYDIS_MNEMONIC_IRET || m == ZYDIS_MNEMONIC_IRETD || m == ZYDIS_MNEMONIC_IRETQ;
}

bool leaves(const ZydisDecodedInstruction& i) {
  return i.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE || is_iret(i.mnemonic);
}

bool loads_segment(const ZydisDecodedInstruction& i, const ZydisDecodedOperand* o) {
  if (i.mnemonic == ZYDIS_MNEMONIC_LSS) return true;
  return o[0].type == ZYDIS_OPERAND_TYPE_REGISTER && (o[0].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) &&
         ZydisRegisterGetClass(o[0].reg.value) == ZYDIS_REGCLASS_SEGMENT;
}

class Enumeration {
 public:
  explicit Enumeration(const core::Features& features) : features_(features) {}

  void opcode(Encoding e) {
    ZydisDecodedInstruction i;
    ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
    FreeBits f;
    u8 bytes[ZYDIS_MAX_INSTRUCTION_LENGTH];
    e.has_modrm = true;
    for (unsigned m = 0; m < 0x48; ++m) {
      // Registers, then a memory operand [RCX] for each value of ModRM.reg.
      e.modrm = static_cast<u8>(m < 0x40 ? 0xc0 + m : (m & 7) << 3 | 1);
      emit(e, f, bytes);
      if (!decode(bytes, i, o)) continue;
      if (!(i.attributes & ZYDIS_ATTRIB_HAS_MODRM)) {
        e.has_modrm = false;
        emit(e, f, bytes);
        if (decode(bytes, i, o)) add(e, i, o, bytes);
        return;
      }
      add(e, i, o, bytes);
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
  void add(Encoding e, const ZydisDecodedInstruction& i, const ZydisDecodedOperand* o, const u8* bytes) {
    const std::string k = key(i, o);
    if (forms_.count(k)) return;
    if (!implemented(bytes, features_, i.mnemonic)) return;
    if (excluded(i.mnemonic)) {
      if (std::find(left_out_.begin(), left_out_.end(), i.mnemonic) == left_out_.end())
        left_out_.push_back(i.mnemonic);
      return;
    }
    // PREFETCHW's opcode with a register: #UD for AMD (APM Vol. 3, "PREFETCHW"), NOP for Intel.
    if (i.mnemonic == ZYDIS_MNEMONIC_NOP && i.opcode_map == ZYDIS_OPCODE_MAP_0F && i.opcode == 0x0d) return;
    // FS and GS belong to the process that executes the states.
    if (o[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
        (o[0].reg.value == ZYDIS_REGISTER_FS || o[0].reg.value == ZYDIS_REGISTER_GS) &&
        (o[0].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
      return;
    // Branches with an operand-size prefix are what vendors differ in (SDM Vol. 2, "JMP", APM Vol. 3, "JMP").
    if (i.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE &&
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
    form.encoding = e;
    form.branches = leaves(i);
    form.locked = (i.attributes & ZYDIS_ATTRIB_HAS_LOCK) || (i.mnemonic == ZYDIS_MNEMONIC_XCHG);
    form.io = i.meta.category == ZYDIS_CATEGORY_IOSTRINGOP;
    form.far = i.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR || is_iret(i.mnemonic);
    form.loads_segments = form.far || loads_segment(i, o);
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

bool is_prefix(u8 byte) {
  return (byte & 0xe7) == 0x26 || (byte >= 0x40 && byte <= 0x4f) || byte == 0x62 ||
         (byte >= 0x64 && byte <= 0x67) || byte == 0xc4 || byte == 0xc5 || byte == 0xf0 || byte == 0xf2 ||
         byte == 0xf3 || byte == 0x0f;
}

}  // namespace

bool decode_instruction(Instruction& i) {
  return decode(i.bytes, i.info, i.operands);
}

FormSet enumerate_forms(const core::Features& features) {
  static const u8 prefixes[][3] = {{},           {0x66}, {0xf3},       {0xf2}, {0x66, 0xf3},
                                   {0x66, 0xf2}, {0xf0}, {0x66, 0xf0}, {0x67}, {0x67, 0x66}};
  Enumeration all(features);
  for (const auto& p : prefixes)
    for (unsigned w = 0; w < 2; ++w)
      for (const Map m : {Map::One, Map::Two, Map::Three38, Map::Three3a})
        for (unsigned opcode = 0; opcode < 256; ++opcode) {
          if (m == Map::One && is_prefix(static_cast<u8>(opcode))) continue;
          if (m == Map::Two && (opcode == 0x38 || opcode == 0x3a || opcode == 0x0f)) continue;
          Encoding e;
          std::memcpy(e.prefixes, p, sizeof e.prefixes);
          e.map = m;
          e.opcode = static_cast<u8>(opcode);
          e.w = w;
          all.opcode(e);
        }
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
          all.opcode(e);
        }
  return all.take();
}

#if defined(__x86_64__)
namespace {
bool has_fsgsbase() {
  constexpr unsigned long bit = 2;  // HWCAP2_FSGSBASE
  return getauxval(AT_HWCAP2) & bit;
}
}  // namespace
#endif

const char* missing_on_host(const Form& form) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  switch (form.isa) {
    case ZYDIS_ISA_SET_BMI1:
      return __builtin_cpu_supports("bmi") ? nullptr : "BMI1";
    case ZYDIS_ISA_SET_BMI2:
      return __builtin_cpu_supports("bmi2") ? nullptr : "BMI2";
    case ZYDIS_ISA_SET_LZCNT:
      return __builtin_cpu_supports("lzcnt") ? nullptr : "LZCNT";
    case ZYDIS_ISA_SET_POPCNT:
      return __builtin_cpu_supports("popcnt") ? nullptr : "POPCNT";
    case ZYDIS_ISA_SET_MOVBE:
      return __builtin_cpu_supports("movbe") ? nullptr : "MOVBE";
    case ZYDIS_ISA_SET_ADOX_ADCX:
      return __builtin_cpu_supports("adx") ? nullptr : "ADX";
    case ZYDIS_ISA_SET_CMPXCHG16B:
      return __builtin_cpu_supports("cmpxchg16b") ? nullptr : "CMPXCHG16B";
    case ZYDIS_ISA_SET_LAHF:
      return __builtin_cpu_supports("lahf_lm") ? nullptr : "LAHF in 64-bit mode";
    case ZYDIS_ISA_SET_CLFLUSHOPT:
      return __builtin_cpu_supports("clflushopt") ? nullptr : "CLFLUSHOPT";
    case ZYDIS_ISA_SET_RDWRFSGS:
      return has_fsgsbase() ? nullptr : "FSGSBASE for user mode";
    case ZYDIS_ISA_SET_CLWB:
      return __builtin_cpu_supports("clwb") ? nullptr : "CLWB";
    case ZYDIS_ISA_SET_SSE3:
    case ZYDIS_ISA_SET_SSE3X87:
      return __builtin_cpu_supports("sse3") ? nullptr : "SSE3";
    case ZYDIS_ISA_SET_SSSE3:
    case ZYDIS_ISA_SET_SSSE3MMX:
      return __builtin_cpu_supports("ssse3") ? nullptr : "SSSE3";
    case ZYDIS_ISA_SET_SSE4:
      return __builtin_cpu_supports("sse4.1") ? nullptr : "SSE4.1";
    case ZYDIS_ISA_SET_SSE42:
      return __builtin_cpu_supports("sse4.2") ? nullptr : "SSE4.2";
    case ZYDIS_ISA_SET_AES:
      return __builtin_cpu_supports("aes") ? nullptr : "AES";
    case ZYDIS_ISA_SET_PCLMULQDQ:
      return __builtin_cpu_supports("pclmul") ? nullptr : "PCLMULQDQ";
    default:
      return nullptr;
  }
#else
  (void)form;
  return "x86-64";
#endif
}

bool draw(const Form& form, u64 address, Rng& rng, Instruction& to) {
  Encoding e = form.encoding;
  FreeBits f;
  if (e.has_modrm) {
    if (e.free_reg) e.modrm = static_cast<u8>((e.modrm & ~0x38) | rng.below(8) << 3);
    if (e.free_rm) {
      e.modrm = static_cast<u8>((e.modrm & ~7) | rng.below(8));
      if ((e.modrm & 0xc0) != 0xc0) e.modrm = static_cast<u8>((e.modrm & 0x3f) | rng.below(3) << 6);
    }
    f.sib = static_cast<u8>(rng.next());
  }
  if (e.free_opcode) e.opcode = static_cast<u8>((e.opcode & ~7) | rng.below(8));
  if (rng.below(2)) f.rex_rxb = static_cast<u8>(rng.below(8));
  if (rng.below(4) == 0) f.force_rex = true;
  f.vvvv = static_cast<u8>(rng.below(16));
  const bool reaches_memory = e.has_modrm && (e.modrm & 0xc0) != 0xc0;
  if (!form.branches && rng.below(8) == 0) f.address_prefix = true;
  if (reaches_memory && !form.branches && rng.below(8) == 0) {
    static const u8 segments[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    f.segment_prefix = segments[rng.below(sizeof segments)];
  }
  // Displacement and immediate: random, small or at a sign boundary.
  const u64 kind = rng.below(4);
  for (u8& b : f.tail) {
    static const u8 edges[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0x1f, 0x20, 0x40};
    b = kind == 0   ? edges[rng.below(sizeof edges)]
        : kind == 1 ? static_cast<u8>(rng.below(2) * 0xff)
                    : static_cast<u8>(rng.next());
  }
  emit(e, f, to.bytes);
  if (!decode(to.bytes, to.info, to.operands)) return false;
  to.address = address;
  return key(to.info, to.operands) == form.name;
}

}  // namespace pmusim::silicon
