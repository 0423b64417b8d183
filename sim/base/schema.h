// SPDX-License-Identifier: Apache-2.0
// JSON Schema (draft-07) for input files, by valijson. valijson ignores words that it does not know, so a
// schema is checked for those first.
#pragma once

#include <string>

#include "base/json.h"

namespace pmusim {

// Throws one InputError with every mistake of the document that can be put into words (schema_mistakes.h).
void validate(const JsonDocument& document, const JsonDocument& schema);

// Throws InputError at a word of the schema that valijson would ignore.
void check_schema(const JsonDocument& schema);

// Whether a part of the text matches, by the regular expressions of "pattern" and "patternProperties".
bool matches(const std::string& text, const std::string& pattern);

}  // namespace pmusim
