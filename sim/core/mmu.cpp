// SPDX-License-Identifier: Apache-2.0
// Translation and slow-path accesses (SDM Vol. 3, "Paging"). A walk reads the entries through the second stage,
// checks rights, sets accessed and dirty flags, and fills the TLB. Limits: see mmu.h.
#include "core/mmu.h"

#include <stdexcept>

#include "base/bits.h"
#include "core/fault.h"

namespace pmusim::core {
namespace {

// Paging-structure entries.
constexpr u64 kPresent = 1, kWritable = 2, kUserPage = 4, kAccessed = 1 << 5, kDirty = 1 << 6, kLarge = 1 << 7,
              kGlobal = 1 << 8, kNx = u64{1} << 63;
constexpr u64 kAddressMask = 0x000ffffffffff000;

// Page-fault error code.
constexpr u32 kErrorPresent = 1, kErrorWrite = 2, kErrorUser = 4, kErrorReserved = 8, kErrorFetch = 16;

u64 load(const u8* from, unsigned size) {
  u64 value = 0;
  std::memcpy(&value, from, size);
  return value;
}

bool canonical(u64 linear) { return sign_extend(linear, 48) == linear; }

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
  return {tag_, s_->cr0 & (kCr0Pg | kCr0Wp), s_->cr3, s_->cr4 & (kCr4Pae | kCr4Pse | kCr4Pge),
          s_->efer & (kEferNxe | kEferLma), second_};
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
      same = k.cr0 == now.cr0 && k.cr3 == now.cr3 && k.cr4 == now.cr4 && k.efer == now.efer && k.second == now.second;
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

// Second stage and RAM. An access the second stage does not allow is a VM-exit in guest mode and
// memory-mapped I/O for an emulator.
Mmu::Target Mmu::resolve(u64 guest_physical, u64 linear, Access access) const {
  if (!second_) return {ram_->find(guest_physical), guest_physical, true};
  const u64 offset = guest_physical & kPageMask;
  const SecondStage::Result r = second_->translate(guest_physical - offset);
  if (r.present && (access != Access::Write || r.writable)) {
    const u64 physical = (r.address & ~kPageMask) | offset;
    return {ram_->find(physical), physical, r.writable};
  }
  if (!intercepts_) return {nullptr, guest_physical, false};
  ExitRequest request;
  request.exit.kind = ExitKind::SecondStageFault;
  request.exit.guest_physical = guest_physical;
  request.exit.guest_linear = linear;
  request.exit.write = access == Access::Write;
  request.exit.fetch = access == Access::Fetch;
  throw request;
}

// Reads the next entry of a walk; false ends the walk. An entry outside RAM reads as all ones.
bool Mmu::step(Walk& w, u64 address, u64 linear, bool quiet) const {
  u64 entry = mask(w.entry_size * 8u);
  const u8* host = nullptr;
  if (quiet && second_) {
    const SecondStage::Result r = second_->translate(address & ~kPageMask);
    if (!r.present) {
      w.result = Walk::Unreadable;
      return false;
    }
    host = ram_->find((r.address & ~kPageMask) | (address & kPageMask));
  } else {
    host = resolve(address, linear, Access::Read).host;
  }
  if (host) entry = load(host, w.entry_size);
  w.entry_address[w.levels] = address;
  w.entry[w.levels++] = entry;
  if (!(entry & kPresent)) w.result = Walk::NotPresent;
  return entry & kPresent;
}

Mmu::Walk Mmu::walk(u64 linear, bool quiet) const {
  Walk w;
  if (s_->efer & kEferLma) {
    if (!canonical(linear)) {
      w.result = Walk::NonCanonical;
      return w;
    }
  } else {
    linear &= 0xffffffff;
  }
  if (!s_->paging()) {
    w.address = linear;
    return w;
  }
  const auto reserved = [&w](u64 entry, u64 bits) {
    if (entry & bits) w.result = Walk::Reserved;
    return (entry & bits) != 0;
  };
  const auto rights = [&w](u64 entry) {
    w.writable &= (entry & kWritable) != 0;
    w.user &= (entry & kUserPage) != 0;
    w.executable &= !(entry & kNx);
  };

  if (!(s_->cr4 & kCr4Pae)) {  // "32-Bit Paging"
    w.entry_size = 4;
    if (!step(w, (s_->cr3 & 0xfffff000) + bits(linear, 31, 22) * 4, linear, quiet)) return w;
    const u64 pde = w.entry[0];
    rights(pde);
    if (pde & kLarge && s_->cr4 & kCr4Pse) {  // PSE-36: bits 20:13 are address bits 39:32
      const u64 base = (pde & 0xffc00000) | bits(pde, 20, 13) << 32;
      if (reserved(pde, bit(21)) || reserved(base, ~mask(physical_bits_))) return w;
      w.address = base | (linear & 0x3fffff);
      w.global = pde & kGlobal;
      return w;
    }
    if (!step(w, (pde & 0xfffff000) + bits(linear, 21, 12) * 4, linear, quiet)) return w;
    rights(w.entry[1]);
    w.address = (w.entry[1] & 0xfffff000) | (linear & kPageMask);
    w.global = w.entry[1] & kGlobal;
    return w;
  }

  // "PAE Paging", "4-Level Paging"
  const bool long_mode = s_->efer & kEferLma;
  u64 always_reserved = kAddressMask & ~mask(physical_bits_);
  if (!(s_->efer & kEferNxe)) always_reserved |= kNx;
  if (!long_mode) always_reserved |= mask(63) & ~mask(52);
  u64 table = long_mode ? s_->cr3 & kAddressMask : s_->cr3 & 0xffffffe0;
  for (int level = long_mode ? 4 : 3;; --level) {
    const unsigned shift = 12 + 9 * (level - 1);
    const bool pdpte = !long_mode && level == 3;
    if (!step(w, table + bits(linear, shift + (pdpte ? 1 : 8), shift) * 8, linear, quiet)) return w;
    const u64 entry = w.entry[w.levels - 1];
    if (reserved(entry, always_reserved)) return w;
    if (pdpte) {  // no rights, no accessed flag
      if (reserved(entry, kNx | 0x1e6)) return w;
      w.no_accessed |= static_cast<u8>(1 << (w.levels - 1));
      table = entry & kAddressMask;
      continue;
    }
    rights(entry);
    const bool may_be_large = level == 2 || (level == 3 && gigabyte_pages_);
    if (level == 1 || (may_be_large && entry & kLarge)) {
      if (level > 1 && reserved(entry, mask(shift) & ~mask(13))) return w;
      w.address = (entry & kAddressMask & ~mask(shift)) | (linear & mask(shift));
      w.global = entry & kGlobal;
      return w;
    }
    if (level >= 3 && reserved(entry, kLarge)) return w;
    table = entry & kAddressMask;
  }
}

void Mmu::update_accessed_and_dirty(const Walk& w, u64 linear, bool write) {
  for (unsigned i = 0; i < w.levels; ++i) {
    u64 wanted = w.entry[i];
    if (!(w.no_accessed >> i & 1)) wanted |= kAccessed;
    if (write && i + 1u == w.levels) wanted |= kDirty;
    if (wanted == w.entry[i]) continue;
    const Target t = resolve(w.entry_address[i], linear, Access::Write);
    if (t.host) write_target(t, wanted, w.entry_size);
  }
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
  const bool dirty = write || w.levels == 0 || w.entry[w.levels - 1] & kDirty;
  e.host = t.host - offset;
  e.physical = t.physical - offset;
  e.tag = tag_;
  e.global = w.global && s_->cr4 & kCr4Pge;
  if (may_read) e.read_tag = tag;
  if (may_read && w.executable) e.fetch_tag = tag;
  if (may_write && dirty && t.writable && !ram_->has_code(e.physical)) e.write_tag = tag;
  return t;
}

u64 Mmu::read_target(const Target& t, unsigned size) {
  if (t.host) return load(t.host, size);
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
void Mmu::write_slow(u64 linear, u64 value, unsigned size) { write_as(linear, value, size, user()); }
u64 Mmu::read_system(u64 linear, unsigned size) { return read_as(linear, size, Access::Read, false); }
void Mmu::write_system(u64 linear, u64 value, unsigned size) { write_as(linear, value, size, false); }

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
