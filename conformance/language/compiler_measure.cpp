// SPDX-License-Identifier: Apache-2.0
// Measure steps, and expectations that what is known at compile time contradicts.
#include <algorithm>

#include "arch/evtsel.h"
#include "conformance/language/compiler.h"

namespace pmusim::conformance {
namespace {

using evtsel::kEn, evtsel::kInt, evtsel::kOs, evtsel::kUsr;

}  // namespace

// Remembers the count that the counter must show where everything that decides it is known: an architectural
// event counted from 0 in a program that no host step, interrupt, other control or qualifier disturbs.
void CaseCompiler::note_exact(const JsonView& counter, const JsonView& step, const case_counter& c,
                              const Expression& select, std::size_t program) {
  if (programs_wrong_ || has_host_ || !c.target.name || c.target.index || step.has("global") ||
      step.has("start") || step.get_bool("interruptible", false) || counter.has("enable")) {
    return;
  }
  if (counter.has("preset") && parse(counter.at("preset")).constant() != std::optional<u64>(0)) return;
  std::string field;
  u64 bits = 0;
  if (c.fixed) {
    const auto value = select.constant();
    const auto index = counter.at("fixed").is_integer() ? counter.at("fixed").as_u64() : 99;
    if (!value || index != 0 || *value > 3) return;
    field = "instructions";
    bits = (*value & 1 ? kOs : 0) | (*value & 2 ? kUsr : 0);
  } else {
    for (const Expression::Term& t : select.or_terms()) {
      if (!t.is_slot) {
        bits |= t.value;
      } else if (t.value == CASE_NAME_event_instructions && field.empty()) {
        field = "instructions";
      } else if (t.value == CASE_NAME_event_branches && field.empty()) {
        field = "branches";
      } else {
        return;
      }
    }
    if (field.empty() || (bits & ~(kUsr | kOs | kInt | kEn))) return;
  }
  const ProgramInfo& info = case_.programs[program];
  // Which level the IRETQ that enters CPL 3 counts at is not documented.
  if (info.writes_msrs || (info.cpl == 3 && (bits & (kOs | kUsr)) != (kOs | kUsr))) return;
  const auto& expected = info.expected;
  u64 count = 0;
  if (bits & kOs) count += expected.at("os_" + field);
  if (bits & kUsr) count += expected.at("user_" + field);
  exact_[c.target.name] = count;
}

void CaseCompiler::check_possible(const JsonView& at, const Expression& e) const {
  const auto sides = e.comparison();
  if (!sides || sides->op != RPN_EQ) return;
  for (const auto& [name, value] :
       {std::pair(&sides->left, &sides->right), std::pair(&sides->right, &sides->left)}) {
    const auto terms = name->or_terms();
    const auto constant = value->constant();
    if (terms.size() != 1 || !terms[0].is_slot || !constant) continue;
    const u32 slot = static_cast<u32>(terms[0].value);
    if (const auto w = width_.find(slot); w != width_.end() && *constant >> w->second) {
      at.fail("a value wider than what is compared with it",
              "at most " + std::to_string(w->second) + " bits");
    }
    if (const auto x = exact_.find(slot); x != exact_.end() && x->second != *constant) {
      at.fail("an expected count of " + std::to_string(*constant),
              std::to_string(x->second) + ", which is what the measured program retires");
    }
  }
}

case_counter CaseCompiler::compile_counter(const JsonView& counter, const JsonView& step,
                                           std::size_t program) {
  counter.only_keys({"gp", "fixed", "select", "preset", "as", "enable"});
  if (counter.has("gp") == counter.has("fixed")) counter.fail("a counter", "one of \"gp\" and \"fixed\"");
  case_counter c{};
  c.fixed = counter.has("fixed");
  if (c.fixed && counter.has("enable"))
    counter.at("enable").fail("\"enable\" of a fixed counter", "\"select\"");
  c.index = emit(counter.at(c.fixed ? "fixed" : "gp"));
  if (!c.fixed && !counter.has("select"))
    counter.fail("a GP counter without \"select\"", "a selector's value");
  const Expression select = counter.has("select") ? parse(counter.at("select")) : Expression(3);
  if (c.fixed && select.constant() && *select.constant() > 15) {
    counter.at("select").fail("a value wider than the field", "4 bits");
  }
  c.select = emit(select);
  c.preset = emit_optional(counter, "preset");
  c.add_enable = counter.get_bool("enable", true);
  c.target = target(counter, "as");
  note_exact(counter, step, c, select, program);
  return c;
}

void CaseCompiler::compile_measure(const JsonView& step) {
  step.only_keys({"measure", "counters", "global", "start", "stop", "interruptible", "keep", "status",
                  "timer", "fault", "title"});
  const JsonView name_view = step.at("measure");
  const std::string name = name_view.as_string();
  std::vector<std::string> names;
  for (const ProgramInfo& p : case_.programs) names.push_back(p.name);
  const auto it = std::find(names.begin(), names.end(), name);
  if (it == names.end()) name_view.fail("program '" + name + "'", expected_one_of(name, names));
  const std::size_t program = static_cast<std::size_t>(it - names.begin());
  bind_slots(programs_[program]);

  case_measure m{};
  m.program = static_cast<u32>(program);
  if (step.get_bool("interruptible", false)) m.flags |= MEASURE_INTERRUPTS;
  if (step.get_bool("keep", false)) m.flags |= MEASURE_KEEP;
  m.global = emit_optional(step, "global");
  m.timer = emit_optional(step, "timer");
  if (programs_[program].uses_timer && !m.timer)
    step.fail("a program that halts", "\"timer\": APIC timer ticks");
  if (step.has("start") != step.has("stop")) step.fail("only one of start and stop", "both or none");
  for (const char* side : {"start", "stop"}) {
    if (!step.has(side)) continue;
    const JsonView v = step.at(side);
    v.only_keys({"wrmsr", "value"});
    if (!v.has("wrmsr") || !v.has("value")) v.fail(side, "\"wrmsr\" and \"value\"");
    const RegisterName r = register_name(v.at("wrmsr"));
    const u32 index = r.index.empty() ? 0 : emit(parse(v.at("wrmsr"), r.index, r.index_column));
    const u32 value = emit(v.at("value"));
    const bool start = side == std::string("start");
    (start ? m.start_reg : m.stop_reg) = r.reg;
    (start ? m.start_index : m.stop_index) = index;
    (start ? m.start_value : m.stop_value) = value;
  }
  std::vector<case_counter> counters;
  if (step.has("counters")) {
    for (const JsonView& counter : step.at("counters").items())
      counters.push_back(compile_counter(counter, step, program));
  }
  m.first_counter = static_cast<u32>(counters_.size());
  m.counter_count = static_cast<u32>(counters.size());
  counters_.insert(counters_.end(), counters.begin(), counters.end());
  const case_target status = target(step, "status");
  if (status.name) register_[status.name] = "global_status";
  case_op& o = op(OP_MEASURE);
  o.arg[0] = static_cast<u32>(measures_.size());
  o.target = status;
  fault_title(o, step, "program " + name);
  measures_.push_back(m);
}

}  // namespace pmusim::conformance
