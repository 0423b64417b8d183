// SPDX-License-Identifier: Apache-2.0
// Which program this is.
#pragma once

#include <string>

namespace pmusim::cli {

std::string program_name();  // "pmusim 1.0.0"
// Of the source tree at the build: "0032717f3a2b", with "-dirty" where it was changed; "unknown" outside git.
std::string program_commit();

}  // namespace pmusim::cli
