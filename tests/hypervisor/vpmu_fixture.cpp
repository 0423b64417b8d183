// SPDX-License-Identifier: Apache-2.0
// A vPMU on a CPU and a vCPU that are only remembered.
#include "vpmu_fixture.h"

#include <doctest/doctest.h>

#include "hypervisor/vpmu/kvm_rules.h"
#include "models/models.h"

namespace pmusim::hv::test {
namespace {

CpuModel intel(const char* id, unsigned version, unsigned gp, u32 fixed_mask, u32 leaf_eax, u32 leaf_edx) {
  CpuModel m;
  m.id = m.name = id;
  m.vendor = pmu::Vendor::Intel;
  m.perf_capabilities = 1 << 13;
  m.rules = models::rules_of(m.vendor);
  m.caps.vendor = m.vendor;
  m.caps.version = static_cast<u8>(version);
  m.caps.ds = true;
  m.caps.gp_count = static_cast<u8>(gp);
  m.caps.gp_width = m.caps.fixed_width = 48;
  m.caps.fixed_mask = fixed_mask;
  m.caps.pdcm = true;
  m.caps.perf_capabilities = m.perf_capabilities;
  m.core_khz = m.tsc_khz = 2000000;
  m.cpuid.set(0, 0, {0x16, 0, 0, 0});
  m.cpuid.set(1, 0, {0, 0, 1 << 15, 1 << 21});
  m.cpuid.set(7, 0, {});
  m.cpuid.set(0xa, 0, {leaf_eax, 0, 0, leaf_edx});
  return m;
}

CpuModel amd(const char* id, unsigned version) {
  CpuModel m;
  m.id = m.name = id;
  m.vendor = pmu::Vendor::Amd;
  m.rules = models::rules_of(m.vendor);
  m.caps.vendor = m.vendor;
  m.caps.version = static_cast<u8>(version);
  m.caps.gp_count = 6;
  m.caps.gp_width = 48;
  m.caps.perfctr_core = true;
  m.core_khz = m.tsc_khz = 2000000;
  m.cpuid.set(0, 0, {0x10, 0, 0, 0});
  m.cpuid.set(1, 0, {});
  m.cpuid.set(7, 0, {});
  m.cpuid.set(0x80000001, 0, {0, 0, 1u << 23 | 1u << 2, 0});
  if (version == 2) m.cpuid.set(0x80000022, 0, {3, 6, 0, 0});
  return m;
}

}  // namespace

CpuModel spr() {  // 0AH = 08300805/0/F/8604
  CpuModel m = intel("spr", 5, 8, 0xf, 0x08300805, 0x8604);
  m.caps.slots_width = 8;
  m.save_global_ctrl_on_exit = true;
  m.caps.perf_capabilities = m.perf_capabilities |= 1 << 15;  // PERF_METRICS
  m.constraints = {{0x2e, 0x2e, -1, 0xff}, {0x3c, 0x3c, -1, 0xff}, {0x01, 0x8f, -1, 0xf},
                   {0xa4, 0xa4, 4, 0x1},   {0xa4, 0xa4, 8, 0x1},   {0xcd, 0xcd, 1, 0xfe},
                   {0xcd, 0xcd, 2, 0x1},   {0xce, 0xce, -1, 0x1},  {0xd0, 0xdf, -1, 0xf},
                   {0x90, 0xfe, -1, 0xff}};
  return m;
}

CpuModel skx() {
  return intel("skx", 4, 4, 0x7, 0x07300404, 0x603);
}
CpuModel zen3() {
  return amd("zen3", 1);
}
CpuModel zen4() {
  return amd("zen4", 2);
}

std::shared_ptr<const EventFilter> deny(pmu::Vendor vendor, std::vector<u64> events, u32 fixed) {
  EventFilterRequest request;
  request.action = kFilterDeny;
  request.nevents = static_cast<u32>(events.size());
  request.fixed_counter_bitmap = fixed;
  request.events = std::move(events);
  std::shared_ptr<const EventFilter> made;
  REQUIRE(make_event_filter(request, vendor, made) == 0);
  return made;
}

Guest::Guest(const CpuModel& host, const std::string& policy_id, KernelRelease release,
             std::shared_ptr<const VpmuStrategies> strategies)
    : model(host), policy(shipped_policy(policy_id)), cpu(model), perf(model) {
  vpmu = std::make_unique<Vpmu>(policy, model, release, perf, hooks, std::move(strategies));
  const bool hardware = policy.counters_in_hardware();
  vpmu->set_cpuid(kvm_supported_cpuid(model, release, hardware));
  if (hardware) perf.create_mediated_vm(policy.host_perf == HostPerfUse::Denied);
  hooks.on = &cpu;
  vpmu->sched_in(cpu);
  hooks.pmu_requested = false;
  cpu.log.clear();
}

Guest::~Guest() {
  vpmu->sched_out(cpu);
}

}  // namespace pmusim::hv::test
