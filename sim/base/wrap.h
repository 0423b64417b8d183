// SPDX-License-Identifier: Apache-2.0
// Text for people in lines of limited width.
#pragma once

#include <string>

namespace pmusim {

// Terminal columns of UTF-8 text without wide characters.
unsigned text_columns(const std::string& text);

// The words of a text in lines of at most `width`, the first of which begins at column `at` and the others at
// `indent`. Words that are longer stay whole. No newline at the end.
std::string wrapped(const std::string& text, unsigned width, unsigned at, unsigned indent);

}  // namespace pmusim
