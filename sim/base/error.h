// SPDX-License-Identifier: Apache-2.0
// Errors that a user can cause and mend. Each names the file, the place in it, what was found there and
// what was expected; the command ends with exit status 2. Everything else that goes wrong is a bug of
// ours (std::logic_error, exit status 3).
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace pmusim {

class InputError : public std::runtime_error {
 public:
  // file: path as the user gave it, or the option's name. place: "line 12, /cpu/width" or "" if the whole
  // file is meant. found and expected complete the sentence "found X, expected Y"; either may be empty.
  InputError(std::string file, std::string place, std::string found, std::string expected);

  // Several mistakes at once (at least one), a line each; file, place, found and expected are the first
  // one's.
  static InputError all_of(const std::vector<InputError>& mistakes);

  const std::string& file() const { return file_; }
  const std::string& place() const { return place_; }
  const std::string& found() const { return found_; }
  const std::string& expected() const { return expected_; }

 private:
  InputError(const std::string& text, const InputError& first);
  std::string file_, place_, found_, expected_;
};

// The valid name nearest to a misspelt one, by edit distance, or "" if none is near.
std::string nearest_name(const std::string& name, const std::vector<std::string>& valid);

// The valid names, and the near one if there is one, for use in InputError::expected: "one of a, b; did you
// mean 'a'?". listing: the command that shows a list which is too long for a message.
std::string expected_one_of(const std::string& name, const std::vector<std::string>& valid,
                            const std::string& listing = "");

}  // namespace pmusim
