// SPDX-License-Identifier: Apache-2.0
// Checks, their documented divergences, and outcomes of accesses that may fault.
#include <algorithm>
#include <cctype>

#include "conformance/language/compiler.h"

namespace pmusim::conformance {
namespace {

// Does the expression speak of an exception by name, or of none?
bool names_a_fault(const JsonView& expression) {
  if (!expression.is_string()) return false;
  const std::string text = expression.as_string() + " ";
  std::string word;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '_') {
      word += c;
      continue;
    }
    for (const char* name : {"no_fault", "DE", "DB", "BP", "UD", "NM", "GP", "PF"})
      if (word == name) return true;
    word.clear();
  }
  return false;
}

}  // namespace

void CaseCompiler::add_alternatives(case_op& o, const std::string& title) {
  o.alternatives = static_cast<u32>(alternatives_.size());
  for (std::size_t i = 0; i < case_.divergences.size(); ++i) {
    if (case_.divergences[i].check != title) continue;
    const JsonView view = case_.document().root().at("divergences").at(i);
    for (const char* key : {"when", "value"}) {
      if (!view.has(key)) continue;
      alternatives_.push_back({static_cast<u32>(i), emit(parse(view.at(key))), *key == 'w'});
      ++o.alternative_count;
    }
  }
  case_.check_titles.push_back(title);
}

// What is known of saved values holds within a block only: another branch or round may have saved something
// else.
void CaseCompiler::forget_known() {
  exact_.clear();
  width_.clear();
  register_.clear();
}

void CaseCompiler::note_value(const std::string& title, CheckValue value) {
  case_.check_values[{step_, title}] = std::move(value);
}

// What a side of a comparison is, if it is one name by itself.
CheckValue CaseCompiler::value_of(const Expression& side) const {
  using Kind = CheckValue::Kind;
  const std::vector<Expression::Term> terms = side.or_terms();
  if (terms.size() != 1 || !terms[0].is_slot) return {};
  const u32 slot = static_cast<u32>(terms[0].value);
  if (slot == CASE_NAME_last_fault) return {Kind::Fault, ""};
  if (slot == CASE_NAME_pmi_status) return {Kind::Register, "global_status"};
  if (slot == CASE_NAME_perf_capabilities_value) return {Kind::Register, "perf_capabilities"};
  const auto saved = register_.find(slot);
  return saved == register_.end() ? CheckValue{} : CheckValue{Kind::Register, saved->second};
}

void CaseCompiler::add_check(const JsonView& at, const Expression& e, const std::string& title) {
  if (const auto value = e.constant(); value && !programs_wrong_) {
    at.fail(*value ? "a check that always holds" : "a check that never holds",
            "one that depends on the guest");
  }
  check_possible(at, e);
  const auto sides = e.comparison();
  const u32 left = sides ? emit(sides->left) : emit(e);
  const u32 right = sides ? emit(sides->right) : 0;
  case_op& o = op(OP_CHECK);
  o.text = text(title);
  o.arg[0] = left;
  o.arg[1] = right;
  o.arg[2] = sides ? sides->op : static_cast<u32>(RPN_END);
  if (sides) {
    if (names_a_fault(at)) note_value(title, {CheckValue::Kind::Fault, ""});
    for (const Expression* side : {&sides->left, &sides->right})
      if (CheckValue value = value_of(*side); value.kind != CheckValue::Kind::Number)
        note_value(title, std::move(value));
  }
  add_alternatives(o, title);
}

void CaseCompiler::compile_check(const JsonView& step) {
  step.only_keys({"check", "title"});
  const JsonView view = step.at("check");
  add_check(view, parse(view), step.get_string("title", view.as_string()));
}

void CaseCompiler::compile_expect(const JsonView& step) {
  step.only_keys({"expect", "title"});
  const JsonView list = step.at("expect");
  for (const std::string& name : list.keys()) {
    const JsonView value = list.at(name);
    parse(value, name);  // each side alone first, so that an error's column is the side's own
    parse(value);
    const std::string title = name + " == " + shown(value);
    add_check(value, parse(value, "(" + name + ") == (" + shown(value) + ")"),
              step.get_string("title", title));
  }
}

void CaseCompiler::fault_title(case_op& o, const JsonView& step, const std::string& what) {
  o.fault = fault(step);
  std::string title = step.get_string("title", "");
  if (title.empty()) {
    title = what + (o.fault == FAULT_ANY ? " faults"
                    : o.fault == FAULT_NONE || o.fault == FAULT_IMPLICIT_NONE
                        ? " raises no fault"
                        : " raises " + step.get_string("fault", ""));
  }
  o.text = text(title);
  note_value(title, {CheckValue::Kind::Fault, ""});
  if (o.fault != FAULT_RECORD) add_alternatives(o, title);
}

void CaseCompiler::check_divergences(const JsonView& root) {
  for (std::size_t i = 0; i < case_.divergences.size(); ++i) {
    const std::string& wanted = case_.divergences[i].check;
    const auto& titles = case_.check_titles;
    if (std::find(titles.begin(), titles.end(), wanted) != titles.end()) continue;
    const JsonView check = root.at("divergences").at(i).at("check");
    attempt([&] { check.fail("'" + wanted + "'", "a check's title; " + expected_one_of(wanted, titles)); });
  }
}

}  // namespace pmusim::conformance
