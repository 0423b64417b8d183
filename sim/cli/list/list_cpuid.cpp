// SPDX-License-Identifier: Apache-2.0
// A guest's CPUID, as a table and in the form of --cpuid FILE (docs/cpuid-format.md).
#include <fmt/format.h>

#include "cli/list/list.h"
#include "models/counts.h"
#include "models/models.h"
#include "session/catalog.h"
#include "session/cpuid_choice.h"

namespace pmusim::cli {
namespace {

std::string hex(u32 value) {
  return fmt::format("{:#010x}", value);
}

std::string as_file(const session::GuestCpuid& cpuid) {
  std::string text = "{\n  \"leaves\": [";
  bool first = true;
  for (const CpuidEntry& e : cpuid.table.entries) {
    text += fmt::format("{}    {{\"leaf\": \"{}\", ", first ? "\n" : ",\n", hex(e.leaf));
    if (e.subleaf_matters) text += fmt::format("\"subleaf\": {}, ", e.subleaf);
    text += fmt::format(R"("eax": "{}", "ebx": "{}", "ecx": "{}", "edx": "{}"}})", hex(e.regs.eax),
                        hex(e.regs.ebx), hex(e.regs.ecx), hex(e.regs.edx));
    first = false;
  }
  return text + fmt::format("\n  ],\n  \"perf_capabilities\": \"{:#x}\"\n}}\n", cpuid.perf_capabilities);
}

}  // namespace

std::string list_cpuid(const CpuidQuestion& q, bool json) {
  const CpuModel model = models::load_model(q.model, {}, true);
  const auto policy = session::policy_by_id(q.policy, {});
  const std::string choice = session::resolved_cpuid(q.cpuid, !policy);
  const session::GuestCpuid cpuid = session::guest_cpuid(choice, model, hv::release_by_name(q.kernel),
                                                         policy && policy->counters_in_hardware());
  if (json) return as_file(cpuid);
  const pmu::Caps caps = model.rules->caps_from(cpuid.table, cpuid.perf_capabilities);
  Table table{"leaves", {"leaf", "subleaf", "eax", "ebx", "ecx", "edx"}, {}, true};
  for (const CpuidEntry& e : cpuid.table.entries)
    table.rows.push_back({hex(e.leaf), e.subleaf_matters ? std::to_string(e.subleaf) : "", hex(e.regs.eax),
                          hex(e.regs.ebx), hex(e.regs.ecx), hex(e.regs.edx)});
  return as_text(Sheet{{{"model", model.id + " (" + model.name + ")"},
                        {"cpuid", choice},
                        {"pmu", models::counts_text(caps)},
                        {"perf_capabilities", fmt::format("{:#x}", cpuid.perf_capabilities)}},
                       {table}},
                 output_width());
}

}  // namespace pmusim::cli
