// SPDX-License-Identifier: Apache-2.0
// Finding data files: environment, installation, or the source tree of a program that stands where it was
// built.
#include "base/data.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/error.h"

namespace pmusim {
namespace fs = std::filesystem;
namespace {

fs::path data_root() {
  if (const char* set = std::getenv("PMUSIM_DATA_DIR"); set && *set) return set;
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (error) return PMUSIM_DATA_ROOT;
  const fs::path installed = self.parent_path().parent_path() / "share" / "pmusim";
  if (fs::is_directory(installed, error)) return installed;
  const fs::path built = fs::weakly_canonical(PMUSIM_BUILD_ROOT, error);
  const bool in_build =
      !error && !built.empty() &&
      std::mismatch(built.begin(), built.end(), self.begin(), self.end()).first == built.end();
  return in_build ? fs::path(PMUSIM_DATA_ROOT) : installed;
}

}  // namespace

std::string data_path(const std::string& relative) {
  const fs::path root = data_root();
  std::error_code error;
  if (!fs::is_directory(root, error))
    throw InputError(std::getenv("PMUSIM_DATA_DIR") ? "PMUSIM_DATA_DIR" : "the program's data", "",
                     "'" + root.string() + "', which is no folder",
                     "the folder of models, policies and conformance, as 'cmake --install' makes it; "
                     "PMUSIM_DATA_DIR can name another");
  return (root / relative).string();
}

std::string guests_folder() {
  const std::string installed = data_path("guests");
  if (!list_files(installed, ".elf").empty()) return installed;
  std::error_code error;
  return (fs::read_symlink("/proc/self/exe", error).parent_path() / "guests").string();
}

std::vector<std::string> list_files(const std::string& folder, const std::string& suffix) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string path = at->path().lexically_relative(folder).generic_string();
    if (at->is_regular_file() && path.size() >= suffix.size() &&
        path.compare(path.size() - suffix.size(), suffix.size(), suffix) == 0)
      files.push_back(path);
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool is_path(const std::string& name) {
  return name.find('/') != std::string::npos ||
         (name.size() > 5 && name.compare(name.size() - 5, 5, ".json") == 0);
}

}  // namespace pmusim
