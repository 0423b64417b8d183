// SPDX-License-Identifier: Apache-2.0
// Cost names. The order is that of core::Cost.
#include "platform/cpu/cost_names.h"

#include "base/error.h"

namespace pmusim::platform {
namespace {
constexpr unsigned kCosts = static_cast<unsigned>(core::Cost::Number);
constexpr const char* kNames[] = {"rdmsr", "wrmsr",     "rdpmc",     "rdtsc",  "cpuid",   "io",
                                  "mmio",  "interrupt", "exception", "iret",   "clflush", "fence",
                                  "hlt",   "vm_entry",  "vm_exit",   "vmread", "vmwrite", "msr_list_entry"};
static_assert(sizeof kNames / sizeof *kNames == kCosts);
}  // namespace

core::CostTable cost_table(const CpuModel& model) {
  core::CostTable table;
  for (const auto& [name, cycles] : model.costs) {
    unsigned i = 0;
    while (i < kCosts && name != kNames[i]) ++i;
    if (i == kCosts)
      throw InputError(model.file, "/costs", name,
                       expected_one_of(name, std::vector<std::string>(kNames, kNames + kCosts)));
    table.cycles[i] = cycles;
  }
  return table;
}

}  // namespace pmusim::platform
