// SPDX-License-Identifier: Apache-2.0
// Injectable defects, each a small change of KVM's strategies. Facts: the sources named in
// conformance/bugs/*.json.
#include "conformance/bug_patches.h"

#include "base/bits.h"

namespace pmusim::conformance {
namespace {

using namespace pmu;

// Applies a change to the rule layer that KVM would use.
void patch_rules(hv::VpmuStrategies& s, void (*change)(RuleLayer&)) {
  const auto original = s.rules;
  s.rules = [original, change](const hv::KvmRuleOptions& options) {
    RuleLayer layer = original(options);
    change(layer);
    return layer;
  };
}

}  // namespace

const std::map<std::string, BugPatch>& bug_patches() {
  static const std::map<std::string, BugPatch> patches = {
      // Writes through the legacy counter addresses were stored without sign extension from bit 31.
      {"legacy-counter-write-not-sign-extended",
       [](hv::VpmuStrategies& s) {
         patch_rules(s, [](RuleLayer& layer) {
           layer[Reg::GpCounter].check = [](const Access& access, const Registers&, u64& value) {
             value &= mask(access.caps.gp_width);
             return Outcome::Ok;
           };
         });
       }},
      // Instructions that KVM emulates did not advance the guest's counters.
      {"emulated-instructions-not-counted",
       [](hv::VpmuStrategies& s) {
         s.counts_emulated = [](const hv::VpmuState&, unsigned, bool, bool) { return false; };
       }},
      // The event filter was not applied.
      {"event-filter-ignored",
       [](hv::VpmuStrategies& s) { s.filter_allows = [](const hv::VpmuState&, unsigned) { return true; }; }},
      // Delivering a PMI left the LVTPC unmasked.
      {"lvtpc-not-masked-on-pmi",
       [](hv::VpmuStrategies& s) { s.masks_lvtpc_on_pmi = [](const Model&) { return false; }; }},
      // GLOBAL_CTRL was 0 after vCPU creation instead of enabling all general-purpose counters.
      {"global-ctrl-zero-at-reset",
       [](hv::VpmuStrategies& s) { s.initial_global_ctrl = [](const Caps&, bool) { return u64{0}; }; }},
      // RDPMC accepted any counter index below the bits that select the counter type.
      {"rdpmc-index-not-checked",
       [](hv::VpmuStrategies& s) {
         const auto original = s.rdpmc_counter;
         s.rdpmc_counter = [original](const Caps& caps, u32 ecx) {
           const int counter = original(caps, ecx);
           return counter < 0 && caps.gp_count ? static_cast<int>(ecx % caps.gp_count) : counter;
         };
       }},
  };
  return patches;
}

}  // namespace pmusim::conformance
