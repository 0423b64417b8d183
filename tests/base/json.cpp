// SPDX-License-Identifier: Apache-2.0
// Strict JSON input: what is rejected, where the error points, and how values are read.
#include "base/json.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace pmusim;

namespace {

std::string error_of(const std::string& text) {
  try {
    parse_json(text, "f.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

template <typename F>
std::string message(F&& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

std::string nested(unsigned depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

}  // namespace

TEST_CASE("a duplicate key is an error that names its line and pointer") {
  CHECK(error_of("{\"a\": {\n \"x\": 1,\n \"x\": 2}}") ==
        "f.json: line 3, /a/x: found a second 'x', expected each key once");
  CHECK(error_of(R"({"a": 1, "\u0061": 2})").find("a second 'a'") != std::string::npos);
  CHECK(error_of(R"({"a": {"x": 1}, "b": {"x": 1}})").empty());
}

TEST_CASE("comments, trailing text and an empty file are errors with a line") {
  CHECK(error_of("{\n// no\n}").find("f.json: line 2") == 0);
  CHECK(error_of("{}\n\nx").find("f.json: line 3") == 0);
  CHECK(error_of("").find("f.json: line 1") == 0);
}

TEST_CASE("nesting is accepted to 100 levels") {
  CHECK(error_of(nested(100)).empty());
  CHECK(error_of(nested(101)).find("100 levels") != std::string::npos);
}

TEST_CASE("each value knows its line, also after strings with escapes and nested containers") {
  const auto doc = parse_json("{\n\"a\": [\"q\\\"]{\",\n {\"b/c\": 7}],\n\"d\": true }", "f.json");
  CHECK(doc.place("") == "line 1");
  CHECK(doc.place("/a/0") == "line 2, /a/0");
  CHECK(doc.root().at("a").at(1).at("b/c").place() == "line 3, /a/1/b~1c");
  CHECK(doc.root().at("d").place() == "line 4, /d");
}

TEST_CASE("integers are read from numbers and from 0x strings, up to 64 bits") {
  const auto doc = parse_json(
      R"({"n": 18446744073709551615, "h": "0xffffffffffffffff", "over": 18446744073709551616,
          "long": "0x10000000000000000", "neg": -1, "frac": 1.5, "bare": "0x", "dec": "12", "mixed": "0xAb"})",
      "f.json");
  const auto root = doc.root();
  CHECK(root.at("n").as_u64() == ~u64{0});
  CHECK(root.at("h").as_u64() == ~u64{0});
  CHECK(root.at("mixed").as_u64() == 0xab);
  CHECK(root.at("neg").as_s64() == -1);
  for (const char* key : {"over", "long", "neg", "frac", "bare", "dec"}) {
    CAPTURE(key);
    CHECK_THROWS_AS(root.at(key).as_u64(), InputError);
  }
  CHECK_THROWS_AS(root.at("n").as_s64(), InputError);
}

TEST_CASE("a bound is inclusive") {
  const auto doc = parse_json(R"({"at": 8, "above": 9})", "f.json");
  CHECK(doc.root().at("at").as_u64(8) == 8);
  CHECK(message([&] { doc.root().at("above").as_u64(8); }) ==
        "f.json: line 1, /above: found 9, expected at most 8");
}

TEST_CASE("a missing key is placed at the object that should have it") {
  const auto doc = parse_json("{\n \"cpu\": {}\n}", "f.json");
  CHECK(message([&] { doc.root().at("cpu").at("width"); }) ==
        "f.json: line 2, /cpu: found no 'width', expected a value for it");
}

TEST_CASE("an unknown key is an error with the nearest valid one") {
  const auto doc = parse_json("{\"widht\": 4}", "f.json");
  CHECK(message([&] {
          doc.root().only_keys({"height", "width"});
        }) ==
        "f.json: line 1, /widht: found unknown key 'widht', expected one of height, width; did you mean "
        "'width'?");
  CHECK_NOTHROW(doc.root().only_keys({"widht"}));
}

TEST_CASE("an override replaces or adds a value and later errors name it") {
  auto doc = parse_json("{\"cpu\": {\"width\": 4, \"list\": [1, 2]}}", "f.json");
  doc.override_value("cpu.width=6");
  doc.override_value("cpu.list.1=text");
  doc.override_value("new.key={\"x\": true}");
  CHECK(doc.root().at("cpu").at("width").as_u64() == 6);
  CHECK(doc.root().at("cpu").at("list").at(1).as_string() == "text");
  CHECK(doc.root().at("new").at("key").at("x").as_bool());
  CHECK(message([&] { doc.root().at("cpu").at("width").as_string(); }) ==
        "f.json: --set cpu.width: found 6, expected a string");
  doc.override_value("cpu.width=7", "model.");
  CHECK(message([&] { doc.root().at("cpu").at("width").as_string(); }) ==
        "f.json: --set model.cpu.width: found 7, expected a string");
  CHECK(message([&] { doc.override_value("cpu.list.2=1", "model."); }) ==
        "f.json: --set model.cpu.list.2: found '2', expected an index below 2 of 'list'");
  CHECK_THROWS_AS(doc.override_value("cpu.list.2=1"), InputError);
  CHECK_THROWS_AS(doc.override_value("cpu.width.x=1"), InputError);
  CHECK_THROWS_AS(doc.override_value("cpu..x=1"), InputError);
  CHECK_THROWS_AS(doc.override_value("cpu.width"), InputError);
  CHECK_THROWS_AS(doc.override_value("=1"), InputError);
}

TEST_CASE("a name that an override misspells is told at the override, whatever was made below it") {
  auto doc = parse_json("{\"cpu\": {\"width\": 4}}", "f.json");
  doc.override_value("cpuu.width=6", "model.");
  CHECK(message([&] { doc.root().only_keys({"cpu"}); }) ==
        "f.json: --set model.cpuu.width: found unknown key 'cpuu', expected one of cpu; did you mean 'cpu'?");
}

TEST_CASE("a file that cannot be read is an error with the system's reason") {
  CHECK(message([] { load_json("/nonexistent/f.json"); }).find("no such file") != std::string::npos);
  CHECK(message([] { load_json("/"); }).find("directory") != std::string::npos);
}

TEST_CASE("the nearest name is the one with the fewest edits, and none when all are far") {
  CHECK(nearest_name("mediatd", {"emulated", "mediated", "dedicated"}) == "mediated");
  CHECK(nearest_name("spr", {"spr", "skx"}) == "spr");
  CHECK(nearest_name("qqqqqqqq", {"emulated", "mediated"}).empty());
  CHECK(nearest_name("x", {"ab"}).empty());
  CHECK(nearest_name("rob", {"tlb"}).empty());  // two of three letters
}
