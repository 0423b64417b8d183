// SPDX-License-Identifier: Apache-2.0
// What the prefetchers ask for.
#include <doctest/doctest.h>

#include "core/timing/prefetcher.h"

using namespace pmusim;
using core::StreamPrefetcher;
using core::StridePrefetcher;

TEST_CASE("the same stride twice in a row is prefetched, some strides ahead") {
  StridePrefetcher p(4);
  CHECK(p.train(0x400, 0x1000) == 0);
  CHECK(p.train(0x400, 0x1080) == 0);
  CHECK(p.train(0x400, 0x1100) == 0x1100 + 4 * 0x80);
  CHECK(p.train(0x400, 0x1190) == 0);  // another stride
  CHECK(p.train(0x400, 0x1220) == 0x1220 + 4 * 0x90);
}

TEST_CASE("a small stride is prefetched a line ahead, downwards too, and never across a page") {
  StridePrefetcher p(4);
  p.train(1, 0x1000);
  p.train(1, 0x1008);
  CHECK(p.train(1, 0x1010) == 0x1050);
  p.train(2, 0x1f40);
  p.train(2, 0x1f00);
  CHECK(p.train(2, 0x1ec0) == 0x1dc0);
  p.train(3, 0x1e80);
  p.train(3, 0x1ec0);
  CHECK(p.train(3, 0x1f00) == 0);  // 0x2000
}

TEST_CASE("loads of one address, and a prefetcher that is off, ask for nothing") {
  StridePrefetcher p(4), off(0);
  for (int i = 0; i < 5; ++i) CHECK(p.train(1, 0x1000) == 0);
  for (u64 i = 0; i < 5; ++i) CHECK(off.train(1, 0x1000 + 64 * i) == 0);
}

TEST_CASE("the third line of a stream in a row starts it, by at most the degree per access") {
  StreamPrefetcher p(20, 2);
  CHECK(p.train(0).count == 0);
  CHECK(p.train(1).count == 0);
  StreamPrefetcher::Request r = p.train(2);
  CHECK(r.first == 3);
  CHECK(r.count == 2);
  CHECK(r.step == 1);
  r = p.train(3);
  CHECK(r.first == 5);
  CHECK(r.count == 2);
}

TEST_CASE("a stream runs ahead by its distance and stops at the page's last line") {
  StreamPrefetcher p(3, 8);
  p.train(0);
  p.train(1);
  CHECK(p.train(2).count == 3);  // 3, 4, 5
  CHECK(p.train(3).count == 1);  // 6
  u64 furthest = 0;
  for (u64 line = 4; line < 64; ++line) {
    const StreamPrefetcher::Request r = p.train(line);
    if (r.count) furthest = r.first + r.count - 1;
  }
  CHECK(furthest == 63);
  CHECK(p.train(64).count == 0);  // another page is another stream
}

TEST_CASE("a descending stream is followed downwards") {
  StreamPrefetcher p(4, 4);
  for (const u64 line : {u64{63}, u64{62}}) p.train(line);
  const StreamPrefetcher::Request r = p.train(61);
  CHECK(r.first == 60);
  CHECK(r.count == 4);
  CHECK(r.step == -1);
}

TEST_CASE("a line asked for out of order does not turn a stream round") {
  StreamPrefetcher p(8, 8);
  for (u64 line = 0; line < 4; ++line) p.train(line);
  CHECK(p.train(2).count == 0);
  CHECK(p.train(4).count == 1);
}

TEST_CASE("32 streams at a time are followed, and the one used longest ago makes room") {
  StreamPrefetcher p(4, 4);
  for (u64 i = 0; i < 2; ++i)
    for (u64 page = 0; page < 32; ++page) p.train(page * 64 + i);
  CHECK(p.train(2).count == 4);
  p.train(32 * 64);  // drives page 1 out
  CHECK(p.train(2 * 64 + 2).count == 4);
  CHECK(p.train(1 * 64 + 2).count == 0);
}
