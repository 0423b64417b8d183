// SPDX-License-Identifier: Apache-2.0
// Mistakes in case files: each is an InputError with line, JSON pointer and what was expected.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "base/data.h"
#include "base/schema.h"
#include "conformance/language/case.h"
#include "hypervisor/vpmu/kernel_release.h"

using namespace pmusim;
using namespace pmusim::conformance;

namespace {

// A good case with its steps (and, if given, other members) replaced.
std::string with_steps(const std::string& steps, const std::string& more = "") {
  return "{\n\"id\": \"x\", \"title\": \"Something is true here\",\n\"area\": \"RDPMC\", \"sources\": "
         "[\"test\"],\n" +
         more + "\"programs\": {\"p\": [{\"nop\": 6}]},\n\"steps\": [" + steps + "]\n}";
}

struct Mistake {
  std::string place, found, expected;
};

Mistake mistake(const std::string& text) {
  try {
    parse_case(text, "x.json");
  } catch (const InputError& e) {
    return {e.place(), e.found(), e.expected()};
  }
  return {};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

const char kCheck[] = R"({"rdmsr": "tsc", "as": "t"}, {"check": "t != 0"})";

}  // namespace

TEST_CASE("the good case that the mistakes are made in loads") {
  CHECK_NOTHROW(parse_case(with_steps(kCheck), "x.json"));
}

TEST_CASE("a value of the wrong type is reported with line and pointer") {
  const Mistake m = mistake(with_steps(R"({"wrmsr": "global_ctrl", "value": true})"));
  CHECK(contains(m.place, "line 5"));
  CHECK(contains(m.place, "/steps/0/value"));
}

TEST_CASE("what is expected of the host has its keys, policies and numbers checked") {
  const auto expecting = [](const std::string& text) {
    return mistake(with_steps(kCheck, "\"host_expect\": " + text + ",\n"));
  };
  CHECK(expecting(R"({"policies": ["emulated"], "exits": {"RDPMC": 1, "WRMSR": {"min": 2}}})").place.empty());
  CHECK(contains(expecting(R"({"polices": ["emulated"]})").place, "/host_expect"));
  CHECK(contains(expecting(R"({"policies": []})").place, "/host_expect/policies"));
  CHECK(contains(expecting(R"({"exits": {"RDPMC": "one"}})").place, "/host_expect/exits/RDPMC"));
  CHECK(contains(expecting(R"({"exits": {"RDPMC": {"most": 1}}})").place, "/host_expect/exits/RDPMC"));
}

TEST_CASE("a misspelt register suggests the nearest one") {
  const Mistake m = mistake(with_steps(R"({"rdmsr": "global_ctl", "as": "t"}, {"check": "t != 0"})"));
  CHECK(contains(m.place, "/steps/0/rdmsr"));
  CHECK(contains(m.found, "global_ctl"));
  CHECK(contains(m.expected, "global_ctrl"));
}

TEST_CASE("a register with counters needs an index and another has none") {
  CHECK(contains(mistake(with_steps(R"({"rdmsr": "gp_counter", "as": "t"})")).expected, "gp_counter[index]"));
  CHECK(contains(mistake(with_steps(R"({"rdmsr": "global_ctrl[0]", "as": "t"})")).expected, "no index"));
}

TEST_CASE("an unknown name in an expression is reported with its column") {
  const Mistake m = mistake(with_steps(R"({"rdmsr": "tsc", "as": "t"}, {"check": "t != gp_cuont"})"));
  CHECK(contains(m.place, "/steps/1/check"));
  CHECK(contains(m.place, "column 6"));
  CHECK(contains(m.expected, "gp_count"));
}

TEST_CASE("an unknown name in a register's index is reported with its column in the register") {
  const Mistake m = mistake(with_steps(R"({"rdmsr": "gp_counter[j]", "as": "t"})"));
  CHECK(contains(m.place, "column 12"));
}

TEST_CASE("a name is unknown before the step that saves it and after the loop it counts") {
  CHECK(contains(mistake(with_steps(R"({"check": "t != 0"}, {"rdmsr": "tsc", "as": "t"})")).place,
                 "/steps/0/check"));
  CHECK(contains(mistake(with_steps(R"({"for": {"i": "gp"}, "do": []}, {"check": "i != 0"})")).place,
                 "/steps/1/check"));
}

TEST_CASE("a number wider than 64 bits is refused and one of 64 bits is not") {
  CHECK(contains(
      mistake(with_steps(R"({"rdmsr": "tsc", "as": "t"}, {"check": "t != 0x10000000000000000"})")).expected,
      "64 bits"));
  CHECK_NOTHROW(
      parse_case(with_steps(R"({"rdmsr": "tsc", "as": "t"}, {"check": "t != 0xffffffffffffffff"})"), "x"));
}

TEST_CASE("an expectation wider than the register is refused and the widest possible is not") {
  const std::string step = R"({"cpuid": {"leaf": 10, "register": "eax"}, "as": "a"}, {"expect": {"a": ")";
  CHECK(contains(mistake(with_steps(step + "0x100000000\"}}")).expected, "32 bits"));
  CHECK_NOTHROW(parse_case(with_steps(step + "0xffffffff\"}}"), "x"));
}

