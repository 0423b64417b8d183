// SPDX-License-Identifier: Apache-2.0
// Ranges of accesses: joined where they touch.
#include "platform/devices/unclaimed.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace pmusim::platform {

void UnclaimedAccesses::add(Space space, u64 address, unsigned size, bool write) {
  Kind& kind = of(space, write);
  std::map<u64, Range>& ranges = kind.ranges;
  const u64 end = address + size;
  auto next = ranges.upper_bound(address);
  auto at = next == ranges.begin() ? ranges.end() : std::prev(next);
  if (at != ranges.end() && address <= at->second.end) {
    Range& range = at->second;
    range.last = std::max(range.last, address);
    range.end = std::max(range.end, end);
    ++range.count;
  } else if (next != ranges.end() && next->first <= end) {
    Range range = next->second;
    range.end = std::max(range.end, end);
    ++range.count;
    ranges.erase(next);
    at = ranges.emplace(address, range).first;
  } else if (ranges.size() < kMostRanges) {
    ranges.emplace(address, Range{address, end, 1});
    return;
  } else {
    ++kind.others;
    return;
  }
  next = std::next(at);
  if (next == ranges.end() || next->first > at->second.end) return;
  at->second.last = std::max(at->second.last, next->second.last);
  at->second.end = std::max(at->second.end, next->second.end);
  at->second.count += next->second.count;
  ranges.erase(next);
}

std::vector<std::string> UnclaimedAccesses::text() const {
  const auto times = [](u64 count, bool write) {
    return fmt::format("{} {}{}", count, write ? "write" : "read", count == 1 ? "" : "s");
  };
  std::vector<std::string> lines, sums;
  for (const unsigned space : {0u, 1u}) {
    const bool port = space == static_cast<unsigned>(Space::Port);
    std::map<std::pair<u64, bool>, std::string> sorted;
    for (const bool write : {false, true}) {
      const Kind& kind = kinds_[space][write];
      for (const auto& [first, range] : kind.ranges)
        sorted[{first, write}] =
            first == range.last
                ? fmt::format("{} {:#x}: {}", port ? "port" : "address", first, times(range.count, write))
                : fmt::format("{} {:#x} to {:#x}: {}", port ? "ports" : "addresses", first, range.last,
                              times(range.count, write));
      if (kind.others)
        sums.push_back(fmt::format("other {}: {}", port ? "ports" : "addresses", times(kind.others, write)));
    }
    for (const auto& [place, line] : sorted) lines.push_back(line);
  }
  lines.insert(lines.end(), sums.begin(), sums.end());
  return lines;
}

}  // namespace pmusim::platform
