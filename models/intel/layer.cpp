// SPDX-License-Identifier: Apache-2.0
// What RDMSR and WRMSR of PMU registers do on Intel hardware, versions 1 to 5. Reserved bits and read-only
// registers give #GP. Sections in `source` are those of the SDM of June 2016 (325384-059).
// Not modelled: PEBS, PERF_METRICS and BTS: their registers keep what is written where the CPU enumerates
// them. Version 6 (UMASK2, EQ, the 1900H block) is not modelled.
#include "base/bits.h"
#include "models/intel/fields.h"
#include "models/intel/intel.h"

namespace pmusim::models {
namespace {

using namespace evtsel;
using namespace intel;
using pmu::Access;
using pmu::Caps;
using pmu::Outcome;
using pmu::Reg;
using pmu::Registers;
using pmu::Rule;
using pmu::RuleLayer;

Outcome faults_if(bool reserved) {
  return reserved ? Outcome::Fault : Outcome::Ok;
}

pmu::Rule::Check within(u64 (*allowed)(const Access&)) {
  return [allowed](const Access& a, const Registers&, u64& value) { return faults_if(value & ~allowed(a)); };
}

Outcome read_only(const Access&, const Registers&, u64&) {
  return Outcome::Fault;
}

u64 selector_bits(const Access& a) {
  u64 allowed = mask(32);
  if (!has_any_thread(a.caps)) allowed &= ~kAny;
  if (a.caps.rtm) allowed |= kInTx;
  if (a.caps.rtm && a.index == 2) allowed |= kInTxCp;
  if (a.caps.pebs_baseline()) allowed |= kAdaptive;
  return allowed;
}

u64 fixed_ctrl_bits(const Access& a) {
  u64 allowed = 0;
  for (unsigned n = 0; n < pmu::kMaxFixed; ++n) {
    if (!(a.caps.fixed_mask >> n & 1)) continue;
    u64 field = has_any_thread(a.caps) ? 0xf : 0xb;
    if (n == 3 && a.caps.pdcm && test_bit(a.caps.perf_capabilities, kRdpmcMetricsClear)) field |= 4;
    allowed |= field << 4 * n;
    if (a.caps.pebs_baseline() && n < 8) allowed |= bit(32 + 4 * n);
  }
  return allowed;
}

u64 global_bits(const Access& a) {
  return a.caps.counter_bits() | (a.caps.metrics() ? bit(pmu::kMetricsBit) : 0);
}

u64 status_reset_bits(const Access& a) {
  u64 allowed = global_bits(a) | bit(kDsBuffer) | bit(kCondChanged);
  if (a.caps.version >= 3) allowed |= bit(kUncore);
  if (a.caps.version >= 4) allowed |= bit(kTopaPmi) | bit(kLbrFrozen) | bit(kCountersFrozen) | bit(kAsci);
  return allowed;
}

u64 status_set_bits(const Access& a) {
  return status_reset_bits(a) & ~bit(kCondChanged);
}

u64 pebs_enable_bits(const Access& a) {
  return a.caps.gp_bits() | (a.caps.pebs_baseline() ? u64{a.caps.fixed_mask} << 32 : 0);
}

u64 inuse(const Caps& caps, const Registers& regs) {
  u64 value = 0;
  for (unsigned n = 0; n < caps.gp_count; ++n) {
    if (regs.selector[n] & 0xff) value |= bit(n);
    if (regs.selector[n] & kInt) value |= bit(63);
  }
  for (unsigned n = 0; n < pmu::kMaxFixed; ++n) {
    if (!(caps.fixed_mask >> n & 1)) continue;
    if (fixed_field(regs.fixed_ctrl, n) & 3) value |= bit(pmu::kFixedBase + n);
    if (fixed_field(regs.fixed_ctrl, n) & 8) value |= bit(63);
  }
  return regs.pebs_enable ? value | bit(63) : value;
}

void add_counters(RuleLayer& layer) {
  const auto has_gp = [](const Access& a) { return a.caps.version >= 1 && a.index < a.caps.gp_count; };

  Rule& selector = layer[Reg::GpSelector];
  selector.exists = has_gp;
  selector.check = within(selector_bits);
  selector.source =
      "SDM Vol. 3, 18.2.1.1, IA32_PERFEVTSELx: unsupported bits are reserved, WRMSR with them set gives #GP";

  Rule& counter = layer[Reg::GpCounter];
  counter.exists = has_gp;
  counter.change = [](const Access& a, Registers& r, u64 v) {
    r.gp[a.index] = sign_extend(v, 32) & mask(a.caps.gp_width);
  };
  counter.source = "SDM Vol. 3, 18.2.1.1: WRMSR 0xC1+x takes bits 31:0 and sign-extends to the counter width";

  Rule& full = layer[Reg::GpCounterFull];
  full.exists = [has_gp](const Access& a) { return has_gp(a) && a.caps.full_width_writes(); };
  full.check = within([](const Access& a) { return mask(a.caps.gp_width); });
  full.source = "SDM Vol. 3, \"Full-Width Writes\": 0x4C1+x takes the full width; #GP if higher bits are set";

  Rule& fixed = layer[Reg::FixedCounter];
  fixed.exists = [](const Access& a) { return a.caps.version >= 2 && (a.caps.fixed_mask >> a.index & 1); };
  fixed.change = [](const Access& a, Registers& r, u64 v) {
    r.fixed[a.index] = v & mask(a.caps.fixed_width);
  };
  fixed.source =
      "SDM Vol. 3, 18.2.2; that bits above the width are dropped is assumed (no source states it for "
      "hardware)";
}

void add_control(RuleLayer& layer) {
  const auto since = [](u8 version) {
    return [version](const Access& a) { return a.caps.version >= version; };
  };

  Rule& fixed_ctrl = layer[Reg::FixedCtrl];
  fixed_ctrl.exists = [](const Access& a) { return a.caps.version >= 2 && a.caps.fixed_mask; };
  fixed_ctrl.check = within(fixed_ctrl_bits);
  fixed_ctrl.source = "SDM Vol. 3, 18.2.2, IA32_FIXED_CTR_CTRL";

  Rule& global = layer[Reg::GlobalCtrl];
  global.exists = since(2);
  global.check = within(global_bits);
  global.source = "SDM Vol. 3, 18.2.2, IA32_PERF_GLOBAL_CTRL: an enable bit of a missing counter gives #GP";

  Rule& capabilities = layer[Reg::PerfCapabilities];
  capabilities.exists = [](const Access& a) { return a.caps.pdcm; };
  capabilities.check = read_only;
  capabilities.read = [](const Access& a, const Registers&, u64& v) {
    v = a.caps.perf_capabilities;
    return Outcome::Ok;
  };
  capabilities.source =
      "SDM Vol. 3, Table 35-2, IA32_PERF_CAPABILITIES: read-only, exists with CPUID.1:ECX.PDCM";
}

void add_status(RuleLayer& layer) {
  const auto since = [](u8 version) {
    return [version](const Access& a) { return a.caps.version >= version; };
  };

  Rule& status = layer[Reg::GlobalStatus];
  status.exists = since(2);
  status.check = read_only;
  status.source = "SDM Vol. 3, 18.2.2, IA32_PERF_GLOBAL_STATUS: read-only, WRMSR gives #GP";

  Rule& reset = layer[Reg::GlobalStatusReset];
  reset.exists = since(2);
  reset.check = within(status_reset_bits);
  reset.source =
      "SDM Vol. 3, 18.2.2, 18.2.4.2 and Table 35-2: 390H clears by writing ones; 60:56 reserved before "
      "version 4, 61 "
      "reserved before version 3; reads 0 (write-only style)";

  Rule& set = layer[Reg::GlobalStatusSet];
  set.exists = since(4);
  set.check = within(status_set_bits);
  set.source =
      "SDM Vol. 3, 18.2.4.2: 391H sets by writing ones; bit 63 reserved; no PMI (not stated by Intel)";

  Rule& use = layer[Reg::GlobalInuse];
  use.exists = since(4);
  use.check = read_only;
  use.read = [](const Access& a, const Registers& r, u64& v) {
    v = inuse(a.caps, r);
    return Outcome::Ok;
  };
  use.source = "SDM Vol. 3, 18.2.4.3, IA32_PERF_GLOBAL_INUSE";
}

void add_unmodelled(RuleLayer& layer) {
  Rule& metrics = layer[Reg::PerfMetrics];
  metrics.exists = [](const Access& a) { return a.caps.metrics(); };
  metrics.source =
      "Linux 7.2 perf, MSR_PERF_METRICS: exists with PERF_CAPABILITIES[15]; its fields are not computed here";

  Rule& pebs = layer[Reg::PebsEnable];
  pebs.exists = [](const Access& a) { return a.caps.ds && a.caps.pebs_format(); };
  pebs.check = within(pebs_enable_bits);
  pebs.source = "Linux 7.2 perf (intel/ds.c), IA32_PEBS_ENABLE";

  Rule& data = layer[Reg::PebsDataCfg];
  data.exists = [](const Access& a) { return a.caps.ds && a.caps.pebs_baseline(); };
  data.source = "Linux 7.2 perf (intel/ds.c): PEBS_DATA_CFG selects groups (PEBS baseline)";

  Rule& area = layer[Reg::DsArea];
  area.exists = [](const Access& a) { return a.caps.ds; };
  area.check = [](const Access&, const Registers&, u64& v) { return faults_if(sign_extend(v, 48) != v); };
  area.source =
      "Linux 7.2 msr-index.h, IA32_DS_AREA: linear address, canonical (48 bits: 5-level paging is not "
      "modelled)";
}

}  // namespace

RuleLayer intel_hardware_layer() {
  RuleLayer layer;
  layer.name = "intel-hardware";
  add_counters(layer);
  add_control(layer);
  add_status(layer);
  add_unmodelled(layer);
  return layer;
}

}  // namespace pmusim::models
