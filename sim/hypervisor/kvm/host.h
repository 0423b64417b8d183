// SPDX-License-Identifier: Apache-2.0
// The host: KVM as a loaded module (policy, kernel release, capabilities), host perf, and one host kernel per
// physical CPU. Owns what the virtual machines on it share.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "base/event.h"
#include "hypervisor/kvm/costs.h"
#include "hypervisor/vpmu/kernel_release.h"
#include "hypervisor/vpmu/policy.h"
#include "platform/cpu/physical_cpu.h"

namespace pmusim::hv {

class HostPerf;
class HostKernel;
struct VpmuStrategies;

struct HostConfig {
  Policy policy;
  KernelRelease release = kDefaultRelease;
  std::shared_ptr<const VpmuStrategies> strategies;  // nullptr: KVM's own
  EventSink* events = nullptr;
  HostCosts costs;
  bool forced_emulation_prefix = false;  // kvm.force_emulation_prefix
  u64 time_slice_cycles = 3'000'000;     // host scheduler; assumed: 1 ms at 3 GHz
};

// Cycles between VM-exit and the next VM-entry, and number, per exit reason, and per MSR of the exits that an
// access to one caused. From an entry to the exit, with the cost of both, are guest_cycles; a vCPU that is
// halted is between the two as well.
struct ExitStatistics {
  struct Row {
    const char* name = "";
    u64 reason = 0;
    u64 count = 0;
    u64 host_cycles = 0;
  };
  struct Access {
    u32 msr = 0;
    bool write = false;
    bool operator<(const Access& o) const { return msr != o.msr ? msr < o.msr : write < o.write; }
  };
  struct AccessTotal {
    u64 count = 0, host_cycles = 0;
  };
  // A guest can try 2^32 of them: what comes when there are so many is in other_accesses.
  static constexpr std::size_t kMostAccesses = 256;
  std::vector<Row> rows;  // by reason
  std::map<Access, AccessTotal> accesses;
  AccessTotal other_accesses;
  u64 entries = 0, fastpath = 0, user_exits = 0, injected_interrupts = 0, injected_nmis = 0, halts = 0;
  u64 guest_cycles = 0, host_cycles = 0;

  Row& row(u64 reason, const char* name);
  AccessTotal& access(const Access& access);
  u64 exits() const;
};

class Host {
 public:
  Host(std::vector<platform::PhysicalCpu*> cpus, core::Ram& ram, HostConfig config);
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  const HostConfig& config() const { return config_; }
  const CpuModel& model() const { return cpus_[0]->model(); }
  bool intel() const { return model().vendor == pmu::Vendor::Intel; }
  core::Ram& ram() { return ram_; }
  HostPerf& perf() { return *perf_; }
  unsigned cpu_count() const { return static_cast<unsigned>(cpus_.size()); }
  platform::PhysicalCpu& cpu(unsigned id) { return *cpus_[id]; }
  HostKernel& kernel(unsigned id) { return *kernels_[id]; }

  // Host-physical space for a VM's slot: above the largest machine memory (1 TiB), never reused within a
  // host.
  u64 allocate_physical(u64 size);
  u64 supported_perf_capabilities() const;  // IA32_PERF_CAPABILITIES as KVM offers it
  u16 next_tag() { return ++last_tag_; }    // VPID or ASID

  // Completes and hands on an event; free when nobody listens.
  bool listening() const { return config_.events; }
  void emit(const platform::PhysicalCpu* cpu, int vcpu, Event event) const;

 private:
  HostConfig config_;
  std::vector<platform::PhysicalCpu*> cpus_;
  core::Ram& ram_;
  std::unique_ptr<HostPerf> perf_;
  std::vector<std::unique_ptr<HostKernel>> kernels_;
  u64 next_physical_ = u64{1} << 41;
  u16 last_tag_ = 0;
};

}  // namespace pmusim::hv
