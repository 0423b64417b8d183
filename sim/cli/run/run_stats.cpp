// SPDX-License-Identifier: Apache-2.0
// stats.json and its rows.
#include "cli/run/run_stats.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/run/run_values.h"
#include "cli/version.h"
#include "session/catalog.h"

namespace pmusim::cli {
namespace {

using nlohmann::ordered_json;
using session::CounterAudit;
using session::Observation;

constexpr unsigned kSchema = 1;

struct Value {
  std::string name;
  s64 number;
  std::string unit;
};

std::string counter_of(const Observation& seen, const CounterAudit& a) {
  return fmt::format("{}{}.{}", seen.host_side ? "vcpu" : "cpu", a.vcpu, a.counter);
}

std::vector<Value> values_of(const PolicyResult& r, const std::vector<PolicyResult>& results) {
  std::vector<Value> values;
  const auto add = [&](const std::string& name, u64 value, const std::string& unit) {
    values.push_back({name, static_cast<s64>(value), unit});
  };
  add("guest.instructions", r.seen.instructions, "instructions");
  add("machine.cycles", r.seen.cycles, "cycles");
  if (const auto tenths = over_bare_metal(r, results))
    values.push_back({"overhead.bare_metal", *tenths, "per mille"});
  if (const auto tenths = over_baseline(r)) {
    values.push_back({"overhead.baseline", *tenths, "per mille"});
    add("baseline.guest.instructions", r.baseline->instructions, "instructions");
    add("baseline.machine.cycles", r.baseline->cycles, "cycles");
  }
  for (const session::Stat& s : r.seen.stats) add(s.name, s.value, s.unit);
  for (const CounterAudit& a : r.seen.audit) {
    const std::string name = counter_of(r.seen, a) + ".";
    values.push_back({name + "visible", a.visible, "events"});
    values.push_back({name + "true", a.truth, "events"});
    for (const auto& [cause, count] : a.causes)
      values.push_back({name + "difference." + cause, count, "events"});
    values.push_back({name + "difference.residual", a.residual, "events"});
  }
  return values;
}

ordered_json run_json(const RunConfig& c, const std::string& image_sha256) {
  ordered_json json = {{"image", c.image},      {"image_sha256", image_sha256}, {"arguments", c.arguments},
                       {"timing", c.timing},    {"kernel", c.kernel},           {"cpuid", c.cpuid},
                       {"cpus", c.cpus},        {"memory", c.memory},           {"scenario", c.scenario},
                       {"seed", c.common.seed}, {"set", c.common.set}};
  if (!c.baseline.empty()) json["baseline"] = c.baseline;
  return json;
}

ordered_json policy_json(const PolicyResult& r, const std::vector<PolicyResult>& results) {
  ordered_json json;
  if (!r.unmet.empty()) {
    json["not_run"] = r.unmet;
    return json;
  }
  json["exited"] = r.seen.exited;
  json["exit_status"] = r.seen.exit_status;
  if (r.seen.exited) json["exit_value"] = exit_value(r.seen.exit_status);
  json["stopped"] = r.seen.stopped;
  if (!r.no_baseline.empty()) json["no_baseline"] = r.no_baseline;
  ordered_json& stats = json["stats"];
  for (const Value& v : values_of(r, results)) stats[v.name] = {{"value", v.number}, {"unit", v.unit}};
  for (const CounterAudit& a : r.seen.audit) {
    json["programmed"][counter_of(r.seen, a)] = a.programmed;
    if (r.seen.host_side) json["hardware"][counter_of(r.seen, a)] = counter_names(a.hardware);
  }
  json["assumed_values"] = r.seen.assumed;
  json["not_modelled"] = r.seen.gaps;
  return json;
}

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

}  // namespace

std::string stats_json(const RunConfig& config, const std::string& image_sha256,
                       const std::vector<PolicyResult>& results) {
  ordered_json json = {{"schema", kSchema},
                       {"program", program_name()},
                       {"commit", program_commit()},
                       {"model", config.models.at(0)},
                       {"run", run_json(config, image_sha256)}};
  for (const PolicyResult& r : results) json["policies"][r.policy] = policy_json(r, results);
  return json.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

std::string stats_csv(const std::vector<PolicyResult>& results) {
  std::string out = "policy,name,value,unit\n";
  for (const PolicyResult& r : results) {
    const auto row = [&](const std::string& name, const std::string& value, const std::string& unit) {
      out += fmt::format("{},{},{},{}\n", quoted(r.policy), quoted(name), quoted(value), unit);
    };
    if (!r.unmet.empty()) {
      row("not_run", r.unmet, "");
      continue;
    }
    if (r.seen.exited)
      row("exit_value", fmt::format("{}", exit_value(r.seen.exit_status)), "");
    else
      row("stopped", r.seen.stopped, "");
    if (!r.no_baseline.empty()) row("no_baseline", r.no_baseline, "");
    for (const Value& v : values_of(r, results)) row(v.name, fmt::format("{}", v.number), v.unit);
  }
  return out;
}

}  // namespace pmusim::cli
