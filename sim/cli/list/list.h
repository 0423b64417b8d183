// SPDX-License-Identifier: Apache-2.0
// What `pmusim list` can list: a table for each subject, each with an "id" and a "title" in JSON.
#pragma once

#include <string>
#include <vector>

#include "cli/sheet.h"

namespace pmusim {
class JsonDocument;
}

namespace pmusim::cli {

// "extends": the policy that it changes, or null. "refused": the models that cannot run the policy on the
// newest modelled kernel, and why.
Table list_policies(const std::vector<std::string>& models);
Table list_models();
Table list_features();  // of --cpuid
Table list_kernels();
Table list_guests();  // images that come with the program
// One row per event name; encodings differ between models.
Table list_events(const std::vector<std::string>& models);
Table list_cases();
Table list_bugs();
// Paths of the hypervisor, then operations of each model.
Table list_costs(const std::vector<std::string>& models);
// Operations of a model, with its changes applied: a table like that.
Table model_costs(const JsonDocument& model, const std::string& id);

// The last line of its text.
std::string events_summary(const Table& events);

// The CPUID of a guest. json: in the form that --cpuid FILE reads; else a table by leaf.
struct CpuidQuestion {
  std::string model, cpuid, policy, kernel;
};
std::string list_cpuid(const CpuidQuestion& question, bool json);

}  // namespace pmusim::cli
