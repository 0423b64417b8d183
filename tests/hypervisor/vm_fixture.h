// SPDX-License-Identifier: Apache-2.0
// For tests of whole VMs: an image is run by the VMM on the simulated KVM, with as many physical CPUs as
// vCPUs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "arch/event_counts.h"
#include "hypervisor/drivers/vmm.h"
#include "hypervisor/kvm/host.h"
#include "hypervisor/kvm/vcpu.h"
#include "tests/support/machine/guest_image.h"
#include "tests/support/machine/machine.h"

namespace pmusim::hv::test {

using platform::test::Assembler;

inline constexpr u32 kGuestCode = 0x400000;  // where hand-assembled guests begin

struct VmSetup {
  std::string model = "spr", policy = "emulated";
  unsigned cpus = 1;
  bool interval = false;  // timing
  bool step = false;
  u64 quantum = platform::MachineConfig{}.quantum;
  u64 cycles = 50'000'000;        // limit
  bool forced_emulation = false;  // of the host
  bool keep_memory = false;       // VmRun::memory
  std::function<u32(u32)> doorbell = {};
  std::function<void(std::vector<kvm::CpuidEntry2>&)> edit_cpuid = {};
  std::function<void(Vcpu&)> created = {};  // is told of vCPU 0
};

struct VmRun {
  VmmResult result;
  std::vector<Event> events;
  ExitStatistics statistics;  // of vCPU 0
  std::vector<u64> cycles, tscs;
  std::vector<EventCounts> counts;  // of the physical CPUs, as cycles and tscs
  std::vector<u8> memory;           // the guest's, if asked for

  u64 count(EventKind kind) const;
  u64 exits(const std::string& reason) const;  // of vCPU 0
};

VmRun run_vm(const platform::Image& image, const VmSetup& setup);
VmRun run_vm(const Assembler& code, const VmSetup& setup = {}, std::vector<platform::test::Part> more = {});

// Text, end, events to the cycle, and everything else that both have.
void check_same(const VmRun& a, const VmRun& b);

}  // namespace pmusim::hv::test
