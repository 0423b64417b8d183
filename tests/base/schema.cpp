// SPDX-License-Identifier: Apache-2.0
// Validation by JSON Schema: where errors point, and which schemas are refused.
#include "base/schema.h"

#include <doctest/doctest.h>

using namespace pmusim;

namespace {

const char* const kSchema = R"({
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "additionalProperties": false,
  "required": ["id"],
  "properties": {
    "id": {"type": "string", "minLength": 1},
    "list": {"type": "array", "items": {"$ref": "#/definitions/entry"}}
  },
  "definitions": {
    "entry": {"type": "object", "additionalProperties": false,
              "properties": {"counter": {"type": "integer", "minimum": 0, "maximum": 15}}}
  }
})";

std::string error_of(const std::string& text, const std::string& schema = kSchema) {
  try {
    Schema(parse_json(schema, "s.json")).validate(parse_json(text, "f.json"));
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a document that fits its schema is accepted, at its limits too") {
  CHECK(error_of(R"({"id": "a", "list": [{"counter": 0}, {"counter": 15}]})").empty());
}

TEST_CASE("a value that does not fit is reported at its line and pointer") {
  CHECK(contains(error_of("{\"id\": \"a\", \"list\": [\n{\"counter\": 16}]}"),
                 "f.json: line 2, /list/0/counter: found 16"));
  CHECK(contains(error_of(R"({"id": ""})"), "/id: found \"\""));
  CHECK(contains(error_of(R"({"list": []})"), "'id'"));
}

TEST_CASE("an unknown key is reported with the nearest key that the schema has there") {
  CHECK(contains(error_of("{\"id\": \"a\", \"list\": [{\n\"countr\": 1}]}"),
                 "f.json: line 2, /list/0/countr: found unknown key 'countr', expected one of "
                 "counter; did you mean 'counter'?"));
}

TEST_CASE("a schema with a word that the validator would ignore is refused") {
  CHECK(contains(error_of("{}", R"({"type": "object", "unevaluatedProperties": false})"),
                 "s.json: line 1, /unevaluatedProperties"));
  CHECK(
      contains(error_of("{}", R"({"properties": {"x": {"minContains": 1}}})"), "/properties/x/minContains"));
  // A property may be called anything.
  CHECK(error_of(R"({"minContains": 1})", R"({"properties": {"minContains": {"type": "integer"}}})").empty());
}

TEST_CASE("a mistake is told in words: type, allowed words with the nearest, limits, missing key") {
  const std::string schema =
      R"({"type": "object", "required": ["kind", "size"], "additionalProperties": false,
    "properties": {"kind": {"enum": ["none", "any", "record"]}, "size": {"type": ["string", "integer"]},
                   "name": {"type": "string", "pattern": "^[a-z]+$"}, "flag": {"type": "boolean"},
                   "count": {"type": "integer", "minimum": 1, "maximum": 8},
                   "either": {"oneOf": [{"type": "string"}, {"type": "object", "required": ["if"]}]},
                   "list": {"type": "array", "minItems": 2, "uniqueItems": true}}})";
  const auto error = [&](const std::string& more) {
    return error_of("{\"kind\": \"any\", \"size\": 1" + more + "}", schema);
  };
  CHECK(error("").empty());
  CHECK(error(R"(, "flag": 1)") == "f.json: line 1, /flag: found 1, expected true or false");
  CHECK(error(R"(, "count": 0)") == "f.json: line 1, /count: found 0, expected at least 1");
  CHECK(error(R"(, "count": 9)") == "f.json: line 1, /count: found 9, expected at most 8");
  CHECK(error(R"(, "count": 8)").empty());
  CHECK(error(R"(, "name": "A")") ==
        "f.json: line 1, /name: found \"A\", expected text that matches ^[a-z]+$");
  CHECK(error(R"(, "list": [1])") == "f.json: line 1, /list: found 1 elements, expected at least 2");
  CHECK(error(R"(, "list": [1, 1])") == "f.json: line 1, /list/1: found 1, expected each element once");
  CHECK(error(R"(, "either": 3)") ==
        "f.json: line 1, /either: found 3, expected a string or an object with if");
  CHECK(error(R"(, "either": {})") == "f.json: line 1, /either: found no 'if', expected a value for it");
  CHECK(error_of(R"({"kind": "recrod", "size": 1})", schema) ==
        "f.json: line 1, /kind: found \"recrod\", expected one of none, any, record; did you mean 'record'?");
  CHECK(error_of(R"({"kind": 7, "size": 1})", schema) ==
        "f.json: line 1, /kind: found 7, expected one of none, any, record");
  CHECK(error_of(R"({"kind": "any"})", schema) ==
        "f.json: line 1: found no 'size', expected a string or an integer for it");
}

TEST_CASE("every mistake is told, a line each") {
  CHECK(error_of("{\n\"lst\": [],\n\"list\": [{\"counter\": -1}]}") ==
        "f.json: line 1: found no 'id', expected a string for it\n"
        "f.json: line 3, /list/0/counter: found -1, expected at least 0\n"
        "f.json: line 2, /lst: found unknown key 'lst', expected one of id, list; did you mean 'list'?");
}
