// SPDX-License-Identifier: Apache-2.0
// JSON Schema (draft-07) for input files, by valijson. valijson ignores words that it does not know, so a
// schema is checked for those first.
#pragma once

#include <memory>
#include <string>

#include "base/json.h"

namespace pmusim {

// Parsed once, for all documents that it judges: that takes longer than to judge a short one.
class Schema {
 public:
  // Throws InputError at a word that valijson would ignore.
  explicit Schema(JsonDocument document);
  ~Schema();
  Schema(const Schema&) = delete;
  Schema& operator=(const Schema&) = delete;

  // Throws one InputError with every mistake of the document that can be put into words (schema_mistakes.h).
  void validate(const JsonDocument& document) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Whether a part of the text matches, by the regular expressions of "pattern" and "patternProperties".
bool matches(const std::string& text, const std::string& pattern);

}  // namespace pmusim
