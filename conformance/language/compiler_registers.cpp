// SPDX-License-Identifier: Apache-2.0
// Steps that access registers: wrmsr, rdmsr, rdpmc, cpuid.
#include <algorithm>

#include "conformance/language/compiler.h"

namespace pmusim::conformance {

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
  if (!write && as.name) register_[as.name] = register_names()[r.reg];
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
  note_value(title, {CheckValue::Kind::Register, register_names()[r.reg]});
  add_alternatives(c, title);
}

void CaseCompiler::compile_rdpmc(const JsonView& step) {
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
  fault_title(o, step, "rdpmc " + shown(step.at("rdpmc")) + " at CPL " + std::to_string(cpl));
}

void CaseCompiler::compile_cpuid(const JsonView& step) {
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
}

}  // namespace pmusim::conformance
