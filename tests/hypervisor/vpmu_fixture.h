// SPDX-License-Identifier: Apache-2.0
// For tests of the vPMU and host perf: a physical CPU that is a map of MSRs with the PMU's aliases and a log
// of accesses (nothing counts unless a test says so), a vCPU's hooks, control-block fields, and small models.
#pragma once

#include <fmt/format.h>

#include <map>
#include <string>
#include <vector>

#include "arch/msr.h"
#include "base/bits.h"
#include "hypervisor/perf/host_perf.h"
#include "hypervisor/vpmu/event_filter.h"
#include "hypervisor/vpmu/policy_file.h"
#include "hypervisor/vpmu/vpmu.h"
#include "tests/support/selectors.h"

namespace pmusim::hv::test {

using namespace pmusim::test;  // selectors

class FakeCpu : public platform::PhysicalCpu {
 public:
  explicit FakeCpu(const CpuModel& model, unsigned number = 0) : model_(&model), number_(number) {}

  std::map<u32, u64> msrs;
  std::map<u32, u32> apic;
  std::vector<std::string> log;
  u64 now = 0;
  std::function<void(u32 ecx)> during_rdpmc;  // what reaches the host's handler inside the call

  // Hardware counter n (GP n, kFixedBase + n), selector n.
  u64& counter(unsigned n) {
    if (n >= pmu::kFixedBase) return msrs[msr::kFixedCtr0 + (n - pmu::kFixedBase)];
    return msrs[(amd() ? msr::kAmdPerfCtr0 + 2 * n : msr::kAPmc0 + n)];
  }
  u64& selector(unsigned n) { return msrs[amd() ? msr::kAmdPerfCtl0 + 2 * n : msr::kPerfEvtSel0 + n]; }
  u64& status() { return msrs[amd() ? msr::kAmdGlobalStatus : msr::kGlobalStatus]; }
  u64& global() { return msrs[amd() ? msr::kAmdGlobalCtl : msr::kGlobalCtrl]; }

  unsigned id() const override { return number_; }
  const CpuModel& model() const override { return *model_; }
  void set_handler(platform::HostHandler*) override {}
  bool rdmsr(u32 index, u64& value) override {
    value = msrs[canonical(index)];
    log.push_back(fmt::format("rdmsr {:x}", index));
    return true;
  }
  bool wrmsr(u32 index, u64 value) override {
    log.push_back(fmt::format("wrmsr {:x} {:x}", index, value));
    if (index == msr::kGlobalStatusReset || index == msr::kAmdGlobalStatusClr)
      status() &= ~value;
    else if (index == msr::kGlobalStatusSet || index == msr::kAmdGlobalStatusSet)
      status() |= value;
    else
      msrs[canonical(index)] = value;
    return true;
  }
  u64 rdpmc(u32 ecx) override {
    log.push_back(fmt::format("rdpmc {:x}", ecx));
    const u64 value = counter(ecx & 0x40000000 ? pmu::kFixedBase + (ecx & 0xff) : ecx);
    if (during_rdpmc) during_rdpmc(ecx);
    return value;
  }
  u64 rdtsc() override { return now; }
  CpuidRegs cpuid(u32, u32) override { return {}; }
  u32 apic_read(u32 offset) override { return apic[offset]; }
  void apic_write(u32 offset, u32 value) override {
    apic[offset] = value;
    log.push_back(fmt::format("apic {:x} {:x}", offset, value));
  }
  void set_interrupts(bool) override {}
  bool interrupts_enabled() const override { return false; }
  void work(const platform::HostWork&) override {}
  void vmaccess(bool) override {}
  void halt() override {}
  core::VmExit enter_guest(platform::ControlBlock&) override { return {}; }
  bool hw_rdmsr(u32 index, u64& value, Source) override { return value = msrs[canonical(index)], true; }
  bool hw_wrmsr(u32 index, u64 value, Source) override { return msrs[canonical(index)] = value, true; }
  u64 cycle() const override { return now; }
  u64 tsc() const override { return now; }

 private:
  bool amd() const { return model_->vendor == pmu::Vendor::Amd; }
  static u32 canonical(u32 index) {  // aliases share their storage
    if (index >= msr::kPerfCtr0 && index < msr::kPerfCtr0 + 16) return msr::kAPmc0 + (index - msr::kPerfCtr0);
    if (index >= msr::kK7EvntSel0 && index < msr::kK7EvntSel0 + 4)
      return msr::kAmdPerfCtl0 + 2 * (index - msr::kK7EvntSel0);
    if (index >= msr::kK7PerfCtr0 && index < msr::kK7PerfCtr0 + 4)
      return msr::kAmdPerfCtr0 + 2 * (index - msr::kK7PerfCtr0);
    return index;
  }
  const CpuModel* model_;
  unsigned number_;
};

class FakeHooks : public VcpuHooks {
 public:
  bool pmu_requested = false, pmi_requested = false, recalc_requested = false;
  unsigned level = 0;
  u64 cr0 = 1, cr4 = 0, efer = 0;
  bool nested = false, apic = true;
  u32 lvtpc = 0x400;
  unsigned delivered = 0;
  platform::PhysicalCpu* on = nullptr;

