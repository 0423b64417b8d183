// SPDX-License-Identifier: Apache-2.0
// Names of the primitive counts, in the order of the enumeration.
#include "arch/count.h"

#include <cstring>

namespace pmusim {
namespace {

constexpr const char* kNames[] = {
    "cycles",         "ref_cycles",  "bus_cycles",    "slots",        "instructions",  "cond_taken",
    "cond_not_taken", "direct_jump", "indirect_jump", "direct_call",  "indirect_call", "return",
    "far_branch",     "loads",       "stores",        "locked_loads", "interrupts",
};
static_assert(sizeof(kNames) / sizeof(*kNames) == kCounts, "every count has a name");

}  // namespace

const char* count_name(Count count) {
  return count < Count::Number ? kNames[static_cast<unsigned>(count)] : "unknown";
}

Count count_by_name(const char* name) {
  for (unsigned i = 0; i < kCounts; ++i)
    if (!std::strcmp(kNames[i], name)) return static_cast<Count>(i);
  return Count::Number;
}

}  // namespace pmusim
