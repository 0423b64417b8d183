// SPDX-License-Identifier: Apache-2.0
// Paths relative to the folder in which a run was started.
#include "cli/config_folder.h"

#include <cstdlib>
#include <filesystem>

#include "base/data.h"
#include "base/error.h"
#include "base/json.h"

namespace pmusim::cli {
namespace fs = std::filesystem;

void check_verb(const JsonView& config, const std::string& verb) {
  const JsonView member = config.at("verb");
  const std::string found = member.as_string();
  if (found != verb)
    member.fail("'" + found + "'", "'" + verb + "'; this config.json is for 'pmusim " + found + " --config'");
}

namespace {

// The folder that the shell was in may be gone.
fs::path current_folder() {
  std::error_code error;
  const fs::path folder = fs::current_path(error);
  if (error)
    throw InputError("the current folder", "", "that it is gone", "a folder, for paths relative to it");
  return folder;
}

std::string absolute(const fs::path& path) {
  return (path.is_absolute() ? path : current_folder() / path).string();
}

}  // namespace

std::string folder_from(const std::string& out) {
  std::error_code error;
  const fs::path current = fs::current_path(error);
  // From a folder that is gone, only absolute paths were reached.
  return error ? "." : fs::relative(current, out).generic_string();
}

std::string folder_of(const JsonView& config, const std::string& path) {
  const JsonView member = config.at("folder");
  const fs::path folder = fs::path(path).parent_path() / member.as_string();
  std::error_code error;
  if (!fs::is_directory(folder, error))
    member.fail("'" + folder.string() + "', which is no folder",
                "the way from this file to the folder that the run was started in; was the file moved?");
  return fs::canonical(folder).string();
}

ConfigFolder::ConfigFolder(const VerbOptions& verb, std::string folder)
    : verb_(verb), folder_(std::move(folder)) {
  std::error_code error;
  if (!folder_.empty() && folder_ == fs::current_path(error)) folder_.clear();
}

bool ConfigFolder::given(const std::string& option) const {
  return !folder_.empty() && verb_.given(option);
}

std::string ConfigFolder::moved(const std::string& path) const {
  return fs::path(path).is_absolute() ? path
                                      : fs::relative(current_folder() / path, folder_).generic_string();
}

void ConfigFolder::path(const std::string& option, std::string& path) const {
  if (given(option)) path = moved(path);
}

void ConfigFolder::paths(const std::string& option, std::vector<std::string>& paths) const {
  if (given(option))
    for (std::string& path : paths) path = moved(path);
}

void ConfigFolder::names(const std::string& option, std::vector<std::string>& lists) const {
  if (!given(option)) return;
  for (std::string& list : lists) {
    std::string changed;
    for (std::size_t begin = 0; begin <= list.size();) {
      const std::size_t end = std::min(list.find(',', begin), list.size());
      const std::string name = list.substr(begin, end - begin);
      changed += (begin ? "," : "") + (is_path(name) ? moved(name) : name);
      begin = end + 1;
    }
    list = changed;
  }
}

void ConfigFolder::output(std::string& path) const {
  if (!folder_.empty() && !path.empty()) path = absolute(path);
}

void ConfigFolder::enter() const {
  if (folder_.empty()) return;
  if (const char* data = std::getenv("PMUSIM_DATA_DIR"); data && *data)
    ::setenv("PMUSIM_DATA_DIR", absolute(data).c_str(), 1);
  fs::current_path(folder_);
}

}  // namespace pmusim::cli
