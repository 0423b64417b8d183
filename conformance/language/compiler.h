// SPDX-License-Identifier: Apache-2.0
// The case compiler: turns the JSON of a case into the payload that the guest interprets. One object compiles
// one case; internal to the library (users call load_case and compile_case of case.h).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "conformance/language/case.h"
#include "conformance/language/expression.h"
#include "guests/case/payload.h"

namespace pmusim::conformance {

// All names that expressions of one case may use, in the order in which steps define them.
class NameTable {
 public:
  NameTable();
  std::optional<Meaning> find(const std::string& name) const;
  std::vector<std::string> names() const;
  // Slot of a name that a step saves to; the same name may be saved again, in the same form.
  u32 declare(const JsonView& at, const std::string& name, bool array);
  u32 temporary();  // a name of its own, that no expression can say
  void constant(const std::string& name, u64 value);
  // Loop variables live as long as their loop; loops over the same name use the same slot.
  u32 begin_loop(const JsonView& at, const std::string& name);
  void end_loop(const std::string& name) { meanings_.erase(name); }
  u32 value_count() const { return static_cast<u32>(slot_names_.size()); }
  const std::vector<std::string>& slot_names() const { return slot_names_; }

 private:
  u32 allocate(const std::string& name, u32 slots);
  std::map<std::string, Meaning> meanings_;
  std::map<std::string, u32> loop_slots_;
  std::vector<std::string> slot_names_;
  u32 temporaries_ = 0;
};

class CaseCompiler {
 public:
  explicit CaseCompiler(Case& c);
  // Fills programs, script.steps, step_pointers, check_titles and payload of the case. Throws an InputError
  // with every mistake.
  void compile();

 private:
  struct PendingSlot {
    JsonView item;
    case_slot slot;
    bool bound = false;
  };
  // compiler_expressions.cpp
  Expression parse(const JsonView& view, const std::string& text, std::size_t column_offset = 0) const;
  Expression parse(const JsonView& view) const;  // string or integer
  u32 emit(const Expression& e) { return e.emit(rpn_); }
  u32 emit(const JsonView& view) { return emit(parse(view)); }
  u32 emit_optional(const JsonView& object, const char* key);
  u32 text(const std::string& s);
  struct RegisterName {
    u32 reg;
    std::string index;  // expression text or ""
    std::size_t index_column = 0;
  };
  RegisterName register_name(const JsonView& view) const;
  case_target target(const JsonView& object, const char* key);
  u32 fault(const JsonView& step) const;

  // compiler_programs.cpp
  void compile_programs(const JsonView& programs);
  void compile_program(const std::string& name, const JsonView& view);
  void compile_items(class Encoder& encoder, const JsonView& items, std::map<std::string, u64>& marks);
  void compile_item(class Encoder& encoder, const JsonView& item, std::map<std::string, u64>& marks);
  u32 add_slot(const JsonView& item, u32 kind);
  // At the first measurement, when the names in scope are known.
  void bind_slots(const case_program& program);

  // compiler_steps.cpp
  struct StepVerb {
    const char* name;
    void (CaseCompiler::*compile)(const JsonView& step);
  };
  static const std::vector<StepVerb>& step_verbs();
  static const StepVerb& verb_of_step(const JsonView& step);
  void compile_block(const JsonView& steps);
  void compile_step(const JsonView& step);
  case_op& op(u32 kind);
  u32 here() const { return static_cast<u32>(ops_.size()); }
  // A mistake is kept, and compilation goes on to find more. False if there was one.
  template <class Work>
  bool attempt(Work&& work) {
    try {
      work();
      return true;
    } catch (const InputError& mistake) {
      mistakes_.push_back(mistake);
      return false;
    }
  }
  void pass_over(const JsonView& step);

  // compiler_requirements.cpp
  void compile_requirements(const JsonView& root);

  // compiler_checks.cpp
  void compile_check(const JsonView& step);
  void compile_expect(const JsonView& step);
  void add_check(const JsonView& at, const Expression& e, const std::string& title);
  void add_alternatives(case_op& o, const std::string& title);
  void fault_title(case_op& o, const JsonView& step, const std::string& what);
  void forget_known();
  void check_divergences(const JsonView& root);

  // compiler_registers.cpp
  void compile_wrmsr(const JsonView& step) { compile_register_access(step, true); }
  void compile_rdmsr(const JsonView& step) { compile_register_access(step, false); }
  void compile_register_access(const JsonView& step, bool write);
  void compile_rdpmc(const JsonView& step);
  void compile_cpuid(const JsonView& step);

  // compiler_flow.cpp
  void compile_for(const JsonView& step);
  void compile_if(const JsonView& step);
  void compile_skip(const JsonView& step);
  void compile_let(const JsonView& step);

  // compiler_interrupts.cpp
  void compile_interrupts(const JsonView& step);
  void compile_pause(const JsonView& step);
  void compile_lvtpc(const JsonView& step);
  void compile_on_pmi(const JsonView& step);
  void compile_wait_pmi(const JsonView& step);
  void compile_host(const JsonView& step);
  void compile_clear(const JsonView& step);

  // compiler_measure.cpp
  void compile_measure(const JsonView& step);
  case_counter compile_counter(const JsonView& counter, const JsonView& step, std::size_t program);
  void note_exact(const JsonView& counter, const JsonView& step, const case_counter& c,
                  const Expression& select, std::size_t program);
  void check_possible(const JsonView& at, const Expression& e) const;

  // compiler_image.cpp
  void build_payload();

  Case& case_;
  NameTable names_;
  std::vector<case_op> ops_;
  std::vector<case_rpn> rpn_;
  std::vector<case_requirement> requirements_;
  std::vector<case_program> programs_;
  std::vector<PendingSlot> pending_slots_;
  std::vector<case_slot> slots_;
  std::vector<case_counter> counters_;
  std::vector<case_measure> measures_;
  std::vector<case_alternative> alternatives_;
  std::vector<u8> code_;
  std::string strings_;
  std::map<std::string, u32> string_offsets_;
  std::vector<u32> block_ends_;           // ops whose arg says where the block ends: to be patched
  std::vector<unsigned> block_end_args_;  // which arg
  u32 step_ = 0, loop_name_ = 0;
  bool has_host_ = false;
  std::vector<InputError> mistakes_;
  bool programs_wrong_ = false;    // their counts are not known
  std::map<u32, u64> exact_;       // slots whose value follows from the program that is measured
  std::map<u32, unsigned> width_;  // slots narrower than 64 bits
};

std::string shown(const JsonView& expression);  // as it stands in the file
const std::vector<std::string>& register_names();
const std::vector<std::string>& feature_names();
u32 code_base();  // offset of the first program in the payload

}  // namespace pmusim::conformance
