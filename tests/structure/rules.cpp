// SPDX-License-Identifier: Apache-2.0
// What may include what, and what every file begins with. docs/architecture.md tells the reasons.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/support/paths.h"

namespace {
namespace fs = std::filesystem;

// Each may include itself and what comes earlier in the list; a folder that is not in it may not be included.
const std::vector<std::string> kOrder = {
    "sim/base",
    "sim/trace",
    "sim/jobs",
    "guests/case",
    "sim/arch",
    "sim/core/state",
    "sim/core/memory",
    "sim/core/timing",
    "sim/core/system",
    "sim/core/execute",
    "sim/core/decode",
    "sim/core/run",
    "sim/pmu",
    "sim/model",
    "models/intel",
    "models/amd",
    "models",
    "sim/platform/apic",
    "sim/platform/devices",
    "sim/platform/boot",
    "sim/platform/cpu",
    "sim/platform/machine",
    "sim/hypervisor/api",
    "sim/hypervisor/hw",
    "sim/hypervisor/perf",
    "sim/hypervisor/vpmu",
    "sim/hypervisor/kvm",
    "sim/hypervisor/drivers",
    "sim/session",
    "conformance/language",
    "conformance/judge",
    "conformance/defects",
    "sim/cli",
};

// Beyond the order: what knows nothing of what, though that comes earlier.
const std::vector<std::pair<std::string, std::vector<std::string>>> kForbidden = {
    {"sim/jobs", {"sim/trace"}},
    {"sim/arch", {"sim/trace", "sim/jobs", "guests"}},
    {"sim/core", {"sim/trace", "sim/jobs", "guests"}},
    {"sim/pmu", {"sim/trace", "sim/jobs", "guests", "sim/core"}},
    {"sim/model", {"sim/trace", "sim/jobs", "guests"}},
    {"models/intel", {"sim/trace", "sim/jobs", "guests", "sim/core", "sim/model"}},
    {"models/amd", {"sim/trace", "sim/jobs", "guests", "sim/core", "sim/model", "models/intel"}},
    {"sim/platform", {"sim/trace", "sim/jobs", "guests", "models"}},
    {"sim/hypervisor", {"sim/trace", "sim/jobs", "guests", "models"}},
    {"sim/session", {"sim/trace", "sim/jobs", "guests"}},
    {"conformance", {"sim/trace"}},
};
// Of the command, only what is about cases knows the suite.
const std::set<std::string> kAboutCases = {"sim/cli/verb_bugs.cpp",      "sim/cli/verb_build.cpp",
                                           "sim/cli/verb_conform.cpp",   "sim/cli/verb_list.cpp",
                                           "sim/cli/conform_config.cpp", "sim/cli/conform_config.h"};

// Heavy headers, and where they may be: each costs seconds wherever it is read.
const std::map<std::string, std::vector<std::string>> kHeavy = {
    {"<CLI/", {"sim/cli/verb_options.cpp", "sim/cli/command_line.cpp", "tests/silicon/tool/"}},
    {"<nlohmann/json.hpp",
     {"sim/base/", "sim/cli/", "conformance/judge/", "sim/session/observation.cpp", "tests/"}},
    {"<regex>", {"sim/base/schema.cpp", "tests/"}},
    {"<systemc", {"sim/platform/", "sim/cli/program/", "tests/main.cpp"}},
    {"<tlm", {"sim/platform/"}},
    {"<valijson", {"sim/base/schema.cpp"}},
    {"<Zydis/Zydis.h",
     {"sim/core/decode/", "sim/core/run/disassemble.cpp", "conformance/language/",
      "conformance/judge/verdict_explain.cpp", "tests/"}},
};

const fs::path kRoot = pmusim::test::source("");

std::vector<std::string> sources() {
  std::vector<std::string> found;
  for (const char* folder : {"sim", "models", "conformance", "tests", "bench"})
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      const std::string extension = entry.path().extension().string();
      if (extension == ".cpp" ||
          (extension == ".h" &&
           fs::relative(entry.path(), kRoot) != "bench/microbenchmarks/kernels.h"))  // that one is C
        found.push_back(fs::relative(entry.path(), kRoot).generic_string());
    }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<std::string> lines_of(const std::string& file) {
  std::ifstream stream(kRoot / file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

bool below(const std::string& path, const std::string& folder) {
  return path == folder || path.compare(0, folder.size() + 1, folder + "/") == 0;
}

// The deepest folder of the order that a file is in, or -1.
int rank_of(const std::string& file) {
  const std::string folder = fs::path(file).parent_path().generic_string();
  int rank = -1;
  std::size_t longest = 0;
  for (std::size_t n = 0; n < kOrder.size(); ++n)
    if (below(folder, kOrder[n]) && kOrder[n].size() >= longest) {
      rank = static_cast<int>(n);
      longest = kOrder[n].size();
    }
  return rank;
}

// The name in an include, with its quotes or brackets; "" for another line.
std::string included_by(const std::string& line) {
  const std::size_t hash = line.find_first_not_of(" \t");
  if (hash == std::string::npos || line[hash] != '#') return "";
  const std::size_t word = line.find_first_not_of(" \t", hash + 1);
  if (word == std::string::npos || line.compare(word, 7, "include") != 0) return "";
  const std::size_t begin = line.find_first_of("\"<", word);
  const std::size_t end = begin == std::string::npos ? begin : line.find_first_of("\">", begin + 1);
  return end == std::string::npos ? "" : line.substr(begin, end + 1 - begin);
}

// What of ours an include means: below sim/ or the top folder. Empty: nothing of ours.
std::string meant_by(const std::string& included) {
  if (included.empty()) return "";
  const std::string name = included.substr(1, included.size() - 2);
  for (const std::string& path : {"sim/" + name, name})
    if (fs::exists(kRoot / path)) return path;
  return "";
}

}  // namespace

TEST_CASE("files include only what stands below their folder") {
  unsigned edges = 0;
  for (const std::string& file : sources()) {
    if (below(file, "tests") || below(file, "bench")) continue;
    const int own = rank_of(file);
    CHECK_MESSAGE(own >= 0, file << " is in no folder of the order");
    for (const std::string& line : lines_of(file)) {
      const std::string name = included_by(line), included = meant_by(name);
      CHECK_MESSAGE((name.empty() || name[0] == '<' || !included.empty()),
                    file << " includes " << name << ", by no path from the top");
      if (included.empty()) continue;
      ++edges;
      const int other = rank_of(included);
      CHECK_MESSAGE(other >= 0, file << " includes " << included << ", which is in no folder of the order");
      CHECK_MESSAGE(other <= own, file << " includes " << included << ", which comes later");
      for (const auto& [from, to] : kForbidden)
        for (const std::string& folder : to)
          CHECK_MESSAGE(!(below(file, from) && below(included, folder)), file << " includes " << included);
      if (below(file, "sim/cli") && below(included, "conformance"))
        CHECK_MESSAGE(kAboutCases.count(file), file << " includes " << included);
    }
  }
  CHECK(edges > 500);
}

TEST_CASE("heavy headers are included only where they may be") {
  for (const std::string& file : sources())
    for (const std::string& line : lines_of(file))
      for (const auto& [header, places] : kHeavy) {
        if (included_by(line).compare(0, header.size(), header) != 0) continue;
        CHECK_MESSAGE(
            std::any_of(places.begin(), places.end(),
                        [&](const std::string& place) { return file.compare(0, place.size(), place) == 0; }),
            file << " includes " << header);
      }
}

TEST_CASE("every source begins with its licence and with what it is") {
  for (const std::string& file : sources()) {
    const std::vector<std::string> lines = lines_of(file);
    REQUIRE_MESSAGE(lines.size() > 2, file);
    CHECK_MESSAGE(lines[0] == "// SPDX-License-Identifier: Apache-2.0", file);
    CHECK_MESSAGE((lines[1].compare(0, 3, "// ") == 0 && lines[1].size() > 5),
                  file << ": no comment that says what it is");
  }
}
