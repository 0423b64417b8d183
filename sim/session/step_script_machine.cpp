// SPDX-License-Identifier: Apache-2.0
// Reading of the set-up steps that shape the machine.
#include "session/step_script.h"

namespace pmusim::session {
namespace {

u32 CpuidRegs::*register_named(const JsonView& view) {
  const std::string name = view.one_of({"eax", "ebx", "ecx", "edx"});
  if (name == "eax") return &CpuidRegs::eax;
  if (name == "ebx") return &CpuidRegs::ebx;
  return name == "ecx" ? &CpuidRegs::ecx : &CpuidRegs::edx;
}

CpuidEdit read_edit(const JsonView& view) {
  view.only_keys({"vendor", "leaf", "subleaf", "register", "clear", "set"});
  CpuidEdit edit;
  if (view.has("vendor")) edit.vendor = view.at("vendor").one_of({"intel", "amd"});
  edit.leaf = static_cast<u32>(view.at("leaf").as_u64(0xffffffff));
  edit.subleaf = static_cast<u32>(view.get_u64("subleaf", 0, 0xffffffff));
  edit.reg = register_named(view.at("register"));
  edit.clear = static_cast<u32>(view.get_u64("clear", 0, 0xffffffff));
  edit.set = static_cast<u32>(view.get_u64("set", 0, 0xffffffff));
  if (!(edit.clear | edit.set)) view.fail("an edit that changes nothing", "\"clear\" or \"set\"");
  return edit;
}

bool read_true(const JsonView& view) {
  if (!view.as_bool()) view.fail("false", "true, or no such step");
  return true;
}

}  // namespace

bool is_machine_setup(const std::string& verb) {
  return verb == "disable_pmu" || verb == "forced_emulation" || verb == "set_cpuid";
}

MachineSetup StepScript::machine() const {
  MachineSetup made;
  for (const HostStep& step : setup) {
    if (step.verb == "disable_pmu") made.disable_pmu = read_true(arguments(step));
    if (step.verb == "forced_emulation") made.forced_emulation = read_true(arguments(step));
    if (step.verb == "set_cpuid") made.cpuid.push_back(read_edit(arguments(step)));
  }
  return made;
}

}  // namespace pmusim::session
