// SPDX-License-Identifier: Apache-2.0
// Block: a run of decoded instructions that executes to its end unless one of them faults or stops it. It
// counts only how often it ran to its end, by the outcome of its last branch; folding multiplies by its
// static vectors.
#pragma once

#include <memory>
#include <vector>

#include "arch/count.h"
#include "core/run/block_code.h"
#include "core/run/loop.h"
#include "core/state/uop.h"
#include "core/timing/timing_op.h"

namespace pmusim::core {

inline constexpr unsigned kMaxBlockInstructions = 64;

// What a block is decoded for. RIP is part of it because micro-ops hold absolute addresses.
struct BlockKey {
  u64 physical;  // host-physical address of the first byte
  u64 rip;
  u8 mode;     // bytes of the default operand size: 2, 4, 8 (8 = 64-bit code), kRealMode
  u8 context;  // count context
  bool operator==(const BlockKey& o) const {
    return physical == o.physical && rip == o.rip && mode == o.mode && context == o.context;
  }
};
struct BlockKeyHash {
  std::size_t operator()(const BlockKey& k) const {
    u64 h = (k.physical ^ k.rip << 20 ^ u64{k.mode} << 8 ^ k.context) * 0x9e3779b97f4a7c15u;
    return static_cast<std::size_t>(h ^ h >> 29);
  }
};

// What the fast loop touches comes first, in one cache line.
struct alignas(64) Block {
  std::vector<MicroOp> ops;  // handlers may leave dead flags stale
  u64 end_rip = 0;
  unsigned count = 0;
  bool branches = false;  // the last instruction sets RIP
  bool repeat = false;    // a single REP string instruction
  bool dirty = false;     // has runs not folded yet
  bool loops = false;     // there is a `loop`
  u64 runs[2] = {0, 0};   // last branch not taken (or none), taken
  BlockKey key;
  // Of the code's translations, the second page's too, when the block was last looked up by address. Right
  // for every address space that executes it: blocks are remembered by RIP, which is part of their key, so
  // that another space's look-up of the same block takes the place of this one's.
  u8 page_shift[2] = {12, 12};
  bool global[2] = {};
  std::vector<Handler> precise;  // the handlers with exact flags, for runs of a prefix
  std::vector<TimingOp> timing;  // for detailed timing only
  u64 second_page = kNever;      // host-physical page of the rest of an instruction that straddles pages
  u64 loads = 0, stores = 0, locked = 0;
  std::unique_ptr<Loop> loop;
  std::vector<Operation> what;      // the instructions
  std::unique_ptr<BlockCode> code;  // generated for it
};

// The kind a branch counts as.
inline Count count_of(OpBranch branch, bool taken) {
  switch (branch) {
    case OpBranch::Conditional:
      return taken ? Count::CondTaken : Count::CondNotTaken;
    case OpBranch::DirectJump:
      return Count::DirectJump;
    case OpBranch::IndirectJump:
      return Count::IndirectJump;
    case OpBranch::DirectCall:
      return Count::DirectCall;
    case OpBranch::IndirectCall:
      return Count::IndirectCall;
    case OpBranch::Return:
      return Count::Return;
    case OpBranch::Far:
      return Count::FarBranch;
    case OpBranch::None:
      break;
  }
  return Count::Number;
}

}  // namespace pmusim::core
