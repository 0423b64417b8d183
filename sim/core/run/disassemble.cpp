// SPDX-License-Identifier: Apache-2.0
// Disassembly for diagnostics, Intel syntax, one instruction a line.
#include <Zydis/Zydis.h>
#include <fmt/format.h>

#include <cstring>

#include "core/run/core_impl.h"

namespace pmusim::core {

std::string Core::disassemble(u64 rip, unsigned instructions, const char* mark) {
  const bool code64 = state_->code64(), code32 = state_->seg[CS].big();
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder,
                   code64   ? ZYDIS_MACHINE_MODE_LONG_64
                   : code32 ? ZYDIS_MACHINE_MODE_LEGACY_32
                            : ZYDIS_MACHINE_MODE_LEGACY_16,
                   code64   ? ZYDIS_STACK_WIDTH_64
                   : code32 ? ZYDIS_STACK_WIDTH_32
                            : ZYDIS_STACK_WIDTH_16);
  ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_AMD_BRANCHES, impl_->config.amd);
  ZydisFormatter formatter;
  ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
  std::string text;
  for (unsigned n = 0; n < instructions; ++n) {
    const u64 linear = code64 ? rip : static_cast<u32>(state_->seg[CS].base + rip);
    u8 bytes[ZYDIS_MAX_INSTRUCTION_LENGTH];
    unsigned available = 0;
    while (available < sizeof(bytes) && read_linear(linear + available, bytes + available, 1)) ++available;
    ZydisDecodedInstruction instruction;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    char line[160] = "(bad)";
    const bool good =
        ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, available, &instruction, operands)) &&
        ZYAN_SUCCESS(ZydisFormatterFormatInstruction(&formatter, &instruction, operands,
                                                     instruction.operand_count_visible, line, sizeof(line),
                                                     rip, nullptr));
    const char* prefix = mark ? mark : "";
    text += fmt::format("{:{}}{:#x}: {}\n", n == 0 ? prefix : "", std::strlen(prefix), rip, line);
    if (!good) break;
    rip += instruction.length;
  }
  return text;
}

}  // namespace pmusim::core
