// SPDX-License-Identifier: Apache-2.0
// A run as a configuration of the virtual machine monitor.
#include "session/vmm_run.h"

#include <fmt/format.h>

#include "session/cpuid_choice.h"

namespace pmusim::session {
namespace {

std::vector<kvm::CpuidEntry2> kvm_entries(const CpuidTable& table) {
  std::vector<kvm::CpuidEntry2> entries;
  for (const CpuidEntry& e : table.entries) {
    kvm::CpuidEntry2 entry;
    entry.function = e.leaf;
    entry.index = e.subleaf;
    entry.flags = e.subleaf_matters ? kvm::kCpuidFlagSignificantIndex : 0;
    entry.eax = e.regs.eax;
    entry.ebx = e.regs.ebx;
    entry.ecx = e.regs.ecx;
    entry.edx = e.regs.edx;
    entries.push_back(entry);
  }
  return entries;
}

CpuidTable table_of(const std::vector<kvm::CpuidEntry2>& entries) {
  CpuidTable table;
  for (const kvm::CpuidEntry2& e : entries)
    table.entries.push_back({e.function,
                             e.index,
                             (e.flags & kvm::kCpuidFlagSignificantIndex) != 0,
                             {e.eax, e.ebx, e.ecx, e.edx}});
  return table;
}

hv::VmmConfig vmm_config(const TargetRun& run) {
  hv::VmmConfig config;
  config.image = *run.image;
  config.command_line = run.command_line;
  config.modules = run.modules;
  config.memory = run.memory;
  config.cpus = run.cpus;
  config.on_character = run.on_character;
  const MachineSetup setup = run.machine_setup();
  config.disable_pmu = setup.disable_pmu;
  const std::string base = cpuid_base(run.point.cpuid);
  if (!setup.cpuid.empty() || base != run.point.cpuid)
    config.edit_cpuid = [edits = setup.cpuid,
                         choice = run.point.cpuid](std::vector<kvm::CpuidEntry2>& entries) {
      CpuidTable table = table_of(entries);
      change_cpuid(choice, table);
      edit_cpuid(edits, table);
      entries = kvm_entries(table);
    };
  if (run.max_seconds != kNever) config.limit.wall_milliseconds = run.max_seconds * 1000;
  if (base == "host") {
    config.cpuid = hv::CpuidChoice::Host;
  } else if (base != "kvm") {
    config.cpuid = hv::CpuidChoice::Table;
    config.table = kvm_entries(read_cpuid_file(base).table);
  }
  return config;
}

}  // namespace

void describe(const hv::VmmResult& result, Observation& seen) {
  seen.serial = result.serial;
  seen.exited = result.end == hv::VmmEnd::Exit;
  seen.exit_status = result.status;
  seen.interrupted = result.end == hv::VmmEnd::Interrupted;
  for (const std::string& access : result.unclaimed) seen.gaps.push_back("no device answers: " + access);
  if (!seen.exited) seen.stopped = fmt::format("{}: {}", hv::vmm_end_name(result.end), result.detail);
}

// The VM's part of a run. The doorbell reaches the steps although they need the VMM to exist first.
hv::VmmResult run_vmm(const TargetRun& run, std::unique_ptr<hv::Vmm>& vmm, kvm::Hypervisor& hypervisor,
                      hv::SimulatedKvm* simulated, const std::function<void()>& created) {
  auto actions = std::make_shared<std::unique_ptr<HostActions>>();
  hv::VmmConfig config = vmm_config(run);
  config.limit.cycles = run.max_cycles;
  if (run.script) config.on_doorbell = [actions](u32 number) { return (*actions)->ring(number); };
  vmm = std::make_unique<hv::Vmm>(hypervisor, std::move(config));
  if (run.script) *actions = run.script->begin(*vmm, simulated);
  if (*actions) (*actions)->set_up_host();
  if (!vmm->create()) return vmm->result();
  if (*actions) (*actions)->set_up();
  if (created) created();
  return vmm->run();
}

}  // namespace pmusim::session
