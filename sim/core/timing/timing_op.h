// SPDX-License-Identifier: Apache-2.0
// What a detailed timing model knows of an instruction besides its micro-op: register sets, kind of operation
// and memory accesses, derived once from the decoder's operands, so that no instruction needs a table entry
// to have its dependences. Not modelled: cracking into several micro-ops (an instruction is one slot, or half
// of one if it fuses), the flags one by one (they are one register), x87 registers one by one (the stack is
// one register).
#pragma once

#include "base/types.h"

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

struct TimingOp {
  RegisterSet sources = 0, destinations = 0;
  u16 address = 0;  // general registers that form addresses
  // The same as lists, which take no branches to go through; `listed` where they suffice.
  u8 source[4] = {}, address_register[2] = {}, destination[3] = {};
  bool listed = false;
  OpClass kind = OpClass::Alu;
  u8 accesses = 0;  // OpAccess
  u8 load_size = 0, store_size = 0;
  bool vector = false;  // executes on a vector port
  bool write_prefetch = false;
  bool fuses_branch = false;  // may be one micro-op with the conditional jump behind it
};

}  // namespace pmusim::core