TEST_CASE("an expected count that the measured program contradicts is refused") {
  const std::string step =
      R"({"measure": "p", "counters": [{"gp": 0, "select": "event(instructions) | OS", "as": "n"}]}, {"expect": {"n": )";
  CHECK(contains(mistake(with_steps(step + "9}}")).expected, "10"));  // 6 NOPs, 1 WRMSR, 3 moves
  CHECK_NOTHROW(parse_case(with_steps(step + "10}}"), "x"));
  CHECK_NOTHROW(parse_case(with_steps(step + "\"p.instructions\"}}"), "x"));
}

TEST_CASE("a check that cannot fail or cannot hold is refused") {
  CHECK(contains(mistake(with_steps(R"({"check": "1 + 1 == 2"})")).found, "always"));
  CHECK(contains(mistake(with_steps(R"({"check": "1 == 2"})")).found, "never"));
  CHECK(contains(mistake(with_steps(R"({"clear": true})")).found, "without any check"));
}

TEST_CASE("an unknown verb, two verbs and a modifier of another verb are refused") {
  CHECK(contains(mistake(with_steps(R"({"wrmrs": "tsc", "value": 1})")).found +
                     mistake(with_steps(R"({"wrmrs": "tsc", "value": 1})")).place,
                 "wrmrs"));
  CHECK(contains(mistake(with_steps(R"({"rdmsr": "tsc", "clear": true})")).expected, "one verb"));
  CHECK(contains(mistake(with_steps(R"({"rdmsr": "tsc", "as": "t", "pce": 1})")).place, "/steps/0"));
}

TEST_CASE("a misspelt program, feature, area and event are refused with the nearest name") {
  CHECK(contains(mistake(with_steps(R"({"measure": "q"})")).expected, "p"));
  CHECK(contains(mistake(with_steps(kCheck, R"("requires": {"features": ["globl_ctrl"]},)")).expected,
                 "global_ctrl"));
  CHECK(contains(mistake(with_steps(R"-({"let": {"a": "event(instructons)"}})-")).expected, "instructions"));
}

TEST_CASE("a title with a modal verb is refused") {
  std::string text = with_steps(kCheck);
  text.replace(text.find("Something is true here"), 22, "Something must be true");
  CHECK(contains(mistake(text).found, "must"));
}

TEST_CASE("a divergence of a check that does not exist is refused") {
  const std::string list =
      R"("divergences": [{"policy": "emulated", "check": "t is zero", "reason": "a reason of the test"}],)";
  CHECK(contains(mistake(with_steps(kCheck, list)).place, "/divergences/0/check"));
}

