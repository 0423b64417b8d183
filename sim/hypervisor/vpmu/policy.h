// SPDX-License-Identifier: Apache-2.0
// A virtualization policy as data: for each PMU asset how guest accesses are handled, and the axes (where the
// state is switched, how PMIs arrive, what the host's perf may do, what an exit stops). Read from files by
// policy_file.h. No code anywhere asks for a policy's name: behaviour follows from the assets and the axes.
#pragma once

#include <array>
#include <string>

#include "hypervisor/vpmu/kernel_release.h"
#include "model/cpu_model.h"

namespace pmusim::hv {

enum class Asset : u8 {
  GpCounters,
  FullWidthAliases,
  FixedCounters,
  EventSelectors,
  FixedCtrCtrl,
  GlobalCtrl,
  GlobalStatus,
  GlobalStatusReset,
  GlobalStatusSet,
  GlobalInuse,
  PerfCapabilities,
  PerfMetrics,
  Rdpmc,
  DebugctlFreeze,
  Lvtpc,
  DsArea,
  Pebs,
  Lbr,
  Ibs,
  OffcoreRsp,
  Number
};
inline constexpr unsigned kAssets = static_cast<unsigned>(Asset::Number);
const char* asset_name(Asset asset);  // as in policy files: "gp_counters"

enum class Handling : u8 {
  Emulated,     // every access exits; the value lives in the hypervisor
  Filtered,     // every access exits; the value, less what the event filter denies, goes to hardware
  Passthrough,  // no access exits
  Hidden,       // the guest finds no such register
  Number
};

// What a conditional handling asks of guest and host ("match" compares with the host's raw counts).
struct HandlingFacts {
  bool counts_match = false;     // equal numbers of GP and of fixed counters
  bool widths_match = false;     // equal GP and fixed widths
  bool version_above_1 = false;  // guest's version
};

HandlingFacts handling_facts(const pmu::Caps& guest, const pmu::Caps& host);

struct Choice {
  bool counts_match = false, widths_match = false, version_above_1 = false;  // all that are set must hold
  Handling then = Handling::Hidden;
  Handling otherwise = Handling::Hidden;

  Handling resolve(const HandlingFacts& facts) const;
  bool may_be(Handling handling) const { return then == handling || otherwise == handling; }
};

// What a choice can ask for, by the names of policy files.
struct Condition {
  const char* name;
  bool Choice::*asked;
  bool HandlingFacts::*holds;
};
inline constexpr Condition kConditions[] = {
    {"counts-match", &Choice::counts_match, &HandlingFacts::counts_match},
    {"widths-match", &Choice::widths_match, &HandlingFacts::widths_match},
    {"version>1", &Choice::version_above_1, &HandlingFacts::version_above_1},
};

// Why no policy can handle the asset in that way, as what is expected instead; nullptr if one can.
const char* impossible(Asset asset, Handling handling);

enum class SwitchAt : u8 { RunLoop, VmEntryExit, VcpuLoadPut, Never, Number };
enum class PmiPath : u8 { HostNmi, DedicatedVector, Direct, Number };
enum class HostPerfUse : u8 { Shared, ExcludeGuestOnly, Denied, Number };
enum class OnExit : u8 { StopAll, StopInstructionsAndBranches, LeaveRunning, Number };

struct Policy {
  std::string id;  // the file's name without .json
  std::string title;
  std::string file;
  std::string extends;  // the policy that this one changes, as the file names it; "": none
  std::array<Choice, kAssets> assets{};
  SwitchAt switch_at = SwitchAt::RunLoop;
  PmiPath pmi = PmiPath::HostNmi;
  HostPerfUse host_perf = HostPerfUse::Shared;
  OnExit on_exit = OnExit::StopAll;
  bool lockdown_on_erratum = false;
  bool count_emulated = true;  // instructions emulated or skipped for the guest are added to its counters
  KernelRelease first_kernel = KernelRelease::V6_12;  // first release with such code
  // Write a counter at the load only if its value differs (KVM commit b0b6a8d3be16): -1 as the kernel release
  // does (7.0+), 0, 1. The put writes zeros only over what is not zero, with or without.
  int elide_writes = -1;

  bool elides_writes(KernelRelease release) const {
    return elide_writes < 0 ? release >= KernelRelease::V7_0 : elide_writes != 0;
  }
  const Choice& operator[](Asset asset) const { return assets[static_cast<unsigned>(asset)]; }
  // Guest counters live in hardware registers while the guest runs, rather than in host perf events.
  bool counters_in_hardware() const { return (*this)[Asset::GpCounters].then == Handling::Passthrough; }
};

// Why this host (and, with a release, this kernel) cannot run the policy, or "" if it can.
std::string unmet(const Policy& policy, const CpuModel& host);
std::string unmet(const Policy& policy, const CpuModel& host, KernelRelease release);

}  // namespace pmusim::hv
