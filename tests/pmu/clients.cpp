// SPDX-License-Identifier: Apache-2.0
// Several clients of one PMU: who hears what, and in which order.
#include <doctest/doctest.h>

#include <string>

#include "harness.h"

using namespace pmusim;
using namespace pmusim::test;

namespace {

struct Client : pmu::PmuClient {
  Client(char name, std::string& heard) : name_(name), heard_(&heard) {}
  void on_overflow(unsigned counter) override { say("o" + std::to_string(counter)); }
  void on_pmi() override { say("p"); }
  void on_unavailable(unsigned, u64) override { say("u"); }
  void on_change(u32) override { say("c"); }

 private:
  void say(const std::string& what) { *heard_ += name_ + what + " "; }
  char name_;
  std::string* heard_;
};

void overflow(Bench& b) {
  b.wr(msr::kPerfCtr0, 0xffffffff);
  b.retire(1);
}

}  // namespace

TEST_CASE(
    "every client of a PMU hears of changes, overflows and PMIs, in the order in which they were added") {
  Bench b("spr");
  std::string heard;
  Client x('x', heard), y('y', heard);
  b.pmu.add_client(y);
  b.pmu.add_client(x);
  b.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn | kInt);
  CHECK(heard == "yc xc ");
  heard.clear();
  overflow(b);
  CHECK(heard == "yo0 xo0 yp xp ");
  CHECK(b.overflows == std::vector<unsigned>{0});
  CHECK(b.pmis == 1);
  heard.clear();
  b.wr(msr::kPerfEvtSel0 + 1, 0xfd | kOs | kEn);  // no event of this part
  CHECK(heard == "yu xu yc xc ");
}

TEST_CASE("a client that is removed hears no more while the others do, and removing it again does nothing") {
  Bench b("spr");
  std::string heard;
  Client x('x', heard), y('y', heard);
  b.pmu.add_client(x);
  b.pmu.add_client(y);
  b.wr(msr::kPerfEvtSel0, kInstructions | kOs | kEn | kInt);
  heard.clear();
  for (int times = 0; times < 2; ++times) {
    b.pmu.remove_client(x);
    overflow(b);
    CHECK(heard == "yo0 yp ");
    heard.clear();
  }
  b.pmu.remove_client(y);
  overflow(b);
  CHECK(heard.empty());
  CHECK(b.pmis == 3);
}
