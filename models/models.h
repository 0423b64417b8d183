// SPDX-License-Identifier: Apache-2.0
// The CPU generations that come with the program, and models from a user's file.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "model/cpu_model.h"

namespace pmusim::models {

// Ids of the shipped models, sorted: "icx", "skx", ...
std::vector<std::string> model_ids();

// The JSON of a shipped model (by id) or of a file (a path: contains '/' or ends in ".json"), with overrides
// "path.to.key=value" (leaf_path.h) applied. Throws InputError for a name that is neither.
JsonDocument model_document(const std::string& id_or_path, const std::vector<std::string>& overrides = {});

// Checks the document by the schema and by meaning (check.h), and builds the model. Throws InputError.
// Without interval timing, events of caches, TLBs and the predictor are not available, and CPUID leaf 0AH
// reports the architectural ones so; overrides that would have no effect are refused.
CpuModel load_model_json(const JsonDocument& document, bool interval = false);
CpuModel load_model(const std::string& id_or_path, const std::vector<std::string>& overrides = {},
                    bool interval = false);

// The vendor's rules: the same objects for every model.
std::shared_ptr<const pmu::VendorRules> rules_of(pmu::Vendor vendor);

}  // namespace pmusim::models
