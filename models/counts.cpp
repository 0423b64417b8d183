// SPDX-License-Identifier: Apache-2.0
// Counters in CPUID. Intel: SDM Vol. 3, "Architectural Performance Monitoring" (leaf 0AH; ECX is a mask of
// fixed counters from version 5 on). AMD: APM Vol. 3, appendix E (80000001H ECX[23], 80000022H).
#include "models/counts.h"

#include <fmt/format.h>

#include <algorithm>

#include "arch/cpuid_features.h"
#include "base/bits.h"

namespace pmusim::models {
namespace {

using pmu::Caps;
using pmu::Vendor;

constexpr u32 kIntelLeaf = 0xa, kAmdLeaf = 0x80000022;
constexpr unsigned kLegacy = 4, kExtended = 6, kAmdWidth = 48;  // AMD's

// The leaf, within the range that CPUID says it answers.
CpuidRegs& present(CpuidTable& cpuid, u32 leaf) {
  const u32 first = leaf & 0x80000000;
  if (!cpuid.find(leaf, 0)) cpuid.set(leaf, 0, {});
  if (CpuidEntry* highest = cpuid.find(first, 0)) highest->regs.eax = std::max(highest->regs.eax, leaf);
  return cpuid.find(leaf, 0)->regs;
}

unsigned contiguous(u32 fixed_mask) {
  return static_cast<unsigned>(__builtin_ctz(~fixed_mask));
}

void enumerate_intel(const Caps& caps, CpuidTable& cpuid) {
  CpuidRegs& leaf = present(cpuid, kIntelLeaf);
  if (caps.version == 0) {
    leaf = {};
    cpuid.set(cpuid::kPdcm, false);
    return;
  }
  leaf.eax = (leaf.eax & 0xff000000) | caps.version | u32{caps.gp_count} << 8 | u32{caps.gp_width} << 16;
  leaf.ecx = caps.version >= 5 ? caps.fixed_mask : 0;
  leaf.edx &= ~static_cast<u32>(mask(13));
  if (caps.version >= 2) leaf.edx |= contiguous(caps.fixed_mask) | u32{caps.fixed_width} << 5;
}

void enumerate_amd(const Caps& caps, CpuidTable& cpuid) {
  if (caps.version >= 2) {
    CpuidRegs& leaf = present(cpuid, kAmdLeaf);
    cpuid::kPerfMonV2.set(leaf);
    leaf.ebx = (leaf.ebx & ~u32{0xf}) | caps.gp_count;
    if (caps.gp_count > kLegacy) cpuid.set(cpuid::kPerfCtrExtCore);
    return;
  }
  if (CpuidEntry* leaf = cpuid.find(kAmdLeaf, 0)) leaf->regs = {};
  cpuid.set(cpuid::kPerfCtrExtCore, caps.gp_count > kLegacy);
}

}  // namespace

Caps with_counts(Caps caps, const CountRequest& request) {
  const Vendor vendor = caps.vendor;
  if (request.version) caps.version = static_cast<u8>(*request.version);
  if (vendor == Vendor::Intel && caps.version < 2) caps.fixed_mask = 0;
  if (vendor == Vendor::Amd && caps.version < 2) caps.gp_count = caps.perfctr_core ? kExtended : kLegacy;
  if (caps.version == 0) caps.gp_count = 0;
  if (request.gp) caps.gp_count = static_cast<u8>(*request.gp);
  if (request.fixed) caps.fixed_mask = static_cast<u32>(mask(std::min(*request.fixed, 31u)));
  if (caps.fixed_mask && !caps.fixed_width) caps.fixed_width = caps.gp_width;
  if (request.width) caps.gp_width = static_cast<u8>(*request.width);
  if (request.width && vendor == Vendor::Intel) caps.fixed_width = static_cast<u8>(*request.width);
  return caps;
}

void enumerate_counts(const Caps& caps, CpuidTable& cpuid) {
  caps.vendor == Vendor::Intel ? enumerate_intel(caps, cpuid) : enumerate_amd(caps, cpuid);
}

std::string impossible_counts(const Caps& caps) {
  if (caps.vendor == Vendor::Intel) {
    if (caps.version == 0)
      return caps.gp_count || caps.fixed_mask ? "no counters, as version 0 has none" : "";
    if (caps.version < 2 && caps.fixed_mask) return "version 2 or later, which fixed counters need";
    if (caps.version < 5 && mask(contiguous(caps.fixed_mask)) != caps.fixed_mask)
      return "fixed counters from 0 on without a gap, or version 5";
    return "";
  }
  if (caps.version < 1 || caps.version > 2) return "version 1, or 2 with PerfMonV2: AMD has no others";
  if (caps.fixed_mask) return "no fixed counters: AMD has none";
  if (caps.gp_width != kAmdWidth) return "48 bits: AMD's CPUID has no width";
  if (caps.version == 1 && caps.gp_count != kLegacy && caps.gp_count != kExtended)
    return "4 or 6 general counters in version 1, or version 2 with 4 to 6";
  if (caps.gp_count < kLegacy || caps.gp_count > kExtended)
    return "4 to 6 general counters: CPUID cannot hide the four legacy ones";
  return "";
}

std::string counts_text(const Caps& caps) {
  if (caps.version == 0 && !caps.gp_count && !caps.fixed_mask) return "version 0, no counters";
  if (caps.vendor == Vendor::Amd && !caps.fixed_mask)
    return fmt::format("version {}, {} counters of {} bits", caps.version, caps.gp_count, caps.gp_width);
  return fmt::format("version {}, {} general and {} fixed counters of {} bits", caps.version, caps.gp_count,
                     caps.fixed_count(), caps.gp_width);
}

void fit_events(const Caps& before, const Caps& after, std::vector<pmu::EventInfo>& events) {
  const auto all = [](const Caps& caps) { return static_cast<u32>(caps.gp_bits()); };
  std::vector<pmu::EventInfo> kept;
  for (pmu::EventInfo& event : events) {
    const bool general = event.unit.empty() && event.fixed < 0;
    if (general) event.counters = event.counters == all(before) ? all(after) : event.counters & all(after);
    const bool gone =
        general ? !event.counters : event.unit.empty() && !(after.fixed_mask >> event.fixed & 1);
    if (!gone) kept.push_back(std::move(event));
  }
  events = std::move(kept);
}

}  // namespace pmusim::models
