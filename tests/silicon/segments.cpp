// SPDX-License-Identifier: Apache-2.0
// The segments that user mode has, on both CPUs.
#include "segments.h"

#if defined(__x86_64__) && defined(__linux__)
#include <asm/ldt.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>

#include "arena.h"

namespace pmusim::silicon {
namespace {

constexpr u16 local(unsigned n) {
  return static_cast<u16>(n << 3 | 7);
}
// 64 kB around the pages of data, so that 16-bit offsets reach them, and from the code pages on.
constexpr u32 kDataBase = kData - 0x8000, kCodeBase = kCode - 0x1000;
constexpr u32 kInPages = kDataSize - 0x800;  // the last 2 kB of the writable pages are beyond such a limit

}  // namespace

const std::vector<UserSegment>& user_segments() {
  // selector, base, limit, code, open, expands_down, big, present
  static const std::vector<UserSegment> all = {
      {kUserCode32, 0, 0xffffffff, true},
      {kUserData, 0, 0xffffffff},
      {local(0), kCodeBase, 0xffff, true, true, false, false},
      {local(1), kCodeBase, 0xffff, true},
      {local(2), kDataBase, 0xffff, false, true, false, false},
      {local(3), kDataBase, 0x8000 + kInPages - 1},
      {local(4), kDataBase, 0x87ff, false, true, true, false},
      {local(5), kDataBase, 0x87ff, false, true, true, true},
      {local(6), kDataBase, 0xffff, false, false},
      {local(7), 0x12345670, 0xffffffff},
      {local(8), kDataBase, 0xffff, false, true, false, true, false},
      {local(9), kDataBase, 0xffff, true, false},
  };
  return all;
}

unsigned local_segments() {
  const auto& all = user_segments();
  return static_cast<unsigned>(
      std::count_if(all.begin(), all.end(), [](const UserSegment& s) { return s.local(); }));
}

const UserSegment* find_segment(u16 selector) {
  for (const UserSegment& s : user_segments())
    if ((s.selector | 3) == (selector | 3)) return &s;
  return nullptr;
}

u32 access_of(const UserSegment& s) {
  const u32 type = 1u | (s.open ? 2u : 0) | (s.expands_down ? 4u : 0) | (s.code ? 8u : 0);
  return type | 0x70 | (s.present ? 0x80u : 0) | (s.big ? 1u << 14 : 0) | (s.in_pages() ? 1u << 15 : 0);
}

u64 descriptor_of(const UserSegment& s) {
  const u64 limit = s.in_pages() ? s.limit >> 12 : s.limit, base = s.base, access = access_of(s);
  return (limit & 0xffff) | (base & 0xffffff) << 16 | (access & 0xff) << 40 | (limit >> 16) << 48 |
         (access >> 12) << 52 | base >> 24 << 56;
}

bool allows(const UserSegment* s, u64 offset, u64 size, bool writes) {
  if (!s || !s->present) return false;
  if (writes ? s->code || !s->open : s->code && !s->open) return false;
  const u64 last = offset + size - 1;
  if (s->expands_down) return offset > s->limit && last <= (s->big ? 0xffffffff : 0xffff);
  return last <= s->limit;
}

const char* install_segments() {
#if defined(__x86_64__) && defined(__linux__)
  unsigned access = 0;
  asm volatile("lar %1, %0" : "+r"(access) : "r"(unsigned{kUserCode32}) : "cc");
  if (!(access & 0x8000)) return "the kernel has no segment for 32-bit user code";
  for (const UserSegment& s : user_segments()) {
    if (!s.local()) continue;
    user_desc d{};
    d.entry_number = s.selector >> 3;
    d.base_addr = s.base;
    d.limit = s.in_pages() ? s.limit >> 12 : s.limit;
    d.limit_in_pages = s.in_pages();
    d.seg_32bit = s.big;
    d.contents = s.code ? 2u : s.expands_down;
    d.read_exec_only = !s.open;
    d.seg_not_present = !s.present;
    constexpr int write = 0x11;
    if (syscall(SYS_modify_ldt, write, &d, sizeof d) != 0) return "the kernel refuses modify_ldt()";
  }
  return nullptr;
#else
  return "no x86-64 Linux";
#endif
}

}  // namespace pmusim::silicon
