// SPDX-License-Identifier: Apache-2.0
// The guest's code beside a failure: the measured programs of the case, disassembled.
#pragma once

#include "conformance/case.h"
#include "conformance/verdict.h"

namespace pmusim::conformance {

// Fills `code` of every finding.
void explain(const Case& c, CaseResult& result);

// Intel syntax, one instruction a line with its address; at most `limit` lines.
std::string disassemble(const u8* bytes, std::size_t size, u64 address, unsigned limit);

}  // namespace pmusim::conformance
