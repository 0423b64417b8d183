// SPDX-License-Identifier: Apache-2.0
// KVM's rules for AMD PMU registers (svm/pmu.c, pmu.c). Reserved bits are dropped and read-only writes
// ignored.
#include <algorithm>

#include "arch/evtsel.h"
#include "base/bits.h"
#include "hypervisor/vpmu/kvm_rules_vendor.h"

namespace pmusim::hv {

using pmu::Access;
using pmu::Outcome;
using pmu::Reg;
using pmu::Registers;

namespace {

constexpr u64 kSelectorReserved = 0xfffffff000280000;
constexpr u64 kHostGuestOnly = evtsel::kHostOnly | evtsel::kGuestOnly;

bool v2(const Access& a) {
  return a.caps.version > 1;
}

}  // namespace

pmu::RuleLayer kvm_amd_rules(const KvmRuleOptions& options) {
  pmu::RuleLayer layer;
  // f4805dcf2d21 (7.2): Host-Only and Guest-Only are the guest's if it has SVM and its counters are in
  // hardware.
  const bool modes =
      options.release >= KernelRelease::V7_2 && options.counters_in_hardware && options.guest_svm;
  const u64 kept = ~kSelectorReserved | (modes ? kHostGuestOnly : 0);

  auto& selector = layer[Reg::GpSelector];
  selector.source =
      "amd_pmu_set_msr: reserved_bits 0xfffffff000280000 are dropped; F15H MSRs need PERFCTR_CORE";
  selector.exists = [](const Access& a) { return a.caps.perfctr_core && a.index < a.caps.gp_count; };
  selector.check = [kept](const Access&, const Registers&, u64& v) { return v &= kept, Outcome::Ok; };

  auto& gp = layer[Reg::GpCounter];
  gp.source = "amd_pmu_set_msr: masked to 48 bits, never sign-extended";
  gp.exists = selector.exists;
  gp.check = [](const Access& a, const Registers&, u64& v) {
    return v &= mask(a.caps.gp_width), Outcome::Ok;
  };
  gp.read = [](const Access& a, const Registers& r, u64& v) {
    return v = r.gp[a.index] & mask(a.caps.gp_width), Outcome::Ok;
  };

  auto& k7_selector = layer[Reg::K7Selector];
  k7_selector = selector;
  k7_selector.source = "get_gp_pmc_amd: K7 MSRs alias counters 0-3 of every vPMU";
  k7_selector.exists = [](const Access& a) {
    return a.caps.version > 0 && a.index < std::min<unsigned>(4, a.caps.gp_count);
  };
  auto& k7_counter = layer[Reg::K7Counter];
  k7_counter = gp;
  k7_counter.source = k7_selector.source;
  k7_counter.exists = k7_selector.exists;

  auto& global = layer[Reg::GlobalCtrl];
  global.source = "kvm_pmu_set_msr: AMD ignores reserved bits";
  global.exists = v2;
  global.check = [](const Access& a, const Registers&, u64& v) { return v &= a.caps.gp_bits(), Outcome::Ok; };

  auto& status = layer[Reg::GlobalStatus];
  status.source =
      "amd_pmu_set_msr: guest writes of the status are ignored; userspace may set what is not reserved";
  status.exists = v2;
  status.check = [](const Access& a, const Registers&, u64& v) {
    if (!a.host_initiated) return Outcome::Ignored;
    return v & ~kvm_status_bits(a.caps) ? Outcome::Fault : Outcome::Ok;
  };

  // StatusClr and StatusSet read 0; writes by userspace are accepted and do nothing.
  const auto guest_only = [](const Access& a, const Registers&, u64&) {
    return a.host_initiated ? Outcome::Ignored : Outcome::Ok;
  };
  auto& clear = layer[Reg::GlobalStatusReset];
  clear.source = "kvm_pmu_set_msr: PerfCntrGlobalStatusClr clears, reserved bits ignored";
  clear.exists = v2;
  clear.check = guest_only;
  auto& set = layer[Reg::GlobalStatusSet];
  set.source = "kvm_pmu_set_msr: PerfCntrGlobalStatusSet sets, reserved bits ignored";
  set.exists = v2;
  set.check = guest_only;
  set.change = [](const Access& a, Registers& r, u64 v) { r.global_status |= v & kvm_status_bits(a.caps); };
  return layer;
}

}  // namespace pmusim::hv
