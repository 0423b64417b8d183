// SPDX-License-Identifier: Apache-2.0
// What one random state is and what comes of it, and the memory that both CPUs see: the same pages at the
// same linear addresses, everything else around them not present. Plain data: it crosses a fork in shared
// memory.
#pragma once

#include "segments.h"

namespace pmusim::silicon {

inline constexpr u64 kPage = 4096;
// Reserved and not present, but for the pages below: an address in here can do no harm.
inline constexpr u64 kArena = 0x20000000, kArenaSize = 0x10000000;
inline constexpr u64 kCode = kArena + 0x4000000, kCodeSize = 4 * kPage;  // readable, executable
inline constexpr u64 kLanding = kCode + 0x8000;                          // executable page of INT3
inline constexpr u64 kData = kArena + 0x8000000, kDataSize = 2 * kPage;  // writable, not executable
inline constexpr u64 kReadOnly = kData + kDataSize;                      // one page right behind
inline constexpr u64 kUnmapped = kReadOnly + kPage;
inline constexpr u64 kExit = kArena + 0x1000000;  // host only: where 16- and 32-bit code leaves by

inline constexpr unsigned kSlots = 64;  // instructions of one batch
inline constexpr unsigned kSlotSize = kCodeSize / kSlots, kSlotEntry = kSlotSize / 2;
inline constexpr u64 slot_address(unsigned slot) {
  return kCode + slot * kSlotSize + kSlotEntry;
}

inline constexpr unsigned kLine = 64, kLines = kDataSize / kLine, kMaxChangedLines = 12;

struct Patch {
  u32 offset = 0;
  u32 size = 0;
  u8 bytes[48] = {};
};

// The image of FXSAVE64, as in SDM Vol. 1, "FXSAVE Area".
struct alignas(16) FxImage {
  u16 fcw, fsw;
  u8 ftw, reserved;
  u16 fop;
  u64 fip, fdp;
  u32 mxcsr, mxcsr_mask;
  u8 st[8][16];
  u8 xmm[16][16];
  u8 rest[96];
};
static_assert(sizeof(FxImage) == 512, "the architecture's layout");

struct State {
  u64 gpr[16];
  u64 rip;
  u64 rflags;
  u16 selectors[6];  // in the order of core::Seg; FS is not observed
  u32 unused;
  FxImage fx;  // meaningful where the form uses it
};

struct Input {
  State state;
  u16 instruction;  // of the round
  u8 length;        // of its bytes
  Patch patches[2];
};

inline constexpr u8 kNoTrap = 0xff;

struct Outcome {
  State state;
  u64 cr2;  // of #PF
  u32 error_code;
  u8 trap;     // vector, or kNoTrap: the next instruction was reached
  u8 changed;  // lines of the writable pages, kMaxChangedLines + 1: more than that
  u8 line[kMaxChangedLines];
  u8 bytes[kMaxChangedLines][kLine];
};

// One round: up to kSlots instructions, many states.
inline constexpr unsigned kBatch = 1024;
struct Batch {
  Mode mode = Mode::Long;
  unsigned count = 0;
  bool uses_fx = false, loads_segments = false;
  u8 code[kCodeSize];
  u8 data[kDataSize];  // before each state
  u8 read_only[kPage];
  u64 fs_base = 0, gs_base = 0;
  Input inputs[kBatch];
};

// Fills the memory part of an outcome: the lines of `now` that differ from `before`, and undoes them.
void take_changes(Outcome& outcome, u8* now, const u8* before);
void apply(const Patch& patch, u8* data);

}  // namespace pmusim::silicon
