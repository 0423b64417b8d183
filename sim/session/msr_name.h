// SPDX-License-Identifier: Apache-2.0
// MSRs by name, for people.
#pragma once

#include <string>

#include "pmu/registers.h"

namespace pmusim::session {

// As the vendor's manual prints it; a number ("0x17d") where no name is known here.
std::string msr_name(pmu::Vendor vendor, u32 index);

}  // namespace pmusim::session
