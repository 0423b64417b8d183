// SPDX-License-Identifier: Apache-2.0
// A policy's properties by name, as policy files write them: every asset, and the axes. What a file says
// about itself (title, sources, first_kernel, extends) is no property: it changes nothing that a guest sees.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/enum_table.h"
#include "hypervisor/vpmu/kernel_release.h"
#include "hypervisor/vpmu/policy.h"

namespace pmusim::hv {

// Words of policy files for the values of an enumeration, in its order.
template <class Enum>
struct Word {
  Enum value;
  const char* word;
};
inline constexpr Word<Handling> kHandlingWords[] = {
    {Handling::Emulated, "emulated"},
    {Handling::Filtered, "filtered"},
    {Handling::Passthrough, "passthrough"},
    {Handling::Hidden, "hidden"},
};
static_assert(is_enum_table(kHandlingWords, &Word<Handling>::value));
inline constexpr Word<SwitchAt> kSwitchAtWords[] = {
    {SwitchAt::RunLoop, "run-loop"},
    {SwitchAt::VmEntryExit, "vm-entry-exit"},
    {SwitchAt::VcpuLoadPut, "vcpu-load-put"},
    {SwitchAt::Never, "never"},
};
static_assert(is_enum_table(kSwitchAtWords, &Word<SwitchAt>::value));
inline constexpr Word<PmiPath> kPmiWords[] = {
    {PmiPath::HostNmi, "host-nmi"},
    {PmiPath::DedicatedVector, "dedicated-vector"},
    {PmiPath::Direct, "direct"},
};
static_assert(is_enum_table(kPmiWords, &Word<PmiPath>::value));
inline constexpr Word<HostPerfUse> kHostPerfWords[] = {
    {HostPerfUse::Shared, "shared"},
    {HostPerfUse::ExcludeGuestOnly, "exclude-guest-only"},
    {HostPerfUse::Denied, "denied"},
};
static_assert(is_enum_table(kHostPerfWords, &Word<HostPerfUse>::value));
inline constexpr Word<OnExit> kOnExitWords[] = {
    {OnExit::StopAll, "stop-all"},
    {OnExit::StopInstructionsAndBranches, "stop-instructions-and-branches"},
    {OnExit::LeaveRunning, "leave-running"},
};
static_assert(is_enum_table(kOnExitWords, &Word<OnExit>::value));

template <class Enum, std::size_t N>
std::vector<std::string> words(const Word<Enum> (&table)[N]) {
  std::vector<std::string> list;
  for (const Word<Enum>& w : table) list.emplace_back(w.word);
  return list;
}
inline const std::vector<std::string> kHandlingNames = words(kHandlingWords);
inline const std::vector<std::string> kSwitchAtNames = words(kSwitchAtWords);
inline const std::vector<std::string> kPmiNames = words(kPmiWords);
inline const std::vector<std::string> kHostPerfNames = words(kHostPerfWords);
inline const std::vector<std::string> kOnExitNames = words(kOnExitWords);
inline const std::vector<std::string> kEmulatedInstructionsNames = {"lose", "count"};  // as count_emulated

// What some properties depend on besides the policy. What is not known leaves every possibility open.
struct Circumstances {
  std::optional<HandlingFacts> facts;    // for assets with a condition
  std::optional<KernelRelease> release;  // for elide_writes where the policy leaves it to the kernel
};

std::vector<std::string> property_names();
// The values that some policy can have; empty for a name that is no property.
std::vector<std::string> property_values(const std::string& name);
// The policy's own: one value, or all that are possible where the circumstances are not known.
std::vector<std::string> property_of(const Policy& policy, const std::string& name, const Circumstances& at);

// Nothing but what they say about themselves differs.
bool behave_alike(const Policy& a, const Policy& b);

}  // namespace pmusim::hv
