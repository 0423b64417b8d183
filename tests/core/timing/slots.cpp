// SPDX-License-Identifier: Apache-2.0
// One TLB, buffers and bandwidth. Expected values follow from sizes and the order of use.
#include <doctest/doctest.h>

#include "core/timing/slots.h"
#include "core/timing/tlb.h"

using namespace pmusim;
using core::Bandwidth;
using core::Buffers;
using core::Tlb;

namespace {
u64 page(u64 number, u16 tag = 0) {
  return Tlb::key(number << 12, 12, tag);
}
}  // namespace

TEST_CASE("a TLB forgets the translation used longest ago in the set") {
  Tlb tlb({8, 2});  // four sets
  tlb.insert(page(0), false);
  tlb.insert(page(4), false);
  CHECK(tlb.use(page(0)));
  tlb.insert(page(8), false);
  CHECK(tlb.use(page(0)));
  CHECK_FALSE(tlb.use(page(4)));
  CHECK(tlb.use(page(8)));
}

TEST_CASE("translations of another address space or page size are others") {
  Tlb tlb({4, 4});
  tlb.insert(page(5, 1), false);
  CHECK_FALSE(tlb.use(page(5, 2)));
  CHECK_FALSE(tlb.use(Tlb::key(5 << 12, 21, 1)));
  CHECK(tlb.use(page(5, 1)));
}

TEST_CASE("flushing a space keeps other spaces, and global pages where told to") {
  Tlb tlb({8, 8});
  tlb.insert(page(1, 1), false);
  tlb.insert(page(2, 1), true);
  tlb.insert(page(3, 2), false);
  tlb.flush_tag(1, true);
  CHECK_FALSE(tlb.use(page(1, 1)));
  CHECK(tlb.use(page(2, 1)));
  CHECK(tlb.use(page(3, 2)));
  tlb.flush_tag(1, false);
  CHECK_FALSE(tlb.use(page(2, 1)));
  tlb.flush_key(page(3, 2));
  CHECK_FALSE(tlb.use(page(3, 2)));
}

TEST_CASE("a TLB without entries never hits, one whose ways do not divide its entries is refused") {
  Tlb none({0, 0});
  CHECK_FALSE(none.use(page(0)));
  none.flush_key(page(0));
  CHECK_THROWS_AS(Tlb({10, 4}), std::logic_error);
}

TEST_CASE("requests beyond the number of buffers wait for the first that becomes free") {
  Buffers buffers(2);
  for (const u64 until : {u64{100}, u64{60}}) {
    const Buffers::Grant grant = buffers.acquire(0);
    CHECK(grant.start == 0);
    buffers.hold(grant, until);
  }
  CHECK_FALSE(buffers.free_at(59));
  CHECK(buffers.acquire(10).start == 60);
  CHECK(buffers.free_at(60));
  CHECK(buffers.acquire(70).start == 70);
}

TEST_CASE("a request of an earlier cycle than all that is held does not wait for it") {
  Buffers buffers(1);
  const Buffers::Grant grant = buffers.acquire(1000);
  buffers.hold(grant, 1100);
  CHECK(buffers.acquire(5).start == 5);
  CHECK(buffers.acquire(1050).start == 1100);
  const Buffers::Grant after = buffers.acquire(1050);  // back to back: no gap before it
  buffers.hold(after, 1300);
  CHECK(buffers.acquire(1050).start == 1300);
}

TEST_CASE("a channel passes items at its interval, and one that comes later does not wait") {
  Bandwidth channel(6);
  for (u64 i = 0; i < 100; ++i) CHECK(channel.pass(0) == 6 * i);
  CHECK(channel.pass(10000) == 10000);
  CHECK(channel.pass(2000) == 2000);  // earlier than the last, later than the queue
}
