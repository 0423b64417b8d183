// SPDX-License-Identifier: Apache-2.0
// Events by name: encodings, counters and what is counted of them, by model.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/json.h"
#include "cli/list/list.h"
#include "model/cpu_model.h"
#include "models/models.h"

namespace pmusim::cli {
namespace {

// Distinct texts in the order in which they came.
class Distinct {
 public:
  void add(const std::string& text) {
    if (!text.empty() && std::find(texts_.begin(), texts_.end(), text) == texts_.end())
      texts_.push_back(text);
  }
  std::string joined(const char* separator) const {
    std::string all;
    for (const std::string& text : texts_) all += (all.empty() ? "" : separator) + text;
    return all;
  }

 private:
  std::vector<std::string> texts_;
};

struct Row {
  Distinct codes, counters, models, notes;
  std::string encodings;  // JSON
  bool counted = false, needs_interval = false;
};

std::string code_text(const pmu::EventInfo& event) {
  std::string text = fmt::format("{:#x}/{:#x}", event.code, event.umask);
  if (event.cmask) text += fmt::format(",cmask={}", event.cmask);
  if (event.inv) text += ",inv";
  if (event.edge) text += ",edge";
  return text;
}

// The counters that can count it: a mask of general ones, or "fixed1".
std::string counters_text(const pmu::EventInfo& event) {
  if (!event.unit.empty()) return event.unit;
  return event.fixed >= 0 ? fmt::format("fixed{}", event.fixed) : fmt::format("{:#x}", event.counters);
}

void add(const std::string& model, const pmu::EventInfo& event, Row& row) {
  row.codes.add(code_text(event));
  row.counters.add(counters_text(event));
  if (event.counted()) row.models.add(model);
  row.notes.add(event.note);
  row.counted |= event.counted();
  row.needs_interval |= event.counted() && event.needs_interval;
  row.encodings += fmt::format(
      "{}{{\"model\": {}, \"event\": \"{:#x}\", \"umask\": \"{:#x}\", \"cmask\": {}, \"inv\": {}, "
      "\"edge\": {}, \"counters\": {}, \"counted\": {}, \"needs_interval\": {}, \"note\": {}, \"source\": "
      "{}}}",
      row.encodings.empty() ? "" : ", ", json_string(model), event.code, event.umask, event.cmask, event.inv,
      event.edge, json_string(counters_text(event)), event.counted(), event.needs_interval,
      json_string(event.note), json_string(event.source));
}

}  // namespace

Table list_events(const std::vector<std::string>& model_ids) {
  std::map<std::string, Row> events;
  for (const std::string& id : model_ids)
    for (const pmu::EventInfo& event : models::load_model(id, {}, true).events)
      add(id, event, events[event.name]);
  Table table{"events",
              {"id",
               "encoding",
               "counters",
               "title",
               {"counted", false},
               {"needs_interval", false},
               {"encodings", false}},
              {},
              true};
  for (const auto& [name, row] : events) {
    std::string title = "not counted";
    if (row.counted) title = "counted on " + row.models.joined(" ");
    if (row.needs_interval) title += ", not with --timing functional";
    if (const std::string notes = row.notes.joined(" "); !notes.empty()) title += ". " + notes;
    table.rows.push_back({name, row.codes.joined(" "), row.counters.joined(" "), title, row.counted,
                          row.needs_interval, Cell::both("", "[" + row.encodings + "]")});
  }
  return table;
}

std::string events_summary(const Table& events) {
  const auto missing = std::count_if(events.rows.begin(), events.rows.end(),
                                     [](const auto& row) { return row[4].text() == "no"; });
  return fmt::format(
      "{} events, of which the simulator knows {} by name only and counts nothing for them; counters: a mask "
      "of the general ones, or the fixed one\n",
      events.rows.size(), missing);
}

}  // namespace pmusim::cli