  void request_pmu() override { pmu_requested = true; }
  void request_pmi() override { pmi_requested = true; }
  void request_recalc_intercepts() override { recalc_requested = true; }
  u8 guest_cpl() const override { return static_cast<u8>(level); }
  u64 guest_cr0() const override { return cr0; }
  u64 guest_cr4() const override { return cr4; }
  u64 guest_efer() const override { return efer; }
  bool in_guest_hypervisor_mode() const override { return nested; }
  bool has_in_kernel_apic() const override { return apic; }
  u32 virtual_lvtpc() const override { return lvtpc; }
  void set_virtual_lvtpc(u32 value) override { lvtpc = value; }
  bool deliver_virtual_lvtpc() override {
    if (lvtpc >> 16 & 1) return false;
    ++delivered;
    return true;
  }
  platform::PhysicalCpu* cpu() override { return on; }
  void emit(Event) override {}
};

class FakeFields : public ControlBlockPmuFields {
 public:
  FakeFields(FakeCpu& cpu, bool can_load, bool can_save)
      : cpu_(cpu), can_load_(can_load), can_save_(can_save) {}
  u64 guest = 0, host = 0, at_exit = 0;
  std::map<u32, std::pair<u64, u64>> switched;  // guest, host

  bool can_load_global_ctrl() const override { return can_load_; }
  bool can_save_global_ctrl() const override { return can_save_; }
  void use_global_ctrl(bool load, bool save) override {
    cpu_.log.push_back(fmt::format("controls load={:d} save={:d}", load, save));
  }
  void set_guest_global_ctrl(u64 value) override {
    guest = value;
    cpu_.log.push_back(fmt::format("vmwrite guest_global_ctrl {:x}", value));
  }
  void set_host_global_ctrl(u64 value) override {
    host = value;
    cpu_.log.push_back(fmt::format("vmwrite host_global_ctrl {:x}", value));
  }
  u64 guest_global_ctrl() override {
    cpu_.log.push_back("read guest_global_ctrl");
    return at_exit;
  }
  void atomic_switch(u32 msr, u64 guest_value, u64 host_value) override {
    if (guest_value == host_value)
      switched.erase(msr);
    else
      switched[msr] = {guest_value, host_value};
  }
  void clear_atomic_switch(u32 msr) override { switched.erase(msr); }

 private:
  FakeCpu& cpu_;
  bool can_load_, can_save_;
};

// PMU shapes as in InstLatX64 CPUID dumps; scheduling rows from Linux 7.2 perf.
CpuModel spr();
CpuModel skx();
CpuModel zen3();
CpuModel zen4();

// An event filter that denies these events, and fixed counters by their bits.
std::shared_ptr<const EventFilter> deny(pmu::Vendor vendor, std::vector<u64> events, u32 fixed = 0);

// A vPMU on CPU 0 with the CPUID that KVM offers, its vCPU's thread running.
struct Guest {
  Guest(const CpuModel& model, const std::string& policy_id, KernelRelease release = KernelRelease::V7_2,
        std::shared_ptr<const VpmuStrategies> strategies = nullptr);
  ~Guest();

  u64 read(u32 msr) {
    u64 value = ~u64{0};
    outcome = vpmu->get_msr(msr, value, false);
    return value;
  }
  pmu::Outcome write(u32 msr, u64 value) { return vpmu->set_msr(msr, value, false); }
  void program(u32 msr, u64 value) { write(msr, value), requests(); }  // and enters the guest again
  // What vcpu_enter_guest does before an entry: PMU requests, then PMI requests.
  void requests() {
    if (hooks.pmu_requested) hooks.pmu_requested = false, vpmu->handle_requests(cpu);
    if (hooks.pmi_requested) hooks.pmi_requested = false, vpmu->deliver_pmi();
  }

  CpuModel model;
  Policy policy;
  FakeCpu cpu;
  HostPerf perf;
  FakeHooks hooks;
  std::unique_ptr<Vpmu> vpmu;
  pmu::Outcome outcome = pmu::Outcome::Ok;
};

}  // namespace pmusim::hv::test
