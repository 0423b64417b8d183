// SPDX-License-Identifier: Apache-2.0
// What decides about interception, in words.
#include "hypervisor/vpmu/interception.h"

#include "hypervisor/vpmu/policy_properties.h"
#include "hypervisor/vpmu/vpmu_state.h"

namespace pmusim::hv {
namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i)
    text += (i == 0 ? "" : i + 1 < names.size() ? ", " : " and ") + names[i];
  return text;
}

std::string handling_text(const VpmuState& state, const Interception& interception) {
  const Choice& choice = (*state.policy)[interception.asset];
  const std::string name = asset_name(interception.asset);
  std::string text = name + " is " + kHandlingNames[static_cast<unsigned>(interception.handling)];
  if (interception.handling != choice.resolve(state.facts))
    return text + ": an event filter took it back (lockdown_on_erratum)";
  const std::string condition = condition_text(choice, state.facts);
  return condition.empty() ? text : text + ": " + condition;
}

}  // namespace

std::string condition_text(const Choice& choice, const HandlingFacts& facts) {
  std::vector<std::string> holding, failing;
  for (const Condition& c : kConditions)
    if (choice.*c.asked) (facts.*c.holds ? holding : failing).push_back(c.name);
  if (!failing.empty()) return joined(failing) + (failing.size() == 1 ? " does not hold" : " do not hold");
  if (holding.empty()) return "";
  return joined(holding) + (holding.size() == 1 ? " holds" : " hold");
}

std::string interception_text(const VpmuState& state, u32 msr, const Interception& interception) {
  switch (interception.decided) {
    case DecidedBy::NoRegister:
      return "no register of the vPMU";
    case DecidedBy::NoPmu:
      return "the guest has no PMU";
    case DecidedBy::HiddenAsset:
      return std::string(asset_name(interception.asset)) + " is hidden";
    case DecidedBy::Policy:
      return handling_text(state, interception);
    case DecidedBy::KvmRule:
      break;
  }
  const auto ref = pmu::find_register(state.host->vendor, msr);
  if (!ref || !state.rules[ref->reg].exists) return "KVM gives guests no such register";
  return "this vCPU has no such register (" + state.rules[ref->reg].source + ")";
}

}  // namespace pmusim::hv
