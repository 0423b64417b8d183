// SPDX-License-Identifier: Apache-2.0
// Layout of the table: every column as wide as its widest cell.
#include "cli/run/side_by_side.h"

#include <fmt/format.h>

#include <algorithm>

namespace pmusim::cli {

std::string grouped(u64 value) {
  std::string digits = fmt::format("{}", value);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

std::string grouped(s64 value) {
  return value < 0 ? "-" + grouped(~static_cast<u64>(value) + 1) : grouped(static_cast<u64>(value));
}

void SideBySide::set(const std::string& name, std::size_t column, const std::string& text) {
  std::vector<Row>& rows = blocks_.back().rows;
  auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& r) { return r.name == name; });
  if (row == rows.end()) row = rows.insert(rows.end(), Row{name, std::vector<std::string>(columns_)});
  row->cells[column] = text;
}

std::string SideBySide::text() const {
  std::vector<std::size_t> width(columns_ + 1);
  for (const Block& block : blocks_)
    for (const Row& row : block.rows) {
      width[0] = std::max(width[0], row.name.size() + 2);
      for (std::size_t c = 0; c < columns_; ++c) width[c + 1] = std::max(width[c + 1], row.cells[c].size());
    }
  std::string out;
  for (const Block& block : blocks_) {
    if (block.rows.empty()) continue;
    if (!block.title.empty())
      out += "\n" + (color_ ? "\033[1m" + block.title + "\033[0m" : block.title) + "\n";
    for (const Row& row : block.rows) {
      std::string line = fmt::format("{:<{}}", (block.title.empty() ? "" : "  ") + row.name, width[0]);
      for (std::size_t c = 0; c < columns_; ++c) line += fmt::format("  {:>{}}", row.cells[c], width[c + 1]);
      line.erase(line.find_last_not_of(' ') + 1);
      out += line + "\n";
    }
  }
  return out;
}

}  // namespace pmusim::cli
