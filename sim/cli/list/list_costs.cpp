// SPDX-License-Identifier: Apache-2.0
// Costs by the names that --set takes.
#include "base/json.h"
#include "cli/list/list.h"
#include "hypervisor/kvm/costs.h"
#include "models/models.h"

namespace pmusim::cli {
namespace {

Table empty_table() {
  return {"costs",
          {"id",
           "cycles",
           "mark",
           "title",
           {"model", false},
           {"instructions", false},
           {"branches", false},
           {"loads", false},
           {"stores", false}},
          {},
          true};
}

}  // namespace

Table model_costs(const JsonDocument& model, const std::string& id) {
  Table table = empty_table();
  const JsonView costs = model.root().at("costs");
  for (const std::string& name : costs.keys()) {
    const JsonView cost = costs.at(name);
    const bool given = model.overridden(cost.pointer() + "/cycles");
    table.rows.push_back({"model.costs." + name + ".cycles", cost.at("cycles").as_u64(),
                          given ? "given" : cost.at("mark").as_string(),
                          given ? "by --set" : cost.at("source").as_string(), id, Cell::none(), Cell::none(),
                          Cell::none(), Cell::none()});
  }
  return table;
}

Table list_costs(const std::vector<std::string>& model_ids) {
  Table table = empty_table();
  for (unsigned i = 0; i < static_cast<unsigned>(hv::Path::Number); ++i) {
    const hv::PathCost& cost = hv::path_cost(static_cast<hv::Path>(i));
    table.rows.push_back({std::string("host.") + cost.name, cost.work.cycles, "assumed", cost.rule,
                          Cell::none(), cost.work.instructions, cost.work.branches, cost.work.loads,
                          cost.work.stores});
  }
  for (const std::string& id : model_ids) {
    Table costs = model_costs(models::model_document(id), id);
    for (auto& row : costs.rows) table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace pmusim::cli
