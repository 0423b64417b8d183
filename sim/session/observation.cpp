// SPDX-License-Identifier: Apache-2.0
// Observations as JSON, to travel from a worker process.
#include "session/observation.h"

#include <nlohmann/json.hpp>

namespace pmusim::session {

using nlohmann::json;

std::string to_line(const Observation& o) {
  json stats = json::array(), audit = json::array();
  for (const Stat& s : o.stats) stats.push_back({s.name, s.value, s.unit});
  for (const CounterAudit& a : o.audit)
    audit.push_back({{"vcpu", a.vcpu},
                     {"counter", a.counter},
                     {"programmed", a.programmed},
                     {"hardware", a.hardware},
                     {"visible", a.visible},
                     {"truth", a.truth},
                     {"causes", a.causes},
                     {"residual", a.residual}});
  // The guest may have sent any byte.
  json serial = json::array();
  for (char c : o.serial) serial.push_back(static_cast<u8>(c));
  const json line = {{"serial", serial},
                     {"exited", o.exited},
                     {"exit_status", o.exit_status},
                     {"stopped", o.stopped},
                     {"interrupted", o.interrupted},
                     {"report", o.report},
                     {"host_side", o.host_side},
                     {"exits", o.exits},
                     {"instructions", o.instructions},
                     {"cycles", o.cycles},
                     {"stats", stats},
                     {"audit", audit},
                     {"assumed", o.assumed},
                     {"gaps", o.gaps}};
  return line.dump();
}

Observation observation_from_line(const std::string& line) {
  const json v = json::parse(line);
  Observation o;
  for (const json& c : v.at("serial")) o.serial += static_cast<char>(c.get<u8>());
  o.exited = v.at("exited");
  o.exit_status = v.at("exit_status");
  o.stopped = v.at("stopped");
  o.interrupted = v.at("interrupted");
  o.report = v.at("report");
  o.host_side = v.at("host_side");
  o.exits = v.at("exits").get<std::map<std::string, u64>>();
  o.instructions = v.at("instructions");
  o.cycles = v.at("cycles");
  for (const json& s : v.at("stats")) o.stats.push_back({s.at(0), s.at(1), s.at(2)});
  for (const json& a : v.at("audit"))
    o.audit.push_back({a.at("vcpu"), a.at("counter"), a.at("programmed"), a.at("hardware"), a.at("visible"),
                       a.at("truth"), a.at("causes").get<std::vector<std::pair<std::string, s64>>>(),
                       a.at("residual")});
  o.assumed = v.at("assumed").get<std::vector<std::string>>();
  o.gaps = v.at("gaps").get<std::vector<std::string>>();
  return o;
}

}  // namespace pmusim::session
