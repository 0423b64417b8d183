// SPDX-License-Identifier: Apache-2.0
// The names that a command line may use, and the things they stand for with the user's overrides applied:
// models, policies, kernel releases. "bare-metal" stands wherever a policy does. A policy may also be the
// path of a file (it contains '/' or ends in ".json").
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hypervisor/vpmu/policy.h"
#include "model/cpu_model.h"

namespace pmusim::session {

inline constexpr const char* kBareMetal = "bare-metal";
inline constexpr const char* kPresets[] = {"emulated", "mediated", "dedicated"};

// Overrides of --set, by what they change (docs/set-paths.md): "model.costs.x.cycles=1" -> model,
// "costs.x.cycles=1". host: costs of paths (hypervisor/kvm/costs.h).
struct Overrides {
  std::vector<std::string> model, policy, scenario, host;
};
Overrides split_overrides(const std::vector<std::string>& set);

// Lists as the command line gives them. "all": every shipped model; bare metal and the three presets.
// Unknown names are InputErrors with the nearest valid one; a name given twice counts once.
std::vector<std::string> models_from(const std::vector<std::string>& names, const char* option);
std::vector<std::string> policies_from(const std::vector<std::string>& names, const char* option);

CpuModel model_by_id(const std::string& id, const Overrides& overrides, bool interval = true);
// Nothing for "bare-metal".
std::optional<hv::Policy> policy_by_id(const std::string& id, const Overrides& overrides);

}  // namespace pmusim::session
