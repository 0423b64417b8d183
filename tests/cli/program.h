// SPDX-License-Identifier: Apache-2.0
// Runs the pmusim command and keeps what it printed.
#pragma once

#include <string>

namespace pmusim::test {

struct Output {
  int status = -1;  // exit status; 128 + signal if it was killed
  std::string out, err;
  std::string last_line() const;
};

// arguments: as typed in a shell.
Output pmusim_command(const std::string& arguments);
Output shell(const std::string& command);

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// An empty folder of that name in the build tree.
std::string fresh_folder(const std::string& name);
std::string source(const std::string& relative);  // path of a file of the source tree
std::string build(const std::string& relative);   // ... of the build tree

}  // namespace pmusim::test
