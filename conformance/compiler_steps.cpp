// SPDX-License-Identifier: Apache-2.0
// Steps, checks and requirements of a case.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "conformance/case_setup.h"
#include "conformance/compiler.h"

namespace pmusim::conformance {
namespace {

const std::vector<std::string> kStepVerbs = {"wrmsr", "rdmsr",  "rdpmc",    "cpuid",   "check",      "expect",
                                             "let",   "for",    "if",       "skip",    "interrupts", "pause",
                                             "lvtpc", "on_pmi", "wait_pmi", "measure", "host",       "clear"};

std::string step_verb(const JsonView& step) {
  std::string found;
  for (const std::string& key : step.keys()) {
    if (std::find(kStepVerbs.begin(), kStepVerbs.end(), key) == kStepVerbs.end()) continue;
    if (!found.empty()) step.fail("both '" + found + "' and '" + key + "'", "one verb in a step");
    found = key;
  }
  if (!found.empty()) return found;
  const auto keys = step.keys();
  step.fail(keys.empty() ? "an empty step" : "'" + keys[0] + "'",
            "a verb: " + expected_one_of(keys.empty() ? "" : keys[0], kStepVerbs));
}

bool contains_host(const JsonView& steps) {
  for (const JsonView& step : steps.items()) {
    if (step.has("host")) return true;
    for (const char* inner : {"do", "then", "else"}) {
      if (step.has(inner) && contains_host(step.at(inner))) return true;
    }
  }
  return false;
}

// An expression as it stands in the file.
std::string shown(const JsonView& view) {
  return view.is_string() ? view.as_string() : view.json().dump();
}

}  // namespace

const std::vector<std::string>& feature_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const std::string& n : NameTable().names()) {
      if (n.compare(0, 4, "has_") == 0 && n != "has_pmu") out.push_back(n.substr(4));
    }
    return out;
  }();
  return names;
}

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

void CaseCompiler::compile_requirements(const JsonView& root) {
  const auto add = [&](const std::string& condition, const std::string& words, const std::string& actual) {
    case_requirement r{};
    r.condition = emit(parse(root, condition));
    r.text = text(words);
    if (!actual.empty()) r.actual = emit(parse(root, actual));
    requirements_.push_back(r);
  };
  const bool any = root.has("requires");
  const JsonView requires_view = any ? root.at("requires") : root;
  std::string pmu = "true";
  if (any && requires_view.has("pmu")) {
    const JsonView view = requires_view.at("pmu");
    pmu = view.is_bool() ? (view.as_bool() ? "true" : "false") : view.one_of({"any"});
  }
  if (pmu == "true") add("has_pmu", "a PMU", "");
  if (pmu == "false") add("!has_pmu", "the absence of a PMU", "");
  if (!any) return;
  requires_view.only_keys({"pmu", "vendor", "version", "gp", "fixed", "features", "where"});
  if (requires_view.has("vendor")) {
    const std::string vendor = requires_view.at("vendor").one_of({"intel", "amd"});
    add("vendor_" + vendor, "vendor " + vendor, "");
  }
  for (const auto& [key, name] : {std::pair<const char*, const char*>{"version", "version"},
                                  {"gp", "gp_count"},
                                  {"fixed", "fixed_count"}}) {
    if (!requires_view.has(key)) continue;
    const std::string n = std::to_string(requires_view.at(key).as_u64(64));
    add(name + (" >= " + n), std::string(key) + " >= " + n, name);
  }
  if (requires_view.has("features")) {
    for (const JsonView& f : requires_view.at("features").items()) {
      const std::string name = f.one_of(feature_names());
      add("has_" + name, name, "");
    }
  }
  if (requires_view.has("where")) {
    const JsonView where = requires_view.at("where");
    const Expression e = parse(where);
    case_requirement r{};
    r.condition = emit(e);
    r.text = text(where.as_string());
    requirements_.push_back(r);
  }
}

