// SPDX-License-Identifier: Apache-2.0
// What `list` and `show` print: the same facts as a text for people and as JSON for programs.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/types.h"

namespace pmusim::cli {

// One value. In JSON a string, unless it is made of something else.
class Cell {
 public:
  Cell(std::string text);
  Cell(const char* text) : Cell(std::string(text)) {}
  Cell(u64 number);
  Cell(unsigned number) : Cell(u64{number}) {}
  Cell(bool yes);  // "yes" and "no"
  // Nothing there: "" and null.
  static Cell none() { return Cell("", "null"); }
  // Different for people and for programs; json is JSON as it is.
  static Cell both(std::string text, std::string json) { return Cell(std::move(text), std::move(json)); }

  const std::string& text() const { return text_; }
  const std::string& json() const { return json_; }

 private:
  Cell(std::string text, std::string json) : text_(std::move(text)), json_(std::move(json)) {}
  std::string text_, json_;
};
std::string json_strings(const std::vector<std::string>& texts);  // an array

struct Column {
  Column(const char* column_name, bool for_people = true) : name(column_name), shown(for_people) {}
  std::string name;  // member of the JSON objects, and the head of the text's column
  bool shown;        // in the text
};

// Rows of equal length. In the text the last column is wrapped, and a cell may hold several lines.
struct Table {
  std::string name;  // in a sheet
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;
  bool heads = true;  // the text begins with the columns' names
};

// Named values, then tables.
struct Sheet {
  std::vector<std::pair<std::string, Cell>> values;
  std::vector<Table> tables;
};

// width: columns of the text. A JSON document ends with a newline.
std::string as_text(const Table& table, unsigned width);
std::string as_text(const Sheet& sheet, unsigned width);
std::string as_json(const Table& table);  // an array of objects
std::string as_json(const Sheet& sheet);  // one object

// Columns of the terminal that standard output is, or 100.
unsigned output_width();

}  // namespace pmusim::cli
