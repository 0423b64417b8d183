// SPDX-License-Identifier: Apache-2.0
// Linear to host-physical: segmentation is done by the caller, paging (none, 32-bit, PAE, 4-level; 4K, 2M/4M,
// 1G), permissions, accessed and dirty bits, second stage and a tagged TLB here. Data accesses are templates
// with a TLB fast path; accesses that cross a page, miss, or reach MMIO take the slow path.
// Faults and error codes: SDM Vol. 3, "Paging" ("Page-Fault Exceptions", "Accessed and Dirty Flags").
// Alignment checks and data breakpoints, while they are on, keep data accesses off the fast path.
// Not modelled: 5-level paging, translations kept across CR3 writes by PCID (every CR3 write flushes, which
// is allowed), protection keys, memory types, PDPTE registers (PAE paging reads them from memory at each
// walk). A non-canonical address is #GP(0) here whatever the segment; that stack references get #SS(0)
// instead is the caller's business.
#pragma once

#include <cstring>
#include <vector>

#include "base/bits.h"
#include "core/memory/ram.h"
#include "core/memory/tlb_entry.h"
#include "core/state/env.h"
#include "core/state/features.h"
#include "core/state/intercepts.h"
#include "core/state/state.h"

namespace pmusim::core {

class Mmu final : public CodeWatcher {
 public:
  static constexpr u16 kTags = 0x3ff;  // address-space tags are below this

  Mmu(Ram& ram, CoreEnv& env) : ram_(&ram), env_(&env) { ram.watch(*this); }
  ~Mmu() override { ram_->unwatch(*this); }
  Mmu(const Mmu&) = delete;
  Mmu& operator=(const Mmu&) = delete;

  // Entries of a tag survive these calls as long as that tag's paging registers (CR0, CR3, CR4, EFER) and
  // second stage are found as they were left; otherwise they are flushed. Call set_state() again after
  // changing such registers from outside; a changed mapping of the second stage needs flush_tag().
  void set_state(CpuState* state);
  void set_world(const SecondStage* second, const Intercepts* intercepts, u16 tag);
  void set_physical_bits(unsigned bits) { physical_bits_ = bits; }
  unsigned physical_bits() const { return physical_bits_; }
  void set_features(const Features& features) { features_ = features; }

  // Called before each access that others notice at once, memory-mapped I/O or a store to a monitored line,
  // to bring counts and time up to date and to end the slice.
  void set_outside_hook(void (*hook)(void* context, bool mmio), void* context) {
    outside_hook_ = hook;
    outside_context_ = context;
  }

  // Data accesses with the rights of the current CPL. T: u8, u16, u32, u64.
  template <class T>
  T read(u64 linear) {
    const TlbEntry& e = tlb_[tlb_index(linear)];
    if (e.read_tag == (tag_of(linear)) && (linear & kPageMask) <= kPageSize - sizeof(T)) {
      T value;
      std::memcpy(&value, e.host + (linear & kPageMask), sizeof(T));
      return value;
    }
    return static_cast<T>(read_slow(linear, sizeof(T), false));
  }
  template <class T>
  void write(u64 linear, T value) {
    const TlbEntry& e = tlb_[tlb_index(linear)];
    if (e.write_tag == (tag_of(linear)) && (linear & kPageMask) <= kPageSize - sizeof(T)) {
      std::memcpy(e.host + (linear & kPageMask), &value, sizeof(T));
      return;
    }
    write_slow(linear, value, sizeof(T));
  }
  // Reads and checks that a write to the same bytes cannot fault: for read-modify-write instructions.
  template <class T>
  T read_for_write(u64 linear) {
    const TlbEntry& e = tlb_[tlb_index(linear)];
    if (e.write_tag == (tag_of(linear)) && (linear & kPageMask) <= kPageSize - sizeof(T)) {
      T value;
      std::memcpy(&value, e.host + (linear & kPageMask), sizeof(T));
      return value;
    }
    return static_cast<T>(read_slow(linear, sizeof(T), true));
  }
  // Call after any change of CPL, RFLAGS.AC, DR7, CR0 or CR4.
  void access_changed();

  // Data and I/O breakpoints met since the last call: bit n is DRn's (SDM Vol. 3, "Debug Registers").
  u8 take_breakpoints() {
    const u8 met = breakpoints_;
    breakpoints_ = 0;
    return met;
  }
  void check_io_breakpoints(u16 port, unsigned size);

  // #AC where alignment is checked; translation faults come first and are the caller's.
  void check_alignment(u64 linear, unsigned size) const;
  // Faults as a write of `size` bytes would, writes nothing.
  void probe_write(u64 linear, unsigned size);
  void probe_read(u64 linear, unsigned size);

  // Accesses of the CPU itself with supervisor rights whatever the CPL (descriptor tables, TSS, IDT, IST
  // stacks).
  u64 read_system(u64 linear, unsigned size);
  void write_system(u64 linear, u64 value, unsigned size);

  // Code: host-physical address and pointer of an instruction byte; faults as a fetch. Valid to the page's
  // end. host is nullptr outside RAM.
  struct Code {
    u64 physical;
    const u8* host;
  };
  Code fetch(u64 linear);

