// SPDX-License-Identifier: Apache-2.0
// What the prefetchers ask for. Neither leaves a 4 KB page.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "base/archive.h"

namespace pmusim::core {

// L1D: constant strides by instruction. After the same stride twice in a row it asks for the address some
// strides ahead, at least a line.
class StridePrefetcher {
 public:
  explicit StridePrefetcher(u32 lookahead) : lookahead_(lookahead), table_(kEntries) {}

  // Learns from an access; the linear address to bring in, or 0.
  u64 train(u64 ip, u64 linear) {
    if (!lookahead_) return 0;
    Entry& e = table_[(ip ^ ip >> 6) % kEntries];
    const s64 stride = static_cast<s64>(linear - e.last);
    const bool again = e.ip == ip && stride == e.stride;
    if (!again) {
      e = {ip, linear, e.ip == ip ? stride : 0};
      return 0;
    }
    e.last = linear;
    return stride ? ahead(linear, stride) : 0;
  }
  void archive(WordArchive& a) {
    for (Entry& e : table_) a(e.ip, e.last, e.stride);
  }

 private:
  static constexpr u32 kEntries = 64;
  struct Entry {
    u64 ip = 0, last = 0;
    s64 stride = 0;
  };
  // Far enough to matter, and in the same page; else 0.
  u64 ahead(u64 linear, s64 stride) const {
    s64 by = stride * static_cast<s64>(lookahead_);
    if (std::abs(by) < 64) by = stride < 0 ? -64 : 64;
    const u64 target = linear + static_cast<u64>(by);
    return (target ^ linear) >> 12 ? 0 : target;
  }
  u32 lookahead_;  // strides; 0: off
  std::vector<Entry> table_;
};

// L2: ascending and descending streams of lines, one per page. From the third line in a direction on, it asks
// for the lines up to `distance` ahead of the stream, `degree` at most per access.
class StreamPrefetcher {
 public:
  StreamPrefetcher(u32 distance, u32 degree) : distance_(distance), degree_(degree), streams_(kStreams) {
    std::fill(std::begin(pages_), std::end(pages_), kNever);
  }

  struct Request {
    u64 first = 0;  // line
    s32 step = 1;   // to the next
    u32 count = 0;
  };
  Request train(u64 line);
  void archive(WordArchive& a);

 private:
  static constexpr u32 kStreams = 32;
  struct Stream {
    u8 last = 0, confidence = 0;  // line in the page
    s8 step = 0;                  // direction
    s16 head = 0;                 // furthest line asked for
  };
  u32 distance_, degree_;
  u64 clock_ = 0;
  u32 recent_ = 0;                             // of the last line; only spares the search
  u64 pages_[kStreams], used_[kStreams] = {};  // apart from the rest: they are searched
  std::vector<Stream> streams_;
};

}  // namespace pmusim::core
