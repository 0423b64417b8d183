// SPDX-License-Identifier: Apache-2.0
// Checks of registers, CPUID and assumed values of a model file.
#include "models/check.h"

#include <set>

#include "base/bits.h"

namespace pmusim::models {
namespace {

using pmu::Caps;
using pmu::RegDescription;

constexpr const char* kNoSource = "none: see assumed";

std::string hex(u64 value) {
  static const char* digits = "0123456789abcdef";
  std::string text;
  do text.insert(text.begin(), digits[value & 0xf]);
  while (value >>= 4);
  return "0x" + text;
}

void expect(const JsonView& at, u64 found, u64 expected, const std::string& why) {
  if (found != expected) at.fail(std::to_string(found), std::to_string(expected) + " (" + why + ")");
}

struct Block {
  std::string name;
  u64 first, stride, count;
  u64 at(u64 i) const { return first + i * stride; }
};

void check_overlap(const JsonView& json, const Block& block, const std::vector<Block>& before) {
  for (const Block& other : before)
    for (u64 i = 0; i < block.count; ++i)
      for (u64 k = 0; k < other.count; ++k)
        if (block.at(i) == other.at(k))
          json.fail(block.name + " " + std::to_string(i) + " at " + hex(block.at(i)) + ", where " +
                        other.name + " " + std::to_string(k) + " is",
                    "registers that do not overlap");
}

// How many registers of this description exist: those of the lowest indices up to the highest that does.
u64 existing(const RegDescription& d, const pmu::RuleLayer& hardware, const Caps& caps) {
  const pmu::Rule& rule = hardware[d.reg];
  u64 count = 0;
  for (unsigned i = 0; i < d.count; ++i)
    if (rule.exists && rule.exists({caps, i, false})) count = i + 1;
  return count;
}

void check_block(const JsonView& json, const Block& block, const std::vector<RegDescription>& known,
                 const pmu::RuleLayer& hardware, const Caps& caps) {
  std::vector<std::string> ids;
  for (const RegDescription& d : known) {
    ids.push_back(d.id);
    if (block.name != d.id) continue;
    if (block.first != d.address)
      json.at("address").fail(hex(block.first), hex(d.address) + ", the address of " + d.name);
    if (block.stride != d.stride && block.count > 1)
      json.at("stride").fail(std::to_string(block.stride),
                             std::to_string(d.stride) + ", the distance of " + d.name);
    expect(json.at("count"), block.count, existing(d, hardware, caps), "as many as CPUID gives the CPU");
    return;
  }
  json.at("register").fail("\"" + block.name + "\"", expected_one_of(block.name, ids));
}

}  // namespace

void check_registers(const JsonView& root, const pmu::RuleLayer& hardware, const Caps& caps) {
  const std::vector<RegDescription> known = pmu::register_descriptions(caps.vendor);
  std::vector<Block> blocks;
  for (const JsonView& json : root.at("pmu").at("registers").items()) {
    Block block{json.at("register").as_string(), json.at("address").as_u64(0xffffffff),
                json.at("stride").as_u64(), json.at("count").as_u64()};
    for (const Block& other : blocks)
      if (other.name == block.name)
        json.at("register").fail("a second \"" + block.name + "\"", "each register once");
    check_overlap(json, block, blocks);
    check_block(json, block, known, hardware, caps);
    blocks.push_back(block);
  }
  for (const RegDescription& d : known) {
    bool listed = false;
    for (const Block& block : blocks) listed = listed || block.name == d.id;
    if (!listed && existing(d, hardware, caps))
      root.at("pmu")
          .at("registers")
          .fail(std::string("no \"") + d.id + "\"", std::string(d.name) + ", which this CPU has");
  }
}

void check_cpuid(const JsonView& root, const Caps& caps) {
  const JsonView pmu = root.at("pmu"), gp = pmu.at("gp");
  const bool intel = caps.vendor == pmu::Vendor::Intel;
  const std::string leaf = intel ? "CPUID leaf 0AH" : "CPUID leaf 80000022H and 80000001H";
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
      fixed.at("mask").fail(fixed.at("mask").as_string(), hex(caps.fixed_mask) + " (" + leaf + ")");
    expect(fixed.at("width"), fixed.at("width").as_u64(), caps.fixed_width, leaf);
  }
  if (caps.pdcm != pmu.has("perf_capabilities"))
    pmu.fail(caps.pdcm ? "no \"perf_capabilities\"" : "\"perf_capabilities\"",
             caps.pdcm ? "one, as CPUID.1:ECX.PDCM is set" : "none, as CPUID.1:ECX.PDCM is clear");
}

void check_assumed(const JsonView& root) {
  std::set<std::string> paths;
  for (const JsonView& value : root.at("assumed").items()) {
    const std::string path = value.at("path").as_string();
    if (!root.has_pointer(path))
      value.at("path").fail("\"" + path + "\"", "the JSON pointer of a value in this file");
    if (!paths.insert(path).second) value.at("path").fail("\"" + path + "\" again", "each value once");
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
