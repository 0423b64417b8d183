/* SPDX-License-Identifier: Apache-2.0
   The values that names in expressions stand for: what CPUID says, and what steps have saved. Event encodings
   are the architectural ones (Intel) and those common to all Zen generations (AMD); loads and stores are not
   architectural on Intel: 0xd0/0x81 and 0xd0/0x82 hold from Haswell to Clearwater Forest. */
#include "case.h"

u64 case_values[CASE_MAX_VALUES];
u8 case_defined[CASE_MAX_VALUES];

const struct case_header* case_header(void) {
  return (const struct case_header*)(u64)CASE_PAYLOAD_ADDRESS;
}
const void* case_at(u32 offset) {
  return (const u8*)case_header() + offset;
}
const char* case_string(u32 offset) {
  return case_at(offset);
}

void case_set(u32 name, u64 value) {
  case_values[name] = value;
  case_defined[name] = 1;
}

struct case_value case_eval(u32 expression) {
  return case_evaluate(case_at(case_header()->rpn.offset), expression, case_values, case_defined);
}

static u64 low_mask(u32 width) {
  return width >= 64 ? ~0ull : (1ull << width) - 1;
}

static void set_event(u32 name, u32 intel, u32 amd, int available) {
  const u32 encoding = rt_pmu.vendor == RT_VENDOR_INTEL ? intel : rt_pmu.vendor == RT_VENDOR_AMD ? amd : 0;
  if (encoding && available) case_set(name, encoding);
}

void case_init_builtins(void) {
  const struct rt_pmu* p = &rt_pmu;
#define SET(name, value) case_set(CASE_NAME_##name, value)
  SET(version, p->version);
  SET(vendor_intel, p->vendor == RT_VENDOR_INTEL);
  SET(vendor_amd, p->vendor == RT_VENDOR_AMD);
  SET(gp_count, p->gp_count);
  SET(gp_width, p->gp_width);
  SET(fixed_count, p->fixed_count);
  SET(fixed_width, p->fixed_width);
  SET(fixed_mask, p->fixed_mask);
  SET(gp_mask, low_mask(p->gp_count));
  SET(fixed_bits, (u64)p->fixed_mask << 32);
  SET(counter_mask, low_mask(p->gp_count) | (u64)p->fixed_mask << 32);
  SET(width_mask, low_mask(p->gp_width));
  SET(fixed_width_mask, low_mask(p->fixed_width));
  SET(perf_capabilities_value, p->perf_capabilities);
  SET(has_pmu, p->version > 0);
  SET(has_global_ctrl, p->has_global_ctrl);
  SET(has_full_width_writes, p->full_width_writes);
  SET(has_pdcm, p->pdcm);
  for (u32 i = 0; i < 4; ++i) case_set(CASE_NAME_has_fixed0 + i, p->fixed_mask >> i & 1);
  SET(has_amd_v2, p->amd_v2);
  SET(has_perfctr_core, p->perfctr_core);
  SET(has_fep, p->fep);
  SET(has_freeze, p->freeze);
  SET(has_x2apic, p->x2apic);
  SET(has_apic, (u64)rt_apic_present());
  SET(has_hypervisor, p->hypervisor);
  SET(has_rtm, p->rtm);
  SET(has_global_status_set, p->amd_v2 || (p->vendor == RT_VENDOR_INTEL && p->version >= 4));
  SET(has_lbr_format, p->perf_capabilities & 0x3f);
  SET(has_perf_metrics, p->perf_capabilities >> 15 & 1);
  const u32 missing = p->vendor == RT_VENDOR_INTEL ? p->events_missing : 0;
  const int any = p->version > 0, intel = p->vendor == RT_VENDOR_INTEL;
  SET(has_cycles, any && !(missing & 1));
  SET(has_instructions, any && !(missing >> 1 & 1));
  SET(has_ref_cycles, any && intel && !(missing >> 2 & 1));
  SET(has_branches, any && !(missing >> 5 & 1));
  set_event(CASE_NAME_event_cycles, 0x003c, 0x0076, 1);
  set_event(CASE_NAME_event_instructions, 0x00c0, 0x00c0, 1);
  set_event(CASE_NAME_event_ref_cycles, 0x013c, 0, 1);
  set_event(CASE_NAME_event_llc_references, 0x4f2e, 0, 1);
  set_event(CASE_NAME_event_llc_misses, 0x412e, 0, 1);
  set_event(CASE_NAME_event_branches, 0x00c4, 0x00c2, 1);
  set_event(CASE_NAME_event_branch_misses, 0x00c5, 0x00c3, 1);
  set_event(CASE_NAME_event_loads, 0x81d0, 0x0129, 1);
  set_event(CASE_NAME_event_stores, 0x82d0, 0x0229, 1);
  SET(cpu_family, p->family);
  SET(cpu_model, p->model);
  SET(pmi_count, 0);
  SET(nmi_count, 0);
#undef SET
}

int case_store(const struct case_op* op, struct case_target target, u64 value) {
  if (target.name == CASE_NAME_NONE) return 1;
  u32 slot = target.name;
  u64 index = 0;
  if (target.index) {
    const struct case_value i = case_eval(target.index);
    if (!i.defined || i.value >= CASE_ARRAY_SIZE) {
      case_skip(op, "the index of the name to save to is not usable");
      return 0;
    }
    index = i.value;
    slot += (u32)index;
  }
  case_set(slot, value);
  case_observe(op, target.name, index, target.index != 0, value);
  return 1;
}

void case_forget(struct case_target target) {
  u32 slot = target.name;
  if (slot == CASE_NAME_NONE) return;
  if (target.index) {
    const struct case_value i = case_eval(target.index);
    if (!i.defined || i.value >= CASE_ARRAY_SIZE) return;
    slot += (u32)i.value;
  }
  case_defined[slot] = 0;
}
