// SPDX-License-Identifier: Apache-2.0
// Micro-op: one decoded instruction in a fixed-size record of our own. It holds the handler that executes it,
// its operands, and what it counts when it retires; a timing model reads the same record. One instruction is
// one record: read-modify-write and stack instructions are not cracked (loads and stores tell).
#pragma once

#include "core/state/observer.h"
#include "core/state/state.h"

namespace pmusim::core {

struct Executor;
struct MicroOp;
using Handler = void (*)(Executor&, const MicroOp&);

// What ends a block and how it counts.
enum class OpBranch : u8 {
  None,
  Conditional,
  DirectJump,
  IndirectJump,
  DirectCall,
  IndirectCall,
  Return,
  Far
};

enum OpFlag : u8 {
  kOpExact = 1,           // can fault or stop the block after itself: flags are exact before and after it
  kOpReadsFlags = 2,      // needs arithmetic flags of earlier instructions
  kOpWritesAll = 4,       // overwrites every arithmetic flag whatever its operands
  kOpEndsBlock = 8,       // branch or system instruction
  kOpRepeat = 16,         // string instruction with a REP prefix: interruptible, a block of its own
  kOpSoftInterrupt = 32,  // clears TF before the single-step trap could be taken
  kOpSetsRip = 64,        // branches; after everything else RIP is the next instruction
  kOpPlain = 128,         // reads registers and memory, changes general registers and flags only
};

// How the effective address is computed.
enum OpAddress : u8 {
  kAddrBase = 1,
  kAddrIndex = 2,
  kAddrFlat = 4,   // 64-bit code, 64-bit address, no segment base: disp + base + index is the linear address
  kAddrStore = 8,  // the operand is written
  kAddrSizeShift = 4,  // above: index of the operand's bytes in kOperandBytes
};
// Of the memory accesses.
enum OpMemory : u8 {
  kAccessLocked = 1,
  kAccessStack = 2,  // the stack is accessed without being named, beside or without a memory operand
};
// Bytes of memory operands; 0: no data access, not checked against the segment.
inline constexpr u16 kOperandBytes[16] = {0, 1, 2, 4, 6, 8, 10, 14, 16, 28, 32, 64, 94, 108, 256, 512};

inline constexpr u8 kXmm = 128, kMmx = 144;  // in dst and src, beyond the general registers

struct MicroOp {
  Handler run = nullptr;
  u64 imm = 0;             // immediate, branch target, far offset
  u64 disp = 0;            // displacement; RIP-relative already resolved
  u64 next_rip = 0;        // address after the instruction
  u8 dst = 0, src = 0;     // registers as byte offsets into CpuState::gpr (AH is 1), kXmm + n, kMmx + n, or
                           // segment/CR/DR numbers
  u8 base = 0, index = 0;  // register numbers
  u8 scale = 0;            // shift
  u8 seg = DS;             // of the memory operand
  u8 address = 0;          // OpAddress
  u8 address_size = 8;     // bytes
  u8 size = 8;             // operand size in bytes
  u8 length = 0;
  OpBranch branch = OpBranch::None;
  u8 flags = 0;              // OpFlag
  u8 loads = 0, stores = 0;  // per execution (REP: per iteration)
  u8 access = 0;             // OpMemory
  u8 aux = 0;                // condition code, repeat kind, nesting level, selector index

  bool locked() const { return access & kAccessLocked; }
  u64 rip() const { return next_rip - length; }
};
static_assert(sizeof(MicroOp) == 48, "micro-ops are meant to stay small");

}  // namespace pmusim::core
