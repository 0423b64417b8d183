// SPDX-License-Identifier: Apache-2.0
// Validation by valijson; the only place that includes it, because it takes long to compile.
#include "base/schema.h"

#include <nlohmann/json.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

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

const json& resolve(const json& root, const json* schema) {
  while (schema->is_object() && schema->contains("$ref")) {
    const std::string ref = (*schema)["$ref"];
    schema = &root.at(json::json_pointer(ref.substr(ref.find('#') + 1)));
  }
  return *schema;
}

// The names that the schema allows at a place of the document, as far as properties, items and $ref lead.
std::vector<std::string> names_at(const json& root, const std::vector<std::string>& path) {
  const json* at = &resolve(root, &root);
  for (const std::string& step : path) {
    const json* next = nullptr;
    if (at->is_object() && at->contains("properties") && (*at)["properties"].contains(step)) {
      next = &(*at)["properties"][step];
    } else if (at->is_object() && at->contains("items") && (*at)["items"].is_object()) {
      next = &(*at)["items"];
    } else if (at->is_object() && at->contains("additionalProperties") &&
               (*at)["additionalProperties"].is_object()) {
      next = &(*at)["additionalProperties"];
    }
    if (!next) return {};
    at = &resolve(root, next);
  }
  std::vector<std::string> names;
  if (at->is_object() && at->contains("properties"))
    for (const auto& item : (*at)["properties"].items()) names.push_back(item.key());
  return names;
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

// An undeclared key of some object, with the names that would be right.
void check_unknown_key(const JsonDocument& document, const JsonDocument& schema,
                       const std::vector<std::string>& path) {
  const json& object = document.value().at(json::json_pointer(pointer_of(path)));
  const std::vector<std::string> names = names_at(schema.value(), path);
  if (!object.is_object() || names.empty()) return;
  JsonView(document, object, pointer_of(path)).only_keys(names);
}

}  // namespace

void check_schema(const JsonDocument& schema) {
  check_words(schema.root());
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

  valijson::ValidationResults::Error error, deepest;
  while (results.popError(error))
    if (error.context.size() > deepest.context.size()) deepest = error;
  const std::vector<std::string> path = path_of(deepest.context);
  if (deepest.description.find("'additionalProperties'") != std::string::npos)
    check_unknown_key(document, schema, path);
  const json& value = document.value().at(json::json_pointer(pointer_of(path)));
  const std::string found = value.is_structured()
                                ? value.is_object() ? "an object" : "an array"
                                : value.dump(-1, ' ', false, json::error_handler_t::replace);
  throw InputError(document.name(), document.place(pointer_of(path)), found,
                   "what the schema says: " + deepest.description);
}

}  // namespace pmusim
