// SPDX-License-Identifier: Apache-2.0
// Accesses that no device answered. They are easily overlooked, so they are counted, as ranges of
// neighbouring addresses; whatever a guest does, memory and text stay bounded.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/types.h"

namespace pmusim::platform {

enum class Space : u8 { Port, Memory };

class UnclaimedAccesses {
 public:
  // Of one space and direction; accesses apart from all of these only add to a sum.
  static constexpr std::size_t kMostRanges = 32;

  void add(Space space, u64 address, unsigned size, bool write);
  void clear() { *this = {}; }
  // A line each: "port 0x5678: 1 read", "addresses 0xc0000000 to 0xc00003ff: 1024 reads", "other ports: 3
  // writes". By space, address and direction; the sums stand last.
  std::vector<std::string> text() const;

 private:
  struct Range {
    u64 last = 0;  // address of an access
    u64 end = 0;   // behind the last byte
    u64 count = 0;
  };
  struct Kind {
    std::map<u64, Range> ranges;  // by the address of the first access
    u64 others = 0;
  };
  Kind& of(Space space, bool write) { return kinds_[static_cast<unsigned>(space)][write]; }
  Kind kinds_[2][2];
};

}  // namespace pmusim::platform
