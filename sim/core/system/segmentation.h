// SPDX-License-Identifier: Apache-2.0
// Descriptors, and pushes and pops of far transfers and interrupt delivery; internal to sim/core.
#pragma once

#include "core/system/exec.h"

namespace pmusim::core {

// Segment access rights (state.h) and descriptor types (SDM Vol. 3, "Segment Descriptors", "System Descriptor
// Types").
inline constexpr u32 kAccessed = 1, kSegWritable = 2, kConforming = 4, kExpandDown = 4, kCode = 8,
                     kCodeOrData = 1 << 4, kSegPresent = 1 << 7, kLong = 1 << 13, kBig = 1 << 14,
                     kGranular = 1 << 15, kUnusable = 1 << 16;

struct Descriptor {
  Segment segment;  // as it would be loaded; accessed bit as in memory
  u64 raw = 0;
  u64 linear = 0;  // of the descriptor, for the accessed and busy bits
  u64 system_linear = 0;

  u8 type() const { return segment.access & 15; }
  bool is_system() const { return !(segment.access & kCodeOrData); }
  bool is_code() const { return (segment.access & (kCodeOrData | kCode)) == (kCodeOrData | kCode); }
  bool is_conforming() const { return segment.access & kConforming; }
  bool is_writable_data() const {
    return (segment.access & (kCodeOrData | kCode | kSegWritable)) == (kCodeOrData | kSegWritable);
  }
  bool is_readable() const { return !is_code() || segment.access & 2; }
  bool present() const { return segment.access & kSegPresent; }
};

constexpr bool is_null(u16 selector) {
  return (selector & ~3) == 0;
}
constexpr u32 selector_error(u16 selector, u32 ext = 0) {
  return (selector & 0xfffcu) | ext;
}

// The descriptor a selector names; a selector outside its table raises `vector` with the selector as error
// code (plus EXT). size: 8, or 16 for system descriptors of long mode.
Descriptor read_descriptor(Exec& x, u16 selector, u8 vector, u32 ext = 0, unsigned size = 8);
bool in_table(const CpuState& s, u16 selector, unsigned size);  // the selector is inside its table
Segment decode_descriptor(u64 raw, u16 selector);
void mark_accessed(Exec& x, Descriptor& d);                     // code and data segments
bool inside_limit(const Segment& g, u64 first, unsigned size);  // expand-down segments too
Segment null_segment(u16 selector, u8 dpl);
Segment virtual_8086_segment(u16 selector);

// The rest of a far JMP or CALL to a system descriptor: a gate or a TSS (gates.cpp).
void far_system_target(Exec& x, const Descriptor& d, u16 selector, bool calls);
// The stack of an inner level from the TSS; #TS if it is not there or not usable.
struct NewStack {
  Segment ss;
  u64 rsp;
};
NewStack inner_stack(Exec& x, u8 cpl, u32 ext);
u64 read_tss(Exec& x, u32 offset, unsigned size, u32 ext);  // #TS beyond the limit
void check_code_limits(Exec& x, const Segment& cs, u64 rip,
                       u32 error);  // #GP(error) beyond limit, or not canonical
void commit_rip(Exec& x, u64 rip);
void set_cpl(Exec& x, u8 cpl);

// A stack pointer that moves without changing RSP until the caller commits it.
class StackCursor {
 public:
  // `error`: error code of #SS beyond the limit. `system`: supervisor rights (a more privileged stack).
  StackCursor(Exec& x, const Segment& ss, u64 sp, bool code64, bool system, u32 error)
      : x_(&x), ss_(ss), sp_(sp), code64_(code64), system_(system), error_(error) {}
  // On the current stack.
  explicit StackCursor(Exec& x)
      : StackCursor(x, x.s->seg[SS], x.s->gpr[RSP], x.s->code64(), x.s->cpl != 3, 0) {}

  void push(u64 value, unsigned size);
  u64 pop(unsigned size);
  void skip(u64 bytes) { sp_ = moved(bytes); }
  u64 sp() const { return sp_; }
  u64 top(unsigned size) const { return linear(sp_, size); }  // where pop() reads
  // The new RSP: a 16-bit stack keeps the rest of `old`, a 32-bit one clears it.
  u64 merged(u64 old) const {
    const u64 kept = width_mask() == 0xffff ? old & ~u64{0xffff} : 0;
    return kept | (sp_ & width_mask());
  }

 private:
  u64 width_mask() const { return code64_ ? ~u64{0} : ss_.big() ? 0xffffffff : 0xffff; }
  u64 moved(u64 by) const { return (sp_ & ~width_mask()) | ((sp_ + by) & width_mask()); }
  u64 linear(u64 offset, unsigned size) const;

  Exec* x_;
  Segment ss_;
  u64 sp_;
  bool code64_, system_;
  u32 error_;
};

}  // namespace pmusim::core
