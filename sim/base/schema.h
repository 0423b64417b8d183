// SPDX-License-Identifier: Apache-2.0
// JSON Schema (draft-07) for input files, by valijson. valijson ignores words that it does not know, so a
// schema is checked for those first.
#pragma once

#include "base/json.h"

namespace pmusim {

// Throws InputError at the first (deepest) value of the document that does not fit the schema.
void validate(const JsonDocument& document, const JsonDocument& schema);

// Throws InputError at a word of the schema that valijson would ignore.
void check_schema(const JsonDocument& schema);

}  // namespace pmusim
