// SPDX-License-Identifier: Apache-2.0
// A case for tests of the command.
#pragma once

#include <fstream>
#include <string>

namespace pmusim::test {

// A case whose one check is `condition`.
inline std::string case_file(const std::string& folder, const std::string& id, const std::string& condition) {
  const std::string path = folder + "/" + id + ".json";
  std::ofstream(path) << R"({"id": ")" << id
                      << R"(", "title": "A case of a test", "area": "version and CPUID",
    "sources": ["none"], "requires": {"pmu": "any"}, "steps": [{"check": ")"
                      << condition << R"(", "title": "the check"}]})";
  return path;
}

}  // namespace pmusim::test
