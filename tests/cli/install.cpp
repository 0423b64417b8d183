// SPDX-License-Identifier: Apache-2.0
// The installed program: with its own data, from any folder, and without them.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

#include "tests/support/program.h"

using namespace pmusim::test;
namespace fs = std::filesystem;

namespace {

// A prefix outside the build folder, until the end of its scope.
class Prefix {
 public:
  Prefix() {
    std::string name = (fs::temp_directory_path() / "pmusim-prefix-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()));
    path_ = name;
    REQUIRE(shell("cmake --install " + build("") + " --prefix " + path_).status == 0);
  }
  ~Prefix() { fs::remove_all(path_); }
  Prefix(const Prefix&) = delete;
  Prefix& operator=(const Prefix&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Output from_root(const std::string& prefix, const std::string& arguments) {
  return shell("cd / && unset PMUSIM_DATA_DIR && " + prefix + "/bin/pmusim " + arguments);
}

}  // namespace

TEST_CASE("an installed program runs the suite, and a guest, from another folder with the data beside it") {
  const Prefix scratch;
  const std::string& prefix = scratch.path();
  const Output suite = from_root(prefix, "conform 'overflow*' --model spr,zen4 --policy all");
  CAPTURE(suite.err);
  CHECK(suite.status == 0);
  CHECK(has(suite.last_line(), " passed, 0 failed, "));
  const Output run =
      from_root(prefix, "run " + prefix + "/share/pmusim/guests/hello.elf --model spr --policy emulated");
  CHECK(run.status == 0);
  CHECK(has(run.out, "hello from Intel"));
  CHECK(fs::exists(prefix + "/share/doc/pmusim/docs/architecture.md"));
  CHECK(from_root(prefix, "bugs check lvtpc-not-masked-on-pmi --quiet").status == 0);
  const Output guests = from_root(prefix, "list guests");
  CHECK(has(guests.out, "profiler "));
  CHECK(has(guests.out, prefix + "/share/pmusim/guests/NAME.elf"));
  // Not the source tree's.
  fs::remove(prefix + "/share/pmusim/models/amd/zen4.json");
  const Output models = from_root(prefix, "list models");
  CHECK(has(models.out, "spr"));
  CHECK_FALSE(has(models.out, "zen4"));
}

TEST_CASE("an installed program without its data says where it looked, and ends with status 2") {
  const Prefix scratch;
  const std::string& prefix = scratch.path();
  fs::remove_all(prefix + "/share");
  const Output output = from_root(prefix, "list models");
  CHECK(output.status == 2);
  CHECK(has(output.err, prefix + "/share/pmusim"));
}