TEST_CASE("what would fault at CPL 3, and what a LOOP's counter forbids, is refused") {
  const auto program = [](const std::string& code) {
    std::string text = with_steps(kCheck);
    const std::string old = "[{\"nop\": 6}]";
    return text.replace(text.find(old), old.size(), code);
  };
  CHECK(contains(mistake(program(R"({"cpl": 3, "code": [{"rdmsr": "tsc"}]})")).expected, "cpl 0"));
  CHECK(
      contains(mistake(program(R"([{"loop": 2, "with": "loop", "body": [{"cpuid": 1}]}])")).expected, "dec"));
  CHECK(contains(mistake(program(R"([{"loop": 0, "body": []}])")).expected, "at least 1"));
  CHECK(contains(mistake(program(R"([{"loop": 2147483648, "body": []}])")).place, "/programs/p/0/loop"));
  CHECK_NOTHROW(parse_case(program(R"([{"loop": 2147483647, "body": []}])"), "x"));
}

TEST_CASE("duplicate keys and duplicate names with and without an index are refused") {
  CHECK_THROWS_AS(parse_case(with_steps(R"({"rdmsr": "tsc", "rdmsr": "tsc"})"), "x"), InputError);
  CHECK(contains(mistake(with_steps(R"({"rdmsr": "tsc", "as": "t"}, {"rdmsr": "tsc", "as": "t[0]"})")).found,
                 "'t'"));
  CHECK(contains(mistake(with_steps(R"({"rdmsr": "tsc", "as": "gp_count"})")).found, "gp_count"));
}

TEST_CASE("the schema of cases uses only words that the validator knows") {
  CHECK_NOTHROW(Schema(load_json(data_path("conformance/schema/case.schema.json"))));
}

TEST_CASE("the schema of cases names the kernel releases that are modelled") {
  const JsonDocument schema = load_json(data_path("conformance/schema/case.schema.json"));
  const JsonView divergence = schema.root().at("properties").at("divergences").at("items");
  CHECK(divergence.at("properties").at("kernels").at("items").at("enum").as_strings() == hv::release_names());
}

TEST_CASE("a divisor that is always 0 is a mistake, one that may be 0 is not") {
  const Mistake m = mistake(with_steps(R"({"rdmsr": "tsc", "as": "t"}, {"check": "t / (2 - 2) != 1"})"));
  CHECK(contains(m.place, "/steps/1/check, column 5"));
  CHECK(contains(m.found, "always 0"));
  CHECK(contains(mistake(with_steps(R"({"let": {"a": "1 % 0"}})")).found, "always 0"));
  CHECK_NOTHROW(parse_case(with_steps(R"({"rdmsr": "tsc", "as": "t"}, {"check": "1 / t != 1"})"), "x"));
}

TEST_CASE("every mistake of a case is reported, and none that only follows from another") {
  std::string text;
  try {
    parse_case(with_steps(R"({"rdmsr": "global_ctl", "as": "t"}, {"check": "t != gp_cuont"},
                             {"if": "nothing", "then": [{"wrmsr": "tsc"}]}, {"check": "t != 0"})",
                          R"("requires": {"features": ["globl_ctrl"]},)"),
               "x.json");
  } catch (const InputError& error) {
    text = error.what();
  }
  for (const char* part : {"globl_ctrl", "/steps/0/rdmsr", "/steps/1/check, column 6", "/steps/2/if",
                           "/steps/2/then/0: found wrmsr without a value"}) {
    CAPTURE(part);
    CHECK(contains(text, part));
  }
  CHECK_FALSE(contains(text, "/steps/3"));  // t is known
  CHECK(std::count(text.begin(), text.end(), '\n') == 4);
}

TEST_CASE("mistakes in several programs and in the steps that measure them are reported together") {
  std::string source =
      with_steps(R"({"measure": "p"}, {"check": "p.instructions == 4"}, {"check": "q != 0"})");
  const std::string old = "[{\"nop\": 6}]";
  source.replace(source.find(old), old.size(), R"([{"nop": 0}, {"load": 1, "stride": 3}, {"nop": 1}])");
  std::string text;
  try {
    parse_case(source, "x.json");
  } catch (const InputError& error) {
    text = error.what();
  }
  CHECK(contains(text, "/programs/p/0/nop: found 0"));
  CHECK(contains(text, "/programs/p/1/stride: found 3"));
  CHECK(contains(text, "/steps/2/check"));
  CHECK(std::count(text.begin(), text.end(), '\n') == 2);
}
