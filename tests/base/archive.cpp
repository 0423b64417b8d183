// SPDX-License-Identifier: Apache-2.0
// Archives of state: what archive(a) names is what is saved and what is restored.
#include "base/archive.h"

#include <doctest/doctest.h>

using namespace pmusim;

namespace {

enum class Colour : u8 { Red, Green };

struct Part {
  s8 small = 0;
  u32 pair[2] = {};
  template <class A>
  void archive(A& a) {
    a(small, pair);
  }
  bool operator==(const Part& o) const {
    return small == o.small && pair[0] == o.pair[0] && pair[1] == o.pair[1];
  }
};

struct Whole {
  u64 wide = 0;
  Colour colour = Colour::Red;
  bool flag = false;
  Part parts[2];
  std::vector<Part> list;
  template <class A>
  void archive(A& a) {
    a(wide, colour, flag, parts);
    a.list(list);
  }
};

template <class A>
void check_restored() {
  Whole saved{u64{1} << 63, Colour::Green, true, {{-1, {2, 3}}, {4, {5, 6}}}, {{-7, {8, 9}}}};
  A save;
  save(saved);
  const auto state = save.take();
  Whole restored;
  restored.list.resize(3);
  A load(state);
  load(restored);
  CHECK(restored.wide == saved.wide);
  CHECK(restored.colour == saved.colour);
  CHECK(restored.flag == saved.flag);
  for (int i : {0, 1}) CHECK(restored.parts[i] == saved.parts[i]);
  CHECK(restored.list == saved.list);
  CHECK_THROWS_AS(load(restored), std::logic_error);  // nothing is left
}

}  // namespace

TEST_CASE("what was archived as bytes is restored, parts and lists included") {
  check_restored<Archive>();
}

TEST_CASE("what was archived as words is restored, parts and lists included") {
  check_restored<WordArchive>();
}

TEST_CASE("bytes of values follow each other without padding, words are one for each value") {
  Part part{-1, {2, 3}};
  Archive bytes;
  bytes(part);
  CHECK(bytes.take() == std::vector<u8>{0xff, 2, 0, 0, 0, 3, 0, 0, 0});
  WordArchive words;
  words(part);
  CHECK(words.take() == std::vector<u64>{~u64{0}, 2, 3});
}
