// SPDX-License-Identifier: Apache-2.0
// What makes a table one of an enumeration: each value once, in order.
#include "base/enum_table.h"

#include <doctest/doctest.h>

using namespace pmusim;

namespace {

enum class Fruit { Apple, Pear, Plum, Number };
struct Row {
  Fruit fruit;
  const char* name;
};
constexpr Row kGood[] = {{Fruit::Apple, "apple"}, {Fruit::Pear, "pear"}, {Fruit::Plum, "plum"}};
constexpr Row kSwapped[] = {{Fruit::Apple, "apple"}, {Fruit::Plum, "plum"}, {Fruit::Pear, "pear"}};
constexpr Row kShort[] = {{Fruit::Apple, "apple"}, {Fruit::Pear, "pear"}};
constexpr Row kLong[] = {
    {Fruit::Apple, "apple"}, {Fruit::Pear, "pear"}, {Fruit::Plum, "plum"}, {Fruit::Number, ""}};

}  // namespace

TEST_CASE("A table of an enumeration has every value once, in order, and no more") {
  CHECK(is_enum_table(kGood, &Row::fruit));
  CHECK_FALSE(is_enum_table(kSwapped, &Row::fruit));
  CHECK_FALSE(is_enum_table(kShort, &Row::fruit));
  CHECK_FALSE(is_enum_table(kLong, &Row::fruit));
  CHECK(is_enum_table(kShort, &Row::fruit, 2));
}
