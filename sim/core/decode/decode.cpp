// SPDX-License-Identifier: Apache-2.0
// The decoder's entry: Zydis decodes, the tables translate.
#include "core/decode/decode.h"

#include "core/decode/lowering.h"

namespace pmusim::core {
namespace {

const ZydisDecoder& decoder(unsigned mode, const Dialect& d) {
  struct Set {
    ZydisDecoder of[3][8];
    Set() {
      const ZydisMachineMode modes[] = {ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_MACHINE_MODE_LEGACY_32,
                                        ZYDIS_MACHINE_MODE_LONG_64};
      const ZydisStackWidth widths[] = {ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32, ZYDIS_STACK_WIDTH_64};
      for (unsigned m = 0; m < 3; ++m)
        for (unsigned k = 0; k < 8; ++k) {
          ZydisDecoderInit(&of[m][k], modes[m], widths[m]);
          ZydisDecoderEnableMode(&of[m][k], ZYDIS_DECODER_MODE_TZCNT, (k & 1) != 0);
          ZydisDecoderEnableMode(&of[m][k], ZYDIS_DECODER_MODE_LZCNT, (k & 2) != 0);
          ZydisDecoderEnableMode(&of[m][k], ZYDIS_DECODER_MODE_AMD_BRANCHES, (k & 4) != 0);
        }
    }
  };
  static const Set set;
  return set
      .of[mode == 8   ? 2
          : mode == 4 ? 1
                      : 0][d.features.has(Feature::Bmi1) + 2 * d.features.has(Feature::Lzcnt) + 4 * d.amd];
}

}  // namespace

bool decode(const u8* bytes, unsigned available, u64 rip, unsigned mode, const Dialect& dialect,
            DecodedInstruction& to, TimingOp* timing) {
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  to = {};
  if (timing) *timing = {};
  const bool real = mode & kRealMode;
  mode &= ~kRealMode;
  const unsigned length = available < kMaxInstructionBytes ? available : kMaxInstructionBytes;
  const ZyanStatus status =
      ZydisDecoderDecodeFull(&decoder(mode, dialect), bytes, length, &instruction, operands);
  // VEX and its like are not recognized in real-address and virtual-8086 mode (SDM Vol. 2, "VEX Prefix",
  // exceptions).
  const bool recognized = !real || instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY;
  if (ZYAN_SUCCESS(status) && recognized) {
    Lowering lowering(instruction, operands, rip, mode, dialect, to);
    lowering.integer_table();
    lowering.finish();
    lowering.mark_stack();
    if (timing) lowering.timing(*timing);
    return true;
  }
  const bool truncated = status == ZYDIS_STATUS_NO_MORE_DATA;
  if (truncated && available < kMaxInstructionBytes) return false;
  const bool too_long = truncated || status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG;
  to.what.op = too_long ? Op::TOO_LONG : Op::UNDEFINED;
  to.op.run = too_long ? op::too_long : op::undefined;
  to.op.flags = kOpExact | kOpEndsBlock;
  if (timing) timing->kind = OpClass::Serialize;
  to.op.length = 1;
  to.op.next_rip = rip + 1;
  return true;
}

}  // namespace pmusim::core
