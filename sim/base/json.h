// SPDX-License-Identifier: Apache-2.0
// Strict JSON input. A document knows the line of every value in it, so that each error names the file, the
// line and the JSON pointer. Duplicate keys, comments and trailing text are errors. Access goes through
// JsonView, whose accessors throw InputError when a value is not what the reader needs.
// Limits: nesting to 100 levels; numbers are integers of 64 bits or, in a string, "0x..." of 64 bits.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/types.h"

namespace pmusim {

class JsonView;

class JsonDocument {
 public:
  JsonDocument(std::string name, nlohmann::json value, std::map<std::string, unsigned> lines);
  JsonDocument(const JsonDocument&);
  JsonDocument(JsonDocument&&) noexcept;
  JsonDocument& operator=(JsonDocument);
  ~JsonDocument();

  const std::string& name() const { return name_; }
  const nlohmann::json& value() const { return *value_; }
  JsonView root() const;
  // "line 12, /cpu/width"; for a value that came from an override, "--set model.cpu.width".
  std::string place(const std::string& pointer) const;

  // Sets one value: "path.to.key=value". The value is JSON, or a plain string if it does not parse as JSON.
  // Array elements are named by their index. Missing objects are created: the schema judges the result.
  // prefix: what the user wrote before the path ("model."), for messages.
  void override_value(const std::string& assignment, const std::string& prefix = "");
  // The same in two parts, for a reader that gives values other names: `path` says where the value is,
  // `shown` what the user wrote for it, for messages.
  void set_value(const std::string& path, const std::string& text, const std::string& shown);
  // The value at that pointer, or one that contains it, was set by an override.
  bool overridden(const std::string& pointer) const;

 private:
  std::string name_;
  std::unique_ptr<nlohmann::json> value_;
  std::map<std::string, unsigned> lines_;          // by JSON pointer; "" is the root
  std::map<std::string, std::string> overridden_;  // by JSON pointer, the dotted path
};

// One value of a document. Valid as long as the document is.
class JsonView {
 public:
  JsonView(const JsonDocument& document, const nlohmann::json& value, std::string pointer)
      : document_(&document), value_(&value), pointer_(std::move(pointer)) {}

  const nlohmann::json& json() const { return *value_; }
  const JsonDocument& document() const { return *document_; }
  const std::string& pointer() const { return pointer_; }
  std::string place() const { return document_->place(pointer_); }

  bool is_object() const;
  bool is_array() const;
  bool is_string() const;
  bool is_bool() const;
  bool is_null() const;
  bool is_integer() const;   // a number without fraction; hex strings are strings
  bool is_negative() const;  // such a number below 0

  std::size_t size() const;                // elements of an array or object
  bool has(const std::string& key) const;  // false too if this is not an object
  JsonView at(const std::string& key) const;
  JsonView at(std::size_t index) const;
  std::vector<std::string> keys() const;  // in the order of their bytes
  std::vector<JsonView> items() const;    // elements of an array
  // By JSON pointer, from here; has_pointer() is false too for what is no pointer.
  bool has_pointer(const std::string& pointer) const;
  JsonView at_pointer(const std::string& pointer) const;
  std::string text() const;  // as JSON, on one line

  std::string as_string() const;
  bool as_bool() const;
  u64 as_u64(u64 max = ~u64{0}) const;  // a non-negative integer or a "0x..." string
  s64 as_s64() const;
  std::vector<std::string> as_strings() const;

  std::string get_string(const std::string& key, const std::string& fallback) const;
  bool get_bool(const std::string& key, bool fallback) const;
  u64 get_u64(const std::string& key, u64 fallback, u64 max = ~u64{0}) const;

  // Error for every key of this object that is not one of these.
  void only_keys(const std::vector<std::string>& valid) const;
  // The string, which must be one of these.
  std::string one_of(const std::vector<std::string>& valid) const;

  [[noreturn]] void fail(const std::string& found, const std::string& expected) const;

 private:
  void need(bool condition, const char* expected) const;
  std::string describe() const;

  const JsonDocument* document_;
  const nlohmann::json* value_;
  std::string pointer_;
};

// "path.to.key=value" in its two parts; prefix as for override_value.
std::pair<std::string, std::string> split_assignment(const std::string& assignment,
                                                     const std::string& prefix = "");

// A string as JSON, quoted. Beyond ASCII: as it is, or escaped.
std::string json_string(const std::string& text, bool ascii = false);

JsonDocument parse_json(const std::string& text, const std::string& name);
JsonDocument load_json(const std::string& path);

// The whole file, or InputError with the system's reason.
std::string read_file(const std::string& path);

// "0x1f" with upper or lower case digits, at most 64 bits. False if the text is anything else.
bool parse_hex(const std::string& text, u64& value);

}  // namespace pmusim
