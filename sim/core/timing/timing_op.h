// SPDX-License-Identifier: Apache-2.0
// What a detailed timing model knows of an instruction besides its micro-op: register sets, kind of operation
// and memory accesses, derived once from the decoder's operands, so that no instruction needs a table entry
// to have its dependences. Not modelled: cracking into several micro-ops (an instruction is one slot, or half
// of one if it fuses), the flags one by one (they are one register), x87 registers one by one (the stack is
// one register).
#pragma once

#include "base/types.h"
#include "core/timing/resources.h"

namespace pmusim::core {

// Registers as bits: 0..15 general, then these.
inline constexpr unsigned kFlagsRegister = 16, kVectorRegister = 17, kX87Register = 33, kTimingRegisters = 34;
using RegisterSet = u64;
constexpr RegisterSet register_bit(unsigned r) {
  return RegisterSet{1} << r;
}

// In lists of registers: what is always ready, and what nobody reads.
inline constexpr u8 kReadyRegister = kTimingRegisters, kUnreadRegister = kTimingRegisters + 1;

enum class OpClass : u8 {
  None,  // no execution: NOP
  Alu,
  Move,  // loads, stores and copies: no latency of its own beyond the access
  Multiply,
  Divide,    // operands up to 32 bits
  Divide64,  // 64 bits
  FpAdd,
  FpMultiply,
  FpFma,
  FpDivide,
  FpSqrt,
  Vector,
  VectorMove,  // between vector and general registers
  Serialize,   // nothing overlaps it
  Number
};

// Memory accesses. At most two loads and one store matter to time; an instruction with more (PUSHA, ENTER) is
// timed as its first.
enum OpAccess : u8 {
  kLoadOperand = 1,
  kStoreOperand = 2,
  kPopStack = 4,
  kPushStack = 8,
  kLoadSource = 16,       // [RSI]
  kLoadDestination = 32,  // [RDI]
  kStoreDestination = 64,
  kPrefetch = 128,  // of the operand; the micro-op does nothing
};

// Two instructions that may take one slot: a NOP with whatever is next, an arithmetic instruction with a
// conditional jump, which is then one operation.
enum Fusion : u8 { kFuseNop = 1, kFuseBranch = 2 };

struct TimingOp {
  RegisterSet sources = 0, destinations = 0;
  u16 address = 0;  // general registers that form addresses
  // The same as lists, which take no branches to go through; `listed` where they suffice.
  u8 source[4] = {}, address_register[2] = {}, destination[3] = {};
  bool listed = false;
  bool executes = true;     // takes a port and its latency; not those that only access memory
  bool predicted = false;   // a branch that is predicted
  bool plain = false;       // listed, executes, and is neither access, branch nor serializing
  u8 fuses = 0, joins = 0;  // Fusion: as the first of two, as the second
  OpClass kind = OpClass::Alu;
  u8 accesses = 0;  // OpAccess
  u8 load_size = 0, store_size = 0;
  bool vector = false;    // of the vector unit
  u8 port = Ports::kAlu;  // Ports::Group
  bool write_prefetch = false;
};

}  // namespace pmusim::core
