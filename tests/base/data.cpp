// SPDX-License-Identifier: Apache-2.0
// The folder of the program's data files.
#include "base/data.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include "base/error.h"

using namespace pmusim;

namespace {

// Sets PMUSIM_DATA_DIR until the end of its scope.
class DataDir {
 public:
  explicit DataDir(const char* path) {
    if (const char* old = std::getenv(kName)) old_ = old;
    ::setenv(kName, path, 1);
  }
  ~DataDir() { old_.empty() ? ::unsetenv(kName) : ::setenv(kName, old_.c_str(), 1); }

 private:
  static constexpr const char* kName = "PMUSIM_DATA_DIR";
  std::string old_;
};

}  // namespace

TEST_CASE("data files are looked for in the folder that the environment names, if that exists") {
  {
    const DataDir dir("/");
    CHECK(data_path("models/none.json") == "/models/none.json");
  }
  const DataDir dir("/no/such/folder");
  try {
    data_path("models/none.json");
    FAIL("a folder that does not exist was accepted");
  } catch (const InputError& e) {
    CHECK(std::string(e.what()).find("found '/no/such/folder', which is no folder") != std::string::npos);
  }
}
