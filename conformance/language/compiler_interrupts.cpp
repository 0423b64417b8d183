// SPDX-License-Identifier: Apache-2.0
// Steps about interrupts, PMIs and waiting for them, and those that the host performs.
#include "conformance/language/compiler.h"

namespace pmusim::conformance {

void CaseCompiler::compile_interrupts(const JsonView& step) {
  step.only_keys({"interrupts"});
  op(OP_INTERRUPTS).arg[0] = step.at("interrupts").one_of({"on", "off"}) == "on";
}

void CaseCompiler::compile_pause(const JsonView& step) {
  step.only_keys({"pause"});
  const u32 count = emit(step.at("pause"));
  op(OP_PAUSE).arg[0] = count;
}

void CaseCompiler::compile_lvtpc(const JsonView& step) {
  step.only_keys({"lvtpc"});
  const JsonView v = step.at("lvtpc");
  v.only_keys({"mode", "masked"});
  const bool nmi = v.has("mode") && v.at("mode").one_of({"fixed", "nmi"}) == "nmi";
  case_op& o = op(OP_LVTPC);
  o.arg[0] = nmi;
  o.arg[1] = v.get_bool("masked", false);
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

void CaseCompiler::compile_wait_pmi(const JsonView& step) {
  step.only_keys({"wait_pmi", "spins", "as"});
  const u32 count = emit(step.at("wait_pmi"));
  const u32 spins = step.has("spins") ? emit(step.at("spins")) : emit(Expression(100000));
  const case_target as = target(step, "as");
  if (as.name) width_[as.name] = 1;
  case_op& o = op(OP_WAIT_PMI);
  o.arg[0] = count;
  o.arg[1] = spins;
  o.target = as;
}

void CaseCompiler::compile_host(const JsonView& step) {
  step.only_keys({"host", "as"});
  const JsonView view = step.at("host");
  const auto keys = view.keys();
  if (keys.size() != 1) view.fail(std::to_string(keys.size()) + " verbs", "one host verb");
  session::HostStep h;
  h.number = static_cast<u32>(case_.script.steps.size());
  h.verb = keys[0];
  if (session::is_machine_setup(h.verb))
    view.fail("'" + h.verb + "' while the guest runs", "this verb in \"setup\"");
  h.pointer = view.at(keys[0]).pointer();
  case_.script.steps.push_back(h);
  const case_target as = target(step, "as");
  if (as.name) width_[as.name] = 32;
  case_op& o = op(OP_HOST);
  o.arg[0] = h.number;
  o.target = as;
  block_ends_.push_back(here() - 1);
  block_end_args_.push_back(1);
}

void CaseCompiler::compile_clear(const JsonView& step) {
  step.only_keys({"clear"});
  if (!step.at("clear").as_bool()) step.at("clear").fail("false", "true");
  op(OP_CLEAR);
}

}  // namespace pmusim::conformance
