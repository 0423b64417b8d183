// SPDX-License-Identifier: Apache-2.0
// Sheets as text and as JSON.
#include "cli/sheet.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "base/json.h"
#include "base/wrap.h"

namespace pmusim::cli {
namespace {

constexpr unsigned kGap = 2, kUsualWidth = 100, kLeastText = 30, kWidestColumn = 40;

std::string padded(const std::string& text, unsigned width) {
  const unsigned used = text_columns(text);
  return text + std::string(width > used ? width - used : 0, ' ');
}

// As people read it.
std::string spaced(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

std::string member(const std::string& name, const std::string& json) {
  return json_string(name) + ": " + json;
}

std::string rows_json(const Table& table, const std::string& indent) {
  std::string text = "[";
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    text += (r ? ",\n" : "\n") + indent + "  {";
    for (std::size_t c = 0; c < table.columns.size(); ++c)
      text += (c ? ", " : "") + member(table.columns[c].name, table.rows[r][c].json());
    text += "}";
  }
  return text + (table.rows.empty() ? "]" : "\n" + indent + "]");
}

}  // namespace

Cell::Cell(std::string text) : text_(std::move(text)), json_(json_string(text_)) {}
Cell::Cell(u64 number) : text_(std::to_string(number)), json_(text_) {}
Cell::Cell(bool yes) : text_(yes ? "yes" : "no"), json_(yes ? "true" : "false") {}

std::string json_strings(const std::vector<std::string>& texts) {
  std::string json = "[";
  for (const std::string& text : texts) json += (json.size() > 1 ? ", " : "") + json_string(text);
  return json + "]";
}

std::string as_text(const Table& table, unsigned width) {
  std::vector<std::size_t> shown;
  for (std::size_t c = 0; c < table.columns.size(); ++c)
    if (table.columns[c].shown) shown.push_back(c);
  // One long value does not widen its column for all: it pushes the rest of its own line.
  std::vector<unsigned> widths;
  for (const std::size_t c : shown) {
    unsigned most = table.heads ? text_columns(table.columns[c].name) : 0;
    for (const auto& row : table.rows)
      if (const unsigned columns = text_columns(row[c].text()); columns <= kWidestColumn || c == shown[0])
        most = std::max(most, columns);
    widths.push_back(most);
  }
  std::string out;
  const auto line = [&](auto&& cell) {
    std::string text;
    for (std::size_t i = 0; i + 1 < shown.size(); ++i)
      text += padded(cell(shown[i]), widths[i]) + std::string(kGap, ' ');
    unsigned at = text_columns(text);
    if (at + kLeastText > width) {  // the last column goes below
      at = kGap * 2;
      text += "\n" + std::string(at, ' ');
    }
    text += wrapped(cell(shown.back()), std::max(width, at + kLeastText), at, at);
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  };
  if (table.heads && !table.rows.empty()) line([&](std::size_t c) { return spaced(table.columns[c].name); });
  for (const auto& row : table.rows) line([&](std::size_t c) { return row[c].text(); });
  return out;
}

std::string as_text(const Sheet& sheet, unsigned width) {
  unsigned names = 0;
  for (const auto& [name, cell] : sheet.values) names = std::max(names, text_columns(name));
  std::string out;
  for (const auto& [name, cell] : sheet.values)
    if (!cell.text().empty())
      out += padded(spaced(name), names + kGap) +
             wrapped(cell.text(), std::max(width, names + kGap + kLeastText), names + kGap, names + kGap) +
             "\n";
  for (const Table& table : sheet.tables)
    if (!table.rows.empty()) out += "\n" + spaced(table.name) + "\n" + as_text(table, width);
  return out;
}

std::string as_json(const Table& table) {
  return rows_json(table, "") + "\n";
}

std::string as_json(const Sheet& sheet) {
  std::string text = "{";
  const auto add = [&](const std::string& name, const std::string& json) {
    text += (text.size() > 1 ? ",\n  " : "\n  ") + member(name, json);
  };
  for (const auto& [name, cell] : sheet.values) add(name, cell.json());
  for (const Table& table : sheet.tables) add(table.name, rows_json(table, "  "));
  return text + "\n}\n";
}

unsigned output_width() {
  winsize size = {};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > kLeastText) return size.ws_col;
  return kUsualWidth;
}

}  // namespace pmusim::cli
