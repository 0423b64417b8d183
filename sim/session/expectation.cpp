// SPDX-License-Identifier: Apache-2.0
// Names against what this machine says of itself.
#include "session/expectation.h"

#include <fmt/format.h>

#include "arch/host_cpu.h"
#include "base/error.h"
#include "hypervisor/vpmu/vpmu_state.h"
#include "session/catalog.h"
#include "session/cpuid_choice.h"
#include "session/target.h"

namespace pmusim::session {
namespace {

std::string only_one(const char* option, const std::vector<std::string>& names) {
  if (names.size() > 1)
    throw InputError(option, "", fmt::format("{} names with --target kvm", names.size()),
                     "one: what this machine's kernel is expected to be like");
  return names.empty() ? "" : names[0];
}

const char* where(const hv::Policy& policy) {
  return policy.counters_in_hardware() ? "in hardware" : "in events of the host's perf";
}

hv::KernelRelease release_of(const std::string& name) {
  return name.empty() ? hv::kDefaultRelease : hv::release_by_name(name);
}

}  // namespace

Expectation expected_of_this_kernel(const std::vector<std::string>& models,
                                    const std::vector<std::string>& policies,
                                    const std::vector<std::string>& kernels) {
  const hv::Policy own = *policy_by_id(policy_of_this_kernel(), {});
  Expectation expected{own, only_one("--kernel", kernels), std::nullopt};
  if (const std::string id = only_one("--policy", policies); !id.empty()) {
    const std::optional<hv::Policy> policy = policy_by_id(id, {});
    if (!policy)
      throw InputError("--policy", "", "'bare-metal' with --target kvm",
                       "a policy: the target is a hypervisor");
    if (policy->counters_in_hardware() != own.counters_in_hardware())
      throw InputError("--policy", "",
                       fmt::format("'{}', which keeps the guest's counters {}", id, where(*policy)),
                       fmt::format("a policy that keeps them {}, as this kernel does ('{}', by its parameter "
                                   "enable_mediated_pmu)",
                                   where(own), own.id));
    expected.policy = *policy;
  }
  if (const std::string id = only_one("--model", models); !id.empty()) {
    expected.model = model_by_id(id, {});
    const std::string vendor = vendor_name(expected.model->vendor);
    if (vendor != host_vendor())
      throw InputError("--model", "", fmt::format("'{}', of vendor {}", id, vendor),
                       fmt::format("a model of this machine's vendor, {}", host_vendor()));
    const std::string unmet = hv::unmet(expected.policy, *expected.model, release_of(expected.release));
    if (!unmet.empty())
      throw InputError("--policy", "", fmt::format("'{}' with '{}': {}", expected.policy.id, id, unmet),
                       "a policy that the expected model and release can run");
  }
  return expected;
}

hv::HandlingFacts facts_of(const CpuModel& model, const Expectation& expected, const std::string& cpuid) {
  const GuestCpuid guest =
      guest_cpuid(cpuid, model, release_of(expected.release), expected.policy.counters_in_hardware());
  return hv::handling_facts(hv::default_strategies()->caps(guest.table, guest.perf_capabilities, model),
                            model.caps);
}

}  // namespace pmusim::session
