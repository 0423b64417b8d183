// SPDX-License-Identifier: Apache-2.0
// What `pmusim run` was asked for, checked and loaded: every mistake is found before anything is simulated.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/run/run_config.h"
#include "cli/run/scenario.h"
#include "hypervisor/kvm/costs.h"
#include "hypervisor/vpmu/policy.h"
#include "model/cpu_model.h"
#include "platform/boot/boot.h"

namespace pmusim::cli {

struct PreparedRun {
  platform::Image image;
  std::string image_sha256;  // of the file, where something wants it
  std::vector<platform::BootModule> modules;
  CpuModel model;
  std::vector<std::string> policies;
  std::vector<std::optional<hv::Policy>> loaded;  // beside policies; nothing: bare metal
  hv::KernelRelease release;
  hv::HostCosts host_costs;
  u64 memory;
  Scenario scenario;
};

// Leaves the names in the config's lists one by one. Throws InputError.
PreparedRun prepare(RunConfig& config);

}  // namespace pmusim::cli
