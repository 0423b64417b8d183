// SPDX-License-Identifier: Apache-2.0
// Reads scenario files. The arguments of host steps are checked when the steps are performed, before the
// guest runs.
#include "cli/run/scenario.h"

#include "base/json.h"
#include "session/step_script.h"

namespace pmusim::cli {

Scenario load_scenario(const std::string& path, const std::vector<std::string>& overrides) {
  JsonDocument document = path.empty() ? parse_json("{}", "scenario") : load_json(path);
  for (const std::string& assignment : overrides) document.override_value(assignment, "scenario.");
  const auto kept = std::make_shared<const JsonDocument>(std::move(document));
  const JsonView root = kept->root();
  root.only_keys({"sync_window", "host"});
  Scenario scenario;
  scenario.sync_window = root.get_u64("sync_window", scenario.sync_window);
  if (scenario.sync_window == 0) root.at("sync_window").fail("0", "at least 1");
  if (!root.has("host")) return scenario;
  auto steps = std::make_shared<session::StepScript>();
  steps->document = kept;
  for (const JsonView& step : root.at("host").items()) {
    const std::vector<std::string> verbs = step.keys();
    if (verbs.size() != 1) step.fail(std::to_string(verbs.size()) + " verbs", "one host verb");
    step.only_keys({"set_filter", "set_msr", "perf_event", "watchdog"});
    steps->setup.push_back({static_cast<u32>(steps->setup.size()), verbs[0], step.at(verbs[0]).pointer()});
  }
  scenario.script = steps;
  return scenario;
}

}  // namespace pmusim::cli
