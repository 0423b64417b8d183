// SPDX-License-Identifier: Apache-2.0
// Table and statistics of a run.
#include "cli/run_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace pmusim::cli {
namespace {

using conformance::CounterAudit;

// Rows in the order of their first appearance, a cell for each policy.
class Table {
 public:
  explicit Table(std::size_t columns) : columns_(columns) {}
  void set(const std::string& row, std::size_t column, const std::string& text) {
    auto found = std::find_if(rows_.begin(), rows_.end(), [&](const Row& r) { return r.name == row; });
    if (found == rows_.end()) found = rows_.insert(rows_.end(), Row{row, std::vector<std::string>(columns_)});
    found->cells[column] = text;
  }
  std::string text() const {
    std::vector<std::size_t> width(columns_ + 1);
    for (const Row& row : rows_) {
      width[0] = std::max(width[0], row.name.size());
      for (std::size_t c = 0; c < columns_; ++c) width[c + 1] = std::max(width[c + 1], row.cells[c].size());
    }
    std::string out;
    for (const Row& row : rows_) {
      out += fmt::format("{:<{}}", row.name, width[0]);
      for (std::size_t c = 0; c < columns_; ++c) out += fmt::format("  {:>{}}", row.cells[c], width[c + 1]);
      out += "\n";
    }
    return out;
  }

 private:
  struct Row {
    std::string name;
    std::vector<std::string> cells;
  };
  std::size_t columns_;
  std::vector<Row> rows_;
};

void add_counters(Table& table, std::size_t column, const std::vector<CounterAudit>& audit) {
  for (const CounterAudit& a : audit) {
    const std::string name = fmt::format("vcpu{} {}", a.vcpu, a.counter);
    table.set(name + ": guest reads", column, fmt::format("{}", a.visible));
    table.set(name + ": truly happened", column, fmt::format("{}", a.truth));
    for (const auto& [cause, count] : a.causes)
      table.set(name + ": " + cause, column, fmt::format("{:+}", count));
    table.set(name + ": unexplained", column, fmt::format("{:+}", a.residual));
  }
}

}  // namespace

std::string comparison_table(const std::vector<PolicyResult>& results) {
  Table table(results.size());
  for (std::size_t c = 0; c < results.size(); ++c) {
    const PolicyResult& r = results[c];
    table.set("", c, r.policy);
    if (!r.unmet.empty()) {
      table.set("guest instructions", c, "not run");
      continue;
    }
    table.set("guest instructions", c, fmt::format("{}", r.seen.instructions));
    table.set("cycles", c, fmt::format("{}", r.seen.cycles));
    if (r.seen.host_side) {
      u64 exits = 0;
      for (const auto& [reason, count] : r.seen.exits) exits += count;
      table.set("cycles in the host", c, fmt::format("{}", r.seen.host_cycles));
      table.set("VM-exits", c, fmt::format("{}", exits));
    }
  }
  for (std::size_t c = 0; c < results.size(); ++c)
    for (const auto& [reason, count] : results[c].seen.exits)
      if (count) table.set("  " + reason, c, fmt::format("{}", count));
  for (std::size_t c = 0; c < results.size(); ++c) add_counters(table, c, results[c].seen.audit);
  std::string text = table.text();
  for (const PolicyResult& r : results)
    if (!r.unmet.empty()) text += r.policy + " was not run: " + r.unmet + "\n";
  return text;
}

std::string stats_json(const std::string& model, const std::vector<PolicyResult>& results) {
  nlohmann::ordered_json stats = {{"model", model}};
  for (const PolicyResult& r : results) {
    nlohmann::ordered_json& policy = stats["policies"][r.policy];
    if (!r.unmet.empty()) {
      policy["not_run"] = r.unmet;
      continue;
    }
    const auto add = [&](const std::string& name, u64 value, const std::string& unit) {
      policy["stats"][name] = {{"value", value}, {"unit", unit}};
    };
    policy["exited"] = r.seen.exited;
    policy["exit_status"] = r.seen.exit_status;
    policy["stopped"] = r.seen.stopped;
    add("guest.instructions", r.seen.instructions, "instructions");
    add("machine.cycles", r.seen.cycles, "cycles");
    for (const conformance::Stat& s : r.seen.stats) add(s.name, s.value, s.unit);
    for (const CounterAudit& a : r.seen.audit) {
      const std::string name = fmt::format("vcpu{}.{}.", a.vcpu, a.counter);
      policy["stats"][name + "visible"] = {{"value", a.visible}, {"unit", "events"}};
      policy["stats"][name + "true"] = {{"value", a.truth}, {"unit", "events"}};
      for (const auto& [cause, count] : a.causes)
        policy["stats"][name + "difference." + cause] = {{"value", count}, {"unit", "events"}};
      policy["stats"][name + "difference.unexplained"] = {{"value", a.residual}, {"unit", "events"}};
    }
    policy["assumed_values"] = r.seen.assumed;
    policy["not_modelled"] = r.seen.gaps;
  }
  return stats.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace pmusim::cli
