// SPDX-License-Identifier: Apache-2.0
// Disassembly by Zydis.
#include "conformance/verdict_explain.h"

#include <Zydis/Zydis.h>
#include <fmt/format.h>

#include "guests/case/payload.h"

namespace pmusim::conformance {

std::string disassemble(const u8* bytes, std::size_t size, u64 address, unsigned limit) {
  std::string text;
  for (std::size_t at = 0; at < size; --limit) {
    if (!limit) return text + "...\n";
    ZydisDisassembledInstruction instruction;
    if (!ZYAN_SUCCESS(ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LONG_64, address + at, bytes + at, size - at,
                                            &instruction)))
      return text + fmt::format("{:#x}  (no instruction)\n", address + at);
    text += fmt::format("{:#x}  {}\n", address + at, instruction.text);
    at += instruction.info.length;
  }
  return text;
}

void explain(const Case& c, CaseResult& result) {
  constexpr unsigned kLines = 60;
  if (result.findings.empty()) return;
  std::string code;
  for (const ProgramInfo& program : c.programs) {
    const std::size_t offset = program.address - CASE_PAYLOAD_ADDRESS;
    if (program.address < CASE_PAYLOAD_ADDRESS || offset + program.size > c.payload.size()) continue;
    code += "program " + program.name + ":\n" +
            disassemble(c.payload.data() + offset, program.size, program.address, kLines);
  }
  for (Finding& finding : result.findings) finding.code = code;
}

}  // namespace pmusim::conformance
