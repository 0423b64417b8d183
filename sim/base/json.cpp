// SPDX-License-Identifier: Apache-2.0
// Typed access to JSON values, and overrides by dotted path.
#include "base/json.h"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace pmusim {
namespace {

std::string escape(const std::string& key) {
  std::string text;
  for (char c : key) text += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return text;
}

}  // namespace

bool parse_hex(const std::string& text, u64& value) {
  if (text.size() < 3 || text.size() > 18 || text.compare(0, 2, "0x") != 0) return false;
  u64 result = 0;
  for (std::size_t i = 2; i < text.size(); ++i) {
    const char c = text[i];
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return false;
    result = result << 4 | static_cast<u64>(digit);
  }
  value = result;
  return true;
}

JsonDocument::JsonDocument(std::string name, nlohmann::json value, std::map<std::string, unsigned> lines)
    : name_(std::move(name)), value_(new nlohmann::json(std::move(value))), lines_(std::move(lines)) {}
JsonDocument::JsonDocument(const JsonDocument& other)
    : name_(other.name_),
      value_(new nlohmann::json(*other.value_)),
      lines_(other.lines_),
      overridden_(other.overridden_) {}
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument::~JsonDocument() = default;

JsonDocument& JsonDocument::operator=(JsonDocument other) {
  name_ = std::move(other.name_);
  value_ = std::move(other.value_);
  lines_ = std::move(other.lines_);
  overridden_ = std::move(other.overridden_);
  return *this;
}

JsonView JsonDocument::root() const {
  return JsonView(*this, *value_, "");
}

std::string JsonDocument::place(const std::string& pointer) const {
  for (std::string p = pointer;; p.resize(p.rfind('/'))) {
    if (auto set = overridden_.find(p); set != overridden_.end()) return "--set " + set->second;
    // A value that is missing, or that has no line of its own, is placed at the object that should have it.
    if (auto line = lines_.find(p); line != lines_.end())
      return fmt::format("line {}{}{}", line->second, pointer.empty() ? "" : ", ", pointer);
    if (p.empty()) return pointer;
  }
}

std::pair<std::string, std::string> split_assignment(const std::string& assignment,
                                                     const std::string& prefix) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0)
    throw InputError("--set", "", "'" + prefix + assignment + "'", prefix + "KEY=VALUE");
  return {assignment.substr(0, equals), assignment.substr(equals + 1)};
}

void JsonDocument::override_value(const std::string& assignment, const std::string& prefix) {
  const auto [path, text] = split_assignment(assignment, prefix);
  set_value(path, text, prefix + path);
}

bool JsonDocument::overridden(const std::string& pointer) const {
  for (std::string p = pointer; !p.empty(); p.resize(p.rfind('/')))
    if (overridden_.count(p)) return true;
  return false;
}

void JsonDocument::set_value(const std::string& path, const std::string& text, const std::string& shown) {
  const auto wrong = [&](const std::string& found, const std::string& expected) {
    return InputError(name_, "--set " + shown, found, expected);
  };
  nlohmann::json* at = value_.get();
  std::string pointer, parent = "the document";
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    const std::string key = path.substr(begin, end - begin);
    begin = end + 1;
    if (key.empty()) throw wrong("an empty name in the path", "names with a dot between them");
    pointer += "/" + escape(key);
    if (at->is_array()) {
      const bool numeric = key.size() < 10 && key.find_first_not_of("0123456789") == std::string::npos;
      if (!numeric || std::stoul(key) >= at->size())
        throw wrong("'" + key + "'", fmt::format("an index below {} of '{}'", at->size(), parent));
      at = &(*at)[std::stoul(key)];
    } else if (at->is_object()) {
      if (!at->contains(key)) {
        overridden_.emplace(pointer, shown);
        (*at)[key] = nlohmann::json::object();
      }
      at = &(*at)[key];
    } else {
      throw wrong("'" + key + "'", "no name below '" + parent + "', which is a plain value");
    }
    parent = key;
  }
  nlohmann::json value = nlohmann::json::parse(text, nullptr, false);
  *at = value.is_discarded() ? nlohmann::json(text) : std::move(value);
  overridden_[pointer] = shown;
}

bool JsonView::is_object() const {
  return value_->is_object();
}
bool JsonView::is_array() const {
  return value_->is_array();
}
bool JsonView::is_string() const {
  return value_->is_string();
}
bool JsonView::is_bool() const {
  return value_->is_boolean();
}
bool JsonView::is_null() const {
  return value_->is_null();
}
bool JsonView::is_integer() const {
  return value_->is_number_integer();
}

