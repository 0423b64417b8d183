// SPDX-License-Identifier: Apache-2.0
// The injectable defects of all themes together.
#include "conformance/defects/bug_patches.h"

namespace pmusim::conformance {

const BugPatches& bug_patches() {
  static const BugPatches patches = [] {
    BugPatches all;
    for (BugPatches part : {register_bugs(), identity_bugs(), event_bugs(), counter_bugs(), switch_bugs()})
      all.merge(part);
    return all;
  }();
  return patches;
}

void patch_rules(hv::VpmuStrategies& strategies, void (*change)(pmu::RuleLayer&)) {
  strategies.rules = [original = strategies.rules, change](const hv::KvmRuleOptions& options) {
    pmu::RuleLayer layer = original(options);
    change(layer);
    return layer;
  };
}

}  // namespace pmusim::conformance
