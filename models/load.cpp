// SPDX-License-Identifier: Apache-2.0
// From a model file to CpuModel.
#include <sys/stat.h>

#include <algorithm>
#include <numeric>

#include "arch/count.h"
#include "base/data.h"
#include "base/schema.h"
#include "models/amd/amd.h"
#include "models/check.h"
#include "models/intel/intel.h"
#include "models/leaf_path.h"
#include "models/load_counts.h"
#include "models/load_timing.h"
#include "models/models.h"

namespace pmusim::models {
namespace {

using pmu::EventInfo;

constexpr const char* kFolders[] = {"models/intel", "models/amd"};
constexpr const char* kSuffix = ".json";

CpuidTable read_cpuid(const JsonView& leaves) {
  CpuidTable table;
  for (const JsonView& leaf : leaves.items()) {
    const auto reg = [&leaf](const char* name) { return static_cast<u32>(leaf.at(name).as_u64(0xffffffff)); };
    CpuidEntry entry;
    entry.leaf = reg("leaf");
    entry.subleaf_matters = leaf.has("subleaf");
    entry.subleaf = static_cast<u32>(leaf.get_u64("subleaf", 0));
    entry.regs = {reg("eax"), reg("ebx"), reg("ecx"), reg("edx")};
    for (const CpuidEntry& other : table.entries)
      if (other.leaf == entry.leaf &&
          (!entry.subleaf_matters || !other.subleaf_matters || other.subleaf == entry.subleaf))
        leaf.fail("a second entry of leaf " + leaf.at("leaf").as_string(), "each leaf and subleaf once");
    table.entries.push_back(entry);
  }
  return table;
}

EventInfo read_event(const JsonView& json, bool amd) {
  EventInfo event;
  event.name = json.at("name").as_string();
  event.code = static_cast<u16>(json.at("event").as_u64(amd ? 0xfff : 0xff));
  event.umask = static_cast<u8>(json.at("umask").as_u64(0xff));
  event.cmask = static_cast<u8>(json.get_u64("cmask", 0, 0xff));
  event.inv = json.get_bool("inv", false);
  event.edge = json.get_bool("edge", false);
  event.unit = json.get_string("unit", "");
  event.fixed = json.has("fixed") ? static_cast<int>(json.at("fixed").as_u64(pmu::kMaxFixed - 1)) : -1;
  event.counters = static_cast<u32>(json.get_u64("counters", ~u32{0}, ~u32{0}));
  event.arch_bit = json.has("arch_bit") ? static_cast<int>(json.at("arch_bit").as_u64(31)) : -1;
  event.per_cycle = json.get_bool("per_cycle", false);
  event.note = json.get_string("note", "");
  event.source = json.at("source").as_string();
  if (!json.has("counts")) return event;
  for (const JsonView& name : json.at("counts").items()) {
    const Count count = count_by_name(name.as_string().c_str());
    if (count == Count::Number)
      name.fail("\"" + name.as_string() + "\"", "the name of a count of the simulator");
    event.kinds |= mask_of(count);
  }
  event.needs_interval = (event.kinds & kIntervalCounts) != 0;
  return event;
}

ScheduleConstraint read_constraint(const JsonView& json) {
  ScheduleConstraint row;
  row.first = static_cast<u16>(json.at("first").as_u64(0xfff));
  row.last = static_cast<u16>(json.at("last").as_u64(0xfff));
  if (row.last < row.first) json.at("last").fail(json.at("last").as_string(), "not below \"first\"");
  if (json.has("umask")) row.umask = static_cast<int>(json.at("umask").as_u64(0xff));
  row.counters = json.at("counters").as_u64();
  return row;
}

void read_clocks(const JsonView& clocks, CpuModel& model) {
  model.core_khz = clocks.at("core_khz").as_u64();
  model.tsc_khz = clocks.at("tsc_khz").as_u64();
  const u64 bus_khz = clocks.at("bus_khz").as_u64();
  const u64 tsc = std::gcd(model.tsc_khz, model.core_khz), bus = std::gcd(bus_khz, model.core_khz);
  model.tsc_per_cycle = {model.tsc_khz / tsc, model.core_khz / tsc};
  model.bus_per_cycle = {bus_khz / bus, model.core_khz / bus};
}

// The values of a group by name: "ways 4, entries 64".
std::string value_text(const JsonView& value) {
  if (value.is_string()) return value.as_string();
  if (!value.is_object()) return value.text();
  std::string text;
  for (const std::string& key : value.keys())
    if (key != "source") text += (text.empty() ? "" : ", ") + key + " " + value_text(value.at(key));
  return text;
}

// Without those that the user has given: nobody assumes them any more.
void read_assumed(const JsonView& root, CpuModel& model) {
  for (const JsonView& entry : root.at("assumed").items()) {
    const JsonView name = entry.at("path");
    const std::string pointer = file_pointer(root, name.as_string(), name.place());
    if (root.document().overridden(pointer)) continue;
    model.assumed.push_back(
        {name.as_string(), entry.at("rule").as_string(), value_text(root.at_pointer(pointer))});
  }
}

// Functional timing has no caches, TLBs or predictor: their events are not available, and CPUID says so of
// the architectural ones.
void leave_interval_events_out(CpuModel& model) {
  CpuidEntry* leaf = model.cpuid.find(0xa, 0);
  for (EventInfo& event : model.events) {
    if (!event.needs_interval) continue;
    event.kinds = 0;
    if (leaf && event.arch_bit >= 0) leaf->regs.ebx |= u32{1} << event.arch_bit;
  }
  model.caps = model.rules->caps_from(model.cpuid, model.perf_capabilities);
}

void refuse_without_effect(const std::vector<std::string>& overrides, bool interval) {
  const auto begins = [](const std::string& text, const char* with) { return text.rfind(with, 0) == 0; };
  for (const std::string& assignment : overrides) {
    if (begins(assignment, "not_simulated"))
      throw InputError("--set", "", "'model." + assignment + "'", "a value that the simulator reads");
    if (begins(assignment, "timing.") && !interval)
      throw InputError("--set", "", "'model." + assignment + "' with functional timing",
                       "it with interval timing");
  }
}

}  // namespace

std::vector<std::string> model_ids() {
  std::vector<std::string> ids;
  for (const char* folder : kFolders)
    for (const std::string& file : list_files(data_path(folder), kSuffix))
      ids.push_back(file.substr(0, file.size() - 5));
  std::sort(ids.begin(), ids.end());
  return ids;
}

JsonDocument model_document(const std::string& id_or_path, const std::vector<std::string>& overrides) {
  std::string path = id_or_path;
  if (!is_path(id_or_path)) {
    const std::vector<std::string> ids = model_ids();
    if (std::find(ids.begin(), ids.end(), id_or_path) == ids.end())
      throw InputError("--model", "", "\"" + id_or_path + "\"", expected_one_of(id_or_path, ids));
    for (const char* folder : kFolders) {
      path = data_path(std::string(folder) + "/" + id_or_path + kSuffix);
      struct stat status;
      if (::stat(path.c_str(), &status) == 0) break;
    }
  }
  JsonDocument document = load_json(path);
  for (const std::string& assignment : overrides) {
    const auto [name, text] = split_assignment(assignment, "model.");
    const std::string shown = "model." + name;
    document.set_value(file_path(document.root(), name, "--set " + shown), text, shown);
  }
  return document;
}

std::shared_ptr<const pmu::VendorRules> rules_of(pmu::Vendor vendor) {
  return vendor == pmu::Vendor::Intel ? intel_rules() : amd_rules();
}

CpuModel load_model_json(const JsonDocument& document, bool interval) {
  static const Schema schema(load_json(data_path("models/schema.json")));
  schema.validate(document);
  const JsonView root = document.root();
  const JsonView pmu = root.at("pmu");
  CpuModel model;
  model.file = document.name();
  model.id = root.at("id").as_string();
  model.name = root.at("name").as_string();
  model.vendor = root.at("vendor").as_string() == "intel" ? pmu::Vendor::Intel : pmu::Vendor::Amd;
  model.rules = rules_of(model.vendor);
  model.cpuid = read_cpuid(root.at("cpuid").at("leaves"));
  if (pmu.has("perf_capabilities")) {
    const JsonView capabilities = pmu.at("perf_capabilities");
    model.perf_capabilities = capabilities.at("value").as_u64() & ~capabilities.at("hidden").as_u64();
  }
  model.caps = model.rules->caps_from(model.cpuid, model.perf_capabilities);
  for (const JsonView& event : root.at("events").items())
    model.events.push_back(read_event(event, model.vendor == pmu::Vendor::Amd));
  if (counts_overridden(root)) {
    check_events(root, model.caps, model.events);
    change_counts(root, model);
    check_cpuid(root, model.caps);
  } else {
    check_cpuid(root, model.caps);
    check_events(root, model.caps, model.events);
  }
  for (const JsonView& row : root.at("constraints").items())
    model.constraints.push_back(read_constraint(row));

  read_clocks(root.at("clocks"), model);
  model.width = static_cast<unsigned>(root.at("width").as_u64());
  model.pmi_skid = static_cast<unsigned>(root.at("pmi").at("skid_cycles").as_u64());
  model.ipi_latency = static_cast<unsigned>(root.at("ipi_latency_cycles").as_u64());
  model.timing = read_timing(root.at("timing"), model.width, model.core_khz);
  const JsonView costs = root.at("costs");
  for (const std::string& name : costs.keys())
    model.costs.emplace_back(name, static_cast<u32>(costs.at(name).at("cycles").as_u64(0xffffffff)));
  const JsonView virtualization = root.at("virtualization");
  model.save_global_ctrl_on_exit = virtualization.get_bool("save_global_ctrl_on_exit", false);
  model.pmc_virtualization = virtualization.get_bool("pmc_virtualization", false);
  check_assumed(root);
  read_assumed(root, model);
  model.interval = interval;
  if (!interval) leave_interval_events_out(model);
  return model;
}

CpuModel load_model(const std::string& id_or_path, const std::vector<std::string>& overrides, bool interval) {
  refuse_without_effect(overrides, interval);
  return load_model_json(model_document(id_or_path, overrides), interval);
}

}  // namespace pmusim::models
