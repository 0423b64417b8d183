// SPDX-License-Identifier: Apache-2.0
// The modes that states execute in, and the segments that user code can name in them: Linux's in the GDT
// (arch/x86/include/asm/segment.h) and a local table with bases, limits, expand-down, 16-bit, read-only, not
// present and execute-only segments, which the host gets by modify_ldt() (which makes no conforming segments
// and no gates) and the core as a table in memory, with the accessed bit set, as Linux does.
#pragma once

#include <vector>

#include "base/types.h"

namespace pmusim::silicon {

enum class Mode : u8 { Long, Compat32, Compat16 };
inline constexpr Mode kModes[] = {Mode::Long, Mode::Compat32, Mode::Compat16};
inline unsigned bytes_of(Mode m) {
  return m == Mode::Long ? 8 : m == Mode::Compat32 ? 4 : 2;
}

struct UserSegment {
  u16 selector;  // RPL 3; bit 2: in the local table
  u32 base, limit;
  bool code = false;
  bool open = true;  // data: writable, code: readable
  bool expands_down = false;
  bool big = true;  // D/B
  bool present = true;

  bool local() const { return selector & 4; }
  bool in_pages() const { return limit > 0xfffff; }
};

inline constexpr u16 kUserCode32 = 0x23, kUserData = 0x2b, kUserCode = 0x33;
const std::vector<UserSegment>& user_segments();
unsigned local_segments();                      // entries of the local table
const UserSegment* find_segment(u16 selector);  // RPL ignored; nullptr: none that user code can load

// SDM Vol. 3, "Segment Descriptors".
u64 descriptor_of(const UserSegment& segment);
// The access rights as core::Segment has them.
u32 access_of(const UserSegment& segment);

// May `size` bytes at `offset` be read, or written?
bool allows(const UserSegment* segment, u64 offset, u64 size, bool writes);

// Installs the local table in this process, from where children inherit it. Empty, or why a mode other than
// Long cannot be used on this host.
const char* install_segments();

}  // namespace pmusim::silicon
