// SPDX-License-Identifier: Apache-2.0
// A scenario file: what the host does while a guest runs.
//   {"sync_window": 200,                    cycles between exchanges of several CPUs
//    "host": [{"watchdog": true},           steps before the guest starts, as in a case's "setup"
//             {"perf_event": {"config": "0x3c", "pinned": true}}]}
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "session/host_script.h"

namespace pmusim::cli {

struct Scenario {
  u64 sync_window = 200;
  std::shared_ptr<const session::HostScript> script;  // only set-up; nullptr: none
};

// path "": the default scenario. overrides: "key.key=value". Throws InputError.
Scenario load_scenario(const std::string& path, const std::vector<std::string>& overrides);

}  // namespace pmusim::cli
