// SPDX-License-Identifier: Apache-2.0
// Values of a run that its table and its files share: sums over CPUs, overheads, names of counters.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/run/run_result.h"

namespace pmusim::cli {

inline constexpr u32 kGoodStatus = 2 * 0 + 1, kSkippedStatus = 2 * 38 + 1;  // as the exit port reports values

// What the guest wrote to the exit port for that status, as far as its 8 bits tell.
inline u32 exit_value(u32 status) {
  return status >> 1;
}

// The VM could not be made: nothing was executed. Observation::stopped has the reason.
bool refused(const session::Observation& seen);

// Through the exit port, or by switching the machine off: its cycles are those of all its work.
bool ended_by_itself(const session::Observation& seen);

// "cpu0.guest.cycles" and "cpu1.guest.cycles" for ("cpu", "guest.cycles"): their sum.
u64 sum_of(const session::Observation& seen, const std::string& prefix, const std::string& rest);
// The sum for each name that continues "vcpuN." and `rest`, in the order of their first appearance.
std::vector<std::pair<std::string, u64>> sums_below(const session::Observation& seen,
                                                    const std::string& prefix, const std::string& rest);

// By how much more than `base` in tenths of a percent, rounded; nothing if base is 0.
std::optional<s64> overhead(u64 cycles, u64 base);
std::string percent(s64 tenths);  // "+649.3 %"

// The result that overheads are over: bare metal's, if it is there and ended by itself. nullptr: none.
const PolicyResult* bare_metal_of(const std::vector<PolicyResult>& results);
std::optional<s64> over_bare_metal(const PolicyResult& result, const std::vector<PolicyResult>& results);
std::optional<s64> over_baseline(const PolicyResult& result);

// The counters in a mask whose bits are those of GLOBAL_CTRL: "gp0 fixed1", "none".
std::string counter_names(u64 mask);

}  // namespace pmusim::cli
