// SPDX-License-Identifier: Apache-2.0
// How a verb declares its options and arguments. The library that parses the command line stays behind this:
// its one header costs more to compile than a verb.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/types.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace pmusim::cli {

// One declared option, to say more of it.
class DeclaredOption {
 public:
  explicit DeclaredOption(CLI::Option* option) : option_(option) {}
  const DeclaredOption& required() const;
  const DeclaredOption& shown_default(const std::string& text) const;  // in the help
  const DeclaredOption& when_given(std::function<void()> then) const;

 private:
  CLI::Option* option_;
};

// A verb, or the command that has verbs. Names without dashes are arguments by position; a short name stands
// before the long one ("-j,--jobs"). What the references refer to has to live until the command line is
// parsed.
class VerbOptions {
 public:
  VerbOptions(CLI::App& app, const std::string& version);  // of the command as a whole

  VerbOptions verb(const std::string& name, const std::string& help) const;  // below this one
  void needs_verb() const;

  void group(const std::string& title) const;  // in the help, of the options that follow

  // Applied before all others, wherever it stands.
  void config(std::function<void(const std::string& path)> read) const;
  // A text that is not empty, or InputError; `what` completes "expected ...".
  DeclaredOption text(const std::string& name, std::string& value, const std::string& what,
                      const std::string& help) const;
  // Any text; its value is shown as the default.
  DeclaredOption word(const std::string& name, std::string& value, const std::string& help) const;
  // A whole decimal number from min to max, or InputError.
  DeclaredOption number(const std::string& name, u64& value, u64 min, u64 max, const std::string& help) const;
  // May be given several times, each with one value.
  DeclaredOption list(const std::string& name, std::vector<std::string>& values,
                      const std::string& help) const;
  // Likewise; more than one value is for the verb to refuse.
  DeclaredOption one_of_list(const std::string& name, std::vector<std::string>& values,
                             const std::string& help) const;
  // The rest of the command line.
  DeclaredOption arguments(const std::string& name, std::vector<std::string>& values,
                           const std::string& help) const;
  DeclaredOption paths(const std::string& name, std::vector<std::string>& values,
                       const std::string& help) const;  // a list, of files
  // A list of PATH=VALUE; what is given comes behind what is there.
  DeclaredOption settings(const std::string& name, std::vector<std::string>& values,
                          const std::string& help) const;
  void flag(const std::string& name, bool& value, const std::string& help) const;
  void footer(const std::string& text) const;  // of the help

  // Was it on the command line?
  bool given(const std::string& name) const;
  // What to do when the verb was parsed.
  void parsed(std::function<void()> then) const;

 private:
  explicit VerbOptions(CLI::App& app) : app_(&app) {}

  CLI::App* app_;
};

}  // namespace pmusim::cli
