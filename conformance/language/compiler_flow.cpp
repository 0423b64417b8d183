// SPDX-License-Identifier: Apache-2.0
// Steps that decide what is executed: for, if, skip; and let.
#include "conformance/language/compiler.h"

namespace pmusim::conformance {

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

void CaseCompiler::compile_let(const JsonView& step) {
  step.only_keys({"let"});
  for (const std::string& name : step.at("let").keys()) {
    const u32 value = emit(step.at("let").at(name));
    const u32 slot = names_.declare(step.at("let").at(name), name, false);
    exact_.erase(slot);
    width_.erase(slot);
    register_.erase(slot);
    case_op& o = op(OP_LET);
    o.target = {slot, 0};
    o.arg[0] = value;
  }
}

}  // namespace pmusim::conformance
