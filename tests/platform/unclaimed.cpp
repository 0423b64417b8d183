// SPDX-License-Identifier: Apache-2.0
// The report of accesses that no device answers: ranges, and a bound.
#include "platform/devices/unclaimed.h"

#include <doctest/doctest.h>

using namespace pmusim;
using platform::Space;
using platform::UnclaimedAccesses;
using Lines = std::vector<std::string>;

TEST_CASE("accesses to neighbouring addresses are one range, in whatever order they come") {
  UnclaimedAccesses up, down, meet;
  for (u64 i = 0; i < 300000; ++i) up.add(Space::Memory, 0xc0000000 + i, 1, false);
  CHECK(up.text() == Lines{"addresses 0xc0000000 to 0xc00493df: 300000 reads"});
  for (u64 i = 10; i-- > 0;) down.add(Space::Memory, 0x1000 + 4 * i, 4, true);
  CHECK(down.text() == Lines{"addresses 0x1000 to 0x1024: 10 writes"});
  for (const u64 address : {0x1000, 0x1008, 0x1004}) meet.add(Space::Memory, address, 4, false);
  CHECK(meet.text() == Lines{"addresses 0x1000 to 0x1008: 3 reads"});
}

TEST_CASE("one address is told as such, reads and writes apart, ports before memory") {
  UnclaimedAccesses a;
  a.add(Space::Memory, 0x60, 8, true);
  for (int i = 0; i < 3; ++i) a.add(Space::Port, 0x60, 1, false);
  a.add(Space::Port, 0x60, 1, true);
  CHECK(a.text() == Lines{"port 0x60: 3 reads", "port 0x60: 1 write", "address 0x60: 1 write"});
  a.clear();
  CHECK(a.text().empty());
}

TEST_CASE("what lies apart from as many ranges as are kept only adds to a sum") {
  UnclaimedAccesses a;
  for (u64 i = 0; i < 1000000; ++i) a.add(Space::Memory, i * 4096, 4, false);
  const Lines lines = a.text();
  CHECK(lines.size() == UnclaimedAccesses::kMostRanges + 1);
  CHECK(lines.back() ==
        "other addresses: " + std::to_string(1000000 - UnclaimedAccesses::kMostRanges) + " reads");
}
