// SPDX-License-Identifier: Apache-2.0
// A model: its PMU, clocks and costs, and what nobody published of it.
#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "cli/list/list.h"
#include "cli/show/show.h"
#include "models/counts.h"
#include "models/leaf_path.h"
#include "models/models.h"

namespace pmusim::cli {
namespace {

struct Unit {
  const char* part;  // of the name's last word
  const char* unit;
};
// The first that is in a value's name; names of model files end in what they count.
constexpr Unit kUnits[] = {
    {"_khz", "kHz"},
    {"_ps", "ps"},
    {"cycles", "cycles"},
    {"penalty", "cycles"},
    {"bubbles", "cycles"},
    {"latency", "cycles"},
    {"overhead", "cycles"},
    {"run_ahead", "cycles"},
    {"queue", "entries"},
    {"buffers", "entries"},
    {"rob", "entries"},
    {"entries", "entries"},
    {"cache", "entries"},
    {"return_stack", "entries"},
    {"ports", "a cycle"},
    {"retire_width", "a cycle"},
    {"taken_branches", "a cycle"},
    {"walkers", "walks"},
    {"ways", "ways"},
    {"bits", "index bits"},
};

std::string unit_of(const std::string& path) {
  if (path.rfind("/timing/latencies/", 0) == 0) return "cycles";
  const std::string name = path.substr(path.rfind('/') + 1);
  for (const Unit& u : kUnits)
    if (name.find(u.part) != std::string::npos) return u.unit;
  return "";
}

// The source that the group of a value names, if that is not the rule again.
Cell source_of(const JsonDocument& document, const AssumedValue& value) {
  std::string group = models::file_pointer(document.root(), value.path, "");
  for (; !group.empty(); group.resize(group.rfind('/'))) {
    const JsonView view = document.root().at_pointer(group);
    if (!view.has("source")) continue;
    const std::string source = view.at("source").as_string();
    return source == value.rule ? Cell::none() : Cell(source);
  }
  return Cell::none();
}

std::string fixed_counters(const JsonView& pmu) {
  if (!pmu.has("fixed") || !pmu.at("fixed").has("names")) return "";
  std::string text;
  const JsonView names = pmu.at("fixed").at("names");
  for (const std::string& key : names.keys())
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", key, names.at(key).as_string());
  return text;
}

}  // namespace

Sheet show_model(const std::string& id, const session::Overrides& overrides) {
  const JsonDocument document = models::model_document(id, overrides.model);
  const CpuModel model = models::load_model(id, overrides.model, true);
  const JsonView root = document.root();
  Sheet sheet;
  sheet.values = {{"id", model.id},
                  {"title", model.name},
                  {"vendor", vendor_name(model.vendor)},
                  {"core", root.get_string("core", "")},
                  {"source", root.get_string("source", "")},
                  {"file", model.file},
                  {"pmu", models::counts_text(model.caps)},
                  {"fixed_counters", fixed_counters(root.at("pmu"))},
                  {"perf_capabilities", fmt::format("{:#x}", model.perf_capabilities)},
                  {"core_khz", model.core_khz},
                  {"tsc_khz", model.tsc_khz},
                  {"bus_khz", root.at("clocks").at("bus_khz").as_u64()},
                  {"clocks", root.at("clocks").at("source").as_string()},
                  {"slots_per_cycle", model.width},
                  {"pmi_skid_cycles", model.pmi_skid},
                  {"ipi_latency_cycles", model.ipi_latency},
                  {"virtualization", root.at("virtualization").get_string("source", "")},
                  {"save_global_ctrl_on_exit", model.save_global_ctrl_on_exit},
                  {"pmc_virtualization", model.pmc_virtualization},
                  {"events", fmt::format("{} ('pmusim list events --model {}')", model.events.size(), id)},
                  {"cpuid", fmt::format("{} leaves ('pmusim list cpuid --model {} --cpuid host')",
                                        model.cpuid.entries.size(), id)}};
  sheet.tables.push_back(model_costs(document, model.id));
  Table assumed{"assumed", {"id", "value", "unit", "rule", {"source", false}}, {}, true};
  for (const AssumedValue& value : model.assumed)
    assumed.rows.push_back(
        {value.set_name(), value.value, unit_of(value.path), value.rule, source_of(document, value)});
  sheet.tables.push_back(std::move(assumed));
  return sheet;
}

}  // namespace pmusim::cli
