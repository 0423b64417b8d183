// SPDX-License-Identifier: Apache-2.0
// Totals of what happened, by kind and context.
#pragma once

#include <array>

#include "arch/count.h"
#include "base/bits.h"

namespace pmusim {

struct CountVector : std::array<u64, kCounts> {};
inline u64& count_in(CountVector& counts, Count kind) {
  return counts[static_cast<unsigned>(kind)];
}

// The totals by context. Most machines count in few of the contexts, and a sum looks only into those.
class EventCounts {
 public:
  CountVector& in(unsigned context) {  // to count in
    used_ |= static_cast<ContextMask>(1u << context);
    return at_[context];
  }
  const CountVector& operator[](unsigned context) const { return at_[context]; }
  auto begin() const { return at_.begin(); }
  auto end() const { return at_.end(); }
  bool operator==(const EventCounts& other) const { return at_ == other.at_; }
  bool operator!=(const EventCounts& other) const { return !(*this == other); }

  u64 sum(CountMask kinds, ContextMask contexts) const {
    u64 total = 0;
    for (const unsigned context : set_bits(contexts & used_)) {
      const u64* counts = at_[context].data();
      for (const unsigned k : set_bits(static_cast<u64>(kinds))) total += counts[k];
      for (const unsigned k : set_bits(static_cast<u64>(kinds >> 64))) total += counts[64 + k];
    }
    return total;
  }

 private:
  std::array<CountVector, kContexts> at_{};
  ContextMask used_ = 0;  // the others are all zero
};

}  // namespace pmusim
