// SPDX-License-Identifier: Apache-2.0
// What RDMSR and WRMSR of PMU registers do on AMD hardware. Reserved bits of selects read as zero and those
// of the global registers are ignored; only registers that the CPU does not have give #GP. Not modelled:
// northbridge/DF, L3 and UMC counters, IRPerf, LBR, IBS.
#include "base/bits.h"
#include "models/amd/amd.h"
#include "models/amd/fields.h"

namespace pmusim::models {
namespace {

using namespace amd;
using pmu::Access;
using pmu::Outcome;
using pmu::Reg;
using pmu::Registers;
using pmu::Rule;
using pmu::RuleLayer;

void add_counters(RuleLayer& layer) {
  const auto extended = [](const Access& a) { return a.caps.perfctr_core && a.index < a.caps.gp_count; };
  const auto legacy = [](const Access& a) { return a.index < a.caps.gp_count && a.index < kLegacyCounters; };

  Rule& selector = layer[Reg::GpSelector];
  selector.exists = extended;
  selector.check = [](const Access&, const Registers&, u64& v) {
    v &= kSelectorBits;
    return Outcome::Ok;
  };
  selector.source = "APM Vol. 2 rev 3.44 Figure 13-11, PERF_CTL: other bits read as zero";

  Rule& counter = layer[Reg::GpCounter];
  counter.exists = extended;
  counter.change = [](const Access& a, Registers& r, u64 v) { r.gp[a.index] = v & mask(a.caps.gp_width); };
  counter.source =
      "APM Vol. 2 rev 3.44, PERF_CTR: 48 bits wide; that higher bits are dropped is KVM's rule "
      "(amd_pmu_set_msr)";

  layer[Reg::K7Selector] = selector;
  layer[Reg::K7Selector].exists = legacy;
  layer[Reg::K7Selector].source = "APM Vol. 2 rev 3.44 13.2.1: the first four alias the legacy ones";
  layer[Reg::K7Counter] = counter;
  layer[Reg::K7Counter].exists = legacy;
  layer[Reg::K7Counter].source = layer[Reg::K7Selector].source;
}

void add_global(RuleLayer& layer) {
  const auto v2 = [](const Access& a) { return a.caps.version >= 2; };

  Rule& control = layer[Reg::GlobalCtrl];
  control.exists = v2;
  control.check = [](const Access& a, const Registers&, u64& v) {
    v &= a.caps.gp_bits();
    return Outcome::Ok;
  };
  control.source = "KVM, amd_pmu_set_msr: writes to reserved bits of the global registers are ignored";

  Rule& status = layer[Reg::GlobalStatus];
  status.exists = v2;
  status.check = [](const Access&, const Registers&, u64&) { return Outcome::Ignored; };
  status.source =
      "APM Vol. 2 rev 3.44 13.2.1: read-only; that a write is ignored is KVM's rule (kvm_pmu_set_msr)";

  Rule& clear = layer[Reg::GlobalStatusReset];
  clear.exists = v2;
  clear.change = [](const Access& a, Registers& r, u64 v) { r.global_status &= ~(v & status_bits(a.caps)); };
  clear.source = "APM Vol. 2 rev 3.44 13.2.1, Figure 13-15; reads 0 (kvm_pmu_get_msr)";

  Rule& set = layer[Reg::GlobalStatusSet];
  set.exists = v2;
  set.change = [](const Access& a, Registers& r, u64 v) { r.global_status |= v & status_bits(a.caps); };
  set.source =
      "APM Vol. 2 rev 3.44 13.2.1, Figure 13-14: overflow bits have no side effect, 58 and 59 freeze at "
      "once; reads 0 (kvm_pmu_get_msr)";
}

}  // namespace

RuleLayer amd_hardware_layer() {
  RuleLayer layer;
  layer.name = "amd-hardware";
  add_counters(layer);
  add_global(layer);
  return layer;
}

}  // namespace pmusim::models
