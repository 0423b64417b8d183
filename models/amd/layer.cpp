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
  selector.source = "pmu-hardware B PERF_CTL: other bits read as zero (APM Vol. 2 rev 3.44 Figure 13-11)";

  Rule& counter = layer[Reg::GpCounter];
  counter.exists = extended;
  counter.change = [](const Access& a, Registers& r, u64 v) { r.gp[a.index] = v & mask(a.caps.gp_width); };
  counter.source = "pmu-hardware B: 48 bits wide; that higher bits are dropped is KVM's rule (kvm-vpmu 1.5)";

  layer[Reg::K7Selector] = selector;
  layer[Reg::K7Selector].exists = legacy;
  layer[Reg::K7Selector].source = "pmu-hardware B: the first four alias the legacy ones";
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
  control.source = "pmu-hardware B: writes to reserved bits of the global registers are ignored";

  Rule& status = layer[Reg::GlobalStatus];
  status.exists = v2;
  status.check = [](const Access&, const Registers&, u64&) { return Outcome::Ignored; };
  status.source = "pmu-hardware B: read-only, a write is ignored";

  Rule& clear = layer[Reg::GlobalStatusReset];
  clear.exists = v2;
  clear.change = [](const Access& a, Registers& r, u64 v) { r.global_status &= ~(v & status_bits(a.caps)); };
  clear.source = "APM Vol. 2 rev 3.44 13.2.1, Figure 13-15; reads 0 (kvm-vpmu 1.5)";

  Rule& set = layer[Reg::GlobalStatusSet];
  set.exists = v2;
  set.change = [](const Access& a, Registers& r, u64 v) { r.global_status |= v & status_bits(a.caps); };
  set.source =
      "APM Vol. 2 rev 3.44 13.2.1, Figure 13-14 (pmu-hardware A5.6): overflow bits have no side effect, 58 "
      "and "
      "59 freeze at once; reads 0 (kvm-vpmu 1.5)";
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
