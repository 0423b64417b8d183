// SPDX-License-Identifier: Apache-2.0
// Requests to Zydis' encoder, and the places that wait for a label.
#include "tests/support/assembler.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include <Zydis/Zydis.h>

namespace pmusim::test {
namespace {

// By Assembler::Mode.
constexpr ZydisMachineMode kModes[] = {ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_MACHINE_MODE_LEGACY_32,
                                       ZYDIS_MACHINE_MODE_LONG_64};

// By condition code.
constexpr ZydisMnemonic kConditional[] = {
    ZYDIS_MNEMONIC_JO, ZYDIS_MNEMONIC_JNO, ZYDIS_MNEMONIC_JB,  ZYDIS_MNEMONIC_JNB,
    ZYDIS_MNEMONIC_JZ, ZYDIS_MNEMONIC_JNZ, ZYDIS_MNEMONIC_JBE, ZYDIS_MNEMONIC_JNBE,
    ZYDIS_MNEMONIC_JS, ZYDIS_MNEMONIC_JNS, ZYDIS_MNEMONIC_JP,  ZYDIS_MNEMONIC_JNP,
    ZYDIS_MNEMONIC_JL, ZYDIS_MNEMONIC_JNL, ZYDIS_MNEMONIC_JLE, ZYDIS_MNEMONIC_JNLE};

// An immediate is as its destination is wide; the encoder takes it sign-extended.
s64 sign_extended(s64 value, unsigned bits) {
  return bits == 0 || bits >= 64 ? value
                                 : static_cast<s64>(static_cast<u64>(value) << (64 - bits)) >> (64 - bits);
}
unsigned width(const ZydisEncoderOperand& o, ZydisMachineMode mode) {
  return o.type == ZYDIS_OPERAND_TYPE_REGISTER ? ZydisRegisterGetWidth(mode, o.reg.value)
         : o.type == ZYDIS_OPERAND_TYPE_MEMORY ? o.mem.size * 8u
                                               : 0;
}

}  // namespace

ZydisRegister general(unsigned number, unsigned bits) {
  return ZydisRegisterEncode(bits == 64 ? ZYDIS_REGCLASS_GPR64 : ZYDIS_REGCLASS_GPR32,
                             static_cast<u8>(number));
}

const std::vector<u8>& Assembler::bytes() const {
  if (!open_.empty()) throw std::logic_error("a label that is used has no place");
  return bytes_;
}

Assembler& Assembler::encode(ZydisEncoderRequest request) {
  request.machine_mode = kModes[static_cast<unsigned>(mode_)];
  u8 code[ZYDIS_MAX_INSTRUCTION_LENGTH];
  ZyanUSize length = sizeof code;
  if (!ZYAN_SUCCESS(ZydisEncoderEncodeInstruction(&request, code, &length)))
    throw std::logic_error("cannot encode " + std::string(ZydisMnemonicGetString(request.mnemonic)) +
                           " with these operands");
  bytes_.insert(bytes_.end(), code, code + length);
  return *this;
}

Assembler& Assembler::emit(ZydisMnemonic mnemonic, std::initializer_list<Operand> operands) {
  ZydisEncoderRequest request{};
  request.mnemonic = mnemonic;
  const Operand* label = nullptr;
  for (const Operand& o : operands) {
    ZydisEncoderOperand& z = request.operands[request.operand_count++] = o.z;
    if (o.is_label) label = &o;
    if (z.type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
      z.imm.s = sign_extended(z.imm.s, width(request.operands[0], kModes[static_cast<unsigned>(mode_)]));
  }
  encode(request);
  // MOV to and from control registers: the processor ignores the two bits that the encoder leaves 0; manuals
  // have ones.
  for (const Operand& o : operands)
    if (ZydisRegisterGetClass(o.z.reg.value) == ZYDIS_REGCLASS_CONTROL) bytes_.back() |= 0xc0;
  if (label) refer({static_cast<unsigned>(label->z.mem.displacement)}, false);
  return *this;
}

Assembler& Assembler::table(ZydisMnemonic mnemonic, u32 address) {
  return emit(mnemonic, {Operand(mode_ == Mode::Long ? 10 : 6, ZYDIS_REGISTER_NONE, address)});
}

Assembler& Assembler::jmp_far(u16 selector, u32 offset) {
  ZydisEncoderRequest request{};
  request.mnemonic = ZYDIS_MNEMONIC_JMP;
  request.branch_type = ZYDIS_BRANCH_TYPE_FAR;
  request.branch_width = ZYDIS_BRANCH_WIDTH_32;
  request.operand_count = 1;
  request.operands[0].type = ZYDIS_OPERAND_TYPE_POINTER;
  request.operands[0].ptr.segment = selector;
  request.operands[0].ptr.offset = offset;
  return encode(request);
}

Assembler& Assembler::branch(ZydisMnemonic mnemonic, u32 target) {
  const s64 near = s64{target} - (s64{here()} + 2);
  const bool is_short = near >= -128 && near <= 127 && mnemonic != ZYDIS_MNEMONIC_CALL;
  ZydisEncoderRequest request{};
  request.mnemonic = mnemonic;
  request.branch_type = is_short ? ZYDIS_BRANCH_TYPE_SHORT : ZYDIS_BRANCH_TYPE_NEAR;
  request.branch_width = is_short ? ZYDIS_BRANCH_WIDTH_8 : ZYDIS_BRANCH_WIDTH_32;
  request.operand_count = 1;
  request.operands[0] = Operand(is_short ? near : 0).z;
  encode(request);
  if (is_short) return *this;
  const u32 distance = target - here();
  std::memcpy(&bytes_[bytes_.size() - 4], &distance, 4);
  return *this;
}

Assembler& Assembler::branch(ZydisMnemonic mnemonic, Label target) {
  branch(mnemonic, here() + 0x1000);  // near
  refer(target, true);
  return *this;
}

Assembler& Assembler::jcc(unsigned condition, u32 target) {
  return branch(kConditional[condition], target);
}
Assembler& Assembler::jcc(unsigned condition, Label target) {
  return branch(kConditional[condition], target);
}

Label Assembler::label() {
  labels_.push_back(0);
  return {static_cast<unsigned>(labels_.size() - 1)};
}

Assembler& Assembler::bind(Label label) {
  labels_.at(label.number) = here();
  const std::vector<Reference> waiting = std::move(open_);
  open_.clear();
  for (const Reference& r : waiting) {
    if (r.label != label.number) {
      open_.push_back(r);
      continue;
    }
    const u32 value = here() - (r.relative ? base_ + static_cast<u32>(r.at) + 4 : 0);
    std::memcpy(&bytes_[r.at], &value, 4);
  }
  return *this;
}

void Assembler::refer(Label label, bool relative) {
  if (labels_.at(label.number)) throw std::logic_error("a label behind: use its address");
  open_.push_back({bytes_.size() - 4, label.number, relative});
}

}  // namespace pmusim::test
