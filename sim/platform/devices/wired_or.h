// SPDX-License-Identifier: Apache-2.0
// Interrupt lines that several sources drive: a line is asserted while any source asserts it.
#pragma once

#include "base/archive.h"

namespace pmusim::platform {

template <unsigned kSources>
class WiredOr {
 public:
  // true: the line's level changed.
  bool set(unsigned source, unsigned line, bool level) {
    const u32 bit = u32{1} << line;
    const bool before = levels() & bit;
    driven_[source] = level ? driven_[source] | bit : driven_[source] & ~bit;
    return before != ((levels() & bit) != 0);
  }
  bool level(unsigned line) const { return levels() >> line & 1; }
  void reset() {
    for (u32& lines : driven_) lines = 0;
  }
  void archive(Archive& a) { a(driven_); }

 private:
  u32 levels() const {
    u32 all = 0;
    for (const u32 lines : driven_) all |= lines;
    return all;
  }
  u32 driven_[kSources] = {};
};

}  // namespace pmusim::platform
