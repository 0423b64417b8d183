// SPDX-License-Identifier: Apache-2.0
// Tables with a row for each value of an enumeration: whether they are complete and in its order, so that a
// value is its row's index. For static_assert; a value that is added or moved then does not compile.
#pragma once

#include <cstddef>

namespace pmusim {

// `key`: the member of a row that holds its value. `count`: of the enumeration's values.
template <class Row, std::size_t N, class Enum>
constexpr bool is_enum_table(const Row (&rows)[N], Enum Row::*key, std::size_t count) {
  if (N != count) return false;
  for (std::size_t i = 0; i < N; ++i)
    if (static_cast<std::size_t>(rows[i].*key) != i) return false;
  return true;
}
template <class Row, std::size_t N, class Enum>
constexpr bool is_enum_table(const Row (&rows)[N], Enum Row::*key) {
  return is_enum_table(rows, key, static_cast<std::size_t>(Enum::Number));
}

}  // namespace pmusim
