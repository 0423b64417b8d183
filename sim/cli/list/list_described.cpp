// SPDX-License-Identifier: Apache-2.0
// Cases and defects: what their files say of themselves.
#include <algorithm>

#include "base/data.h"
#include "base/json.h"
#include "cli/list/list.h"

namespace pmusim::cli {
namespace {

Table described(const char* name, const std::string& folder, const std::vector<Column>& more) {
  Table table{name, {"id", "title", {"file", false}}, {}, false};
  table.columns.insert(table.columns.end(), more.begin(), more.end());
  const std::string root = data_path(folder);
  for (const std::string& file : list_files(root, ".json")) {
    const JsonDocument document = load_json(root + "/" + file);
    const JsonView view = document.root();
    std::vector<Cell> row = {view.at("id").as_string(), view.at("title").as_string(), file};
    for (const Column& column : more) row.push_back(Cell::both("", view.at(column.name).text()));
    table.rows.push_back(std::move(row));
  }
  std::sort(table.rows.begin(), table.rows.end(),
            [](const auto& a, const auto& b) { return a[0].text() < b[0].text(); });
  return table;
}

}  // namespace

Table list_cases() {
  return described("cases", "conformance/cases", {{"area", false}, {"sources", false}});
}

Table list_bugs() {
  return described("bugs", "conformance/bugs", {{"area", false}});
}

}  // namespace pmusim::cli
