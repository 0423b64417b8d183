// SPDX-License-Identifier: Apache-2.0
// What the host's code between register accesses and VM instructions costs: a segment of host work per path.
// Cycles of performed MSR accesses, VMREADs, VM-entry and VM-exit are not contained: those are in the model's
// costs. No instruction counts of these paths are published; all values are assumed (mark M), chosen so that
// sums meet the published round trips (costs.cpp gives source and rule of each), and any can be changed.
// Cache and TLB pollution is not modelled.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "platform/cpu/physical_cpu.h"

namespace pmusim::hv {

enum class Path : u8 {
  EnterGuest,  // vcpu_enter_guest up to the inner loop: requests, event injection, guest switch preparation
  InnerEntry,  // vendor's vcpu_run before the VM-entry instruction, including saving host registers
  InnerExit,   // ... after the VM-exit, including restoring them
  LeaveGuest,  // after the inner loop up to the exit handler
  Cpuid,
  Msr,
  Rdpmc,
  Halt,
  PortIo,
  Hypercall,
  ControlRegister,
  Exception,
  Window,
  SecondStage,
  Emulate,
  InjectEvent,
  Fastpath,
  UserReturn,  // KVM_RUN's return to user space: kernel part
  UserEntry,   // ... and the next KVM_RUN's way in
  Vmm,         // the VMM's own work per exit, at CPL 3
  VcpuLoad,    // vcpu_load, vcpu_put
  VcpuPut,
  ContextSwitch,  // host scheduler, one thread to another
  Block,          // vCPU thread goes to sleep and wakes
  Interrupt,      // host interrupt entry, dispatch and return, without EOI
  Timer,          // hrtimer work of one timer interrupt
  Nmi,            // NMI entry, dispatch and return, without perf's own work
  Ioctl,          // a vCPU ioctl other than KVM_RUN
  Number
};

struct PathCost {
  Path path;
  const char* name;
  platform::HostWork work;
  const char* rule;  // why these values
};

const PathCost& path_cost(Path path);  // as assumed

// What the paths cost on one host.
class HostCosts {
 public:
  HostCosts();  // as assumed
  const platform::HostWork& operator[](Path path) const { return work_[static_cast<unsigned>(path)]; }
  bool given(Path path) const { return given_[static_cast<unsigned>(path)]; }  // by set()
  // "vmm=5": the path's cycles; what it executes changes in proportion, rounded down: the same code on
  // average. InputError for a name or a number that is none.
  void set(const std::string& assignment);

 private:
  static constexpr std::size_t kPaths = static_cast<std::size_t>(Path::Number);
  std::array<platform::HostWork, kPaths> work_;
  std::array<bool, kPaths> given_{};
};
HostCosts host_costs(const std::vector<std::string>& assignments);

}  // namespace pmusim::hv
