// SPDX-License-Identifier: Apache-2.0
// The table of host-work costs. Anchors: a bare exit with a trivial handler takes 1.2k-1.8k cycles on recent
// Intel and 1.3k-2k on AMD (default band derived from published round trips); a CPUID exit with an idle
// mediated PMU takes 3.0k on Emerald Rapids and 5.3k on Turin (Linux commit b0b6a8d3be16); a user-space exit
// takes several thousand. Splits between paths, and instructions per cycle (about 1.4, a fifth of them
// branches), are assumed.
#include "hypervisor/kvm/costs.h"

#include <charconv>

#include "base/enum_table.h"
#include "base/error.h"

namespace pmusim::hv {

namespace {

constexpr const char* kBare = "a share of the bare exit's 1.2k-1.8k cycles beside VM-entry and VM-exit";
constexpr const char* kHandler = "trivial handlers are within the bare exit's band";
constexpr const char* kUser = "a share of a user-space exit's several thousand cycles";
constexpr const char* kInterrupt = "'NMI delivery and IRET several hundred cycles' is the only figure";
constexpr const char* kThread = "no published figure";

constexpr PathCost kTable[] = {
    {Path::EnterGuest, "enter_guest", {90, 125, 25, 40, 16}, kBare},
    {Path::InnerEntry, "inner_entry", {40, 55, 8, 17, 14}, kBare},
    {Path::InnerExit, "inner_exit", {45, 60, 9, 19, 15}, kBare},
    {Path::LeaveGuest, "leave_guest", {55, 75, 15, 24, 10}, kBare},
    {Path::Cpuid, "cpuid", {90, 125, 28, 35, 8}, kHandler},
    {Path::Msr, "msr", {110, 150, 35, 40, 12}, kHandler},
    {Path::Rdpmc, "rdpmc", {80, 110, 25, 30, 8}, kHandler},
    {Path::Halt, "halt", {100, 140, 30, 40, 15}, kHandler},
    {Path::PortIo, "port_io", {150, 200, 45, 60, 25}, kHandler},
    {Path::Hypercall, "hypercall", {90, 120, 28, 30, 10}, kHandler},
    {Path::ControlRegister, "control_register", {160, 220, 50, 60, 20}, kHandler},
    {Path::Exception, "exception", {110, 150, 35, 40, 15}, kHandler},
    {Path::Window, "window", {40, 50, 12, 15, 5}, kHandler},
    {Path::SecondStage, "second_stage", {350, 480, 100, 140, 40}, kHandler},
    {Path::Emulate, "emulate", {600, 850, 180, 250, 110}, kHandler},
    {Path::InjectEvent, "inject_event", {60, 80, 18, 25, 10}, kHandler},
    {Path::Fastpath, "fastpath", {90, 120, 28, 30, 12}, kHandler},
    {Path::UserReturn, "user_return", {450, 500, 90, 140, 70}, kUser},
    {Path::UserEntry, "user_entry", {400, 450, 80, 130, 60}, kUser},
    {Path::Vmm, "vmm", {1500, 2000, 400, 550, 250, true}, kUser},
    {Path::VcpuLoad, "vcpu_load", {250, 320, 60, 90, 50}, kThread},
    {Path::VcpuPut, "vcpu_put", {200, 260, 50, 75, 40}, kThread},
    {Path::ContextSwitch, "context_switch", {1200, 1300, 240, 380, 200}, kThread},
    {Path::Block, "block", {900, 1100, 220, 320, 150}, kThread},
    {Path::Interrupt, "interrupt", {350, 380, 75, 110, 60}, kInterrupt},
    {Path::Timer, "timer", {500, 650, 140, 190, 80}, kInterrupt},
    {Path::Nmi, "nmi", {450, 450, 90, 130, 70}, kInterrupt},
    {Path::Ioctl, "ioctl", {350, 420, 80, 120, 50}, kUser},
};
static_assert(is_enum_table(kTable, &PathCost::path));

constexpr u64 kMostCycles = 10'000'000;

const PathCost& cost_by_name(const std::string& name) {
  std::vector<std::string> names;
  for (const PathCost& cost : kTable) {
    if (name == cost.name) return cost;
    names.push_back(cost.name);
  }
  throw InputError("--set", "", "'host." + name + "'", expected_one_of(name, names, "pmusim list costs"));
}

}  // namespace

const PathCost& path_cost(Path path) {
  return kTable[static_cast<unsigned>(path)];
}

HostCosts::HostCosts() {
  for (const PathCost& cost : kTable) work_[static_cast<unsigned>(cost.path)] = cost.work;
}

void HostCosts::set(const std::string& assignment) {
  const std::size_t equals = assignment.find('=');
  const PathCost& cost = cost_by_name(assignment.substr(0, equals));
  const std::string text = equals == std::string::npos ? "" : assignment.substr(equals + 1);
  u64 cycles = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cycles);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || cycles > kMostCycles)
    throw InputError("--set", "", "'host." + assignment + "'",
                     std::string("host.") + cost.name + "=CYCLES, from 0 to " + std::to_string(kMostCycles));
  const auto scaled = [&](u64 count) { return count * cycles / cost.work.cycles; };
  work_[static_cast<unsigned>(cost.path)] = {cycles,
                                             scaled(cost.work.instructions),
                                             scaled(cost.work.branches),
                                             scaled(cost.work.loads),
                                             scaled(cost.work.stores),
                                             cost.work.user};
  given_[static_cast<unsigned>(cost.path)] = true;
}

HostCosts host_costs(const std::vector<std::string>& assignments) {
  HostCosts costs;
  for (const std::string& assignment : assignments) costs.set(assignment);
  return costs;
}

}  // namespace pmusim::hv
