// SPDX-License-Identifier: Apache-2.0
// Names, registers, targets and faults of the case language.
#include <algorithm>

#include "conformance/language/compiler.h"

namespace pmusim::conformance {
namespace {

const char* const kBuiltins[] = {"",
#define X(name) #name,
                                 CASE_BUILTINS(X)
#undef X
};

bool is_identifier(const std::string& s) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !s.empty() && letter(s[0]) &&
         std::all_of(s.begin(), s.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

// "name" or "name[index]"; index stays empty for the first.
void split_index(const JsonView& view, const std::string& s, std::string& name, std::string& index) {
  const std::size_t open = s.find('[');
  name = s.substr(0, open);
  if (open == std::string::npos) return;
  if (s.back() != ']' || open + 2 >= s.size()) view.fail("'" + s + "'", "name[index]");
  index = s.substr(open + 1, s.size() - open - 2);
}

// The registers of the case language, in the order of case_register, and whether each takes an index.
struct NamedRegister {
  const char* name;
  bool indexed;
};
#define INDEXED(constant, name, address, stride, count, saved) (count > 1)
#define OF_BOTH(reg, id, access, storage, asset, intel, amd) {#id, INDEXED intel},
#define OF_ONE(reg, id, access, storage, asset, place) {#id, INDEXED place},
constexpr NamedRegister kNamedRegisters[] = {PMU_REGISTERS_OF_BOTH(OF_BOTH) PMU_REGISTERS_OF_INTEL(OF_ONE)
                                                 PMU_REGISTERS_OF_AMD(OF_ONE)
#define X(name, indexed) {#name, indexed},
                                                     CASE_OTHER_REGISTERS(X)
#undef X
#undef INDEXED
#undef OF_BOTH
#undef OF_ONE
};

}  // namespace

NameTable::NameTable() {
  for (u32 i = 0; i < CASE_BUILTIN_COUNT; ++i) {
    slot_names_.emplace_back(kBuiltins[i]);
    if (i) meanings_[kBuiltins[i]] = {Meaning::Value, 0, i};
  }
  for (const auto& [name, value] : named_constants()) constant(name, value);
}

std::optional<Meaning> NameTable::find(const std::string& name) const {
  const auto it = meanings_.find(name);
  if (it == meanings_.end()) return std::nullopt;
  return it->second;
}

std::vector<std::string> NameTable::names() const {
  std::vector<std::string> out;
  for (const auto& entry : meanings_) out.push_back(entry.first);
  return out;
}

void NameTable::constant(const std::string& name, u64 value) {
  meanings_[name] = {Meaning::Constant, value, 0};
}

u32 NameTable::allocate(const std::string& name, u32 slots) {
  const u32 slot = value_count();
  slot_names_.push_back(name);
  slot_names_.resize(slot + slots);
  return slot;
}

u32 NameTable::declare(const JsonView& at, const std::string& name, bool array) {
  if (!is_identifier(name)) at.fail("'" + name + "'", "a name of letters, digits and '_'");
  const Meaning::Kind kind = array ? Meaning::Array : Meaning::Value;
  if (const auto known = find(name)) {
    if (known->kind == Meaning::Constant || known->slot < CASE_BUILTIN_COUNT) {
      at.fail("'" + name + "', which has a meaning already", "a name of your own");
    }
    if (known->kind != kind) at.fail("'" + name + "' both with and without an index", "one of the two forms");
    return known->slot;
  }
  const u32 needed = array ? CASE_ARRAY_SIZE : 1;
  if (value_count() + needed > CASE_MAX_VALUES)
    at.fail("too many names", "at most " + std::to_string(CASE_MAX_VALUES));
  const u32 slot = allocate(name, needed);
  meanings_[name] = {kind, 0, slot};
  return slot;
}

u32 NameTable::temporary() {
  return allocate("readback" + std::to_string(temporaries_++), 1);
}

u32 NameTable::begin_loop(const JsonView& at, const std::string& name) {
  if (find(name)) at.fail("loop variable '" + name + "', which has a meaning already", "a new name");
  if (const auto known = loop_slots_.find(name); known != loop_slots_.end()) {
    meanings_[name] = {Meaning::Value, 0, known->second};
    return known->second;
  }
  return loop_slots_[name] = declare(at, name, false);
}

Expression CaseCompiler::parse(const JsonView& view, const std::string& source,
                               std::size_t column_offset) const {
  const Scope scope{[this](const std::string& n) { return names_.find(n); },
                    [this] { return names_.names(); }};
  try {
    return Expression(source, scope);
  } catch (const ExpressionError& e) {
    throw InputError(view.document().name(),
                     view.place() + ", column " + std::to_string(e.column() + column_offset), e.found(),
                     e.expected());
  }
}

Expression CaseCompiler::parse(const JsonView& view) const {
  if (view.is_string()) return parse(view, view.as_string());
  if (!view.is_integer()) view.fail("a value that is neither", "an expression (string) or an integer");
  if (!view.is_negative()) return Expression(view.as_u64());
  return Expression(static_cast<u64>(view.as_s64()));
}

u32 CaseCompiler::emit_optional(const JsonView& object, const char* key) {
  return object.has(key) ? emit(object.at(key)) : 0;
}

u32 CaseCompiler::text(const std::string& s) {
  const auto [it, added] = string_offsets_.emplace(s, static_cast<u32>(strings_.size()));
  if (added) strings_ += s + '\0';
  return it->second;
}

std::string shown(const JsonView& expression) {
  return expression.is_string() ? expression.as_string() : expression.text();
}

const std::vector<std::string>& register_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const NamedRegister& r : kNamedRegisters) list.emplace_back(r.name);
    return list;
  }();
  return names;
}

