// SPDX-License-Identifier: Apache-2.0
// The API object of a simulated vCPU: register conversions, and ioctls as work on the vCPU's physical CPU.
#pragma once

#include "hypervisor/drivers/machine_driver.h"
#include "hypervisor/kvm/vcpu.h"

namespace pmusim::hv {

// As KVM_SET_CPUID2 takes a table.
std::vector<kvm::CpuidEntry2> entries_of(const CpuidTable& table);

class SimulatedVcpu final : public kvm::Vcpu {
 public:
  SimulatedVcpu(MachineDriver& driver, hv::Vcpu& inner);

  hv::Vcpu& inner() { return inner_; }
  unsigned id() const override { return inner_.id(); }
  int set_cpuid2(const std::vector<kvm::CpuidEntry2>& entries) override;
  int set_regs(const kvm::Regs& regs) override;
  int get_sregs(kvm::Sregs& sregs) override;
  int set_sregs(const kvm::Sregs& sregs) override;
  int get_msrs(std::vector<kvm::MsrEntry>& entries) override;
  int set_msrs(const std::vector<kvm::MsrEntry>& entries) override;
  kvm::Run& run_data() override { return inner_.run_data(); }
  void post_run() override;
  bool running() const override { return inner_.posted || completed_; }
  int run_result() const override { return inner_.result; }

  bool completed() const { return completed_; }
  bool take_completion() {
    const bool was = completed_;
    completed_ = false;
    return was;
  }

 private:
  void ioctl(const std::function<void()>& action);

  MachineDriver& driver_;
  hv::Vcpu& inner_;
  bool completed_ = false;
};

}  // namespace pmusim::hv
