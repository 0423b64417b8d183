// SPDX-License-Identifier: Apache-2.0
// The host's shared parts.
#include "hypervisor/kvm/host.h"

#include <algorithm>

#include "hypervisor/kvm/host_kernel.h"
#include "hypervisor/perf/host_perf.h"
#include "hypervisor/vpmu/kvm_rules.h"

namespace pmusim::hv {

ExitStatistics::Row& ExitStatistics::row(u64 reason, const char* name) {
  const auto at =
      std::lower_bound(rows.begin(), rows.end(), reason, [](const Row& r, u64 v) { return r.reason < v; });
  if (at != rows.end() && at->reason == reason) return *at;
  return *rows.insert(at, Row{name, reason, 0, 0});
}

ExitStatistics::AccessTotal& ExitStatistics::access(const Access& access) {
  const auto at = accesses.find(access);
  if (at != accesses.end()) return at->second;
  return accesses.size() < kMostAccesses ? accesses[access] : other_accesses;
}

u64 ExitStatistics::exits() const {
  u64 sum = 0;
  for (const Row& r : rows) sum += r.count;
  return sum;
}

Host::Host(std::vector<platform::PhysicalCpu*> cpus, core::Ram& ram, HostConfig config)
    : config_(std::move(config)),
      cpus_(std::move(cpus)),
      ram_(ram),
      perf_(std::make_unique<HostPerf>(cpus_.at(0)->model(), static_cast<unsigned>(cpus_.size()))) {
  for (platform::PhysicalCpu* cpu : cpus_) kernels_.push_back(std::make_unique<HostKernel>(*this, *cpu));
}

Host::~Host() {
  for (platform::PhysicalCpu* cpu : cpus_) cpu->set_handler(nullptr);
}

u64 Host::allocate_physical(u64 size) {
  const u64 address = next_physical_;
  next_physical_ += (size + 0x1fffff) & ~u64{0x1fffff};
  return address;
}

u64 Host::supported_perf_capabilities() const {
  return kvm_supported_perf_capabilities(model());
}

void Host::emit(const platform::PhysicalCpu* cpu, int vcpu, Event event) const {
  if (!config_.events) return;
  event.vcpu = static_cast<s8>(vcpu);
  if (cpu) {
    event.cpu = static_cast<u8>(cpu->id());
    event.cycle = cpu->cycle();
    event.tsc = cpu->tsc();
  }
  config_.events->on_event(event);
}

}  // namespace pmusim::hv
