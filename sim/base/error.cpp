// SPDX-License-Identifier: Apache-2.0
// Messages of InputError, and the nearest valid name for a misspelt one (Levenshtein distance).
#include "base/error.h"

#include <algorithm>

namespace pmusim {
namespace {

constexpr std::size_t kMostListed = 12;  // names that a message can bear

std::string sentence(const std::string& file, const std::string& place, const std::string& found,
                     const std::string& expected) {
  std::string text = file;
  if (!place.empty()) text += ": " + place;
  if (!found.empty()) text += ": found " + found;
  if (!expected.empty()) text += (found.empty() ? ": expected " : ", expected ") + expected;
  return text;
}

std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

InputError::InputError(std::string file, std::string place, std::string found, std::string expected)
    : std::runtime_error(sentence(file, place, found, expected)),
      file_(std::move(file)),
      place_(std::move(place)),
      found_(std::move(found)),
      expected_(std::move(expected)) {}

InputError::InputError(const std::string& text, const InputError& first)
    : std::runtime_error(text),
      file_(first.file_),
      place_(first.place_),
      found_(first.found_),
      expected_(first.expected_) {}

InputError InputError::all_of(const std::vector<InputError>& mistakes) {
  std::string text;
  for (const InputError& mistake : mistakes) text += (text.empty() ? "" : "\n") + std::string(mistake.what());
  return InputError(text, mistakes.at(0));
}

std::string nearest_name(const std::string& name, const std::vector<std::string>& valid) {
  std::string best;
  // Near: at most a third of the letters wrong, but two letters for short names, and half of them right.
  std::size_t limit = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : valid) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < limit && 2 * distance <= candidate.size()) {
      limit = distance;
      best = candidate;
    }
  }
  return best;
}

std::string expected_one_of(const std::string& name, const std::vector<std::string>& valid,
                            const std::string& listing) {
  if (valid.empty()) return "nothing here";
  const std::string near = nearest_name(name, valid);
  const std::string hint = near.empty() ? "" : "; did you mean '" + near + "'?";
  if (valid.size() > kMostListed && !listing.empty()) return "one that '" + listing + "' shows" + hint;
  if (valid.size() > kMostListed && !near.empty()) return "a valid name" + hint;
  std::string text = "one of";
  for (std::size_t i = 0; i < valid.size(); ++i) text += (i ? ", " : " ") + valid[i];
  return text + hint;
}

}  // namespace pmusim
