// SPDX-License-Identifier: Apache-2.0
// RAM slots and code marks; what is true comes from the contract in core/memory/ram.h.
#include "core/memory/ram.h"

#include <doctest/doctest.h>

#include <array>
#include <stdexcept>
#include <vector>

using namespace pmusim;
using namespace pmusim::core;

namespace {
struct Watcher : CodeWatcher {
  std::vector<u64> written, marked;
  unsigned removed = 0;
  void code_written(u64 page) override { written.push_back(page); }
  void page_marked(u64 page) override { marked.push_back(page); }
  void slot_removed() override { ++removed; }
};
struct Memory {
  std::vector<u8> a = std::vector<u8>(0x2000), b = std::vector<u8>(0x1000);
  Ram ram;
  Memory() {
    ram.add(0x8000, 0x1000, b.data());
    ram.add(0x1000, 0x2000, a.data());
  }
};
}  // namespace

TEST_CASE("an address below, in and above a slot is found only inside it") {
  Memory m;
  CHECK(m.ram.find(0xfff) == nullptr);
  CHECK(m.ram.find(0x1000) == m.a.data());
  CHECK(m.ram.find(0x2fff) == m.a.data() + 0x1fff);
  CHECK(m.ram.find(0x3000) == nullptr);
  CHECK(m.ram.find(0x8000) == m.b.data());
}

TEST_CASE("slots that overlap or are not whole pages are refused") {
  Memory m;
  std::array<u8, 0x3000> other;
  CHECK_THROWS_AS(m.ram.add(0x2000, 0x1000, other.data()), std::invalid_argument);
  CHECK_THROWS_AS(m.ram.add(0x0, 0x2000, other.data()), std::invalid_argument);
  CHECK_THROWS_AS(m.ram.add(0x10001, 0x1000, other.data()), std::invalid_argument);
  CHECK_THROWS_AS(m.ram.add(0x10000, 0x800, other.data()), std::invalid_argument);
  CHECK_THROWS_AS(m.ram.add(0x10000, 0, other.data()), std::invalid_argument);
  CHECK_NOTHROW(m.ram.add(0x0, 0x1000, other.data()));
  CHECK_NOTHROW(m.ram.add(0x3000, 0x1000, other.data() + 0x1000));
}

TEST_CASE("a copy that leaves the slots copies nothing") {
  Memory m;
  std::array<u8, 16> bytes;
  bytes.fill(0x5a);
  CHECK(m.ram.write(0x1ff8, bytes.data(), 16));  // crosses a page inside the slot
  CHECK(m.a[0xff8] == 0x5a);
  CHECK(m.a[0x1007] == 0x5a);
  CHECK_FALSE(m.ram.write(0x2ff8, bytes.data(), 16));
  CHECK(m.a[0x1ff8] == 0);
  CHECK_FALSE(m.ram.read(0x2ff8, bytes.data(), 16));
  CHECK(m.ram.read(0x2ff8, bytes.data(), 8));
  CHECK(bytes[0] == 0);
  CHECK(bytes[8] == 0x5a);
}

TEST_CASE("a store to a page with decoded code clears its mark and tells every watcher once") {
  Memory m;
  Watcher one, two;
  m.ram.watch(one);
  m.ram.watch(two);
  m.ram.mark_code(0x2000);
  m.ram.mark_code(0x2000);
  CHECK(one.marked == std::vector<u64>{0x2000});
  CHECK(m.ram.has_code(0x2000));
  CHECK_FALSE(m.ram.has_code(0x1000));
  const u8 byte = 1;
  m.ram.write(0x1fff, &byte, 1);
  CHECK(one.written.empty());
  m.ram.write(0x2000, &byte, 1);
  m.ram.write(0x2000, &byte, 1);
  CHECK(one.written == std::vector<u64>{0x2000});
  CHECK(two.written == std::vector<u64>{0x2000});
  CHECK_FALSE(m.ram.has_code(0x2000));
}

TEST_CASE("removing a slot drops its decoded code and tells translation caches") {
  Memory m;
  Watcher w;
  m.ram.watch(w);
  m.ram.mark_code(0x8000);
  m.ram.remove(0x8000);
  CHECK(w.written == std::vector<u64>{0x8000});
  CHECK(w.removed == 1);
  CHECK(m.ram.find(0x8000) == nullptr);
  CHECK_THROWS_AS(m.ram.remove(0x8000), std::invalid_argument);
  m.ram.unwatch(w);
  m.ram.remove(0x1000);
  CHECK(w.removed == 1);
}
