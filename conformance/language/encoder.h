// SPDX-License-Identifier: Apache-2.0
// Emits the machine code of measured programs by the Zydis encoder and counts what it will retire. Expected
// counts come from what was emitted and how often it runs, never from running it. The register convention is
// that of guests/case/payload.h: R8 = frame, RSI = data buffer, R9-R11 = the stop MSR's number and value; RBP
// and R12-R15 hold loop counters; RAX, RBX, RCX, RDX and RDI are scratch.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/types.h"

namespace pmusim::conformance {

// Totals of one privilege level. An instruction that reads and writes memory is a load and a store; the stack
// accesses of CALL and RET count; those of INT and IRETQ do not.
struct Counts {
  u64 instructions = 0, branches = 0, taken = 0, conditional = 0, calls = 0, returns = 0;
  u64 loads = 0, stores = 0, locked = 0, emulated = 0;
};

class Encoder {
 public:
  explicit Encoder(u32 address);

  // The prologue up to and including the enabling WRMSR (which counts); at CPL 3 also the IRETQ, counted at
  // CPL 0.
  void begin(bool user);
  // At CPL 3 UD2 (which does not retire) and the landing at CPL 0; then the three moves that load the stop's
  // value (which count), the disabling WRMSR (which does not), the return, and what calls refer to. Call
  // last.
  void end();

  void nop(u64 n);
  void alu(u64 n);    // ADD EAX, 1
  void fence(u64 n);  // LFENCE
  void pause(u64 n);
  void jump(u64 n);  // direct, to the next instruction
  void indirect_jump(u64 n);
  void conditional(u64 n, bool taken);
  void call(u64 n);         // to a RET; both are counted
  void enter_leave(u64 n);  // ENTER 0,0 and LEAVE
  void load(u64 n, u64 stride);
  void store(u64 n, u64 stride);
  void read_modify_write(u64 n, u64 stride);
  void locked(u64 n);
  void rep_stos(u64 bytes);
  void cpuid(u64 n);
  void rdtsc();
  void rdpmc(u32 slot);
  void rdmsr(u32 slot);
  void wrmsr(u32 slot);
  void keep(u32 slot);  // EDX:EAX to the slot
  void out(u16 port, u32 value);
  void in(u16 port);
  void software_interrupt(u64 n);  // INT to a handler that is one IRETQ
  void halt();                     // STI; HLT; the timer's IRETQ; CLI
  struct Loop {
    u64 times;
    std::size_t start;
    unsigned depth;
    bool loop_instruction;
  };
  Loop begin_loop(u64 times, bool loop_instruction);
  void end_loop(const Loop& loop);
  static constexpr unsigned kMaxLoopDepth = 5;
  unsigned loop_depth() const { return depth_; }

  // While set, instructions that the items name (not their set-up) get KVM's forced-emulation prefix.
  void set_forced_emulation(bool on) { forced_ = on; }

  const std::vector<u8>& code() const { return code_; }
  u32 here() const { return address_ + static_cast<u32>(code_.size()); }
  u32 user_address() const { return user_address_; }
  u32 landing() const { return landing_; }
  const Counts& kernel() const { return kernel_; }
  const Counts& user() const { return user_; }

 private:
  struct Request;
  void emit(const Request& request);
  void instruction(const Request& request);  // emits and counts one retired instruction
  void main_instruction(const Request& request);
  Counts& counts() { return in_user_ ? user_ : kernel_; }

  u32 address_;
  std::vector<u8> code_;
  Counts kernel_, user_;
  u64 times_ = 1;  // how often what is being emitted runs: the product of the loops around it
  unsigned depth_ = 0;
  bool counting_ = false, in_user_ = false, at_user_ = false, forced_ = false;
  u32 user_address_ = 0, landing_ = 0;
  std::vector<std::size_t> calls_;  // ends of CALLs, whose displacement is known when the RET's place is
};

}  // namespace pmusim::conformance
