// SPDX-License-Identifier: Apache-2.0
// What a state changed in memory.
#include "arena.h"

#include <cstring>

namespace pmusim::silicon {

void take_changes(Outcome& outcome, u8* now, const u8* before) {
  outcome.changed = 0;
  for (u64 page = 0; page < kDataSize; page += kPage) {
    if (std::memcmp(now + page, before + page, kPage) == 0) continue;
    for (u64 at = page; at < page + kPage; at += kLine) {
      if (std::memcmp(now + at, before + at, kLine) == 0) continue;
      if (outcome.changed < kMaxChangedLines) {
        outcome.line[outcome.changed] = static_cast<u8>(at / kLine);
        std::memcpy(outcome.bytes[outcome.changed], now + at, kLine);
      }
      if (outcome.changed <= kMaxChangedLines) ++outcome.changed;
      std::memcpy(now + at, before + at, kLine);
    }
  }
}

void apply(const Patch& patch, u8* data) {
  std::memcpy(data + patch.offset, patch.bytes, patch.size);
}

}  // namespace pmusim::silicon
