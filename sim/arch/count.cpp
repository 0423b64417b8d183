// SPDX-License-Identifier: Apache-2.0
// Names of the primitive counts, in the order of the enumeration.
#include "arch/count.h"

#include <cstring>

namespace pmusim {
namespace {

constexpr const char* kNames[] = {
    "cycles",
    "ref_cycles",
    "bus_cycles",
    "slots",
    "instructions",
    "cond_taken",
    "cond_not_taken",
    "direct_jump",
    "indirect_jump",
    "direct_call",
    "indirect_call",
    "return",
    "far_branch",
    "loads",
    "stores",
    "locked_loads",
    "interrupts",
    "misp_cond_taken",
    "misp_cond_not_taken",
    "misp_indirect_jump",
    "misp_indirect_call",
    "misp_return",
    "resteers",
    "late_targets",
    "load_l1_hit",
    "load_fill_hit",
    "load_l2_hit",
    "load_l3_hit",
    "load_dram",
    "split_loads",
    "split_stores",
    "l1d_replacements",
    "l1d_pending_cycles",
    "data_l2_hit",
    "data_l3_hit",
    "data_dram",
    "rfo_l2_hit",
    "rfo_l3_hit",
    "rfo_dram",
    "code_l2_hit",
    "code_l3_hit",
    "code_dram",
    "walk_l2_hit",
    "walk_l3_hit",
    "walk_dram",
    "l1_prefetch_l2_hit",
    "l1_prefetch_l3_hit",
    "l1_prefetch_dram",
    "l2_prefetch_l2_hit",
    "l2_prefetch_l3_hit",
    "l2_prefetch_dram",
    "dtlb_load_stlb_hit",
    "dtlb_load_walks",
    "dtlb_load_walk_cycles",
    "dtlb_store_stlb_hit",
    "dtlb_store_walks",
    "dtlb_store_walk_cycles",
    "itlb_stlb_hit",
    "itlb_walks",
    "itlb_walk_cycles",
    "dtlb_4k_stlb_hit",
    "dtlb_4k_walks",
    "fetch_tlb_cycles",
    "fetch_miss_cycles",
    "page_split_loads",
    "store_forwards",
    "smc_clears",
    "store_forwards_blocked",
    "slots_retiring",
    "slots_mispredict",
    "slots_clear",
    "slots_fetch_latency",
    "slots_fetch_bandwidth",
    "slots_memory",
    "slots_core",
    "no_retire_front_end",
    "no_retire_memory",
    "no_retire_core",
    "recovery_cycles",
    "divides",
    "divider_cycles",
};
static_assert(sizeof(kNames) / sizeof(*kNames) == kCounts, "every count has a name");

}  // namespace

const char* count_name(Count count) {
  return count < Count::Number ? kNames[static_cast<unsigned>(count)] : "unknown";
}

Count count_by_name(const char* name) {
  for (unsigned i = 0; i < kCounts; ++i)
    if (!std::strcmp(kNames[i], name)) return static_cast<Count>(i);
  return Count::Number;
}

}  // namespace pmusim
