// SPDX-License-Identifier: Apache-2.0
// Values of checks in the manuals' words.
#include <doctest/doctest.h>

#include "conformance/judge/value_words.h"

using namespace pmusim;
using namespace pmusim::conformance;

namespace {

using Kind = CheckValue::Kind;

std::string of(const char* reg, u64 value) {
  return in_words(value, {Kind::Register, reg});
}

}  // namespace

TEST_CASE("a number of two digits and more is also shown in hexadecimal") {
  CHECK(in_words(9, {}) == "9");
  CHECK(in_words(10, {}) == "10 (0xa)");
}

TEST_CASE("the outcome of an access is an exception's mnemonic or no fault") {
  CHECK(in_words(13, {Kind::Fault, ""}) == "#GP (vector 13)");
  CHECK(in_words(6, {Kind::Fault, ""}) == "#UD (vector 6)");
  CHECK(in_words(0x100, {Kind::Fault, ""}) == "no fault");
  CHECK(in_words(15, {Kind::Fault, ""}) == "vector 15");  // reserved
}

// SDM Vol. 3, figures of IA32_PERF_GLOBAL_STATUS, IA32_PERFEVTSELx, IA32_FIXED_CTR_CTRL; Vol. 4 of
// IA32_DEBUGCTL, IA32_PERF_CAPABILITIES; Vol. 3 "Local Vector Table"; APM Vol. 2 of PERF_CTLn.
TEST_CASE("a register's bits have the manuals' names, and those without one their number") {
  CHECK(of("global_status", 0x8000000300000001) == "0x8000000300000001 (gp0, fixed0, fixed1, CondChgd)");
  CHECK(of("global_ctrl", u64{1} << 50 | 2) == "0x4000000000002 (gp1, bit 50)");
  CHECK(of("gp_selector", 0x5300c0) == "0x5300c0 (event 0xc0, umask 0x00, USR, OS, INT, EN)");
  CHECK(of("gp_selector", 0x10100410076) ==
        "0x10100410076 (event 0x76, umask 0x00, USR, EN, bits 35:32 0x1, GuestOnly)");
  CHECK(of("fixed_ctrl", 0xb02) == "0xb02 (fixed0: USR, fixed2: OS USR PMI)");
  CHECK(of("debugctl", 0x1801) == "0x1801 (LBR, FREEZE_LBRS_ON_PMI, FREEZE_PERFMON_ON_PMI)");
  CHECK(of("perf_capabilities", 0x2005) == "0x2005 (LBR_FMT 5, FW_WRITE)");
  CHECK(of("lvtpc", 0x10400) == "0x10400 (NMI, masked)");
  CHECK(of("lvtpc", 0x31) == "0x31 (vector 0x31)");
}

TEST_CASE("a register without fields is a number, and one that is 0 has no words") {
  CHECK(of("gp_counter", 300) == "300 (0x12c)");
  CHECK(of("global_ctrl", 0) == "0x0");
}
