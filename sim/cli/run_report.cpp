// SPDX-License-Identifier: Apache-2.0
// Table and statistics of a run.
#include "cli/run_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

namespace pmusim::cli {

using namespace session;
namespace {

using session::CounterAudit;
using session::Observation;

std::string number(u64 value) {
  return fmt::format("{}", value);
}

// Rows in the order of their first appearance, a cell for each policy. A row without cells is a heading.
class Table {
 public:
  Table(std::size_t columns, bool color) : columns_(columns), color_(color) {}
  void set(const std::string& row, std::size_t column, const std::string& text) {
    add(row).cells[column] = text;
  }
  void heading(const std::string& text) { blocks_.push_back({text, {}}); }
  bool empty() const { return blocks_.back().rows.empty(); }
  void drop() { blocks_.pop_back(); }

  std::string text() const {
    std::vector<std::size_t> width(columns_ + 1);
    for (const Block& block : blocks_)
      for (const Row& row : block.rows) {
        width[0] = std::max(width[0], row.name.size() + 2);
        for (std::size_t c = 0; c < columns_; ++c) width[c + 1] = std::max(width[c + 1], row.cells[c].size());
      }
    std::string out;
    for (const Block& block : blocks_) {
      if (!block.title.empty())
        out += "\n" + (color_ ? "\033[1m" + block.title + "\033[0m" : block.title) + "\n";
      for (const Row& row : block.rows) {
        std::string line = fmt::format("{:<{}}", (block.title.empty() ? "" : "  ") + row.name, width[0]);
        for (std::size_t c = 0; c < columns_; ++c)
          line += fmt::format("  {:>{}}", row.cells[c], width[c + 1]);
        line.erase(line.find_last_not_of(' ') + 1);
        out += line + "\n";
      }
    }
    return out;
  }

