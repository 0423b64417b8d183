// SPDX-License-Identifier: Apache-2.0
// A text table with one column for each of several things compared, in blocks of rows.
#pragma once

#include <string>
#include <vector>

#include "base/types.h"

namespace pmusim::cli {

std::string grouped(u64 value);  // 92529939 -> "92,529,939"
std::string grouped(s64 value);

// Rows in the order of their first appearance. Cells are right-aligned; a row has what was set.
class SideBySide {
 public:
  SideBySide(std::size_t columns, bool color) : columns_(columns), color_(color) {}
  void set(const std::string& row, std::size_t column, const std::string& text);
  void heading(const std::string& text) { blocks_.push_back({text, {}}); }  // of the rows that follow
  std::string text() const;  // a heading without rows is left out; color: headings stand out

 private:
  struct Row {
    std::string name;
    std::vector<std::string> cells;
  };
  struct Block {
    std::string title;
    std::vector<Row> rows;
  };
  std::size_t columns_;
  bool color_;
  std::vector<Block> blocks_ = {Block{}};
};

}  // namespace pmusim::cli
