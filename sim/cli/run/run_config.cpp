// SPDX-License-Identifier: Apache-2.0
// config.json of a run.
#include "cli/run/run_config.h"

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "cli/config_folder.h"
#include "cli/version.h"

namespace pmusim::cli {

std::string to_json(const RunConfig& c, const std::string& image_sha256) {
  const nlohmann::ordered_json json = {{"program", program_name()},
                                       {"verb", "run"},
                                       {"folder", folder_from(c.out)},
                                       {"image", c.image},
                                       {"image_sha256", image_sha256},
                                       {"arguments", c.arguments},
                                       {"modules", c.modules},
                                       {"load_address", c.load_address},
                                       {"entry_mode", c.entry_mode},
                                       {"model", c.models.at(0)},
                                       {"policies", c.policies},
                                       {"cpuid", c.cpuid},
                                       {"kernel", c.kernel},
                                       {"timing", c.timing},
                                       {"cpus", c.cpus},
                                       {"memory", c.memory},
                                       {"scenario", c.scenario},
                                       {"baseline", c.baseline},
                                       {"step", c.step},
                                       {"max_cycles", c.max_cycles},
                                       {"max_seconds", c.max_seconds},
                                       {"set", c.common.set},
                                       {"seed", c.common.seed}};
  return json.dump(2) + "\n";
}

void read_config(const std::string& path, RunConfig& c) {
  const JsonDocument document = load_json(path);
  const JsonView root = document.root();
  check_verb(root, "run");
  root.only_keys({"program", "verb",         "folder",      "image",  "image_sha256", "arguments",
                  "modules", "load_address", "entry_mode",  "model",  "policies",     "cpuid",
                  "kernel",  "timing",       "cpus",        "memory", "scenario",     "baseline",
                  "step",    "max_cycles",   "max_seconds", "set",    "seed"});
  c.folder = folder_of(root, path);
  c.image = root.at("image").as_string();
  if (root.has("image_sha256")) c.image_sha256 = root.at("image_sha256").as_string();
  c.arguments = root.at("arguments").as_strings();
  c.modules = root.at("modules").as_strings();
  c.load_address = root.at("load_address").as_string();
  c.entry_mode = root.at("entry_mode").as_string();
  c.models = {root.at("model").as_string()};
  c.policies = root.at("policies").as_strings();
  c.cpuid = root.at("cpuid").as_string();
  c.kernel = root.at("kernel").as_string();
  c.timing = root.at("timing").as_string();
  c.cpus = root.at("cpus").as_u64(64);
  if (!c.cpus) root.at("cpus").fail("0", "1 to 64");
  c.memory = root.at("memory").as_string();
  c.scenario = root.at("scenario").as_string();
  if (root.has("baseline")) c.baseline = root.at("baseline").as_string();
  c.step = root.at("step").as_bool();
  c.max_cycles = root.at("max_cycles").as_u64(kMostCycles);
  c.max_seconds = root.at("max_seconds").as_u64(kMostSeconds);
  c.common.set = root.at("set").as_strings();
  c.common.seed = root.at("seed").as_u64();
}

}  // namespace pmusim::cli
