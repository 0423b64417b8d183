// SPDX-License-Identifier: Apache-2.0
// Models, policies, features, kernel releases and guests by name.
#include <fmt/format.h>

#include <map>

#include "base/data.h"
#include "base/json.h"
#include "cli/list/list.h"
#include "hypervisor/vpmu/kernel_release.h"
#include "hypervisor/vpmu/policy_file.h"
#include "model/cpu_model.h"
#include "models/models.h"
#include "session/catalog.h"
#include "session/cpuid_choice.h"

namespace pmusim::cli {

Table list_models() {
  Table table{"models",
              {"id",
               "title",
               {"vendor", false},
               {"pmu_version", false},
               {"gp_counters", false},
               {"fixed_counters", false},
               {"counter_width", false},
               {"assumed_values", false}},
              {},
              false};
  for (const std::string& id : models::model_ids()) {
    const CpuModel model = models::load_model(id);
    table.rows.push_back({id, model.name, vendor_name(model.vendor), u64{model.caps.version},
                          u64{model.caps.gp_count}, model.caps.fixed_count(), u64{model.caps.gp_width},
                          u64{model.assumed.size()}});
  }
  return table;
}

Table list_policies(const std::vector<std::string>& model_ids) {
  std::vector<CpuModel> hosts;
  for (const std::string& id : model_ids) hosts.push_back(models::load_model(id));
  Table table{"policies", {"id", "title", {"extends", false}, {"refused", false}}, {}, false};
  for (const std::string& id : hv::policy_ids()) {
    const hv::Policy policy = *session::policy_by_id(id, {});
    std::string refused;
    std::map<std::string, std::string> refusing;  // models by reason
    for (const CpuModel& host : hosts) {
      const std::string reason = hv::unmet(policy, host, hv::kDefaultRelease);
      if (reason.empty()) continue;
      refused += fmt::format("{}{{\"model\": {}, \"reason\": {}}}", refused.empty() ? "" : ", ",
                             json_string(host.id), json_string(reason));
      std::string& models = refusing[reason];
      models += (models.empty() ? "" : ", ") + host.id;
    }
    std::string about = policy.title;
    if (!policy.extends.empty()) about += "\nextends " + policy.extends;
    for (const auto& [reason, models] : refusing) about += "\nnot on " + models + ": " + reason;
    table.rows.push_back({id, Cell::both(about, json_string(policy.title)),
                          policy.extends.empty() ? Cell::none() : policy.extends,
                          Cell::both("", "[" + refused + "]")});
  }
  return table;
}

Table list_features() {
  Table table{"features", {"id", "title"}, {}, false};
  for (const session::CpuidFeature& f : session::cpuid_features()) table.rows.push_back({f.name, f.bit});
  return table;
}

// What is new in a release is told by the policies that need it.
Table list_kernels() {
  std::map<hv::KernelRelease, std::string> first;
  for (const std::string& id : hv::policy_ids()) {
    std::string& policies = first[session::policy_by_id(id, {})->first_kernel];
    policies += (policies.empty() ? "" : ", ") + id;
  }
  Table table{"kernels", {"id", "title", {"default", false}}, {}, false};
  for (const std::string& name : hv::release_names()) {
    const hv::KernelRelease release = hv::release_by_name(name);
    const bool is_default = release == hv::kDefaultRelease;
    const std::string policies = first[release];
    std::string title = "Linux " + name;
    if (is_default) title += ", the default";
    if (!policies.empty()) title += "; first with the policies " + policies;
    table.rows.push_back({name, title, is_default});
  }
  return table;
}

Table list_guests() {
  constexpr const char* kRuntimeOfCases = "case_runtime";  // nothing without a case
  const JsonDocument titles = load_json(data_path("guests/guests.json"));
  Table table{"guests", {"id", "title", {"file", false}}, {}, false};
  const std::string folder = guests_folder();
  for (const std::string& file : list_files(folder, ".elf")) {
    const std::string id = file.substr(0, file.size() - 4);
    if (id.find('/') != std::string::npos || id == kRuntimeOfCases) continue;
    table.rows.push_back({id, titles.root().get_string(id, ""), folder + "/" + file});
  }
  return table;
}

}  // namespace pmusim::cli
