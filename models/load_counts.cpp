// SPDX-License-Identifier: Apache-2.0
// --set of model.pmu.
#include "models/load_counts.h"

#include <fmt/format.h>

#include "models/counts.h"

namespace pmusim::models {

namespace {

// The leaf that follows the counts is not to be given beside them.
void refuse_leaf_beside(const JsonView& root) {
  for (const JsonView& leaf : root.at("cpuid").at("leaves").items()) {
    const u64 number = leaf.at("leaf").as_u64();
    for (const char* reg : {"eax", "ebx", "ecx", "edx"})
      if ((number == 0xa || number == 0x80000022) && root.document().overridden(leaf.pointer() + "/" + reg))
        leaf.at(reg).fail("it beside model.pmu", "model.pmu alone: the leaf follows it");
  }
}

}  // namespace

bool counts_overridden(const JsonView& root) {
  const auto given = [&](const char* pointer) { return root.document().overridden(pointer); };
  const bool any = given("/pmu/version") || given("/pmu/gp/count") || given("/pmu/gp/width") ||
                   given("/pmu/fixed/mask") || given("/pmu/fixed/width");
  if (any) refuse_leaf_beside(root);
  return any;
}

void change_counts(const JsonView& root, CpuModel& model) {
  const JsonView pmu = root.at("pmu");
  pmu::Caps wanted = model.caps;
  wanted.version = static_cast<u8>(pmu.at("version").as_u64());
  wanted.gp_count = static_cast<u8>(pmu.at("gp").at("count").as_u64());
  wanted.gp_width = static_cast<u8>(pmu.at("gp").at("width").as_u64());
  if (wanted.version < 2) wanted.fixed_mask = 0;
  if (wanted.version >= 2 && pmu.has("fixed")) {
    wanted.fixed_mask = static_cast<u32>(pmu.at("fixed").at("mask").as_u64(0xffff));
    wanted.fixed_width = static_cast<u8>(pmu.at("fixed").at("width").as_u64());
  }
  std::string expected = impossible_counts(wanted);
  u32 named = 0;  // fixed counters that the file says the meaning of
  for (const pmu::EventInfo& event : model.events)
    if (event.fixed >= 0 && event.unit.empty()) named |= u32{1} << event.fixed;
  if (wanted.fixed_mask & ~named)
    expected = fmt::format("fixed counters of the mask {:#x}, whose events the model names", named);
  if (!expected.empty())
    throw InputError(model.file, "--set model.pmu",
                     fmt::format("{} (mask {:#x})", counts_text(wanted), wanted.fixed_mask), expected);
  const pmu::Caps before = model.caps;
  enumerate_counts(wanted, model.cpuid);
  model.caps = model.rules->caps_from(model.cpuid, model.perf_capabilities);
  fit_events(before, model.caps, model.events);
}

}  // namespace pmusim::models
