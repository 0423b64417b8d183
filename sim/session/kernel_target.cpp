// SPDX-License-Identifier: Apache-2.0
// The kernel of this machine as a target, through /dev/kvm.
#include <fstream>

#include "base/error.h"
#include "hypervisor/drivers/kernel_kvm.h"
#include "session/vmm_run.h"

namespace pmusim::session {
namespace {

class KernelTarget final : public Target {
 public:
  std::string unmet(const TargetRun&) override {
    if (hypervisor_) return "";
    try {
      hypervisor_ = hv::open_kernel_kvm();
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  }
  Observation run(const TargetRun& run) override {
    constexpr u64 kSeconds = 30;  // of wall time, for a case
    TargetRun limited = run;
    if (limited.max_seconds == kNever) limited.max_seconds = kSeconds;
    Observation seen;
    std::unique_ptr<hv::Vmm> vmm;
    describe(run_vmm(limited, vmm, *hypervisor_, nullptr, {}), seen);
    return seen;
  }

 private:
  std::unique_ptr<kvm::Hypervisor> hypervisor_;
};

}  // namespace

std::string policy_of_this_kernel() {
  for (const char* module : {"kvm_intel", "kvm_amd"}) {
    std::ifstream parameter(std::string("/sys/module/") + module + "/parameters/enable_mediated_pmu");
    if (parameter.get() == 'Y') return "mediated";
  }
  return "emulated";
}

std::unique_ptr<Target> make_kernel_kvm() {
  return std::make_unique<KernelTarget>();
}

}  // namespace pmusim::session