  // Where an access that has just succeeded went, for timing models; physical is kNever outside RAM. The same
  // whatever the TLB holds.
  struct Place {
    u64 physical;
    u8 page_shift;  // of the first stage's translation
    bool global;
  };
  Place place(u64 linear) const {
    const TlbEntry& e = tlb_[tlb_index(linear)];
    if (e.read_tag == tag_of(linear)) return {e.physical + (linear & kPageMask), e.page_shift, e.global};
    return place_slow(linear);
  }

  TlbView tlb() const { return {tlb_, &space_}; }

  // For diagnostics and VM introspection: no faults, no A/D updates; false if not mapped. `guest_physical` is
  // the result of the first stage.
  bool translate_quietly(u64 linear, u64& guest_physical) const;

  void flush_all();             // every tag
  void flush_current();         // the current tag: CR0/CR4/EFER paging bits
  void flush_non_global();      // the current tag's non-global entries: CR3 write
  void flush_page(u64 linear);  // the current tag's entry, global or not: INVLPG
  void flush_tag(u16 tag);

  // Ram's notices.
  void code_written(u64) override {}
  void page_marked(u64 page) override;  // stores to this host-physical page take the slow path from now on
  void slot_removed() override { flush_all(); }

  u64 page_walks = 0;  // completed walks
  u64 flushes = 0;     // whatever dropped entries; caches of translations kept elsewhere compare it

 private:
  enum class Access : u8 { Read, Write, Fetch };
  // Whose rights an access has. Suspended: a supervisor's with RFLAGS.AC set, which SMAP lets pass.
  enum class Rights : u8 { Supervisor, User, Suspended };
  // First stage's result: the guest-physical address and the entries used on the way.
  struct Walk {
    enum Result : u8 { Mapped, NotPresent, Reserved, NonCanonical, Unreadable } result = Mapped;
    u64 address = 0;
    bool writable = true, user = true, executable = true, global = false;
    u8 levels = 0, entry_size = 8, page_shift = kUnpagedShift;
    u8 no_accessed = 0;  // bit i: entry i has no accessed flag (PAE's PDPTEs)
    u64 entry_address[4] = {}, entry[4] = {};
    bool dirty() const { return levels == 0 || entry[levels - 1] >> 6 & 1; }
  };
  // Where an access goes: host is nullptr for memory-mapped I/O at `physical`.
  struct Target {
    u8* host = nullptr;
    u64 physical = 0;
    bool writable = true;
  };
  // What the entries of a tag depend on.
  struct Known {
    u16 tag;
    u64 cr0, cr3, cr4, efer;
    const SecondStage* second;
  };

  static constexpr unsigned kEntries = kTlbEntries, kWord = 64;
  static constexpr u8 kUnpagedShift = 21;  // as what translations without paging are cached
  u64 tag_of(u64 linear) const { return tlb_tag(linear, space_); }

  void mark_used(unsigned entry) { used_[entry / kWord] |= u64{1} << entry % kWord; }
  template <class F>
  void for_used_entries(F f) {
    for (unsigned word = 0; word < kEntries / kWord; ++word)
      for (const unsigned n : set_bits(used_[word])) f(tlb_[word * kWord + n]);
  }
  template <class F>
  void drop_entries(F which) {
    for_used_entries([&](TlbEntry& e) {
      if (!which(e)) return;
      e.clear();
      const auto entry = static_cast<unsigned>(&e - tlb_);
      used_[entry / kWord] &= ~(u64{1} << entry % kWord);
    });
  }

  u64 read_slow(u64 linear, unsigned size, bool for_write);
  void write_slow(u64 linear, u64 value, unsigned size);

  u64 read_as(u64 linear, unsigned size, Access access, Rights rights);
  void write_as(u64 linear, u64 value, unsigned size, Rights rights);
  Target translate(u64 linear, Access access, Rights rights);
  void check_access(u64 linear, unsigned size, Access access);
  Target resolve(u64 guest_physical, u64 linear, Access access) const;
  Place place_slow(u64 linear) const;
  Walk walk(u64 linear, bool quiet) const;
  bool step(Walk& w, u64 address, u64 linear, bool quiet) const;
  void update_accessed_and_dirty(const Walk& w, u64 linear, bool write);
  u64 read_target(const Target& t, unsigned size);
  void write_target(const Target& t, u64 value, unsigned size);
  void outside(bool mmio) {
    if (outside_hook_) outside_hook_(outside_context_, mmio);
  }
  void settle();
  void remember();
  Known known() const;
  u64 space_of(Rights rights) const { return u64{tag_} << 54 | static_cast<u64>(rights) << 52; }

  static constexpr u64 kUnsettled = u64{kTags} << 54;  // as space_: no entry matches

  Ram* ram_;
  CoreEnv* env_;
  CpuState* s_ = nullptr;
  const SecondStage* second_ = nullptr;
  const Intercepts* intercepts_ = nullptr;
  u64 space_ = kUnsettled;  // recomputed when tag or rights change: see access_changed()
  Rights rights_ = Rights::Supervisor;
  bool aligned_ = false, watched_ = false;  // alignment checks and data breakpoints are on
  u8 breakpoints_ = 0;
  bool settled_ = false;
  u16 tag_ = 0;
  unsigned physical_bits_ = 46;
  Features features_ = Features::all();
  void (*outside_hook_)(void*, bool) = nullptr;
  void* outside_context_ = nullptr;
  std::vector<Known> known_;
  TlbEntry tlb_[kEntries];
  u64 used_[kEntries / kWord] = {};  // a bit per entry filled since it was dropped: a flush costs no more
};

}  // namespace pmusim::core
