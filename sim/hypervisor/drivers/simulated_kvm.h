// SPDX-License-Identifier: Apache-2.0
// The KVM API on a simulated machine. The machine must have been reset; its CPUs then run the host kernel.
// One SimulatedKvm at a time per machine; it must be destroyed after the next Machine::reset() or before
// another use of the machine. A VM whose vCPU is still running may only be destroyed if nothing runs
// afterwards. Calls are made from the thread that drives the machine, never from inside a run.
#pragma once

#include <memory>
#include <vector>

#include "hypervisor/api/kvm_api.h"
#include "hypervisor/kvm/host.h"
#include "platform/machine/stop_report.h"

namespace pmusim::platform {
class Machine;
}

namespace pmusim::hv {

class Vcpu;

class SimulatedKvm final : public kvm::Hypervisor {
 public:
  // Throws InputError if the machine or the kernel release cannot run the policy.
  SimulatedKvm(platform::Machine& machine, HostConfig config);
  ~SimulatedKvm() override;

  std::string name() const override;
  int get_supported_cpuid(std::vector<kvm::CpuidEntry2>& entries) override;
  int get_host_cpuid(std::vector<kvm::CpuidEntry2>& entries) override;
  u64 supported_perf_capabilities() override;
  int check_extension(u32 cap) override;
  int create_vm(std::unique_ptr<kvm::Vm>& vm) override;

  Host& host();
  // An action of the host kernel on a CPU (its own thread), e.g. starting host perf events; returns when
  // done.
  void on_cpu(unsigned cpu, const std::function<void()>& action);
  // The simulated vCPU behind one of our API objects: statistics, audit, state.
  static Vcpu& simulated(kvm::Vcpu& vcpu);
  // Moves the vCPU's thread to another physical CPU; it must not be running.
  void move(kvm::Vcpu& vcpu, unsigned cpu);
  const platform::StopReport& last_stop() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pmusim::hv
