// SPDX-License-Identifier: Apache-2.0
// Where something is counted, and the types of counts for those who only pass them on.
#pragma once

#include "base/types.h"

namespace pmusim {

enum class Count : u8;   // count.h
struct CountVector;      // event_counts.h
class EventCounts;       // event_counts.h
using CountMask = u128;  // bit Count::X

// Context = world (host, guest, nested guest) x privilege x transaction.
enum class World : u8 { Host = 0, Guest = 1, NestedGuest = 2 };
inline constexpr unsigned kContexts = 12;
constexpr unsigned context_of(World world, bool user, bool in_transaction = false) {
  return static_cast<unsigned>(world) * 4 + (user ? 2 : 0) + (in_transaction ? 1 : 0);
}
using ContextMask = u16;  // bit context_of(...)

}  // namespace pmusim