void CaseCompiler::add_alternatives(case_op& o, const std::string& title) {
  o.alternatives = static_cast<u32>(alternatives_.size());
  for (std::size_t i = 0; i < case_.divergences.size(); ++i) {
    if (case_.divergences[i].check != title) continue;
    const JsonView view = case_.document->root().at("divergences").at(i);
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
}

void CaseCompiler::add_check(const JsonView& at, const Expression& e, const std::string& title) {
  if (const auto value = e.constant()) {
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
  if (o.fault != FAULT_RECORD) add_alternatives(o, title);
}

void CaseCompiler::compile_register_access(const JsonView& step, bool write) {
  const char* verb = write ? "wrmsr" : "rdmsr";
  step.only_keys(write ? std::vector<std::string>{"wrmsr", "value", "fault", "readback", "title"}
                       : std::vector<std::string>{"rdmsr", "as", "fault", "title"});
  const JsonView view = step.at(verb);
  const RegisterName r = register_name(view);
  const u32 index = r.index.empty() ? 0 : emit(parse(view, r.index, r.index_column));
  u32 value = 0;
  if (write) {
    if (!step.has("value")) step.fail("wrmsr without a value", "\"value\"");
    const Expression e = parse(step.at("value"));
    const auto constant = e.constant();
    if (r.reg == CASE_REG_lvtpc && constant && *constant >> 32) {
      step.at("value").fail("a value wider than the register", "at most 32 bits");
    }
    value = emit(e);
  }
  const case_target as = target(step, "as");
  if (!write && r.reg == CASE_REG_lvtpc && as.name) width_[as.name] = 32;
  case_op& o = op(write ? OP_WRMSR : OP_RDMSR);
  o.arg[0] = r.reg;
  o.arg[1] = index;
  o.arg[2] = value;
  o.target = as;
  fault_title(o, step, std::string(verb) + " " + view.as_string());
  if (!step.has("readback")) return;
  const u32 slot = names_.temporary();
  case_op& read = op(OP_RDMSR);
  read.arg[0] = r.reg;
  read.arg[1] = index;
  read.target = {slot, 0};
  read.text = text("rdmsr " + view.as_string() + " raises no fault");
  const u32 want = emit(step.at("readback"));
  rpn_.push_back({RPN_NAME, slot, 0});
  rpn_.push_back({RPN_END, 0, 0});
  const u32 got = static_cast<u32>(rpn_.size() - 2);
  const std::string title = view.as_string() + " reads back as " + shown(step.at("readback"));
  case_op& c = op(OP_CHECK);
  c.text = text(title);
  c.arg[0] = got;
  c.arg[1] = want;
  c.arg[2] = RPN_EQ;
  add_alternatives(c, title);
}

void CaseCompiler::compile_for(const JsonView& step) {
  step.only_keys({"for", "from", "do"});
  const JsonView head = step.at("for");
  const auto keys = head.keys();
  if (keys.size() != 1) head.fail(std::to_string(keys.size()) + " loop variables", "one");
  if (!step.has("do")) step.fail("a loop without a body", "\"do\"");
  const std::string name = keys[0];
  const JsonView over = head.at(name);
  const bool fixed = over.is_string() && over.as_string() == "fixed";
  const bool gp = over.is_string() && over.as_string() == "gp";
  const u32 limit = fixed ? emit(Expression(32)) : gp ? emit(parse(over, "gp_count")) : emit(over);
  const u32 start = step.has("from") ? emit(step.at("from")) : emit(Expression(0));
  const u32 slot = names_.begin_loop(step, name);
  const u32 outer = loop_name_;
  case_op& first = op(OP_LET);
  first.target = {slot, 0};
  first.arg[0] = start;
  first.arg[1] = 1;
  const u32 top = here();
  rpn_.push_back({RPN_NAME, slot, 0});  // i < limit, with the limit evaluated each time
  const u32 condition = static_cast<u32>(rpn_.size() - 1);
  for (u32 i = limit; rpn_[i].op != RPN_END; ++i) {
    const case_rpn item = rpn_[i];
    rpn_.push_back(item);
  }
  rpn_.push_back({RPN_LT, 0, 0});
  rpn_.push_back({RPN_END, 0, 0});
  op(OP_JUMP_UNLESS).arg[1] = condition;
  const u32 exit_op = here() - 1;
  loop_name_ = slot;
  u32 missing_op = 0;
  if (fixed) {
    op(OP_JUMP_UNLESS).arg[1] = emit(parse(over, "fixed_mask >> " + name + " & 1"));
    missing_op = here() - 1;
  }
  forget_known();
  compile_block(step.at("do"));
  forget_known();
  if (fixed) ops_[missing_op].arg[0] = here();
  case_op& next = op(OP_LET);
  next.target = {slot, 0};
  next.arg[0] = emit(parse(step, name + " + 1"));
  next.arg[1] = 1;
  op(OP_JUMP).arg[0] = top;
  ops_[exit_op].arg[0] = here();
  loop_name_ = outer;
  names_.end_loop(name);
}

void CaseCompiler::compile_if(const JsonView& step) {
  step.only_keys({"if", "then", "else"});
  if (!step.has("then")) step.fail("if without then", "\"then\"");
  const u32 condition = emit(step.at("if"));
  op(OP_JUMP_UNLESS).arg[1] = condition;
  const u32 branch = here() - 1;
  compile_block(step.at("then"));
  forget_known();
  if (step.has("else")) {
    op(OP_JUMP);
    const u32 over = here() - 1;
    ops_[branch].arg[0] = here();
    compile_block(step.at("else"));
    forget_known();
    ops_[over].arg[0] = here();
  } else {
    ops_[branch].arg[0] = here();
  }
}

void CaseCompiler::compile_skip(const JsonView& step) {
  step.only_keys({"skip", "unless", "when"});
  if (step.has("unless") == step.has("when")) step.fail("skip", "one of \"unless\" and \"when\"");
  const bool unless = step.has("unless");
  const JsonView view = step.at(unless ? "unless" : "when");
  const std::string negated = "!(" + shown(view) + ")";
  parse(view);
  const u32 condition = unless ? emit(parse(view, negated)) : emit(view);
  op(OP_JUMP_UNLESS).arg[1] = condition;
  const u32 branch = here() - 1;
  op(OP_SKIP).text = text(step.at("skip").as_string());
  block_ends_.push_back(here() - 1);
  block_end_args_.push_back(0);
  ops_[branch].arg[0] = here();
}

void CaseCompiler::compile_host(const JsonView& step) {
  step.only_keys({"host", "as"});
  const JsonView view = step.at("host");
  const auto keys = view.keys();
  if (keys.size() != 1) view.fail(std::to_string(keys.size()) + " verbs", "one host verb");
  HostStep h;
  h.number = static_cast<u32>(case_.host_steps.size());
  h.verb = keys[0];
  if (is_machine_setup(h.verb)) view.fail("'" + h.verb + "' while the guest runs", "this verb in \"setup\"");
  h.pointer = view.at(keys[0]).pointer();
  case_.host_steps.push_back(h);
  const case_target as = target(step, "as");
  if (as.name) width_[as.name] = 32;
  case_op& o = op(OP_HOST);
  o.arg[0] = h.number;
  o.target = as;
  block_ends_.push_back(here() - 1);
  block_end_args_.push_back(1);
}

void CaseCompiler::compile_on_pmi(const JsonView& step) {
  step.only_keys({"on_pmi"});
  const JsonView view = step.at("on_pmi");
  view.only_keys({"ack", "unmask", "stop", "rearm"});
  u32 flags = 0, counter = 0, value = 0;
  if (view.get_bool("ack", true)) flags |= ON_PMI_ACK;
  if (view.get_bool("unmask", false)) flags |= ON_PMI_UNMASK;
  if (view.get_bool("stop", false)) flags |= ON_PMI_STOP;
  if (view.has("rearm")) {
    const JsonView r = view.at("rearm");
    r.only_keys({"gp", "fixed", "value"});
    if (r.has("gp") == r.has("fixed") || !r.has("value"))
      r.fail("rearm", "\"value\" and one of \"gp\" and \"fixed\"");
    flags |= ON_PMI_REARM;
    const JsonView which = r.at(r.has("gp") ? "gp" : "fixed");
    counter = emit(parse(which, "(" + shown(which) + ") + " + (r.has("gp") ? "0" : "32")));
    value = emit(r.at("value"));
  }
  case_op& o = op(OP_ON_PMI);
  o.arg[0] = flags;
  o.arg[1] = counter;
  o.arg[2] = value;
}

void CaseCompiler::compile_step(const JsonView& step) {
  step_ = static_cast<u32>(case_.step_pointers.size());
  case_.step_pointers.push_back(step.pointer());
  const std::string verb = step_verb(step);
  if (verb == "wrmsr" || verb == "rdmsr") return compile_register_access(step, verb == "wrmsr");
  if (verb == "check") return compile_check(step);
  if (verb == "expect") return compile_expect(step);
  if (verb == "for") return compile_for(step);
  if (verb == "if") return compile_if(step);
  if (verb == "skip") return compile_skip(step);
  if (verb == "host") return compile_host(step);
  if (verb == "measure") return compile_measure(step);
  if (verb == "on_pmi") return compile_on_pmi(step);
  if (verb == "rdpmc") {
    step.only_keys({"rdpmc", "cpl", "pce", "as", "fault", "title"});
    const u32 ecx = emit(step.at("rdpmc"));
    const u64 cpl = step.get_u64("cpl", 0, 3), pce = step.get_u64("pce", 1, 1);
    if (cpl == 1 || cpl == 2) step.at("cpl").fail(std::to_string(cpl), "0 or 3");
    const case_target as = target(step, "as");
    case_op& o = op(OP_RDPMC);
    o.arg[0] = ecx;
    o.arg[1] = static_cast<u32>(cpl);
    o.arg[2] = static_cast<u32>(pce);
    o.target = as;
    return fault_title(o, step, "rdpmc " + shown(step.at("rdpmc")) + " at CPL " + std::to_string(cpl));
  }
  if (verb == "cpuid") {
    step.only_keys({"cpuid", "as"});
    const JsonView v = step.at("cpuid");
    v.only_keys({"leaf", "subleaf", "register"});
    if (!v.has("leaf") || !v.has("register")) v.fail("cpuid", "\"leaf\" and \"register\"");
    if (!step.has("as")) step.fail("cpuid without \"as\"", "a name");
    const std::vector<std::string> registers = {"eax", "ebx", "ecx", "edx"};
    const std::string r = v.at("register").one_of(registers);
    const u32 leaf = emit(v.at("leaf")), subleaf = emit_optional(v, "subleaf");
    const case_target as = target(step, "as");
    width_[as.name] = 32;
    case_op& o = op(OP_CPUID);
    o.arg[0] = leaf;
    o.arg[1] = subleaf;
    o.arg[2] = static_cast<u32>(std::find(registers.begin(), registers.end(), r) - registers.begin());
    o.target = as;
    return;
  }
  if (verb == "let") {
    step.only_keys({"let"});
    for (const std::string& name : step.at("let").keys()) {
      const u32 value = emit(step.at("let").at(name));
      const u32 slot = names_.declare(step.at("let").at(name), name, false);
      exact_.erase(slot);
      width_.erase(slot);
      case_op& o = op(OP_LET);
      o.target = {slot, 0};
      o.arg[0] = value;
    }
    return;
  }
  if (verb == "interrupts") {
    step.only_keys({"interrupts"});
    op(OP_INTERRUPTS).arg[0] = step.at(verb).one_of({"on", "off"}) == "on";
    return;
  }
  if (verb == "pause") {
    step.only_keys({"pause"});
    const u32 count = emit(step.at(verb));
    op(OP_PAUSE).arg[0] = count;
    return;
  }
  if (verb == "lvtpc") {
    step.only_keys({"lvtpc"});
    const JsonView v = step.at(verb);
    v.only_keys({"mode", "masked"});
    const bool nmi = v.has("mode") && v.at("mode").one_of({"fixed", "nmi"}) == "nmi";
    case_op& o = op(OP_LVTPC);
    o.arg[0] = nmi;
    o.arg[1] = v.get_bool("masked", false);
    return;
  }
  if (verb == "wait_pmi") {
    step.only_keys({"wait_pmi", "spins", "as"});
    const u32 count = emit(step.at(verb));
    const u32 spins = step.has("spins") ? emit(step.at("spins")) : emit(Expression(100000));
    const case_target as = target(step, "as");
    if (as.name) width_[as.name] = 1;
    case_op& o = op(OP_WAIT_PMI);
    o.arg[0] = count;
    o.arg[1] = spins;
    o.target = as;
    return;
  }
  step.only_keys({"clear"});
  if (!step.at("clear").as_bool()) step.at("clear").fail("false", "true");
  op(OP_CLEAR);
}

void CaseCompiler::compile_block(const JsonView& steps) {
  const std::size_t outer = block_ends_.size();
  for (const JsonView& step : steps.items()) compile_step(step);
  for (std::size_t i = outer; i < block_ends_.size(); ++i)
    ops_[block_ends_[i]].arg[block_end_args_[i]] = here();
  block_ends_.resize(outer);
  block_end_args_.resize(outer);
}

void CaseCompiler::check_divergences(const JsonView& root) const {
  for (std::size_t i = 0; i < case_.divergences.size(); ++i) {
    const std::string& wanted = case_.divergences[i].check;
    const auto& titles = case_.check_titles;
    if (std::find(titles.begin(), titles.end(), wanted) != titles.end()) continue;
    root.at("divergences")
        .at(i)
        .at("check")
        .fail("'" + wanted + "'", "a check's title; " + expected_one_of(wanted, titles));
  }
}

void CaseCompiler::compile() {
  const JsonView root = case_.document->root();
  case_.step_pointers.push_back("");  // step 0: the case itself
  has_host_ = contains_host(root.at("steps")) || !case_.setup.empty();
  compile_requirements(root);
  if (root.has("programs")) compile_programs(root.at("programs"));
  compile_block(root.at("steps"));
  if (case_.check_titles.empty()) root.at("steps").fail("steps without any check", "at least one");
  check_divergences(root);
  for (const case_program& p : programs_) bind_slots(p);  // those that no step measures
  build_payload();
}

}  // namespace pmusim::conformance
