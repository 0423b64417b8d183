// SPDX-License-Identifier: Apache-2.0
// The steps of a case: which verbs there are, and the order of compilation. Each family of verbs is a file of
// its own (compiler_registers, _checks, _flow, _interrupts, _measure).
#include <algorithm>

#include "conformance/language/compiler.h"

namespace pmusim::conformance {

const std::vector<CaseCompiler::StepVerb>& CaseCompiler::step_verbs() {
  using C = CaseCompiler;
  static const std::vector<StepVerb> verbs = {{"wrmsr", &C::compile_wrmsr},
                                              {"rdmsr", &C::compile_rdmsr},
                                              {"rdpmc", &C::compile_rdpmc},
                                              {"cpuid", &C::compile_cpuid},
                                              {"check", &C::compile_check},
                                              {"expect", &C::compile_expect},
                                              {"let", &C::compile_let},
                                              {"for", &C::compile_for},
                                              {"if", &C::compile_if},
                                              {"skip", &C::compile_skip},
                                              {"interrupts", &C::compile_interrupts},
                                              {"pause", &C::compile_pause},
                                              {"lvtpc", &C::compile_lvtpc},
                                              {"on_pmi", &C::compile_on_pmi},
                                              {"wait_pmi", &C::compile_wait_pmi},
                                              {"measure", &C::compile_measure},
                                              {"host", &C::compile_host},
                                              {"clear", &C::compile_clear}};
  return verbs;
}

namespace {

bool contains_host(const JsonView& steps) {
  for (const JsonView& step : steps.items()) {
    if (step.has("host")) return true;
    for (const char* inner : {"do", "then", "else"}) {
      if (step.has(inner) && contains_host(step.at(inner))) return true;
    }
  }
  return false;
}

}  // namespace

CaseCompiler::CaseCompiler(Case& c) : case_(c) {
  rpn_.push_back({RPN_END, 0, 0});  // expression 0 means "none"
  strings_.push_back('\0');
}

case_op& CaseCompiler::op(u32 kind) {
  case_op o{};
  o.kind = kind;
  o.step = step_;
  o.at = loop_name_;
  o.fault = FAULT_IMPLICIT_NONE;
  ops_.push_back(o);
  return ops_.back();
}

// The one verb of a step.
const CaseCompiler::StepVerb& CaseCompiler::verb_of_step(const JsonView& step) {
  const StepVerb* found = nullptr;
  std::vector<std::string> names;
  for (const StepVerb& verb : step_verbs()) {
    names.emplace_back(verb.name);
    if (!step.has(verb.name)) continue;
    if (found)
      step.fail(std::string("both '") + found->name + "' and '" + verb.name + "'", "one verb in a step");
    found = &verb;
  }
  if (found) return *found;
  const auto keys = step.keys();
  step.fail(keys.empty() ? "an empty step" : "'" + keys[0] + "'",
            "a verb: " + expected_one_of(keys.empty() ? "" : keys[0], names));
}

void CaseCompiler::compile_step(const JsonView& step) {
  step_ = static_cast<u32>(case_.step_pointers.size());
  case_.step_pointers.push_back(step.pointer());
  (this->*verb_of_step(step).compile)(step);
}

// Of a step with a mistake: looks for more in the steps within it, and makes the names known that it saves,
// so that their use later is no further mistake.
void CaseCompiler::pass_over(const JsonView& step) {
  const auto declare = [this](const JsonView& at, const std::string& name) {
    const bool array = name.find('[') != std::string::npos;
    try {
      names_.declare(at, name.substr(0, name.find('[')), array);
    } catch (const InputError&) {
    }
  };
  for (const char* key : {"as", "status"})
    if (step.has(key) && step.at(key).is_string()) declare(step, step.at(key).as_string());
  if (step.has("let"))
    for (const std::string& name : step.at("let").keys()) declare(step, name);
  if (step.has("counters"))
    for (const JsonView& counter : step.at("counters").items())
      if (counter.has("as")) declare(counter, counter.at("as").as_string());
  const std::string variable = step.has("for") && step.at("for").size() ? step.at("for").keys()[0] : "";
  const bool own = !variable.empty() && !names_.find(variable);
  if (own) declare(step, variable);
  for (const char* inner : {"do", "then", "else"})
    if (step.has(inner)) compile_block(step.at(inner));
  if (own) names_.end_loop(variable);
}

void CaseCompiler::compile_block(const JsonView& steps) {
  const std::size_t outer = block_ends_.size();
  for (const JsonView& step : steps.items())
    if (!attempt([&] { compile_step(step); })) pass_over(step);
  for (std::size_t i = outer; i < block_ends_.size(); ++i)
    ops_[block_ends_[i]].arg[block_end_args_[i]] = here();
  block_ends_.resize(outer);
  block_end_args_.resize(outer);
}

void CaseCompiler::compile() {
  const JsonView root = case_.document().root();
  case_.step_pointers.push_back("");  // step 0: the case itself
  has_host_ = contains_host(root.at("steps")) || !case_.script.setup.empty();
  compile_requirements(root);
  if (root.has("programs")) compile_programs(root.at("programs"));
  programs_wrong_ = !mistakes_.empty();
  compile_block(root.at("steps"));
  if (mistakes_.empty()) {
    attempt([&] {
      if (case_.check_titles.empty()) root.at("steps").fail("steps without any check", "at least one");
    });
    check_divergences(root);
    for (const case_program& p : programs_) attempt([&] { bind_slots(p); });  // those that no step measures
  }
  if (!mistakes_.empty()) throw InputError::all_of(mistakes_);
  build_payload();
}

}  // namespace pmusim::conformance