CaseCompiler::RegisterName CaseCompiler::register_name(const JsonView& view) const {
  const std::string s = view.as_string();
  u64 number;
  if (parse_hex(s, number)) {
    if (number >> 32) view.fail("MSR number " + s, "at most 32 bits");
    return {CASE_REG_msr, s, 0};
  }
  std::string name, index;
  split_index(view, s, name, index);
  const auto& all = register_names();
  const auto it = std::find(all.begin(), all.end(), name);
  if (it == all.end()) view.fail("register '" + name + "'", expected_one_of(name, all));
  const u32 reg = static_cast<u32>(it - all.begin());
  const bool indexed = kNamedRegisters[reg].indexed;
  if (indexed && index.empty()) view.fail("'" + name + "' without an index", name + "[index]");
  if (!indexed && !index.empty()) view.fail("'" + s + "'", "'" + name + "', which has no index");
  return {reg, index, name.size() + 1};
}

case_target CaseCompiler::target(const JsonView& object, const char* key) {
  if (!object.has(key)) return {CASE_NAME_NONE, 0};
  const JsonView view = object.at(key);
  std::string name, index;
  split_index(view, view.as_string(), name, index);
  case_target t{names_.declare(view, name, !index.empty()), 0};
  if (!index.empty()) t.index = emit(parse(view, index, name.size() + 1));
  exact_.erase(t.name);
  width_.erase(t.name);
  register_.erase(t.name);
  return t;
}

u32 CaseCompiler::fault(const JsonView& step) const {
  if (!step.has("fault")) return FAULT_IMPLICIT_NONE;
  static const std::vector<std::pair<std::string, u32>> faults = {
      {"none", FAULT_NONE}, {"any", FAULT_ANY}, {"record", FAULT_RECORD},
      {"#DE", 0},           {"#DB", 1},         {"#BP", 3},
      {"#UD", 6},           {"#NM", 7},         {"#GP", 13},
      {"#PF", 14}};
  const std::string name = step.at("fault").as_string();
  std::vector<std::string> valid;
  for (const auto& [text_of, value] : faults) {
    if (text_of == name) return value;
    valid.push_back(text_of);
  }
  step.at("fault").fail("'" + name + "'", expected_one_of(name, valid));
}

}  // namespace pmusim::conformance
