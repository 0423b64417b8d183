// SPDX-License-Identifier: Apache-2.0
// Validation by valijson; the only place that includes it, because it takes long to compile, as does <regex>,
// which it uses.
#include "base/schema.h"

#include <nlohmann/json.hpp>
#include <regex>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "base/schema_mistakes.h"

namespace pmusim {
namespace {

using nlohmann::json;

const std::vector<std::string> kWords = {"$comment",
                                         "$id",
                                         "$ref",
                                         "$schema",
                                         "additionalItems",
                                         "additionalProperties",
                                         "allOf",
                                         "anyOf",
                                         "const",
                                         "contains",
                                         "default",
                                         "definitions",
                                         "dependencies",
                                         "description",
                                         "else",
                                         "enum",
                                         "examples",
                                         "exclusiveMaximum",
                                         "exclusiveMinimum",
                                         "if",
                                         "items",
                                         "maxItems",
                                         "maxLength",
                                         "maxProperties",
                                         "maximum",
                                         "minItems",
                                         "minLength",
                                         "minProperties",
                                         "minimum",
                                         "multipleOf",
                                         "not",
                                         "oneOf",
                                         "pattern",
                                         "patternProperties",
                                         "properties",
                                         "propertyNames",
                                         "required",
                                         "then",
                                         "title",
                                         "type",
                                         "uniqueItems"};

bool holds_schema(const std::string& word) {
  for (const char* w : {"additionalItems", "additionalProperties", "contains", "else", "if", "items", "not",
                        "propertyNames", "then"})
    if (word == w) return true;
  return false;
}
bool holds_schemas_by_name(const std::string& word) {
  return word == "definitions" || word == "patternProperties" || word == "properties";
}

void check_words(const JsonView& schema) {
  if (schema.is_bool()) return;
  schema.only_keys(kWords);
  for (const std::string& word : schema.keys()) {
    const JsonView value = schema.at(word);
    if (holds_schemas_by_name(word)) {
      for (const std::string& name : value.keys()) check_words(value.at(name));
    } else if (value.is_array() &&
               (word == "items" || word == "allOf" || word == "anyOf" || word == "oneOf")) {
      for (const JsonView& item : value.items()) check_words(item);
    } else if (holds_schema(word)) {
      check_words(value);
    }
  }
}

std::string pointer_of(const std::vector<std::string>& path) {
  json::json_pointer pointer;
  for (const std::string& step : path) pointer.push_back(step);
  return pointer.to_string();
}

// valijson names a place as "<root>", "[key]", "[0]", ...
std::vector<std::string> path_of(const std::vector<std::string>& context) {
  std::vector<std::string> path;
  for (std::size_t i = 1; i < context.size(); ++i)
    path.push_back(context[i].substr(1, context[i].size() - 2));
  return path;
}

}  // namespace

void check_schema(const JsonDocument& schema) {
  check_words(schema.root());
}

bool matches(const std::string& text, const std::string& pattern) {
  return std::regex_search(text, std::regex(pattern));
}

void validate(const JsonDocument& document, const JsonDocument& schema) {
  check_schema(schema);
  valijson::Schema compiled;
  valijson::SchemaParser parser;
  parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(schema.value()), compiled);
  valijson::Validator validator;
  valijson::ValidationResults results;
  if (validator.validate(compiled, valijson::adapters::NlohmannJsonAdapter(document.value()), &results))
    return;

  if (const std::vector<InputError> mistakes = schema_mistakes(document, schema); !mistakes.empty())
    throw InputError::all_of(mistakes);
  // What has no words of ours.
  valijson::ValidationResults::Error error, deepest;
  while (results.popError(error))
    if (error.context.size() > deepest.context.size()) deepest = error;
  const std::vector<std::string> path = path_of(deepest.context);
  const json& value = document.value().at(json::json_pointer(pointer_of(path)));
  const std::string found = value.is_structured()
                                ? value.is_object() ? "an object" : "an array"
                                : value.dump(-1, ' ', false, json::error_handler_t::replace);
  throw InputError(document.name(), document.place(pointer_of(path)), found,
                   "what the schema says: " + deepest.description);
}

}  // namespace pmusim
