// SPDX-License-Identifier: Apache-2.0
// Text for people in lines of limited width.
#pragma once

#include <string>
#include <vector>

namespace pmusim {

// Breaks at blanks, so that no line has more than `width` columns; a longer word has a line of its own. Bytes
// are counted as columns: our texts are ASCII.
std::vector<std::string> wrap(const std::string& text, std::size_t width);

}  // namespace pmusim