 private:
  struct Row {
    std::string name;
    std::vector<std::string> cells;
  };
  struct Block {
    std::string title;
    std::vector<Row> rows;
  };
  Row& add(const std::string& name) {
    std::vector<Row>& rows = blocks_.back().rows;
    for (Row& row : rows)
      if (row.name == name) return row;
    rows.push_back({name, std::vector<std::string>(columns_)});
    return rows.back();
  }
  std::size_t columns_;
  bool color_;
  std::vector<Block> blocks_ = {Block{}};
};

// "cpu0.guest.interrupts", "cpu1.guest.cycles": the sum over all of them.
u64 sum_of(const Observation& seen, const std::string& prefix, const std::string& rest) {
  u64 total = 0;
  for (const session::Stat& s : seen.stats) {
    const std::size_t dot = s.name.find('.');
    if (dot != std::string::npos &&
        s.name.substr(0, dot).find_first_not_of("0123456789", prefix.size()) == std::string::npos &&
        s.name.compare(0, prefix.size(), prefix) == 0 &&
        s.name.compare(dot + 1, std::string::npos, rest) == 0)
      total += s.value;
  }
  return total;
}

// The counters in a mask whose bits are those of GLOBAL_CTRL.
std::string counter_names(u64 mask) {
  std::string names;
  for (unsigned bit = 0; bit < 64; ++bit)
    if (mask >> bit & 1)
      names += (names.empty() ? "" : " ") +
               (bit < 32 ? fmt::format("gp{}", bit) : fmt::format("fixed{}", bit - 32));
  return names.empty() ? "none" : names;
}

// A counter's title: its place, and what it was programmed to count.
std::string title_of(const CounterAudit& a, bool several) {
  return (several ? fmt::format("cpu{} ", a.vcpu) : "") + a.counter + " " + a.programmed;
}

// A block for each counter, in order of CPU and counter; rows the same for every policy.
void add_counters(Table& table, const std::vector<PolicyResult>& results) {
  bool several = false;
  std::vector<const CounterAudit*> blocks;
  const auto same = [](const CounterAudit& a, const CounterAudit& b) {
    return a.vcpu == b.vcpu && a.counter == b.counter && a.programmed == b.programmed;
  };
  for (const PolicyResult& r : results)
    for (const CounterAudit& a : r.seen.audit) {
      several |= a.vcpu != 0;
      if (std::none_of(blocks.begin(), blocks.end(), [&](const CounterAudit* b) { return same(a, *b); }))
        blocks.push_back(&a);
    }
  const auto place = [](const CounterAudit& a) {
    return std::make_tuple(a.vcpu, a.counter.rfind("gp", 0) != 0, a.counter.size(), a.counter);
  };
  std::stable_sort(blocks.begin(), blocks.end(),
                   [&](const CounterAudit* a, const CounterAudit* b) { return place(*a) < place(*b); });
  for (const CounterAudit* block : blocks) {
    table.heading(title_of(*block, several));
    std::vector<std::string> causes;  // those that occur anywhere
    for (const PolicyResult& r : results)
      for (const CounterAudit& a : r.seen.audit)
        for (const auto& [cause, count] : a.causes)
          if (same(a, *block) && std::find(causes.begin(), causes.end(), cause) == causes.end())
            causes.push_back(cause);
    for (std::size_t c = 0; c < results.size(); ++c)
      for (const CounterAudit& a : results[c].seen.audit) {
        if (!same(a, *block)) continue;
        table.set("visible", c, fmt::format("{}", a.visible));
        table.set("true", c, fmt::format("{}", a.truth));
        for (const std::string& cause : causes) {
          s64 count = 0;
          for (const auto& [name, by] : a.causes)
            if (name == cause) count = by;
          table.set(cause, c, count ? fmt::format("{:+}", count) : "0");
        }
        table.set("residual", c, a.residual ? fmt::format("{:+}", a.residual) : "0");
        if (results[c].seen.host_side) table.set("hardware", c, counter_names(a.hardware));
      }
  }
}

}  // namespace

std::string comparison_table(const std::vector<PolicyResult>& results, bool color) {
  Table table(results.size(), color);
  for (std::size_t c = 0; c < results.size(); ++c) {
    const PolicyResult& r = results[c];
    table.set("", c, r.policy);
    if (!r.unmet.empty()) {
      table.set("guest instructions", c, "not run");
      continue;
    }
    table.set("guest instructions", c, number(r.seen.instructions));
    table.set("guest interrupts", c, number(sum_of(r.seen, "cpu", "guest.interrupts")));
    table.set("cycles", c, number(r.seen.cycles));
    table.set("cycles in the guest", c, number(sum_of(r.seen, "cpu", "guest.cycles")));
    table.set("cycles in the host", c, number(sum_of(r.seen, "cpu", "host.cycles")));
  }
  add_counters(table, results);
  table.heading("VM-exits");
  for (std::size_t c = 0; c < results.size(); ++c) {
    if (!results[c].seen.host_side) continue;
    u64 exits = 0;
    for (const auto& [reason, count] : results[c].seen.exits) exits += count;
    table.set("all", c, number(exits));
  }
  for (std::size_t c = 0; c < results.size(); ++c)
    for (const auto& [reason, count] : results[c].seen.exits)
      if (count) table.set(reason, c, number(count));
  if (table.empty()) table.drop();
  std::string text = table.text();
  for (const PolicyResult& r : results)
    if (!r.unmet.empty()) text += r.policy + " was not run: " + r.unmet + "\n";
  return text;
}

std::string totals_line(const Observation& seen) {
  std::string line = fmt::format("guest instructions {}, cycles {}", seen.instructions, seen.cycles);
  u64 exits = 0;
  for (const auto& [reason, count] : seen.exits) exits += count;
  if (seen.host_side) line += fmt::format(", VM-exits {}", exits);
  return line;
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
    for (const session::Stat& s : r.seen.stats) add(s.name, s.value, s.unit);
    for (const CounterAudit& a : r.seen.audit) {
      const std::string name = fmt::format("{}{}.{}.", r.seen.host_side ? "vcpu" : "cpu", a.vcpu, a.counter);
      policy["programmed"][name.substr(0, name.size() - 1)] = a.programmed;
      if (r.seen.host_side) policy["hardware"][name.substr(0, name.size() - 1)] = counter_names(a.hardware);
      policy["stats"][name + "visible"] = {{"value", a.visible}, {"unit", "events"}};
      policy["stats"][name + "true"] = {{"value", a.truth}, {"unit", "events"}};
      for (const auto& [cause, count] : a.causes)
        policy["stats"][name + "difference." + cause] = {{"value", count}, {"unit", "events"}};
      policy["stats"][name + "difference.residual"] = {{"value", a.residual}, {"unit", "events"}};
    }
    policy["assumed_values"] = r.seen.assumed;
    policy["not_modelled"] = r.seen.gaps;
  }
  return stats.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace pmusim::cli
