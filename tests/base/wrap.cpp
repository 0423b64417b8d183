// SPDX-License-Identifier: Apache-2.0
// Lines of limited width.
#include "base/wrap.h"

#include <doctest/doctest.h>

using namespace pmusim;

TEST_CASE("a word goes to the next line where it does not fit, and fits up to the last column") {
  CHECK(wrapped("ab cd ef", 4, 0, 0) == "ab\ncd\nef");
  CHECK(wrapped("ab cd ef", 5, 0, 0) == "ab cd\nef");
  CHECK(wrapped("ab cd ef", 8, 0, 0) == "ab cd ef");
}

TEST_CASE("the first line begins where it is told, the others are indented, and long words stay whole") {
  CHECK(wrapped("ab cd", 6, 2, 3) == "ab\n   cd");
  CHECK(wrapped("abcdefgh i", 4, 0, 1) == "abcdefgh\n i");
  CHECK(wrapped("a\nb", 10, 0, 2) == "a\n  b");
  CHECK(wrapped("", 10, 0, 2) == "");
}

TEST_CASE("columns of UTF-8 text are its characters") {
  CHECK(text_columns("a\xc3\xa9") == 2);
}
