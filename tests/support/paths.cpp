// SPDX-License-Identifier: Apache-2.0
// PMUSIM_SOURCE_DIR and PMUSIM_BINARY_DIR are defined for this file alone.
#include "tests/support/paths.h"

#include <filesystem>

namespace pmusim::test {

std::string source(const std::string& relative) {
  return PMUSIM_SOURCE_DIR "/" + relative;
}
std::string build(const std::string& relative) {
  return PMUSIM_BINARY_DIR "/" + relative;
}
std::string fresh_folder(const std::string& name) {
  const std::string path = build("test_" + name);
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  return path;
}

}  // namespace pmusim::test
