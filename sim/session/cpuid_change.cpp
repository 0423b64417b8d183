// SPDX-License-Identifier: Apache-2.0
// What a CPUID choice changes of its base: features left out, and counters.
#include <fmt/format.h>

#include <algorithm>

#include "arch/cpuid_features.h"
#include "base/error.h"
#include "models/counts.h"
#include "models/models.h"
#include "session/cpuid_choice.h"

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

// "kvm,-x2apic,gp=4": what it starts from, the features it leaves out, and its counters.
struct Choice {
  std::string base;
  std::vector<const FeatureBit*> without;
  models::CountRequest counts;
};

constexpr unsigned kLeastWidth = 32;  // the legacy counters' addresses take 32 bits
constexpr const char* kCountNames[] = {"gp", "fixed", "version", "width"};

bool is_count(const std::string& item) {
  const std::string name = item.substr(0, item.find('='));
  return name.size() < item.size() &&
         std::find(std::begin(kCountNames), std::end(kCountNames), name) != std::end(kCountNames);
}

const FeatureBit* feature(const std::string& name) {
  const auto* found = std::find_if(std::begin(kFeatureBits), std::end(kFeatureBits),
                                   [&](const FeatureBit& f) { return name == f.name; });
  if (found != std::end(kFeatureBits)) return found;
  std::vector<std::string> names;
  for (const FeatureBit& f : kFeatureBits) names.push_back(f.name);
  throw InputError("--cpuid", "", "'" + name + "' as a feature to leave out",
                   expected_one_of(name, names, "pmusim list features"));
}

void read_count(const std::string& item, models::CountRequest& counts) {
  const std::string name = item.substr(0, item.find('=')), text = item.substr(name.size() + 1);
  if (text.empty() || text.size() > 2 || text.find_first_not_of("0123456789") != std::string::npos)
    throw InputError("--cpuid", "", "'" + item + "'",
                     "a number of at most two digits behind '" + name + "='");
  const unsigned value = static_cast<unsigned>(std::stoul(text));
  auto& slot = name == "gp"        ? counts.gp
               : name == "fixed"   ? counts.fixed
               : name == "version" ? counts.version
                                   : counts.width;
  if (slot) throw InputError("--cpuid", "", "'" + name + "' twice", "it once");
  slot = value;
}

// A base that is a path may have commas of its own: only what is known as a change ends it.
Choice split(const std::string& text) {
  Choice choice;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string item = text.substr(begin, end - begin);
    if (begin == 0)
      choice.base = item;
    else if (!item.empty() && item[0] == '-')
      choice.without.push_back(feature(item.substr(1)));
    else if (is_count(item))
      read_count(item, choice.counts);
    else
      choice.base += "," + item;
    begin = end + 1;
  }
  return choice;
}

pmu::Vendor vendor_of(const CpuidTable& table) {
  return table.read(0, 0).ebx == 0x756e6547 ? pmu::Vendor::Intel : pmu::Vendor::Amd;  // "Genu"
}

// As it was asked for: "gp=4,fixed=3".
std::string text_of(const models::CountRequest& counts) {
  std::string text;
  const auto add = [&text](const char* name, const std::optional<unsigned>& value) {
    if (value) text += fmt::format("{}{}={}", text.empty() ? "" : ",", name, *value);
  };
  add("gp", counts.gp);
  add("fixed", counts.fixed);
  add("version", counts.version);
  add("width", counts.width);
  return text;
}

// Fewer counters than the base has, never more: there is nothing behind those.
void change_counts(const models::CountRequest& counts, const std::string& base, CpuidTable& table) {
  if (counts.empty()) return;
  const auto refuse = [&](const std::string& expected) {
    throw InputError("--cpuid", "", "'" + text_of(counts) + "'", expected);
  };
  const pmu::Caps most = models::rules_of(vendor_of(table))->caps_from(table, 0);
  if (most.version == 0) refuse("no counts: that CPUID tells of no PMU");
  const unsigned width = counts.width.value_or(most.gp_width);
  if (counts.version.value_or(0) > most.version || counts.gp.value_or(0) > most.gp_count ||
      counts.fixed.value_or(0) > most.fixed_count() || width > most.gp_width || width < kLeastWidth)
    refuse(fmt::format("at most version {}, gp {}, fixed {} and width {} to {}, as {} has", most.version,
                       most.gp_count, most.fixed_count(), kLeastWidth, most.gp_width,
                       base == "kvm"    ? "KVM's CPUID"
                       : base == "host" ? "the host's CPUID"
                                        : base));
  const pmu::Caps wanted = models::with_counts(most, counts);
  if (const std::string expected = models::impossible_counts(wanted); !expected.empty()) refuse(expected);
  models::enumerate_counts(wanted, table);
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

void change_cpuid(const std::string& text, CpuidTable& table) {
  const Choice choice = split(text);
  for (const FeatureBit* f : choice.without) table.set(f->bit, false);
  change_counts(choice.counts, choice.base, table);
}

}  // namespace pmusim::session
