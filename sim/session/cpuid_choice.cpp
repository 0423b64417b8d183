// SPDX-License-Identifier: Apache-2.0
// CPUID choices.
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

// Names as QEMU's -cpu has them.
struct FeatureBit {
  const char* name;
  CpuidBit bit;
};
constexpr FeatureBit kFeatureBits[] = {
    {"monitor", cpuid::kMonitor},
    {"pdcm", cpuid::kPdcm},
    {"pcid", cpuid::kPcid},
    {"x2apic", cpuid::kX2Apic},
    {"tsc-deadline", cpuid::kTscDeadline},
    {"xsave", cpuid::kXsave},
    {"rdrand", cpuid::kRdrand},
    {"fsgsbase", cpuid::kFsgsbase},
    {"tsc-adjust", cpuid::kTscAdjust},
    {"smep", cpuid::kSmep},
    {"invpcid", cpuid::kInvpcid},
    {"rtm", cpuid::kRtm},
    {"smap", cpuid::kSmap},
    {"umip", cpuid::kUmip},
    {"spec-ctrl", cpuid::kIbrsIbpb},
    {"xsaveopt", cpuid::kXsaveopt},
    {"perfctr-core", cpuid::kPerfCtrExtCore},
    {"nx", cpuid::kNx},
    {"pdpe1gb", cpuid::kPage1Gb},
    {"rdtscp", cpuid::kRdtscp},
    {"ibpb", cpuid::kAmdIbpb},
    {"perfmon-v2", cpuid::kPerfMonV2},
};

// "kvm,-x2apic,-pdcm": what it starts from, and the features it leaves out.
struct Choice {
  std::string base;
  std::vector<const FeatureBit*> without;
};

Choice split(const std::string& text) {
  Choice choice;
  std::size_t at = text.find(",-");
  choice.base = text.substr(0, at);
  while (at != std::string::npos) {
    const std::size_t next = text.find(",-", at + 2);
    const std::string name = text.substr(at + 2, next == std::string::npos ? next : next - at - 2);
    const auto* found = std::find_if(std::begin(kFeatureBits), std::end(kFeatureBits),
                                     [&](const FeatureBit& f) { return name == f.name; });
    if (found == std::end(kFeatureBits)) {
      std::vector<std::string> names;
      for (const FeatureBit& f : kFeatureBits) names.push_back(f.name);
      throw InputError("--cpuid", "", "'" + name + "' as a feature to leave out",
                       expected_one_of(name, names) + " ('pmusim list features' shows all)");
    }
    choice.without.push_back(found);
    at = next;
  }
  return choice;
}

}  // namespace

std::vector<CpuidFeature> cpuid_features() {
  std::vector<CpuidFeature> features;
  for (const FeatureBit& f : kFeatureBits) {
    const CpuidBit& bit = f.bit;
    const char* reg = bit.reg == &CpuidRegs::eax   ? "EAX"
                      : bit.reg == &CpuidRegs::ebx ? "EBX"
                      : bit.reg == &CpuidRegs::ecx ? "ECX"
                                                   : "EDX";
    features.push_back(
        {f.name, fmt::format("CPUID.{:02X}H.{}:{}[{}]", bit.leaf, bit.subleaf, reg, bit.number)});
  }
  return features;
}

std::string cpuid_base(const std::string& choice) {
  return split(choice).base;
}

void leave_out_features(const std::string& choice, CpuidTable& table) {
  for (const FeatureBit* f : split(choice).without) table.set(f->bit, false);
}

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
  if (cpuid.table.entries.empty()) root.at("leaves").fail("no leaf", "at least one");
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
  if (!is_path(base))
    throw InputError("--cpuid", "", "'" + base + "'",
                     "'default', 'kvm', 'host' or the path of a .json file, each with ,-FEATURE or without");
  read_cpuid_file(base);
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
  leave_out_features(text, cpuid.table);
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
