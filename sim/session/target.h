// SPDX-License-Identifier: Apache-2.0
// Where an image runs: the simulator (bare metal, or a VM under a policy) or the kernel of this machine
// through /dev/kvm. The image is the same bytes everywhere.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event.h"
#include "hypervisor/kvm/costs.h"
#include "hypervisor/vpmu/kernel_release.h"
#include "hypervisor/vpmu/policy.h"
#include "model/cpu_model.h"
#include "platform/boot/boot.h"
#include "session/host_script.h"
#include "session/observation.h"

namespace pmusim::hv {
struct VpmuStrategies;
}

namespace pmusim::session {

// Everything that one run is made of.
struct TargetRun {
  RunPoint point;
  const CpuModel* model = nullptr;     // simulator only
  const hv::Policy* policy = nullptr;  // nullptr: bare metal
  hv::KernelRelease release = hv::kDefaultRelease;
  hv::HostCosts host_costs;
  std::shared_ptr<const hv::VpmuStrategies> strategies;  // an injected defect; nullptr: none
  const platform::Image* image = nullptr;
  std::string command_line;
  std::vector<platform::BootModule> modules;
  unsigned cpus = 1;
  u64 memory = u64{128} << 20;
  bool step = false;
  u64 seed = 1;           // simulator only
  bool audit = false;     // account for what each guest counter shows (simulator)
  u64 sync_window = 200;  // cycles
  u64 max_cycles = kNever, max_seconds = kNever;
  const HostScript* script = nullptr;  // nullptr: nothing but the image
  bool hide_pmu = false;  // as QEMU's pmu=off: a VM without a vPMU, and a CPUID that tells of none
  MachineSetup machine_setup() const;  // what the script wants, and hide_pmu
  EventSink* sink = nullptr;
  std::function<void(char)> on_character;                         // of the serial line
  std::function<void(u64 cycles, u64 instructions)> on_progress;  // so far, now and then (simulator)
};

class Target {
 public:
  virtual ~Target() = default;
  // Why this cannot run here, or "".
  virtual std::string unmet(const TargetRun& run) = 0;
  virtual Observation run(const TargetRun& run) = 0;
};

// The simulator; the first run elaborates the SystemC model, of which a process can have one.
std::unique_ptr<Target> make_simulator(unsigned max_cpus);
std::unique_ptr<Target> make_kernel_kvm();
// "mediated" where KVM's parameter enable_mediated_pmu says so, else "emulated".
std::string policy_of_this_kernel();

}  // namespace pmusim::session
