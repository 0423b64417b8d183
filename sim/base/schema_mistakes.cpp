// SPDX-License-Identifier: Apache-2.0
// A walk over document and schema side by side. NOT explained: if/then/else, not, contains, propertyNames.
#include "base/schema_mistakes.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/schema.h"

namespace pmusim {
namespace {

using nlohmann::json;

constexpr std::size_t kFewKeys = 4;  // of a message

bool is_type(const json& value, const std::string& type) {
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  return value.is_null();
}

std::string type_words(const std::string& type) {
  if (type == "boolean") return "true or false";
  if (type == "null") return "null";
  return (type == "integer" || type == "object" || type == "array" ? "an " : "a ") + type;
}

std::string word_of(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

class Walk {
 public:
  explicit Walk(const json& root) : root_(root) {}

  void check(const JsonView& value, const json& reference) {
    const json& schema = resolve(reference);
    if (!schema.is_object()) return;
    if (!type_fits(value, schema)) return wrong(value, described(value), expected(schema));
    if (schema.contains("enum")) check_enum(value, schema["enum"]);
    if (schema.contains("const") && value.json() != schema["const"])
      wrong(value, described(value), word_of(schema["const"]));
    if (value.json().is_number()) check_number(value, schema);
    if (value.is_string()) check_string(value, schema);
    if (value.is_array()) check_array(value, schema);
    if (value.is_object()) check_object(value, schema);
    if (schema.contains("allOf"))
      for (const json& part : schema["allOf"]) check(value, part);
    for (const char* word : {"anyOf", "oneOf"})
      if (schema.contains(word)) check_alternatives(value, schema[word]);
  }

  std::vector<InputError> mistakes;

 private:
  const json& resolve(const json& schema) const {
    const json* at = &schema;
    while (at->is_object() && at->contains("$ref")) {
      const std::string ref = (*at)["$ref"];
      at = &root_.at(json::json_pointer(ref.substr(ref.find('#') + 1)));
    }
    return *at;
  }

  static std::string described(const JsonView& value) {
    if (value.is_object()) return "an object";
    if (value.is_array()) return "an array";
    return value.json().dump(-1, ' ', false, json::error_handler_t::replace);
  }

  void wrong(const JsonView& value, const std::string& found, const std::string& expected) {
    mistakes.emplace_back(value.document().name(), value.place(), found, expected);
  }

  static bool type_fits(const JsonView& value, const json& schema) {
    if (!schema.contains("type")) return true;
    const json& type = schema["type"];
    if (type.is_string()) return is_type(value.json(), type);
    return std::any_of(type.begin(), type.end(), [&](const json& t) { return is_type(value.json(), t); });
  }

  // What a schema wants, in a few words.
  std::string expected(const json& reference) const {
    const json& schema = resolve(reference);
    if (!schema.is_object()) return "a value";
    std::string text;
    const auto add = [&text](const std::string& more) { text += (text.empty() ? "" : " or ") + more; };
    if (schema.contains("type")) {
      const json& type = schema["type"];
      if (type == "object" && schema.contains("required") && schema["required"].size() <= kFewKeys) {
        for (const json& key : schema["required"]) text += (text.empty() ? "" : ", ") + word_of(key);
        return "an object with " + text;
      }
      if (type.is_string()) return type_words(type);
      for (const json& t : type) add(type_words(t));
    } else if (schema.contains("enum")) {
      for (const json& word : schema["enum"]) text += (text.empty() ? "one of " : ", ") + word_of(word);
    } else {
      for (const char* word : {"anyOf", "oneOf"})
        if (schema.contains(word))
          for (const json& part : schema[word]) add(expected(part));
    }
    return text.empty() ? "a value" : text;
  }

  void check_enum(const JsonView& value, const json& words) {
    if (std::find(words.begin(), words.end(), value.json()) != words.end()) return;
    std::string list;
    std::vector<std::string> names;
    for (const json& word : words) {
      list += (list.empty() ? "one of " : ", ") + word_of(word);
      names.push_back(word_of(word));
    }
    const std::string near = value.is_string() ? nearest_name(value.as_string(), names) : "";
    wrong(value, described(value), list + (near.empty() ? "" : "; did you mean '" + near + "'?"));
  }

  void check_number(const JsonView& value, const json& schema) {
    const auto limit = [&](const char* word, auto&& bad, const char* text) {
      if (schema.contains(word) && bad(value.json(), schema[word]))
        wrong(value, described(value), text + schema[word].dump());
    };
    const auto less = [](const json& a, const json& b) { return a < b; };
    const auto more = [](const json& a, const json& b) { return b < a; };
    limit("minimum", less, "at least ");
    limit("maximum", more, "at most ");
    limit(
        "exclusiveMinimum", [](const json& a, const json& b) { return a <= b; }, "more than ");
    limit(
        "exclusiveMaximum", [](const json& a, const json& b) { return b <= a; }, "less than ");
  }

  void check_string(const JsonView& value, const json& schema) {
    const std::string text = value.as_string();
    if (schema.contains("minLength") && text.size() < schema["minLength"].get<std::size_t>())
      wrong(value, described(value), fmt::format("at least {} characters", schema["minLength"].dump()));
    if (schema.contains("pattern")) {
      const std::string pattern = schema["pattern"];
      if (!matches(text, pattern))
        wrong(value, described(value), "text that matches " + pattern);
    }
  }

  void check_size(const JsonView& value, const json& schema, const char* least, const char* most,
                  const char* what) {
    const std::size_t size = value.size();
    const auto found = fmt::format("{} {}", size, what);
    if (schema.contains(least) && size < schema[least].get<std::size_t>())
      wrong(value, found, fmt::format("at least {}", schema[least].dump()));
    if (schema.contains(most) && size > schema[most].get<std::size_t>())
      wrong(value, found, fmt::format("at most {}", schema[most].dump()));
  }

  void check_array(const JsonView& value, const json& schema) {
    check_size(value, schema, "minItems", "maxItems", "elements");
    const std::vector<JsonView> items = value.items();
    if (schema.value("uniqueItems", false))
      for (std::size_t i = 0; i < items.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
          if (items[i].json() == items[j].json()) wrong(items[i], described(items[i]), "each element once");
    if (!schema.contains("items")) return;
    const json& of = schema["items"];
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (!of.is_array())
        check(items[i], of);
      else if (i < of.size())
        check(items[i], of[i]);
    }
  }

  void check_object(const JsonView& value, const json& schema) {
    check_size(value, schema, "minProperties", "maxProperties", "keys");
    const json none = json::object();
    const json& properties = schema.contains("properties") ? schema["properties"] : none;
    const auto need = [&](const std::string& key, const std::string& why) {
      if (value.has(key)) return;
      const std::string what = properties.contains(key) ? expected(properties[key]) : "a value";
      wrong(value, "no '" + key + "'", what + " for it" + why);
    };
    if (schema.contains("required"))
      for (const json& key : schema["required"]) need(key, "");
    if (schema.contains("dependencies"))
      for (const auto& [key, others] : schema["dependencies"].items())
        if (value.has(key) && others.is_array())
          for (const json& other : others) need(other, ", beside '" + key + "'");
    std::vector<std::string> names;
    for (const auto& property : properties.items()) names.push_back(property.key());
    for (const std::string& key : value.keys()) {
      const JsonView member = value.at(key);
      if (properties.contains(key)) {
        check(member, properties[key]);
        continue;
      }
      bool matched = false;
      if (schema.contains("patternProperties"))
        for (const auto& [pattern, part] : schema["patternProperties"].items())
          if (matches(key, pattern)) {
            matched = true;
            check(member, part);
          }
      if (matched || !schema.contains("additionalProperties")) continue;
      const json& more = schema["additionalProperties"];
      if (more == false)
        unknown_key(member, key, names, properties);
      else
        check(member, more);
    }
  }

  // A key that belongs into an object below this one is told with its path, as --set takes it.
  void unknown_key(const JsonView& member, const std::string& key, const std::vector<std::string>& names,
                   const json& properties) {
    std::string expected = expected_one_of(key, names);
    for (const auto& [name, reference] : properties.items()) {
      const json& below = resolve(reference);
      if (below.is_object() && below.contains("properties") && below["properties"].contains(key))
        expected = "it as '" + name + "." + key + "'";
    }
    wrong(member, "unknown key '" + key + "'", expected);
  }

  // Nothing to say if one fits. Else the alternative whose type fits; if none does, all of them in a few
  // words.
  void check_alternatives(const JsonView& value, const json& alternatives) {
    std::vector<InputError> best;
    std::string all;
    for (const json& alternative : alternatives) {
      Walk walk(root_);
      walk.check(value, alternative);
      if (walk.mistakes.empty()) return;
      all += (all.empty() ? "" : " or ") + expected(alternative);
      const json& schema = resolve(alternative);
      const bool fits = schema.is_object() && type_fits(value, schema) && !schema.contains("enum");
      if (fits && (best.empty() || walk.mistakes.size() < best.size())) best = walk.mistakes;
    }
    if (best.empty())
      wrong(value, described(value), all);
    else
      mistakes.insert(mistakes.end(), best.begin(), best.end());
  }

  const json& root_;
};

}  // namespace

std::vector<InputError> schema_mistakes(const JsonDocument& document, const JsonDocument& schema) {
  Walk walk(schema.value());
  walk.check(document.root(), schema.value());
  return walk.mistakes;
}

}  // namespace pmusim
