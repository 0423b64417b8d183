// SPDX-License-Identifier: Apache-2.0
// What a document that a schema refuses has wrong, in words. The verdict is valijson's; this only explains
// it.
#pragma once

#include <vector>

#include "base/json.h"

namespace pmusim {

// Every mistake that can be put into words: missing and unknown keys by name, types, allowed words with the
// nearest, limits. Of alternatives (anyOf, oneOf) the one that fits best is explained. Empty if none is
// understood.
std::vector<InputError> schema_mistakes(const JsonDocument& document, const JsonDocument& schema);

}  // namespace pmusim
