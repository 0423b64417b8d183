// SPDX-License-Identifier: Apache-2.0
// The TLB, access rights and slow-path accesses (SDM Vol. 3, "Access Rights", "Page-Fault Exceptions",
// "Caching Translation Information"). The walk itself is in page_walk.cpp; limits: see mmu.h.
#include "core/mmu.h"

#include <stdexcept>

#include "base/bits.h"
#include "core/fault.h"

namespace pmusim::core {
namespace {

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

void Mmu::cpl_changed() {
  if (settled_) space_ = u64{tag_} << 53 | u64{user()} << 52;
}

Mmu::Known Mmu::known() const {
  return {tag_,
          s_->cr0 & (kCr0Pg | kCr0Wp),
          s_->cr3,
          s_->cr4 & (kCr4Pae | kCr4Pse | kCr4Pge),
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
  cpl_changed();
}

void Mmu::flush_all() {
  ++flushes;
  for (Entry& e : tlb_) e.clear();
}

void Mmu::flush_tag(u16 tag) {
  ++flushes;
  for (Entry& e : tlb_)
    if (e.tag == tag) e.clear();
}

void Mmu::flush_current() {
  flush_tag(tag_);
  remember();
}

void Mmu::flush_non_global() {
  ++flushes;
  for (Entry& e : tlb_)
    if (e.tag == tag_ && !e.global) e.clear();
  remember();
}

void Mmu::flush_page(u64 linear) {
  ++flushes;
  Entry& e = tlb_[index(linear)];
  if (e.tag == tag_) e.clear();
}

void Mmu::code_marked(u64 page) {
  for (Entry& e : tlb_)
    if (e.physical == page) e.write_tag = kNever;
}

Mmu::Target Mmu::translate(u64 linear, Access access, bool user_class) {
  if (!settled_) settle();
  Entry& e = tlb_[index(linear)];
  const u64 tag = tag_of(linear, user_class);
  const u64 offset = linear & kPageMask;
  const u64 have = access == Access::Read ? e.read_tag : access == Access::Write ? e.write_tag : e.fetch_tag;
  if (have == tag) return {e.host + offset, e.physical + offset, true};

  const bool write = access == Access::Write;
  Walk w = walk(linear, false);
  if (w.result == Walk::NonCanonical) raise_gp(0);
  const bool may_write = user_class ? w.user && w.writable : w.writable || !(s_->cr0 & kCr0Wp);
  const bool may_read = !user_class || w.user;
  const bool allowed = may_read && (!write || may_write) && (access != Access::Fetch || w.executable);
  if (w.result != Walk::Mapped || !allowed) {
    u32 error = user_class ? kErrorUser : 0;
    if (w.result != Walk::NotPresent) error |= kErrorPresent;
    if (w.result == Walk::Reserved) error |= kErrorReserved;
    if (write) error |= kErrorWrite;
    if (access == Access::Fetch && s_->cr4 & kCr4Pae && s_->efer & kEferNxe) error |= kErrorFetch;
    raise_page_fault(error, s_->long_mode() ? linear : linear & 0xffffffff);
  }
  update_accessed_and_dirty(w, linear, write);
  const Target t = resolve(w.address, linear, access);
  ++page_walks;
  e.clear();
  if (!t.host) return t;
  e.host = t.host - offset;
  e.physical = t.physical - offset;
  e.tag = tag_;
  e.global = w.global && s_->cr4 & kCr4Pge;
  if (may_read) e.read_tag = tag;
  if (may_read && w.executable) e.fetch_tag = tag;
  if (may_write && (write || w.dirty()) && t.writable && !ram_->has_code(e.physical)) e.write_tag = tag;
  return t;
}

u64 Mmu::read_target(const Target& t, unsigned size) {
  if (t.host) {
    u64 value = 0;
    std::memcpy(&value, t.host, size);
    return value;
  }
  if (mmio_hook_) mmio_hook_(mmio_context_);
  if ((size & (size - 1)) == 0) return env_->mmio_read(t.physical, size) & mask(size * 8);
  u64 value = 0;
  for (unsigned i = 0; i < size; ++i) value |= (env_->mmio_read(t.physical + i, 1) & 0xff) << (8 * i);
  return value;
}

void Mmu::write_target(const Target& t, u64 value, unsigned size) {
  if (t.host) {
    std::memcpy(t.host, &value, size);
    ram_->code_written(t.physical & ~kPageMask);
    return;
  }
  if (mmio_hook_) mmio_hook_(mmio_context_);
  if ((size & (size - 1)) == 0) return env_->mmio_write(t.physical, value & mask(size * 8), size);
  for (unsigned i = 0; i < size; ++i) env_->mmio_write(t.physical + i, value >> (8 * i) & 0xff, 1);
}

// Both pages are translated before either is accessed, so that a fault leaves everything as it was.
u64 Mmu::read_as(u64 linear, unsigned size, Access access, bool user_class) {
  const u64 room = kPageSize - (linear & kPageMask);
  const Target low = translate(linear, access, user_class);
  if (size <= room) return read_target(low, size);
  const unsigned first = static_cast<unsigned>(room);
  const Target high = translate(linear + room, access, user_class);
  const u64 value = read_target(low, first);
  return value | read_target(high, size - first) << (8 * first);
}

void Mmu::write_as(u64 linear, u64 value, unsigned size, bool user_class) {
  const u64 room = kPageSize - (linear & kPageMask);
  const Target low = translate(linear, Access::Write, user_class);
  if (size <= room) return write_target(low, value, size);
  const unsigned first = static_cast<unsigned>(room);
  const Target high = translate(linear + room, Access::Write, user_class);
  write_target(low, value, first);
  write_target(high, value >> (8 * first), size - first);
}

u64 Mmu::read_slow(u64 linear, unsigned size, bool for_write) {
  return read_as(linear, size, for_write ? Access::Write : Access::Read, user());
}
void Mmu::write_slow(u64 linear, u64 value, unsigned size) {
  write_as(linear, value, size, user());
}
u64 Mmu::read_system(u64 linear, unsigned size) {
  return read_as(linear, size, Access::Read, false);
}
void Mmu::write_system(u64 linear, u64 value, unsigned size) {
  write_as(linear, value, size, false);
}

void Mmu::probe_write(u64 linear, unsigned size) {
  translate(linear, Access::Write, user());
  if ((linear & kPageMask) + size > kPageSize) translate(linear + size - 1, Access::Write, user());
}

void Mmu::probe_read(u64 linear, unsigned size) {
  translate(linear, Access::Read, user());
  if ((linear & kPageMask) + size > kPageSize) translate(linear + size - 1, Access::Read, user());
}

Mmu::Code Mmu::fetch(u64 linear) {
  const Target t = translate(linear, Access::Fetch, user());
  return {t.physical, t.host};
}

bool Mmu::translate_quietly(u64 linear, u64& guest_physical) const {
  const Walk w = walk(linear, true);
  guest_physical = w.address;
  return w.result == Walk::Mapped;
}

}  // namespace pmusim::core
