// SPDX-License-Identifier: Apache-2.0
// Disassembly by Zydis.
#include "conformance/judge/verdict_explain.h"

#include <Zydis/Zydis.h>
#include <fmt/format.h>

#include <algorithm>

#include "guests/case/payload.h"

namespace pmusim::conformance {
namespace {

struct Line {
  u64 address;
  std::string label, instruction, mark;
  u64 times = 1;  // equal instructions in a row
};

std::string note_at(const std::map<u64, std::string>& notes, u64 address) {
  const auto found = notes.find(address);
  return found == notes.end() ? "" : found->second;
}

std::vector<Line> lines_of(const u8* bytes, std::size_t size, u64 address, const CodeNotes& notes) {
  std::vector<Line> lines;
  for (std::size_t at = 0; at < size;) {
    Line line{address + at, note_at(notes.labels, address + at), "(no instruction)",
              note_at(notes.marks, address + at)};
    ZydisDisassembledInstruction decoded;
    const bool known = ZYAN_SUCCESS(
        ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LONG_64, address + at, bytes + at, size - at, &decoded));
    if (known) line.instruction = decoded.text;
    const bool plain = line.label.empty() && line.mark.empty() && !lines.empty() && lines.back().mark.empty();
    if (plain && lines.back().instruction == line.instruction)
      ++lines.back().times;
    else
      lines.push_back(std::move(line));
    if (!known) break;
    at += decoded.info.length;
  }
  return lines;
}

// Which lines to show: all if they fit; else a share of the limit around each mark; else the first.
std::vector<bool> chosen(const std::vector<Line>& lines, unsigned limit) {
  std::vector<bool> show(lines.size(), lines.size() <= limit);
  if (lines.size() <= limit) return show;
  std::vector<std::size_t> marked;
  for (std::size_t i = 0; i < lines.size(); ++i)
    if (!lines[i].mark.empty()) marked.push_back(i);
  if (marked.empty()) {
    std::fill_n(show.begin(), limit, true);
    return show;
  }
  const std::size_t around = std::max<std::size_t>(limit / marked.size() / 2, 2);
  for (const std::size_t m : marked)
    for (std::size_t i = m - std::min(m, around); i < std::min(m + around + 1, lines.size()); ++i)
      show[i] = true;
  return show;
}

// The program of the step's own measurement, or else of the newest one before it in the file.
const ProgramInfo* program_of(const Case& c, u32 step) {
  for (u32 s = std::min<u32>(step, static_cast<u32>(c.step_pointers.size()) - 1) + 1; s-- > 1;) {
    const JsonView item = c.document().root().at_pointer(c.step_pointers[s]);
    if (!item.has("measure")) continue;
    for (const ProgramInfo& program : c.programs)
      if (item.at("measure").is_string() && program.name == item.at("measure").as_string()) return &program;
  }
  return nullptr;
}

void mark(CodeNotes& notes, const ProgramInfo& program, u64 address, const char* word) {
  if (address < program.address || address >= program.address + program.size) return;
  std::string& text = notes.marks[address];
  if (text.find(word) == std::string::npos) text += std::string(text.empty() ? "<- " : ", ") + word;
}

}  // namespace

std::string disassemble(const u8* bytes, std::size_t size, u64 address, unsigned limit,
                        const CodeNotes& notes) {
  const std::vector<Line> lines = lines_of(bytes, size, address, notes);
  const std::vector<bool> show = chosen(lines, limit);
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Line& line = lines[i];
    if (!show[i]) {
      if (i == 0 || show[i - 1])
        text += fmt::format("... {} more\n",
                            std::find(show.begin() + static_cast<std::ptrdiff_t>(i), show.end(), true) -
                                (show.begin() + static_cast<std::ptrdiff_t>(i)));
      continue;
    }
    if (!line.label.empty()) text += line.label + ":\n";
    text += fmt::format("{:#x}  {}", line.address, line.instruction);
    if (line.times > 1) text += fmt::format("  ({} times)", line.times);
    text += (line.mark.empty() ? "" : "  " + line.mark) + "\n";
  }
  return text;
}

void explain(const Case& c, CaseResult& result) {
  constexpr unsigned kLines = 40;  // of a program
  std::vector<const ProgramInfo*> programs;
  for (const Finding& finding : result.findings)
    if (const ProgramInfo* program = finding.step ? program_of(c, finding.step) : nullptr)
      if (std::find(programs.begin(), programs.end(), program) == programs.end()) programs.push_back(program);
  for (const ProgramInfo* program : programs) {
    const std::size_t offset = program->address - CASE_PAYLOAD_ADDRESS;
    if (program->address < CASE_PAYLOAD_ADDRESS || offset + program->size > c.payload.size()) continue;
    CodeNotes notes;
    for (const auto& [name, value] : program->expected)
      if (name.compare(0, 8, "address_") == 0) notes.labels[value] = name.substr(8);
    for (const Finding& finding : result.findings) {
      mark(notes, *program, finding.want_value, "expected");
      mark(notes, *program, finding.got_value, "got");
    }
    result.code +=
        fmt::format("program {} at CPL {}, from the start to the stop:\n{}", program->name, program->cpl,
                    disassemble(c.payload.data() + offset, program->size, program->address, kLines, notes));
  }
}

}  // namespace pmusim::conformance
