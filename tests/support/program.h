// SPDX-License-Identifier: Apache-2.0
// Runs the pmusim command and keeps what it printed.
#pragma once

#include <string>

#include "base/json.h"
#include "tests/support/paths.h"

namespace pmusim::test {

struct Output {
  int status = -1;  // exit status; 128 + signal if it was killed
  std::string out, err;
  std::string last_line() const;
  JsonDocument json() const;  // what it printed
};

std::string program();  // its path in the build tree
// arguments: as typed in a shell.
Output pmusim_command(const std::string& arguments);
Output shell(const std::string& command);

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace pmusim::test
