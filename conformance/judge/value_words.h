// SPDX-License-Identifier: Apache-2.0
// A value that a check saw, in the words of the manuals: "#GP", "no fault", a register's bits by name.
#pragma once

#include <string>

#include "base/types.h"
#include "conformance/language/case.h"

namespace pmusim::conformance {

// "7", "300 (0x12c)"; of a fault "#GP (vector 13)" or "no fault"; of a register that has fields here
// "0x8000000000000001 (CondChgd, gp0)", bits without a name as "bit 5". Fields: IA32_PERFEVTSELx and
// PERF_CTLx, IA32_FIXED_CTR_CTRL, global control and status of both vendors, IA32_DEBUGCTL,
// IA32_PERF_CAPABILITIES, LVTPC (SDM Vol. 3, "Performance Monitoring", "Debug, Branch Profile", "APIC"; APM
// Vol. 2, "Performance Monitoring Counters").
std::string in_words(u64 value, const CheckValue& meaning);

}  // namespace pmusim::conformance
