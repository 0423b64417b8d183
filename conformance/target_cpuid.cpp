// SPDX-License-Identifier: Apache-2.0
// CPUID choices.
#include "conformance/target_cpuid.h"

#include <algorithm>

#include "base/json.h"
#include "hypervisor/kvm_rules.h"

namespace pmusim::conformance {
namespace {

constexpr u32 kHypervisorBit = 1u << 31;

bool is_path(const std::string& name) {
  return name.find('/') != std::string::npos ||
         (name.size() > 5 && name.compare(name.size() - 5, 5, ".json") == 0);
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
  cpuid.perf_capabilities = root.get_u64("perf_capabilities", 0);
  return cpuid;
}

std::string resolved_cpuid(const std::string& choice, bool bare_metal) {
  if (choice != kDefaultCpuid) return choice;
  return bare_metal ? "host" : "kvm";
}

void check_cpuid_choice(const std::string& choice) {
  if (choice == kDefaultCpuid || choice == "kvm" || choice == "host") return;
  if (!is_path(choice))
    throw InputError("--cpuid", "", "'" + choice + "'",
                     "'default', 'kvm', 'host' or the path of a .json file");
  read_cpuid_file(choice);
}

GuestCpuid guest_cpuid(const std::string& choice, const pmu::Model& model, hv::KernelRelease release,
                       bool counters_in_hardware) {
  if (choice == "host") return {model.cpuid, model.perf_capabilities};
  if (choice == "kvm")
    return {hv::kvm_supported_cpuid(model, release, counters_in_hardware),
            hv::kvm_supported_perf_capabilities(model, counters_in_hardware)};
  return read_cpuid_file(choice);
}

pmu::Model reduced_model(const pmu::Model& model, const GuestCpuid& cpuid) {
  pmu::Model reduced = model;
  reduced.cpuid = cpuid.table;
  if (CpuidEntry* features = reduced.cpuid.find(1, 0)) features->regs.ecx &= ~kHypervisorBit;
  reduced.perf_capabilities = cpuid.perf_capabilities;
  reduced.caps = model.rules->caps_from(reduced.cpuid, cpuid.perf_capabilities);
  // A CPUID may claim more than the machine has; the machine does not grow by it.
  reduced.caps.gp_count = std::min(reduced.caps.gp_count, model.caps.gp_count);
  reduced.caps.gp_width = std::min(reduced.caps.gp_width, model.caps.gp_width);
  reduced.caps.fixed_width = std::min(reduced.caps.fixed_width, model.caps.fixed_width);
  reduced.caps.fixed_mask &= model.caps.fixed_mask;
  return reduced;
}

}  // namespace pmusim::conformance
