// SPDX-License-Identifier: Apache-2.0
// The x86-64 core: executes guest or host code from a CpuState, counts what happens, and stops at a limit.
// It knows nothing of counters, interrupt controllers or hypervisors; those bound its runs and are asked
// through CoreEnv and Intercepts. Also serves, with an env of its own, as a hypervisor's emulator.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "arch/event_counts.h"
#include "base/ratio.h"
#include "core/memory/ram.h"
#include "core/state/env.h"
#include "core/state/intercepts.h"
#include "core/state/observer.h"
#include "core/state/state.h"
#include "core/state/unimplemented.h"
#include "core/system/config.h"
#include "core/timing/timing.h"

namespace pmusim::core {

struct TaskSwitch;

// How far a run may go. It stops before exceeding either.
struct Limit {
  u64 instructions = kNever;
  u64 cycle = kNever;
};

enum class Stop : u8 {
  Limit,     // a limit was reached
  SliceEnd,  // an instruction touched MSRs, counters, time, devices, IF, CPL or control registers
  Halted,    // HLT or a waiting MWAIT retired; state().activity tells
  VmExit,    // guest mode only: see exit()
  Shutdown,  // triple fault outside guest mode
};

class Core final : public CodeWatcher {
 public:
  Core(Ram& ram, CoreEnv& env, Timing& timing);
  ~Core() override;
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  void configure(const CoreConfig& config);  // drops all decoded code
  void set_step(bool step);                  // --step: one instruction at a time, identical results

  // The state that executes. Never null; the caller keeps it alive.
  void set_state(CpuState* state);
  CpuState& state() { return *state_; }

  // World and second stage. In World::Host without second stage, physical addresses are host-physical.
  // `intercepts` non-null means guest mode: what it names causes Stop::VmExit. With a second stage but no
  // intercepts (emulator), addresses it does not map go to env's MMIO. `tag` separates TLB entries (VPID,
  // ASID); 0 is the host's.
  void set_world(World world, const SecondStage* second, const Intercepts* intercepts, u16 tag);
  World world() const { return world_; }

  // Executes until the limit or a stop. At least one instruction is executed if the limit allows one.
  // Counts and time are up to date on return.
  Stop run(const Limit& limit);
  // Instructions and REP iterations of the last run; the whole allowance if it ended in an exception or
  // VM-exit.
  u64 spent() const { return spent_; }

  // The VM-exit of the last Stop::VmExit.
  const VmExit& exit() const { return exit_; }

  // Delivers an event through the IDT now (caller has checked that it may be). Faults during delivery become
  // exceptions, double faults, shutdown or VM-exits; the result is as of run().
  Stop deliver(const PendingEvent& event);

  // Completes a guest's task switch that was a VM-exit, for a hypervisor's emulator; faults as deliver()'s.
  Stop switch_task(const TaskSwitch& t);

  // Can a maskable interrupt / an NMI be taken at this instruction boundary?
  bool can_take_interrupt() const { return (state_->rflags & kIF) && !state_->interrupt_shadow; }
  bool can_take_nmi() const { return !state_->nmi_blocked && !state_->interrupt_shadow; }

  // Counts. counts() is current after run(), deliver() and sync(); within CoreEnv calls too.
  const EventCounts& counts() const { return counts_; }
  EventCounts& mutable_counts() { return counts_; }  // host work and interrupts are added from outside
  void sync();                                       // fold block runs, account time
  unsigned context() const { return context_of(world_, state_->cpl == 3); }

  // Clocks whose cycles are counted: ref = floor(cycle x num / den), exactly.
  void set_clocks(Ratio ref, Ratio bus);
  // Accounts time up to now to the current context (call before time passes without execution), or discards
  // it (halted time is nobody's).
  void account_time();
  void discard_time();

  void attach(Observer& observer);
  void detach(Observer& observer);

  void flush_tlb();  // all entries of all tags
  void flush_tlb(u16 tag);
  void code_written(u64 page) override;

  // Translates and reads guest memory for diagnostics and hypervisor emulation; false on a fault.
  bool read_linear(u64 address, void* to, u64 size);
  bool translate_linear(u64 address, u64& physical);  // to guest-physical

  std::string disassemble(u64 rip, unsigned instructions, const char* mark = nullptr);
  struct BranchRecord {
    u64 from, to;
  };
  std::vector<BranchRecord> last_branches() const;  // up to 8, newest last, for diagnostics

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  CpuState* state_;
  World world_ = World::Host;
  EventCounts counts_;
  VmExit exit_;
  u64 spent_ = 0;
};

}  // namespace pmusim::core
