// SPDX-License-Identifier: Apache-2.0
// Why a run ended, and what every CPU was doing then.
#pragma once

#include <string>
#include <vector>

#include "base/types.h"

namespace pmusim::core {
class Core;
struct CpuState;
}  // namespace pmusim::core

namespace pmusim::platform {

enum class StopKind : u8 {
  None,
  Exit,       // the guest wrote the exit port; status is set
  Predicate,  // run_until's condition holds
  Requested,  // Cpu::pause()
  Finished,   // every program has ended
  Reset,      // the guest reset the machine
  PowerOff,   // the guest switched it off
  Stall,      // every CPU waits, and nothing will ever wake one
  MaxCycles,
  MaxSeconds,
  Interrupted,  // Machine::interrupt()
  TripleFault,
  Unimplemented,  // an instruction that the simulator does not have
  GuestError,     // execution outside memory
};
const char* stop_name(StopKind kind);

struct CpuReport {
  unsigned id = 0;
  u64 cycle = 0;
  std::string waits_for;                   // "running", "halted with interrupts disabled", ...
  std::string registers;                   // several lines
  std::string disassembly;                 // around RIP, the instruction marked
  std::vector<std::string> last_branches;  // newest last

  std::string state_text() const;  // registers, disassembly, branches
};

struct StopReport {
  StopKind kind = StopKind::None;
  u32 status = 0;    // Exit: exit status of the run (2 * value + 1)
  unsigned cpu = 0;  // that caused it
  u64 cycle = 0;
  std::string message;                 // one sentence
  std::vector<CpuReport> cpus;         // not for Exit, Predicate, Requested and Finished
  std::vector<std::string> unclaimed;  // accesses that no device answered, with counts

  std::string text() const;       // for people
  std::string cpus_text() const;  // ... of the CPUs only
};

CpuReport describe_core(core::Core& core);
std::string describe_registers(const core::CpuState& state);  // several lines

}  // namespace pmusim::platform
