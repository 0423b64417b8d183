// SPDX-License-Identifier: Apache-2.0
// Reading and checking recordings (.jsonl). A recording is a meta line with the schema version, then events;
// per physical CPU, cycles never decrease. Compressed recordings (.jsonl.zst) are not read.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/event.h"

namespace pmusim::trace {

struct Recording {
  std::vector<std::pair<std::string, std::string>> meta;
  u64 events = 0;
};

// Calls on_event for each event, in file order; on_meta once before. Throws InputError with the line at the
// first thing that is wrong.
Recording read_recording(const std::string& path, const std::function<void(const Event&)>& on_event);

}  // namespace pmusim::trace
