// SPDX-License-Identifier: Apache-2.0
// Injectable defects, each a small change of KVM's strategies. What each one was, and where it is documented,
// stands in conformance/bugs/ID.json.
#include "conformance/bug_patches.h"

#include "base/bits.h"

namespace pmusim::conformance {
namespace {

using namespace pmu;
using hv::VpmuState;
using hv::VpmuStrategies;

// Changes the rule layer that KVM would use.
void patch_rules(VpmuStrategies& s, void (*change)(RuleLayer&)) {
  s.rules = [original = s.rules, change](const hv::KvmRuleOptions& options) {
    RuleLayer layer = original(options);
    change(layer);
    return layer;
  };
}

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

void filter_ignores_fixed_counters(VpmuStrategies& s) {
  s.filter_allows = [original = s.filter_allows](const VpmuState& state, unsigned counter) {
    return counter >= kFixedBase || original(state, counter);
  };
}

void filter_ignored_for_emulated_instructions(VpmuStrategies& s) {
  s.counts_emulated = [original = s.counts_emulated](const VpmuState& state, unsigned counter, bool branch,
                                                     bool user) {
    VpmuState unfiltered = state;
    unfiltered.filter = nullptr;
    return original(unfiltered, counter, branch, user);
  };
}

}  // namespace

const std::map<std::string, BugPatch>& bug_patches() {
  static const std::map<std::string, BugPatch> patches = {
      {"amd-counter-write-sign-extended", amd_counter_write_sign_extended},
      {"amd-evtsel-high-nybble-reserved", amd_evtsel_high_nybble_reserved},
      {"amd-reserved-evtsel-bits-fault", amd_reserved_evtsel_bits_fault},
      {"emulated-instruction-not-counted",
       [](VpmuStrategies& s) {
         s.counts_emulated = [](const VpmuState&, unsigned, bool, bool) { return false; };
       }},
      {"filter-ignored-for-emulated-instructions", filter_ignored_for_emulated_instructions},
      {"filter-ignores-fixed-counters", filter_ignores_fixed_counters},
      {"fixed-counter-write-sign-extended", fixed_counter_write_sign_extended},
      {"fw-write-cap-without-alias-msrs", fw_write_cap_without_alias_msrs},
      {"global-ctrl-reserved-bits-unchecked", global_ctrl_reserved_bits_unchecked},
      {"global-ctrl-reset-sets-fixed-bits",
       [](VpmuStrategies& s) {
         s.initial_global_ctrl = [](const Caps& caps, bool) { return caps.counter_bits(); };
       }},
      {"global-ctrl-reset-zero",
       [](VpmuStrategies& s) { s.initial_global_ctrl = [](const Caps&, bool) { return u64{0}; }; }},
      {"lvtpc-masked-on-amd",
       [](VpmuStrategies& s) { s.masks_lvtpc_on_pmi = [](const Model&) { return true; }; }},
      {"lvtpc-not-masked-on-pmi",
       [](VpmuStrategies& s) { s.masks_lvtpc_on_pmi = [](const Model&) { return false; }; }},
      {"perfmonv2-status-set-missing", perfmonv2_status_set_missing},
      {"rdpmc-type-as-flag", rdpmc_type_as_flag},
  };
  return patches;
}

}  // namespace pmusim::conformance
