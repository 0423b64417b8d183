// SPDX-License-Identifier: Apache-2.0
// The TLB, access rights and slow-path accesses (SDM Vol. 3, "Access Rights", "Page-Fault Exceptions",
// "Caching Translation Information"). The walk itself is in page_walk.cpp; limits: see mmu.h.
#include "core/memory/mmu.h"

#include <stdexcept>

#include "base/bits.h"
#include "core/state/fault.h"

namespace pmusim::core {
namespace {

// DR7.LENn.
constexpr u64 breakpoint_length(u64 field) {
  return field == 0 ? 1 : field == 1 ? 2 : field == 2 ? 8 : 4;
}

// Page-fault error code.
constexpr u32 kErrorPresent = 1, kErrorWrite = 2, kErrorUser = 4, kErrorReserved = 8, kErrorFetch = 16;

}  // namespace

void Mmu::set_state(CpuState* state) {
  s_ = state;
  settled_ = false;
  space_ = kUnsettled;
}

void Mmu::set_world(const SecondStage* second, const Intercepts* intercepts, u16 tag) {
  if (tag >= kTags) throw std::invalid_argument("address-space tag is too large");
  second_ = second;
  intercepts_ = intercepts;
  tag_ = tag;
  settled_ = false;
  space_ = kUnsettled;
}

void Mmu::access_changed() {
  if (!settled_) return;  // settling comes back here
  const bool ac = s_->rflags & kACFlag;
  rights_ = s_->cpl == 3 ? Rights::User : ac && s_->cr4 & kCr4Smap ? Rights::Suspended : Rights::Supervisor;
  aligned_ = ac && s_->cpl == 3 && s_->cr0 & kCr0Am;
  watched_ = s_->dr[7] & 0xff;
  space_ = aligned_ || watched_ ? kUnsettled : space_of(rights_);
}

Mmu::Known Mmu::known() const {
  return {tag_,
          s_->cr0 & (kCr0Pg | kCr0Wp),
          s_->cr3,
          s_->cr4 & (kCr4Pae | kCr4Pse | kCr4Pge | kCr4Pcide | kCr4Smep | kCr4Smap),
          s_->efer & (kEferNxe | kEferLma),
          second_};
}

void Mmu::remember() {
  const Known now = known();
  for (Known& k : known_)
    if (k.tag == tag_) {
      k = now;
      return;
    }
  known_.push_back(now);
}

// After a change of state or world: drops the tag's entries unless they were made under the same registers.
void Mmu::settle() {
  const Known now = known();
  bool same = false;
  for (const Known& k : known_)
    if (k.tag == tag_)
      same = k.cr0 == now.cr0 && k.cr3 == now.cr3 && k.cr4 == now.cr4 && k.efer == now.efer &&
             k.second == now.second;
  if (!same) flush_tag(tag_);
  remember();
  settled_ = true;
  access_changed();
}

void Mmu::flush_all() {
  ++flushes;
  drop_entries([](const TlbEntry&) { return true; });
}

void Mmu::flush_tag(u16 tag) {
  ++flushes;
  drop_entries([tag](const TlbEntry& e) { return e.tag == tag; });
}

void Mmu::flush_current() {
  flush_tag(tag_);
  remember();
}

void Mmu::flush_non_global() {
  ++flushes;
  drop_entries([this](const TlbEntry& e) { return e.tag == tag_ && !e.global; });
  remember();
}

void Mmu::flush_page(u64 linear) {
  ++flushes;
  TlbEntry& e = tlb_[tlb_index(linear)];
  if (e.tag == tag_) e.clear();
}

void Mmu::page_marked(u64 page) {
  for_used_entries([page](TlbEntry& e) {
    if (e.physical == page) e.write_tag = kNever;
  });
}

Mmu::Target Mmu::translate(u64 linear, Access access, Rights rights) {
  TlbEntry& e = tlb_[tlb_index(linear)];
  const u64 tag = (linear >> 12) ^ space_of(rights);
  const u64 offset = linear & kPageMask;
  const u64 have = access == Access::Read ? e.read_tag : access == Access::Write ? e.write_tag : e.fetch_tag;
  if (have == tag) return {e.host + offset, e.physical + offset, true};

  const bool write = access == Access::Write;
  Walk w = walk(linear, false);
  if (w.result == Walk::NonCanonical) throw Fault{kGP, true, 0, false, linear, true};
  const bool user_class = rights == Rights::User, smep = s_->paging() && s_->cr4 & kCr4Smep;
  const bool smap = s_->paging() && rights == Rights::Supervisor && s_->cr4 & kCr4Smap;
  const bool may_read = user_class ? w.user : !(smap && w.user);
  const bool may_write = may_read && (w.writable || (!user_class && !(s_->cr0 & kCr0Wp)));
  const bool may_fetch = w.executable && (user_class ? w.user : !(smep && w.user));
  const bool allowed = access == Access::Fetch ? may_fetch : write ? may_write : may_read;
  if (w.result != Walk::Mapped || !allowed) {
    u32 error = user_class ? kErrorUser : 0;
    if (w.result != Walk::NotPresent) error |= kErrorPresent;
    if (w.result == Walk::Reserved) error |= kErrorReserved;
    if (write) error |= kErrorWrite;
    if (access == Access::Fetch && (smep || (s_->cr4 & kCr4Pae && s_->efer & kEferNxe))) error |= kErrorFetch;
    raise_page_fault(error, s_->long_mode() ? linear : linear & 0xffffffff);
  }
  update_accessed_and_dirty(w, linear, write);
  const Target t = resolve(w.address, linear, access);
  ++page_walks;
  e.clear();
  if (!t.host) return t;
  mark_used(tlb_index(linear));
  e.host = t.host - offset;
  e.physical = t.physical - offset;
  e.tag = tag_;
  e.page_shift = w.page_shift;
  e.global = w.global && s_->cr4 & kCr4Pge;
  if (may_read) e.read_tag = tag;
  if (may_fetch) e.fetch_tag = tag;
  if (may_write && (write || w.dirty()) && t.writable && !ram_->marked(e.physical)) e.write_tag = tag;
  return t;
}

u64 Mmu::read_target(const Target& t, unsigned size) {
  if (t.host) {
    u64 value = 0;
    std::memcpy(&value, t.host, size);
    return value;
  }
  outside(true);
  if ((size & (size - 1)) == 0) return env_->mmio_read(t.physical, size) & mask(size * 8);
  u64 value = 0;
  for (unsigned i = 0; i < size; ++i) value |= (env_->mmio_read(t.physical + i, 1) & 0xff) << (8 * i);
  return value;
}

void Mmu::write_target(const Target& t, u64 value, unsigned size) {
  if (t.host) {
    if (ram_->monitored(t.physical, size)) outside(false);
    std::memcpy(t.host, &value, size);
    ram_->written(t.physical, size);
    return;
  }
  outside(true);
  if ((size & (size - 1)) == 0) return env_->mmio_write(t.physical, value & mask(size * 8), size);
  for (unsigned i = 0; i < size; ++i) env_->mmio_write(t.physical + i, value >> (8 * i) & 0xff, 1);
}

// Both pages are translated before either is accessed, so that a fault leaves everything as it was.
u64 Mmu::read_as(u64 linear, unsigned size, Access access, Rights rights) {
  const u64 room = kPageSize - (linear & kPageMask);
  const Target low = translate(linear, access, rights);
  if (size <= room) return read_target(low, size);
  const unsigned first = static_cast<unsigned>(room);
  const Target high = translate(linear + room, access, rights);
  const u64 value = read_target(low, first);
  return value | read_target(high, size - first) << (8 * first);
}

void Mmu::write_as(u64 linear, u64 value, unsigned size, Rights rights) {
  const u64 room = kPageSize - (linear & kPageMask);
  const Target low = translate(linear, Access::Write, rights);
  if (size <= room) return write_target(low, value, size);
  const unsigned first = static_cast<unsigned>(room);
  const Target high = translate(linear + room, Access::Write, rights);
  write_target(low, value, first);
  write_target(high, value >> (8 * first), size - first);
}

void Mmu::check_alignment(u64 linear, unsigned size) const {
  if (aligned_ && linear & (size - 1)) raise(kAC, 0);
}

// What a data access by an instruction is subject to beyond translation. A page fault comes before #AC.
void Mmu::check_access(u64 linear, unsigned size, Access access) {
  if (aligned_ && linear & (size - 1)) {
    translate(linear, access, rights_);
    translate(linear + size - 1, access, rights_);
    check_alignment(linear, size);
  }
  if (!watched_) return;
  for (unsigned i = 0; i < 4; ++i) {
    const u64 control = s_->dr[7] >> (16 + 4 * i);
    if (!(s_->dr[7] >> (2 * i) & 3) || !(control & 1) || (access == Access::Read && (control & 3) != 3))
      continue;
    const u64 length = breakpoint_length(control >> 2 & 3), first = s_->dr[i] & ~(length - 1);
    if (linear < first + length && first < linear + size) breakpoints_ |= static_cast<u8>(1 << i);
  }
}

void Mmu::check_io_breakpoints(u16 port, unsigned size) {
  if (!(s_->cr4 & kCr4De)) return;
  for (unsigned i = 0; i < 4; ++i) {
    const u64 control = s_->dr[7] >> (16 + 4 * i);
    if (!(s_->dr[7] >> (2 * i) & 3) || (control & 3) != 2) continue;
    const u64 length = breakpoint_length(control >> 2 & 3), first = s_->dr[i] & ~(length - 1);
    if (port < first + length && first < u64{port} + size) breakpoints_ |= static_cast<u8>(1 << i);
  }
}

u64 Mmu::read_slow(u64 linear, unsigned size, bool for_write) {
  if (!settled_) settle();
  const Access access = for_write ? Access::Write : Access::Read;
  check_access(linear, size, access);
  return read_as(linear, size, access, rights_);
}
void Mmu::write_slow(u64 linear, u64 value, unsigned size) {
  if (!settled_) settle();
  check_access(linear, size, Access::Write);
  write_as(linear, value, size, rights_);
}
// SMAP holds for these whatever RFLAGS.AC (SDM Vol. 3, "Determination of Access Rights").
u64 Mmu::read_system(u64 linear, unsigned size) {
  if (!settled_) settle();
  return read_as(linear, size, Access::Read, Rights::Supervisor);
}
void Mmu::write_system(u64 linear, u64 value, unsigned size) {
  if (!settled_) settle();
  write_as(linear, value, size, Rights::Supervisor);
}

void Mmu::probe_write(u64 linear, unsigned size) {
  if (!settled_) settle();
  translate(linear, Access::Write, rights_);
  if ((linear & kPageMask) + size > kPageSize) translate(linear + size - 1, Access::Write, rights_);
}

void Mmu::probe_read(u64 linear, unsigned size) {
  if (!settled_) settle();
  translate(linear, Access::Read, rights_);
  if ((linear & kPageMask) + size > kPageSize) translate(linear + size - 1, Access::Read, rights_);
}

Mmu::Code Mmu::fetch(u64 linear) {
  if (!settled_) settle();
  const Target t = translate(linear, Access::Fetch, rights_);
  return {t.physical, t.host};
}

Mmu::Place Mmu::place_slow(u64 linear) const {
  const Walk w = walk(linear, true);
  if (w.result != Walk::Mapped) return {kNever, kUnpagedShift, false};
  u64 physical = w.address;
  if (second_) {
    const SecondStage::Result r = second_->translate(physical & ~kPageMask);
    if (!r.present) return {kNever, w.page_shift, false};
    physical = (r.address & ~kPageMask) | (physical & kPageMask);
  }
  return {ram_->find(physical) ? physical : kNever, w.page_shift, w.global && s_->cr4 & kCr4Pge};
}

bool Mmu::translate_quietly(u64 linear, u64& guest_physical) const {
  const Walk w = walk(linear, true);
  guest_physical = w.address;
  return w.result == Walk::Mapped;
}

}  // namespace pmusim::core
