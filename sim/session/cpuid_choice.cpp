// SPDX-License-Identifier: Apache-2.0
// CPUID choices: what they start from.
#include "session/cpuid_choice.h"

#include <fmt/format.h>

#include <algorithm>

#include "arch/cpuid_features.h"
#include "base/data.h"
#include "base/json.h"
#include "hypervisor/vpmu/kvm_rules.h"
#include "session/catalog.h"

namespace pmusim::session {
namespace {

// Without these a 64-bit guest does not come up: it asks for the highest leaves, and for long mode before it
// sets EFER.LME, which is #GP without.
void need_leaves(const CpuidTable& table, const JsonView& leaves) {
  std::string missing;
  for (const u32 leaf : {0u, 1u, 0x80000000u, 0x80000001u}) {
    const bool there = std::any_of(table.entries.begin(), table.entries.end(),
                                   [&](const CpuidEntry& entry) { return entry.leaf == leaf; });
    if (!there) missing += fmt::format("{}{:#x}", missing.empty() ? "" : ", ", leaf);
  }
  if (!missing.empty())
    leaves.fail("no leaf " + missing,
                "the whole CPUID of a guest, with leaves 0x0, 0x1, 0x80000000 and 0x80000001 for a 64-bit "
                "one; 'pmusim list cpuid --model MODEL --json' prints one to start from");
}

}  // namespace

GuestCpuid read_cpuid_file(const std::string& path) {
  const JsonDocument document = load_json(path);
  const JsonView root = document.root();
  root.only_keys({"leaves", "perf_capabilities"});
  GuestCpuid cpuid;
  for (const JsonView& leaf : root.at("leaves").items()) {
    leaf.only_keys({"leaf", "subleaf", "eax", "ebx", "ecx", "edx"});
    const auto reg = [&](const char* name) { return static_cast<u32>(leaf.get_u64(name, 0, 0xffffffff)); };
    CpuidEntry entry;
    entry.leaf = static_cast<u32>(leaf.at("leaf").as_u64(0xffffffff));
    entry.subleaf_matters = leaf.has("subleaf");
    entry.subleaf = reg("subleaf");
    entry.regs = {reg("eax"), reg("ebx"), reg("ecx"), reg("edx")};
    cpuid.table.entries.push_back(entry);
  }
  need_leaves(cpuid.table, root.at("leaves"));
  cpuid.perf_capabilities = root.get_u64("perf_capabilities", 0);
  return cpuid;
}

std::string resolved_cpuid(const std::string& choice, bool bare_metal) {
  const std::string name = kDefaultCpuid;
  if (cpuid_base(choice) != name) return choice;
  return (bare_metal ? "host" : "kvm") + choice.substr(name.size());
}

void check_cpuid_choice(const std::string& text) {
  const std::string base = cpuid_base(text);
  if (base == kDefaultCpuid || base == "kvm" || base == "host") return;
  if (is_path(base)) {
    read_cpuid_file(base);
    return;
  }
  const std::size_t comma = base.find(',');
  if (comma != std::string::npos) {
    const std::string change = base.substr(comma + 1);
    throw InputError("--cpuid", "", "'" + change + "'",
                     "-FEATURE, or one of gp, fixed, version and width with =NUMBER behind '" +
                         base.substr(0, comma) + "'");
  }
  throw InputError("--cpuid", "", "'" + base + "'",
                   "'default', 'kvm', 'host' or the path of a .json file, each with ,-FEATURE or "
                   ",gp=N,fixed=N,version=N,width=N or without");
}

GuestCpuid guest_cpuid(const std::string& text, const CpuModel& model, hv::KernelRelease release,
                       bool counters_in_hardware) {
  const std::string base = cpuid_base(text);
  GuestCpuid cpuid;
  if (base == "host")
    cpuid = {model.cpuid, model.perf_capabilities};
  else if (base == "kvm")
    cpuid = {hv::kvm_supported_cpuid(model, release, counters_in_hardware),
             hv::kvm_supported_perf_capabilities(model)};
  else
    cpuid = read_cpuid_file(base);
  change_cpuid(text, cpuid.table);
  return cpuid;
}

CpuModel reduced_model(const CpuModel& model, const GuestCpuid& cpuid) {
  CpuModel reduced = model;
  reduced.cpuid = cpuid.table;
  reduced.cpuid.set(cpuid::kHypervisor, false);
  reduced.perf_capabilities = cpuid.perf_capabilities;
  reduced.caps = model.rules->caps_from(reduced.cpuid, cpuid.perf_capabilities);
  // A CPUID may claim more than the machine has; the machine does not grow by it.
  reduced.caps.gp_count = std::min(reduced.caps.gp_count, model.caps.gp_count);
  reduced.caps.gp_width = std::min(reduced.caps.gp_width, model.caps.gp_width);
  reduced.caps.fixed_width = std::min(reduced.caps.fixed_width, model.caps.fixed_width);
  reduced.caps.fixed_mask &= model.caps.fixed_mask;
  return reduced;
}

}  // namespace pmusim::session
