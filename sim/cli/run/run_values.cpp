// SPDX-License-Identifier: Apache-2.0
// Sums and ratios of what a run counted. Whole numbers throughout.
#include "cli/run/run_values.h"

#include <fmt/format.h>

#include <algorithm>

#include "session/catalog.h"

namespace pmusim::cli {
namespace {

using session::Observation;
using session::Stat;

// What follows "cpu0." in "cpu0.guest.cycles"; nothing if the name does not begin with prefix and number.
std::optional<std::string> after_number(const std::string& name, const std::string& prefix) {
  if (name.compare(0, prefix.size(), prefix) != 0) return std::nullopt;
  const std::size_t dot = name.find_first_not_of("0123456789", prefix.size());
  if (dot == prefix.size() || dot == std::string::npos || name[dot] != '.') return std::nullopt;
  return name.substr(dot + 1);
}

}  // namespace

bool refused(const Observation& seen) {
  return seen.stopped.rfind("refused: ", 0) == 0;
}

bool ended_by_itself(const Observation& seen) {
  return seen.exited || seen.stopped.rfind("power off", 0) == 0;
}

u64 sum_of(const Observation& seen, const std::string& prefix, const std::string& rest) {
  u64 total = 0;
  for (const Stat& s : seen.stats)
    if (after_number(s.name, prefix) == rest) total += s.value;
  return total;
}

std::vector<std::pair<std::string, u64>> sums_below(const Observation& seen, const std::string& prefix,
                                                    const std::string& rest) {
  std::vector<std::pair<std::string, u64>> sums;
  for (const Stat& s : seen.stats) {
    const std::optional<std::string> after = after_number(s.name, prefix);
    if (!after || after->compare(0, rest.size(), rest) != 0) continue;
    const std::string name = after->substr(rest.size());
    const auto at =
        std::find_if(sums.begin(), sums.end(), [&](const auto& sum) { return sum.first == name; });
    if (at == sums.end())
      sums.emplace_back(name, s.value);
    else
      at->second += s.value;
  }
  return sums;
}

std::optional<s64> overhead(u64 cycles, u64 base) {
  if (!base) return std::nullopt;
  const u128 tenths = (static_cast<u128>(cycles) * 2000 + base) / (static_cast<u128>(base) * 2);
  return static_cast<s64>(tenths) - 1000;
}

std::string percent(s64 tenths) {
  const u64 size = static_cast<u64>(tenths < 0 ? -tenths : tenths);
  return fmt::format("{}{}.{} %", tenths < 0 ? "-" : "+", size / 10, size % 10);
}

const PolicyResult* bare_metal_of(const std::vector<PolicyResult>& results) {
  for (const PolicyResult& r : results)
    if (r.policy == session::kBareMetal && r.unmet.empty() && ended_by_itself(r.seen)) return &r;
  return nullptr;
}

std::optional<s64> over_bare_metal(const PolicyResult& r, const std::vector<PolicyResult>& results) {
  const PolicyResult* bare = bare_metal_of(results);
  if (!bare || bare == &r || !r.unmet.empty() || !ended_by_itself(r.seen)) return std::nullopt;
  if (r.seen.exit_status != bare->seen.exit_status || r.seen.exit_status == kSkippedStatus)
    return std::nullopt;  // they did different things, or nothing
  return overhead(r.seen.cycles, bare->seen.cycles);
}

std::optional<s64> over_baseline(const PolicyResult& r) {
  if (!r.baseline || !r.no_baseline.empty() || !ended_by_itself(r.seen)) return std::nullopt;
  return overhead(r.seen.cycles, r.baseline->cycles);
}

std::string counter_names(u64 mask) {
  std::string names;
  for (unsigned bit = 0; bit < 64; ++bit)
    if (mask >> bit & 1)
      names += (names.empty() ? "" : " ") +
               (bit < 32 ? fmt::format("gp{}", bit) : fmt::format("fixed{}", bit - 32));
  return names.empty() ? "none" : names;
}

}  // namespace pmusim::cli
