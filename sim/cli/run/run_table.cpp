// SPDX-License-Identifier: Apache-2.0
// Which rows a run's table has, and from what they are made.
#include "cli/run/run_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "cli/run/run_values.h"
#include "cli/run/side_by_side.h"

namespace pmusim::cli {
namespace {

using session::CounterAudit;
using session::Observation;
using Results = std::vector<PolicyResult>;

constexpr std::size_t kMostMsrs = 12;  // rows; all are in stats.json

// A cell of a number of VM-exits, and what each took of the host.
std::string exits_cell(u64 count, u64 cycles) {
  return grouped(count) + (count ? " x " + grouped(cycles / count) : "");
}

void add_totals(SideBySide& table, const Results& results) {
  for (std::size_t c = 0; c < results.size(); ++c) {
    const PolicyResult& r = results[c];
    table.set("", c, r.policy);
    if (!r.unmet.empty() || refused(r.seen)) {
      table.set("guest instructions", c, "not run");
      continue;
    }
    const u64 host = sum_of(r.seen, "cpu", "host.cycles"), exits = sum_of(r.seen, "vcpu", "exits");
    table.set("guest instructions", c, grouped(r.seen.instructions));
    table.set("guest interrupts", c, grouped(sum_of(r.seen, "cpu", "guest.interrupts")));
    table.set("cycles", c, grouped(r.seen.cycles));
    if (const auto tenths = over_bare_metal(r, results)) table.set("over bare metal", c, percent(*tenths));
    if (const auto tenths = over_baseline(r)) table.set("over the baseline", c, percent(*tenths));
    table.set("cycles in the guest", c, grouped(sum_of(r.seen, "cpu", "guest.cycles")));
    if (!r.seen.host_side) continue;
    table.set("cycles in the host", c, grouped(host));
    if (exits) table.set("  for each VM-exit", c, grouped(host / exits));
  }
}

// A counter's title: its place, and what it was programmed to count.
std::string title_of(const CounterAudit& a, bool several) {
  return (several ? fmt::format("cpu{} ", a.vcpu) : "") + a.counter + " " + a.programmed;
}

bool same(const CounterAudit& a, const CounterAudit& b) {
  return a.vcpu == b.vcpu && a.counter == b.counter && a.programmed == b.programmed;
}

std::string difference(s64 count) {
  return count > 0 ? "+" + grouped(count) : grouped(count);
}

// A block for each counter, in order of CPU and counter; rows the same for every policy.
void add_counters(SideBySide& table, const Results& results) {
  bool several = false;
  std::vector<const CounterAudit*> blocks;
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
        table.set("visible", c, grouped(a.visible));
        table.set("true", c, grouped(a.truth));
        for (const std::string& cause : causes) {
          s64 count = 0;
          for (const auto& [name, by] : a.causes)
            if (name == cause) count = by;
          table.set(cause, c, difference(count));
        }
        table.set("residual", c, difference(a.residual));
        if (results[c].seen.host_side) table.set("hardware", c, counter_names(a.hardware));
      }
  }
}

u64 value_of(const std::vector<std::pair<std::string, u64>>& sums, const std::string& name) {
  for (const auto& [at, value] : sums)
    if (at == name) return value;
  return 0;
}

void add_exits(SideBySide& table, const Results& results) {
  table.heading("VM-exits x cycles from each to the next VM-entry");
  for (std::size_t c = 0; c < results.size(); ++c)
    if (const Observation& seen = results[c].seen; seen.host_side && !refused(seen))
      table.set("all", c, exits_cell(sum_of(seen, "vcpu", "exits"), sum_of(seen, "vcpu", "host_cycles")));
  for (std::size_t c = 0; c < results.size(); ++c) {
    const auto cycles = sums_below(results[c].seen, "vcpu", "exit_cycles.");
    for (const auto& [reason, count] : sums_below(results[c].seen, "vcpu", "exits."))
      if (count) table.set(reason, c, exits_cell(count, value_of(cycles, reason)));
  }
}

// The costliest ones over all policies; the rest in one row.
void add_msr_exits(SideBySide& table, const Results& results) {
  table.heading("of these by MSR");
  std::vector<std::pair<std::string, u64>> order;
  for (const PolicyResult& r : results)
    for (const auto& [name, cycles] : sums_below(r.seen, "vcpu", "msr_exit_cycles.")) {
      const auto at =
          std::find_if(order.begin(), order.end(), [n = &name](const auto& o) { return o.first == *n; });
      if (at == order.end())
        order.emplace_back(name, cycles);
      else
        at->second += cycles;
    }
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  const std::size_t shown = order.size() > kMostMsrs ? kMostMsrs - 1 : order.size();
  const std::string rest = fmt::format("{} others", order.size() - shown);
  for (std::size_t c = 0; c < results.size(); ++c) {
    const auto counts = sums_below(results[c].seen, "vcpu", "msr_exits."),
               cycles = sums_below(results[c].seen, "vcpu", "msr_exit_cycles.");
    for (std::size_t i = 0; i < shown; ++i) {
      std::string name = order[i].first;  // "write.IA32_PMC0"
      const u64 count = value_of(counts, name), spent = value_of(cycles, name);
      std::replace(name.begin(), name.end(), '.', ' ');
      table.set(name, c, count ? exits_cell(count, spent) : "");
    }
    if (shown == order.size()) continue;
    u64 count = 0, spent = 0;
    for (std::size_t i = shown; i < order.size(); ++i) {
      count += value_of(counts, order[i].first);
      spent += value_of(cycles, order[i].first);
    }
    table.set(rest, c, count ? exits_cell(count, spent) : "");
  }
}

void add_host_cycles(SideBySide& table, const Results& results) {
  table.heading("cycles in the host by cause");
  std::vector<std::string> causes;  // all, in their own order
  for (const PolicyResult& r : results)
    if (r.seen.host_side && causes.empty())
      for (const auto& sum : sums_below(r.seen, "cpu", "host_cycles.")) causes.push_back(sum.first);
  for (const std::string& cause : causes)
    for (std::size_t c = 0; c < results.size(); ++c) {
      const u64 cycles = sum_of(results[c].seen, "cpu", "host_cycles." + cause),
                all = sum_of(results[c].seen, "cpu", "host.cycles");
      if (!cycles || refused(results[c].seen)) continue;
      std::string name = cause;
      std::replace(name.begin(), name.end(), '_', ' ');
      table.set(name, c, fmt::format("{} {:>3} %", grouped(cycles), (cycles * 200 + all) / (all * 2)));
    }
}

}  // namespace

std::string run_table(const Results& results, bool color) {
  SideBySide table(results.size(), color);
  add_totals(table, results);
  add_counters(table, results);
  add_exits(table, results);
  add_msr_exits(table, results);
  add_host_cycles(table, results);
  std::string text = table.text();
  for (const PolicyResult& r : results)
    if (!r.unmet.empty() || refused(r.seen))
      text += fmt::format("{} was not run: {}\n", r.policy, r.unmet.empty() ? r.seen.stopped : r.unmet);
  return text;
}

std::string totals_line(const Observation& seen) {
  std::string line = fmt::format("guest instructions {}, cycles {}", seen.instructions, seen.cycles);
  if (seen.host_side) line += fmt::format(", VM-exits {}", sum_of(seen, "vcpu", "exits"));
  return line;
}

}  // namespace pmusim::cli
