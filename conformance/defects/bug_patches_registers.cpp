// SPDX-License-Identifier: Apache-2.0
// Defects of single registers: existence, accepted and stored values, reset values; and of RDPMC's decoding.
#include "base/bits.h"
#include "conformance/defects/bug_patches.h"

namespace pmusim::conformance {
namespace {

using namespace pmu;
using hv::VpmuStrategies;

u64 sign_extended(u64 value, unsigned width) {
  return sign_extend(value, 32) & mask(width);
}

void fixed_counter_write_sign_extended(VpmuStrategies& s) {
  patch_rules(s, [](RuleLayer& layer) {
    layer[Reg::FixedCounter].check = [](const Access& a, const Registers&, u64& value) {
      value = sign_extended(value, a.caps.fixed_width);
      return Outcome::Ok;
    };
  });
}

void amd_counter_write_sign_extended(VpmuStrategies& s) {
  patch_rules(s, [](RuleLayer& layer) {
    layer[Reg::GpCounter].check = [](const Access& a, const Registers&, u64& value) {
      value = sign_extended(value, a.caps.gp_width);
      return Outcome::Ok;
    };
  });
}

void global_ctrl_reserved_bits_unchecked(VpmuStrategies& s) {
  patch_rules(s, [](RuleLayer& layer) {
    layer[Reg::GlobalCtrl].check = [](const Access&, const Registers&, u64&) { return Outcome::Ok; };
  });
}

void fw_write_cap_without_alias_msrs(VpmuStrategies& s) {
  patch_rules(s, [](RuleLayer& layer) { layer[Reg::GpCounterFull].exists = nullptr; });
}

void perfmonv2_status_set_missing(VpmuStrategies& s) {
  patch_rules(s, [](RuleLayer& layer) { layer[Reg::GlobalStatusSet].exists = nullptr; });
}

void amd_legacy_msr_range_missing(VpmuStrategies& s) {
  patch_rules(s, [](RuleLayer& layer) {
    layer[Reg::K7Selector].exists = nullptr;
    layer[Reg::K7Counter].exists = nullptr;
  });
}

void event_selectors_beyond_four_unreachable(VpmuStrategies& s) {
  patch_rules(s, [](RuleLayer& layer) {
    Rule& selector = layer[Reg::GpSelector];
    selector.exists = [original = selector.exists](const Access& a) { return a.index < 4 && original(a); };
  });
}

void amd_evtsel_high_nybble_reserved(VpmuStrategies& s) {
  patch_rules(s, [](RuleLayer& layer) {
    Rule& selector = layer[Reg::GpSelector];
    selector.check = [original = selector.check](const Access& a, const Registers& regs, u64& value) {
      return bits(value, 35, 32) ? Outcome::Fault : original(a, regs, value);
    };
  });
}

void amd_reserved_evtsel_bits_fault(VpmuStrategies& s) {
  patch_rules(s, [](RuleLayer& layer) {
    Rule& selector = layer[Reg::GpSelector];
    selector.check = [original = selector.check](const Access& a, const Registers& regs, u64& value) {
      u64 kept = value;
      const Outcome outcome = original(a, regs, kept);
      return outcome == Outcome::Ok && kept != value ? Outcome::Fault : outcome;
    };
  });
}

void rdpmc_type_as_flag(VpmuStrategies& s) {
  s.rdpmc_counter = [](const Caps& caps, u32 ecx) {
    const u32 index = ecx & 0xffff;
    if (test_bit(ecx, 30))
      return test_bit(caps.fixed_mask, index & 31) ? static_cast<int>(kFixedBase + index) : -1;
    return index < caps.gp_count ? static_cast<int>(index) : -1;
  };
}

// Only the acceptance; that fast mode returns 32 bits is left out.
void rdpmc_fast_mode_on_arch_pmu(VpmuStrategies& s) {
  s.rdpmc_counter = [original = s.rdpmc_counter](const Caps& caps, u32 ecx) {
    return original(caps, ecx & 0x7fffffff);
  };
}

void amd_rdpmc_faults_version_zero(VpmuStrategies& s) {
  s.serves_rdpmc = [](const Caps& caps, u32) { return caps.vendor != Vendor::Amd; };
}

void rdpmc_succeeds_without_pmu(VpmuStrategies& s) {
  s.serves_rdpmc = [original = s.serves_rdpmc](const Caps& caps, u32 ecx) {
    return (ecx >= 0x10000 && ecx <= 0x10002) || original(caps, ecx);
  };
}

}  // namespace

BugPatches register_bugs() {
  return {
      {"amd-counter-write-sign-extended", amd_counter_write_sign_extended},
      {"amd-evtsel-high-nybble-reserved", amd_evtsel_high_nybble_reserved},
      {"amd-legacy-msr-range-missing", amd_legacy_msr_range_missing},
      {"amd-rdpmc-faults-version-zero", amd_rdpmc_faults_version_zero},
      {"amd-reserved-evtsel-bits-fault", amd_reserved_evtsel_bits_fault},
      {"event-selectors-beyond-four-unreachable", event_selectors_beyond_four_unreachable},
      {"fixed-counter-write-sign-extended", fixed_counter_write_sign_extended},
      {"fw-write-cap-without-alias-msrs", fw_write_cap_without_alias_msrs},
      {"global-ctrl-reserved-bits-unchecked", global_ctrl_reserved_bits_unchecked},
      {"global-ctrl-reset-sets-fixed-bits",
       [](VpmuStrategies& s) {
         s.initial_global_ctrl = [](const Caps& caps, bool) { return caps.counter_bits(); };
       }},
      {"global-ctrl-reset-zero",
       [](VpmuStrategies& s) { s.initial_global_ctrl = [](const Caps&, bool) { return u64{0}; }; }},
      {"perfmonv2-status-set-missing", perfmonv2_status_set_missing},
      {"rdpmc-fast-mode-on-arch-pmu", rdpmc_fast_mode_on_arch_pmu},
      {"rdpmc-succeeds-without-pmu", rdpmc_succeeds_without_pmu},
      {"rdpmc-type-as-flag", rdpmc_type_as_flag},
  };
}

}  // namespace pmusim::conformance
