// SPDX-License-Identifier: Apache-2.0
// Learning strides and streams.
#include "core/timing/prefetcher.h"

#include <algorithm>
#include <cstdlib>

namespace pmusim::core {
namespace {

constexpr u32 kLinesPerPage = 64;
constexpr u8 kStreamSure = 2;  // steps in one direction

}  // namespace

StreamPrefetcher::Request StreamPrefetcher::train(u64 line) {
  if (!distance_) return {};
  const u64 page = line / kLinesPerPage;
  const s32 at = static_cast<s32>(line % kLinesPerPage);
  ++clock_;
  if (pages_[recent_] != page) {
    recent_ = static_cast<u32>(std::find(pages_, pages_ + kStreams, page) - pages_);
    if (recent_ == kStreams) {
      recent_ = static_cast<u32>(std::min_element(used_, used_ + kStreams) - used_);
      pages_[recent_] = page;
      used_[recent_] = clock_;
      streams_[recent_] = {static_cast<u8>(at), 0, 0, static_cast<s16>(at)};
      return {};
    }
  }
  Stream* stream = &streams_[recent_];
  used_[recent_] = clock_;
  const s32 delta = at - stream->last;
  if (delta == 0) return {};
  const s32 step = delta > 0 ? 1 : -1;
  if (step != stream->step) {
    // A line behind one that was asked for already is the same stream out of order.
    if (stream->confidence >= kStreamSure && std::abs(delta) <= 4) return {};
    stream->step = static_cast<s8>(step);
    stream->confidence = 1;
    stream->head = static_cast<s16>(at);
  } else if (stream->confidence < kStreamSure) {
    ++stream->confidence;
  }
  stream->last = static_cast<u8>(at);
  if ((stream->head - at) * step < 0) stream->head = static_cast<s16>(at);
  if (stream->confidence < kStreamSure) return {};
  const s32 distance = static_cast<s32>(distance_);
  const s32 limit = std::clamp(at + step * distance, 0, static_cast<s32>(kLinesPerPage) - 1);
  const s32 left = (limit - stream->head) * step;
  if (left <= 0) return {};
  Request request;
  request.step = step;
  request.count = std::min(static_cast<u32>(left), degree_);
  request.first = page * kLinesPerPage + static_cast<u64>(stream->head + step);
  stream->head = static_cast<s16>(stream->head + step * static_cast<s32>(request.count));
  return request;
}

void StreamPrefetcher::archive(WordArchive& a) {
  a(clock_);
  for (u32 i = 0; i < kStreams; ++i) {
    Stream& s = streams_[i];
    a(pages_[i], used_[i], s.last, s.confidence, s.step, s.head);
  }
}

}  // namespace pmusim::core