bool JsonView::is_negative() const {
  return is_integer() && !value_->is_number_unsigned();
}
void JsonView::fail(const std::string& found, const std::string& expected) const {
  throw InputError(document_->name(), place(), found, expected);
}

std::string JsonView::describe() const {
  if (is_object()) return "an object";
  if (is_array()) return "an array";
  const std::string text = value_->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

void JsonView::need(bool condition, const char* expected) const {
  if (!condition) fail(describe(), expected);
}

std::size_t JsonView::size() const {
  need(is_object() || is_array(), "an array or an object");
  return value_->size();
}

bool JsonView::has(const std::string& key) const {
  return is_object() && value_->contains(key);
}

JsonView JsonView::at(const std::string& key) const {
  need(is_object(), "an object");
  const auto found = value_->find(key);
  if (found == value_->end()) fail("no '" + key + "'", "a value for it");
  return JsonView(*document_, *found, pointer_ + "/" + escape(key));
}

JsonView JsonView::at(std::size_t index) const {
  need(is_array(), "an array");
  if (index >= value_->size())
    fail(fmt::format("{} elements", value_->size()), fmt::format("at least {}", index + 1));
  return JsonView(*document_, (*value_)[index], fmt::format("{}/{}", pointer_, index));
}

std::vector<std::string> JsonView::keys() const {
  need(is_object(), "an object");
  std::vector<std::string> names;
  for (const auto& item : value_->items()) names.push_back(item.key());
  return names;
}

std::vector<JsonView> JsonView::items() const {
  need(is_array(), "an array");
  std::vector<JsonView> views;
  for (std::size_t i = 0; i < value_->size(); ++i) views.push_back(at(i));
  return views;
}

bool JsonView::has_pointer(const std::string& pointer) const {
  try {
    return value_->contains(nlohmann::json::json_pointer(pointer));
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}
JsonView JsonView::at_pointer(const std::string& pointer) const {
  return {*document_, value_->at(nlohmann::json::json_pointer(pointer)), pointer_ + pointer};
}
std::string JsonView::text() const {
  return value_->dump();
}
std::string json_string(const std::string& text, bool ascii) {
  return nlohmann::json(text).dump(-1, ' ', ascii, nlohmann::json::error_handler_t::replace);
}

std::string JsonView::as_string() const {
  need(is_string(), "a string");
  return value_->get<std::string>();
}

bool JsonView::as_bool() const {
  need(is_bool(), "true or false");
  return value_->get<bool>();
}

u64 JsonView::as_u64(u64 max) const {
  u64 value = 0;
  if (value_->is_number_unsigned()) {
    value = value_->get<u64>();
  } else if (!(is_string() && parse_hex(value_->get<std::string>(), value))) {
    // A number built by the program rather than by the parser may be signed and still not negative.
    need(is_integer() && value_->get<s64>() >= 0, "a non-negative integer or a \"0x...\" string");
    value = value_->get<u64>();
  }
  if (value > max) fail(describe(), fmt::format("at most {}", max));
  return value;
}

s64 JsonView::as_s64() const {
  need(is_integer(), "an integer");
  need(!value_->is_number_unsigned() || value_->get<u64>() <= u64(std::numeric_limits<s64>::max()),
       "an integer of 64 bits with sign");
  return value_->get<s64>();
}

std::vector<std::string> JsonView::as_strings() const {
  std::vector<std::string> texts;
  for (const JsonView& item : items()) texts.push_back(item.as_string());
  return texts;
}

std::string JsonView::get_string(const std::string& key, const std::string& fallback) const {
  return has(key) ? at(key).as_string() : fallback;
}
bool JsonView::get_bool(const std::string& key, bool fallback) const {
  return has(key) ? at(key).as_bool() : fallback;
}
u64 JsonView::get_u64(const std::string& key, u64 fallback, u64 max) const {
  return has(key) ? at(key).as_u64(max) : fallback;
}

void JsonView::only_keys(const std::vector<std::string>& valid) const {
  for (const std::string& key : keys()) {
    bool known = false;
    for (const std::string& name : valid) known = known || name == key;
    if (!known) at(key).fail("unknown key '" + key + "'", expected_one_of(key, valid));
  }
}

std::string JsonView::one_of(const std::vector<std::string>& valid) const {
  const std::string text = as_string();
  for (const std::string& name : valid)
    if (name == text) return text;
  fail("'" + text + "'", expected_one_of(text, valid));
}

}  // namespace pmusim
