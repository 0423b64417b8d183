// SPDX-License-Identifier: Apache-2.0
// Defects in what a vPMU is made of: the CPUID that is offered, what is taken from a guest's, which registers
// a version has, how its APIC behaves.
#include "base/bits.h"
#include "conformance/defects/bug_patches.h"

namespace pmusim::conformance {
namespace {

using namespace pmu;
using hv::KernelRelease;
using hv::VpmuStrategies;

// Existence follows from the presence of any PMU instead of version 2.
void v2_msrs_exposed_on_v1(VpmuStrategies& s) {
  patch_rules(s, [](RuleLayer& layer) {
    const auto exists = [](const Access& a) { return a.caps.version > 0; };
    layer[Reg::FixedCtrl].exists = layer[Reg::GlobalCtrl].exists = layer[Reg::GlobalStatus].exists =
        layer[Reg::GlobalStatusReset].exists = exists;
    layer[Reg::FixedCounter].exists = [](const Access& a) {
      return a.caps.version > 0 && a.index < hv::kKvmMaxFixed;
    };
  });
}

void guest_width_not_clamped_to_host(VpmuStrategies& s) {
  s.caps = [original = s.caps](const CpuidTable& guest, u64 perf_capabilities, const CpuModel& host) {
    Caps caps = original(guest, perf_capabilities, host);
    if (caps.version) caps.gp_width = static_cast<u8>(bits(guest.read(0xa, 0).eax, 23, 16));
    return caps;
  };
}

void pmu_live_although_cpuid_says_none(VpmuStrategies& s) {
  s.caps = [original = s.caps, offered = s.supported_cpuid](const CpuidTable& guest, u64 perf_capabilities,
                                                            const CpuModel& host) {
    CpuidTable table = guest;
    if (bits(guest.read(0xa, 0).eax, 7, 0) == 0)
      table.set(0xa, 0, offered(host, KernelRelease::V7_2, false).read(0xa, 0));
    return original(table, perf_capabilities, host);
  };
}

void leaf_0xa_reported_on_amd(VpmuStrategies& s) {
  s.supported_cpuid = [original = s.supported_cpuid](const CpuModel& host, KernelRelease release,
                                                     bool in_hardware) {
    CpuidTable table = original(host, release, in_hardware);
    if (host.vendor == Vendor::Amd)
      table.set(0xa, 0,
                {host.caps.version | u32{host.caps.gp_count} << 8 | u32{host.caps.gp_width} << 16, 0, 0, 0});
    return table;
  };
}

// The index of a counter's event in leaf 0AH, -1 if it is none of the architectural ones.
int architectural_event(const hv::VpmuState& state, unsigned counter) {
  constexpr u64 kEvents[] = {0x3c, 0xc0, 0x13c, 0x4f2e, 0x412e, 0xc4, 0xc5};
  constexpr int kFixed[] = {1, 0, 2};
  if (counter >= kFixedBase) return kFixed[counter - kFixedBase];
  for (int n = 0; n < 7; ++n)
    if ((state.selector(counter) & 0xffff) == kEvents[n]) return n;
  return -1;
}

bool unavailable(const hv::VpmuState& state, unsigned counter) {
  const int event = architectural_event(state, counter);
  return event >= 0 && !test_bit(state.caps.arch_events, static_cast<unsigned>(event));
}

void fixed_counter_ignored_if_arch_event_absent(VpmuStrategies& s) {
  s.filter_allows = [original = s.filter_allows](const hv::VpmuState& state, unsigned counter) {
    return original(state, counter) && !(counter >= kFixedBase && unavailable(state, counter));
  };
}

void unavailable_arch_encoding_blocked(VpmuStrategies& s) {
  s.filter_allows = [original = s.filter_allows](const hv::VpmuState& state, unsigned counter) {
    return original(state, counter) && !(counter < kFixedBase && unavailable(state, counter));
  };
}

}  // namespace

BugPatches identity_bugs() {
  return {
      {"fixed-counter-ignored-if-arch-event-absent", fixed_counter_ignored_if_arch_event_absent},
      {"guest-width-not-clamped-to-host", guest_width_not_clamped_to_host},
      {"leaf-0xa-reported-on-amd", leaf_0xa_reported_on_amd},
      {"lvtpc-masked-on-amd",
       [](VpmuStrategies& s) { s.masks_lvtpc_on_pmi = [](const CpuModel&) { return true; }; }},
      {"lvtpc-not-masked-on-pmi",
       [](VpmuStrategies& s) { s.masks_lvtpc_on_pmi = [](const CpuModel&) { return false; }; }},
      {"pmu-live-although-cpuid-says-none", pmu_live_although_cpuid_says_none},
      {"unavailable-arch-encoding-blocked", unavailable_arch_encoding_blocked},
      {"v2-msrs-exposed-on-v1", v2_msrs_exposed_on_v1},
  };
}

}  // namespace pmusim::conformance
