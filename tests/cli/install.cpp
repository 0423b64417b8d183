// SPDX-License-Identifier: Apache-2.0
// The installed program: with its own data, from any folder, and without them.
#include <doctest/doctest.h>

#include <filesystem>

#include "tests/cli/program.h"

using namespace pmusim::test;
namespace fs = std::filesystem;

namespace {

std::string installed() {
  const std::string prefix = fresh_folder("prefix");
  const Output output = shell("cmake --install " + build("") + " --prefix " + prefix);
  REQUIRE(output.status == 0);
  return prefix;
}

Output from_root(const std::string& prefix, const std::string& arguments) {
  return shell("cd / && " + prefix + "/bin/pmusim " + arguments);
}

}  // namespace

TEST_CASE("an installed program runs the suite, and a guest, from another folder with the data beside it") {
  const std::string prefix = installed();
  const Output suite = from_root(prefix, "conform 'overflow*' --model spr,zen4 --policy all");
  CAPTURE(suite.err);
  CHECK(suite.status == 0);
  CHECK(has(suite.last_line(), " passed, 0 failed, "));
  const Output run =
      from_root(prefix, "run " + prefix + "/share/pmusim/guests/hello.elf --model spr --policy emulated");
  CHECK(run.status == 0);
  CHECK(has(run.out, "hello from Intel"));
  CHECK(fs::exists(prefix + "/share/doc/pmusim/docs/architecture.md"));
  // Not the source tree's.
  fs::remove(prefix + "/share/pmusim/models/amd/zen4.json");
  const Output models = from_root(prefix, "list models");
  CHECK(has(models.out, "spr"));
  CHECK_FALSE(has(models.out, "zen4"));
}

TEST_CASE("an installed program without its data says where it looked, and ends with status 2") {
  const std::string prefix = installed();
  fs::remove_all(prefix + "/share");
  const Output output = from_root(prefix, "list models");
  CHECK(output.status == 2);
  CHECK(has(output.err, prefix + "/share/pmusim"));
}
