// SPDX-License-Identifier: Apache-2.0
// The paths in a config.json. They stay as they were given, since a guest is told some of them (its command
// line begins with the image's) and reports show others; "folder" leads from the config.json's folder to the
// one that they are relative to. So nothing in the file is absolute unless it was given so.
#pragma once

#include <string>
#include <vector>

#include "cli/verb_options.h"

namespace pmusim {
class JsonView;
}

namespace pmusim::cli {

// InputError if the file is the config.json of another verb.
void check_verb(const JsonView& config, const std::string& verb);

// For a config.json in `out`, which exists: from there to the current folder.
std::string folder_from(const std::string& out);

// What the member "folder" of that file means here. InputError if it is no folder.
std::string folder_of(const JsonView& config, const std::string& path);

// Makes `folder` the current one. What was given beside the config.json, in the folder that is left, is
// changed to mean the same files there.
class ConfigFolder {
 public:
  ConfigFolder(const VerbOptions& verb, std::string folder);  // "": no config.json was given, nothing changes
  // An option with a path; with names or paths, of which those with '/' or ".json" are paths.
  void path(const std::string& option, std::string& path) const;
  void paths(const std::string& option, std::vector<std::string>& paths) const;
  void names(const std::string& option, std::vector<std::string>& lists) const;
  void output(std::string& path) const;  // of this command, never of the config.json
  void enter() const;

 private:
  bool given(const std::string& option) const;
  std::string moved(const std::string& path) const;

  VerbOptions verb_;
  std::string folder_;
};

}  // namespace pmusim::cli
