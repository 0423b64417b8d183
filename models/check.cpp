// SPDX-License-Identifier: Apache-2.0
// Checks of CPUID and assumed values of a model file.
#include "models/check.h"

#include <fmt/format.h>

#include <set>

#include "models/leaf_path.h"

namespace pmusim::models {
namespace {

using pmu::Caps;

constexpr const char* kNoSource = "none: see assumed";

void expect(const JsonView& at, u64 found, u64 expected, const std::string& why) {
  if (found != expected) at.fail(std::to_string(found), std::to_string(expected) + " (" + why + ")");
}

}  // namespace

void check_cpuid(const JsonView& root, const Caps& caps) {
  const JsonView pmu = root.at("pmu"), gp = pmu.at("gp");
  const bool intel = caps.vendor == pmu::Vendor::Intel;
  // A user's --set of model.pmu changes the leaves with it; one of the leaves alone ends here.
  const std::string leaf = intel ? "CPUID leaf 0AH; --set model.pmu changes both"
                                 : "CPUID leaf 80000022H and 80000001H; --set model.pmu changes all";
  expect(pmu.at("version"), pmu.at("version").as_u64(), caps.version, leaf);
  expect(gp.at("count"), gp.at("count").as_u64(), caps.gp_count, leaf);
  expect(gp.at("width"), gp.at("width").as_u64(), caps.gp_width, intel ? leaf : "48 bits on AMD");
  if (!intel) {
    for (const char* key : {"fixed", "perf_capabilities"})
      if (pmu.has(key)) pmu.at(key).fail("present", "nothing: AMD has none");
    return;
  }
  if (caps.version >= 2) {
    const JsonView fixed = pmu.at("fixed");
    if (fixed.at("mask").as_u64() != caps.fixed_mask)
      fixed.at("mask").fail(fixed.at("mask").as_string(),
                            fmt::format("{:#x}", caps.fixed_mask) + " (" + leaf + ")");
    expect(fixed.at("width"), fixed.at("width").as_u64(), caps.fixed_width, leaf);
  }
  if (caps.pdcm != pmu.has("perf_capabilities"))
    pmu.fail(caps.pdcm ? "no \"perf_capabilities\"" : "\"perf_capabilities\"",
             caps.pdcm ? "one, as CPUID.1:ECX.PDCM is set" : "none, as CPUID.1:ECX.PDCM is clear");
}

void check_assumed(const JsonView& root) {
  std::set<std::string> paths;
  for (const JsonView& value : root.at("assumed").items()) {
    const JsonView name = value.at("path");
    const std::string path = file_pointer(root, name.as_string(), name.place());
    if (!root.has_pointer(path))
      name.fail("\"" + name.as_string() + "\"", "the JSON pointer of a value in this file");
    if (!paths.insert(path).second) name.fail("\"" + name.as_string() + "\" again", "each value once");
  }
  const JsonView costs = root.at("costs");
  for (const std::string& name : costs.keys()) {
    const JsonView cost = costs.at(name);
    if (cost.at("mark").as_string() == "assumed" && !paths.count("/costs/" + name + "/cycles"))
      cost.at("mark").fail("\"assumed\"", "an entry of \"assumed\" for /costs/" + name + "/cycles");
  }
  // A group of the timing section says where its values come from, or all of it is assumed.
  const JsonView timing = root.at("timing");
  for (const std::string& name : timing.keys()) {
    const JsonView source = timing.at(name).at("source");
    if (source.as_string() == kNoSource && !paths.count("/timing/" + name))
      source.fail("\"" + std::string(kNoSource) + "\"", "an entry of \"assumed\" for /timing/" + name);
  }
}

}  // namespace pmusim::models
