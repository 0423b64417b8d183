// SPDX-License-Identifier: Apache-2.0
// The seat of generated code in a block. Nothing here generates any: a translator would derive its own class,
// and the run loop would enter it in place of the micro-ops. It belongs to the block and dies with it, in two
// steps, since the code may be running when a store of its own changes the bytes that it was made from.
#pragma once

namespace pmusim::core {

struct Block;

class BlockCode {
 public:
  virtual ~BlockCode() = default;  // its memory is free again: no block executes

  // The block can no longer be found: exits of other code that lead here must lead to the run loop again.
  // This code may be running, and goes on to the end of the current instruction.
  virtual void unlink() = 0;

  const void* entry = nullptr;
  // Where it goes on by itself, behind a last branch not taken (or none) and taken; null: to the run loop,
  // which every exit must reach within the limits that it was entered with. A block that is unlinked
  // may not stay here: whoever fills these remembers who leads where, and its unlink() clears them.
  Block* exits[2] = {nullptr, nullptr};
};

}  // namespace pmusim::core
