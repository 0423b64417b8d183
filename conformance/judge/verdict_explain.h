// SPDX-License-Identifier: Apache-2.0
// The guest's code beside a failure: the measured programs that the failed checks are about, disassembled,
// with the case's labels and marks where a checked value is an address in the program. Limits: a line of a
// run of equal instructions stands for all of them; what is left is cut around the marks.
#pragma once

#include "conformance/judge/verdict.h"
#include "conformance/language/case.h"

namespace pmusim::conformance {

// Fills the result's code, if it has findings.
void explain(const Case& c, CaseResult& result);

// Text before an instruction and after it, by address.
struct CodeNotes {
  std::map<u64, std::string> labels, marks;
};
// Intel syntax, one instruction a line with its address; at most about `limit` lines: those around marks, or
// else the first ones.
std::string disassemble(const u8* bytes, std::size_t size, u64 address, unsigned limit,
                        const CodeNotes& notes = {});

}  // namespace pmusim::conformance
