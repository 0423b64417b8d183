// SPDX-License-Identifier: Apache-2.0
// A guest program of a user's own: CONTRIBUTING.md's recipe, followed as it is written.
#include <doctest/doctest.h>

#include <cstdio>

#include "base/json.h"
#include "tests/support/program.h"

using namespace pmusim::test;

namespace {

// The recipe's commands, for this source tree and the program of this build.
std::string recipe() {
  const std::string text = pmusim::read_file(source("CONTRIBUTING.md"));
  const std::size_t begin = text.find("    T=$HOME", text.find("**A guest program of your own**"));
  std::string commands = text.substr(begin, text.find("\n\n", begin) - begin);
  const auto replace = [&](const std::string& old, const std::string& by) {
    const std::size_t at = commands.find(old);
    REQUIRE(at != std::string::npos);
    commands.replace(at, old.size(), by);
  };
  replace("$HOME/pmusim", "'" + source("") + "'");
  replace("$T/build/release/pmusim", "'" + program() + "'");
  return commands;
}

}  // namespace

TEST_CASE("the recipe for a guest program gives one that takes a sample in each period") {
  const std::string folder = fresh_folder("test_own_guest");
  const Output o = shell("cd '" + folder + "' && set -e\n" + recipe());
  INFO(o.err);
  CHECK(o.status == 0);
  unsigned long instructions = 0, samples = 0;
  REQUIRE(std::sscanf(o.out.c_str(), "%lu instructions, %lu samples", &instructions, &samples) == 2);
  CHECK(instructions > 1000000);  // a million rounds that hold a NOP
  CHECK(samples == instructions / 100000);
}
