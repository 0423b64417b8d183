// SPDX-License-Identifier: Apache-2.0
// Text of stop reports.
#include "platform/machine/stop_report.h"

#include <fmt/format.h>

#include "core/run/core.h"

namespace pmusim::platform {

const char* stop_name(StopKind kind) {
  switch (kind) {
    case StopKind::None:
      return "running";
    case StopKind::Exit:
      return "exit";
    case StopKind::Predicate:
      return "condition met";
    case StopKind::Requested:
      return "stop requested";
    case StopKind::Finished:
      return "finished";
    case StopKind::Reset:
      return "machine reset";
    case StopKind::PowerOff:
      return "power off";
    case StopKind::Stall:
      return "stall";
    case StopKind::MaxCycles:
      return "cycle limit";
    case StopKind::MaxSeconds:
      return "time limit";
    case StopKind::Interrupted:
      return "interrupted";
    case StopKind::TripleFault:
      return "triple fault";
    case StopKind::Unimplemented:
      return "unimplemented instruction";
    case StopKind::GuestError:
      return "guest error";
  }
  return "?";
}

std::string describe_registers(const core::CpuState& s) {
  static const char* const kGpr[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                       "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
  static const char* const kSeg[6] = {"es", "cs", "ss", "ds", "fs", "gs"};
  std::string out;
  for (unsigned i = 0; i < 16; ++i)
    out += fmt::format("{:>3}={:016x}{}", kGpr[i], s.gpr[i], i % 4 == 3 ? '\n' : ' ');
  out += fmt::format(
      "rip={:016x} rflags={:08x} cpl={} cr0={:08x} cr2={:016x} cr3={:016x} cr4={:08x} efer={:x}\n", s.rip,
      s.rflags, s.cpl, s.cr0, s.cr2, s.cr3, s.cr4, s.efer);
  for (unsigned i = 0; i < 6; ++i)
    out += fmt::format("{}={:04x}:{:x}{}", kSeg[i], s.seg[i].selector, s.seg[i].base, i == 5 ? '\n' : ' ');
  out += fmt::format("gdt={:x}+{:x} idt={:x}+{:x}\n", s.gdtr.base, s.gdtr.limit, s.idtr.base, s.idtr.limit);
  return out;
}

CpuReport describe_core(core::Core& core) {
  CpuReport r;
  r.registers = describe_registers(core.state());
  if (core.world() != World::Host) r.registers += "world=guest\n";
  r.disassembly = core.disassemble(core.state().rip, 4, "> ");
  for (const core::Core::BranchRecord& b : core.last_branches())
    r.last_branches.push_back(fmt::format("{:#x} -> {:#x}", b.from, b.to));
  return r;
}

std::string CpuReport::state_text() const {
  std::string out = registers + disassembly;
  if (!disassembly.empty() && disassembly.back() != '\n') out += '\n';
  if (!last_branches.empty()) out += "last branches, newest last:\n";
  for (const std::string& b : last_branches) out += "  " + b + "\n";
  return out;
}

std::string StopReport::cpus_text() const {
  std::string out;
  for (const CpuReport& c : cpus)
    out += fmt::format("CPU {} at cycle {}: {}\n{}", c.id, c.cycle, c.waits_for, c.state_text());
  return out;
}

std::string StopReport::text() const {
  std::string out = fmt::format("{}: {}\n{}", stop_name(kind), message, cpus_text());
  for (const std::string& u : unclaimed) out += "no device at " + u + "\n";
  return out;
}

}  // namespace pmusim::platform
