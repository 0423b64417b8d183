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
    validate(parse_json(text, "f.json"), parse_json(schema, "s.json"));
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
                 "f.json: line 2, /list/0/countr: found unknown key 'countr', expected a valid name; did "
                 "you mean 'counter'?"));
}

TEST_CASE("a schema with a word that the validator would ignore is refused") {
  CHECK(contains(error_of("{}", R"({"type": "object", "unevaluatedProperties": false})"),
                 "s.json: line 1, /unevaluatedProperties"));
  CHECK(
      contains(error_of("{}", R"({"properties": {"x": {"minContains": 1}}})"), "/properties/x/minContains"));
  // A property may be called anything.
  CHECK(error_of(R"({"minContains": 1})", R"({"properties": {"minContains": {"type": "integer"}}})").empty());
}
