// SPDX-License-Identifier: Apache-2.0
// The seam between a caller's thread and the CPUs of a machine that run host kernels: posts work to a CPU's
// program and advances the machine until it is done.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "hypervisor/api/kvm_api.h"
#include "platform/machine/machine.h"

namespace pmusim::hv {

class Host;

class MachineDriver {
 public:
  MachineDriver(platform::Machine& machine, Host& host);
  ~MachineDriver();
  MachineDriver(const MachineDriver&) = delete;
  MachineDriver& operator=(const MachineDriver&) = delete;

  // Runs an action on the CPU's thread as host-kernel code and returns when it is done.
  void on_cpu(unsigned cpu, const std::function<void()>& action);
  void wake(unsigned cpu);
  void pause(unsigned cpu);  // from the CPU's own thread: drive() looks at its condition
  // Advances until the condition holds, the limit or a stop; false if the condition does not hold.
  bool drive(const std::function<bool()>& condition, const kvm::TimeLimit& limit, bool interruptible = true);
  const platform::StopReport& last_stop() const { return last_stop_; }
  u64 cycles() const { return machine_.cycle(); }
  int check_extension(u32 cap) const;
  Host& host() { return host_; }

 private:
  class Program;
  platform::Machine& machine_;
  Host& host_;
  std::vector<std::unique_ptr<Program>> programs_;
  platform::StopReport last_stop_;
};

}  // namespace pmusim::hv
