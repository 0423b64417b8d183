// SPDX-License-Identifier: Apache-2.0
// The guest's line protocol: every record is read, anything else is refused with its line.
#include "conformance/judge/records.h"

#include <doctest/doctest.h>

#include "base/error.h"

using namespace pmusim;
using namespace pmusim::conformance;

namespace {

std::string error_of(const std::string& text) {
  try {
    parse_records(text, "serial");
  } catch (const InputError& error) {
    return error.place();
  }
  return "";
}

}  // namespace

TEST_CASE("each kind of record is read, and text of others is passed over") {
  const GuestReport r = parse_records(
      "SeaBIOS\r\n@case counters.width\r\n@cpu vendor=intel version=5 gp=8/48 fixed=0xf/48\n"
      "@obs 1 count[2] 0x10\n@obs 2 a label 0xffffffffffffffff\n"
      "@check 3 fail got=0x5 op=eq want=0x4 at=i:7 the count is exact\n@alt 3 1 0x5 at=i:7\n"
      "@check 4 pass got=0x1 op=true want=0x1 at=- ok\n@check 5 skip got=- op=- want=- at=- needs the step\n"
      "@skip 6 at=- no local APIC\n@lost 3\n@end fail 1 passed, 1 failed, 2 skipped\n",
      "serial");
  CHECK(r.id == "counters.width");
  REQUIRE(r.checks.size() == 3);
  CHECK(r.checks[0].state == GuestCheck::State::Fail);
  CHECK(r.checks[0].got == 5);
  CHECK(r.checks[0].want == 4);
  CHECK(r.checks[0].at == "i:7");
  CHECK(r.checks[0].text == "the count is exact");
  CHECK(r.checks[1].at == "");
  CHECK(r.checks[2].state == GuestCheck::State::Skip);
  REQUIRE(r.alternatives.size() == 1);
  CHECK(r.alternatives[0].check == 0);
  CHECK(r.alternatives[0].divergence == 1);
  REQUIRE(r.observations.size() == 2);
  CHECK(r.observations[0].name == "count[2]");
  CHECK(r.observations[1].name == "a label");
  CHECK(r.observations[1].value == ~u64{0});
  CHECK(r.skips.at(0).reason == "no local APIC");
  CHECK(r.lost == 3);
  CHECK(r.ended);
  CHECK(r.unmet_requirement() == nullptr);
}

TEST_CASE("an unmet requirement of the case is told apart from a skipped step") {
  const GuestReport r =
      parse_records("@skip case at=- needs version >= 2, have 0\n@end skip 0 passed\n", "serial");
  REQUIRE(r.unmet_requirement());
  CHECK(r.unmet_requirement()->reason == "needs version >= 2, have 0");
}

TEST_CASE("an output that breaks off has no end") {
  CHECK_FALSE(parse_records("@case x\n@check 1 pass got=0x1 op=true want=0x1 at=- t\n", "serial").ended);
  CHECK(parse_records("@case x\n@abort #GP at 0x400000\n", "serial").aborted == "#GP at 0x400000");
}

TEST_CASE("a line that is no record is refused with its number") {
  CHECK(error_of("@case x\n@chekc 1\n") == "line 2");
  CHECK(error_of("@check x pass got=0x1 op=eq want=0x1 at=- t\n") == "line 1");
  CHECK(error_of("@check 1 pass got=1 op=eq want=0x1 at=- t\n") == "line 1");
  CHECK(error_of("@check 1 maybe got=0x1 op=eq want=0x1 at=- t\n") == "line 1");
  CHECK(error_of("@alt 1 0 0x1 at=-\n") == "line 1");
  CHECK(error_of("@obs 1 name\n") == "line 1");
  CHECK(error_of("@check 1\n") == "line 1");
}
