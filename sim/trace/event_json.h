// SPDX-License-Identifier: Apache-2.0
// One event as one line of JSON, and back; and as one line of text for people.
#pragma once

#include <string>

#include "base/event.h"
#include "base/json.h"

namespace pmusim::trace {

inline constexpr u64 kSchemaVersion = 2;  // raised when a member changes its meaning or goes

const char* kind_name(EventKind kind);  // "entry", "exit", "msr", ...

// Compact, keys in a fixed order, without a newline. Registers, addresses and values are "0x..." strings,
// times and numbers of CPUs are integers; fields that have no meaning for the kind are left out.
std::string to_json_line(const Event& event);

// Throws InputError if the line is not an event.
Event from_json(const JsonView& line);

// "  123456  cpu0 vcpu0  msr      write 0x186 = 0x4300c0"
std::string to_text(const Event& event);

}  // namespace pmusim::trace
