// SPDX-License-Identifier: Apache-2.0
// Costs by name.
#include "platform/cpu/cost_names.h"

#include <iterator>
#include <string>
#include <vector>

#include "base/enum_table.h"
#include "base/error.h"

namespace pmusim::platform {
namespace {

using core::Cost;

struct CostName {
  Cost cost;
  const char* name;
};
constexpr CostName kCosts[] = {
    {Cost::Rdmsr, "rdmsr"},   {Cost::Wrmsr, "wrmsr"},         {Cost::Rdpmc, "rdpmc"},
    {Cost::Rdtsc, "rdtsc"},   {Cost::Cpuid, "cpuid"},         {Cost::Io, "io"},
    {Cost::Mmio, "mmio"},     {Cost::Interrupt, "interrupt"}, {Cost::Exception, "exception"},
    {Cost::Iret, "iret"},     {Cost::Clflush, "clflush"},     {Cost::Fence, "fence"},
    {Cost::Hlt, "hlt"},       {Cost::VmEntry, "vm_entry"},    {Cost::VmExit, "vm_exit"},
    {Cost::Vmread, "vmread"}, {Cost::Vmwrite, "vmwrite"},     {Cost::MsrListEntry, "msr_list_entry"},
};
static_assert(is_enum_table(kCosts, &CostName::cost));

}  // namespace

core::CostTable cost_table(const CpuModel& model) {
  core::CostTable table;
  for (const auto& [name, cycles] : model.costs) {
    const auto* row = std::begin(kCosts);
    while (row != std::end(kCosts) && name != row->name) ++row;
    if (row == std::end(kCosts)) {
      std::vector<std::string> names;
      for (const CostName& c : kCosts) names.push_back(c.name);
      throw InputError(model.file, "/costs", name, expected_one_of(name, names));
    }
    table.cycles[static_cast<unsigned>(row->cost)] = cycles;
  }
  return table;
}

}  // namespace pmusim::platform
