// SPDX-License-Identifier: Apache-2.0
// The only reader of the header that the build makes of the commit (cmake/Commit.cmake).
#include "cli/version.h"

#include <pmusim_commit.h>

namespace pmusim::cli {

std::string program_name() {
  return std::string("pmusim ") + PMUSIM_VERSION;
}

std::string program_commit() {
  return PMUSIM_COMMIT;
}

}  // namespace pmusim::cli
