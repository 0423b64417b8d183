// SPDX-License-Identifier: Apache-2.0
// Runs the pmusim command through the shell. PMUSIM_PROGRAM is defined for this file alone.
#include "tests/support/program.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace pmusim::test {

std::string Output::last_line() const {
  std::string text = out;
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

JsonDocument Output::json() const {
  return parse_json(out, "standard output");
}

Output shell(const std::string& command) {
  const std::string base = build("test_output." + std::to_string(::getpid()));
  const int status =
      std::system(("(" + command + ") >" + base + ".out 2>" + base + ".err </dev/null").c_str());
  Output output;
  output.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  output.out = read_file(base + ".out");
  output.err = read_file(base + ".err");
  std::filesystem::remove(base + ".out");
  std::filesystem::remove(base + ".err");
  return output;
}

std::string program() {
  return PMUSIM_PROGRAM;
}

Output pmusim_command(const std::string& arguments) {
  return shell(program() + " " + arguments);
}

}  // namespace pmusim::test
