// SPDX-License-Identifier: Apache-2.0
// Memory map, 32-bit: code at 1 MB, tables and stack of tests/support/machine/guest_image.h, page tables
// behind the tables.
#include "timed_guest.h"

#include <doctest/doctest.h>

#include <cstring>

#include "base/bits.h"
#include "tests/support/machine/recorded.h"
#include "tests/support/selectors.h"

namespace pmusim::platform::test {
namespace {

using namespace pmusim::test;

constexpr u32 kMain = 0x100000, kDirectory = 0x210000, kPageTables = 0x211000, kMemory = kTimedDataEnd;
constexpr u64 kMostCycles = 100000000;

Part page_tables() {
  Part p{kDirectory, std::vector<u8>(kPageTables - kDirectory + kMemory / 1024), 0};
  const auto put = [&](u32 at, u32 v) { std::memcpy(p.bytes.data() + at, &v, 4); };
  for (u32 page = 0; page < kMemory / 4096; ++page) {
    if (page % 1024 == 0) put(page / 1024 * 4, (kPageTables + page * 4) | 3);
    put(kPageTables - kDirectory + page * 4, page << 12 | 3);
  }
  return p;
}

const pmu::EventInfo& event_of(const CpuModel& model, const std::string& name) {
  for (const pmu::EventInfo& e : model.events)
    if (e.name == name) return e;
  FAIL("no event " << name << " on " << model.id);
  return model.events.front();
}

u64 selector_of(const pmu::EventInfo& e, const Counted& counted) {
  return (e.code & 0xff) | u64{e.umask} << 8 | u64{e.code & 0xf00u} << 24 | u64{counted.cmask} << 24 |
         (counted.inv ? evtsel::kInv : 0) | (counted.edge ? evtsel::kEdge : 0) | kCount;
}

Image image_of(const CpuModel& model, const TimedGuest& guest, const std::vector<u64>& selectors) {
  const auto msr = [&](pmu::Reg reg, unsigned n) { return pmu::address_of(model.vendor, reg, n); };
  const bool global = model.caps.version >= 2;
  Assembler c(kMain);
  load_tables(c).mov(eax, kDirectory).mov(cr3, eax);
  c.mov(eax, cr0).or_(eax, 0x80000000).mov(cr0, eax);  // PG
  if (global) {
    c.wrmsr(msr(pmu::Reg::GlobalCtrl, 0), 0);
    for (unsigned n = 0; n < selectors.size(); ++n) c.wrmsr(msr(pmu::Reg::GpSelector, n), selectors[n]);
  }
  const auto run = [&c](const std::function<void(Assembler&)>& part) {
    c.mov(eax, 12345).xor_(ebx, ebx);
    part(c);
  };
  run(guest.before);
  const auto enable = [&](bool on) {
    if (global) c.wrmsr(msr(pmu::Reg::GlobalCtrl, 0), on ? model.caps.gp_bits() : 0);
    for (unsigned n = 0; n < selectors.size() && !global; ++n)
      if (selectors[n]) c.wrmsr(msr(pmu::Reg::GpSelector, n), on ? selectors[n] : 0);
  };
  enable(true);
  run(guest.measured);
  enable(false);
  c.exit(0);
  return make_image(
      c, {tables(0x20, kMain), page_tables(), {kReturns, std::vector<u8>(kReturnsEnd - kReturns, 0xc3), 0}});
}

}  // namespace

TimedRun run_timed(const std::string& id, const TimedGuest& guest, const std::vector<Counted>& events,
                   bool step) {
  const CpuModel& model = interval_model(id);
  // Without a global control counters are enabled one by one: only one at a time counts the same window.
  const bool global = model.caps.version >= 2;
  TimedRun result;
  result.counts.assign(events.size(), 0);
  std::vector<bool> done(events.size());
  for (std::size_t left = events.size(); left;) {
    std::vector<u64> selectors(model.caps.gp_count);
    std::vector<std::size_t> counter_of(model.caps.gp_count, events.size());
    for (std::size_t i = 0; i < events.size(); ++i) {
      const pmu::EventInfo& e = event_of(model, events[i].event);
      for (unsigned n = 0; n < selectors.size() && !done[i]; ++n)
        if (e.counters >> n & 1 && !selectors[n]) {
          selectors[n] = selector_of(e, events[i]);
          counter_of[n] = i;
          done[i] = true;
          --left;
        }
      if (!global && done[i] && counter_of[0] != events.size()) break;
    }
    MachineConfig c = config(id);
    c.model = &model;
    c.memory = kMemory;
    c.step = step;
    Recorded recorded(c);
    Machine& m = machine();
    m.load(image_of(model, guest, selectors));
    const StopReport stop = m.run({kMostCycles, 120});
    REQUIRE(stop.kind == StopKind::Exit);
    for (unsigned n = 0; n < selectors.size(); ++n)
      if (counter_of[n] < events.size()) result.counts[counter_of[n]] = m.cpu(0).pmu().counter_value(n);
    result.gaps += static_cast<unsigned>(recorded.list.of(EventKind::Gap).size());
    result.hash = m.hash();
  }
  return result;
}

// EAX: a linear congruential sequence; EBX: an offset; ECX counts.
void random_phases(Assembler& c, Rng& rng, unsigned phases) {
  const auto below = [&](u64 n) { return static_cast<u32>(rng.below(n)); };
  const auto access = [&] {
    const Operand data = dword(ebx, kTimedData);
    const u32 kind = below(4);
    if (kind < 2)
      c.mov(edx, data);
    else if (kind == 2)
      c.mov(data, edx);
    else
      c.add(data, edx);
  };
  for (; phases; --phases) {
    const u32 footprint = 4096u << below(12), aligned = below(4) ? ~7u : ~0u;
    c.mov(ecx, 50 + below(1000));
    const u32 top = c.here();
    const auto random = [&](u32 mask) {  // ebx: random & mask
      c.imul(eax, eax, 1664525).add(eax, 1013904223);
      c.mov(ebx, eax).shr(ebx, 7).and_(ebx, mask);
    };
    switch (below(7)) {
      case 0:
      case 1:
        c.add(ebx, below(2) ? 64 : 1 + below(5000));
        c.and_(ebx, (footprint - 1) & aligned);
        access();
        break;
      case 2:
      case 3:
        random((footprint - 1) & aligned);
        access();
        break;
      case 4:
        random((kReturnsEnd - kReturns - 1) & (footprint - 1));
        c.add(ebx, kReturns).call(ebx);
        break;
      case 5: {
        random(0xff);
        const Label over = c.label();
        c.cmp(bl, below(256)).jnb(over).nop().bind(over);
        if (below(2)) c.xor_(edx, edx).div(ecx);
        break;
      }
      default:
        random((footprint - 1) & ~7u);
        c.push(ecx).lea(edi, dword(ebx, kTimedData)).mov(esi, kTimedData + below(1 << 20));
        c.mov(ecx, below(60)).rep().movsd().pop(ecx);
        if (below(3)) break;
        c.mov(byte(c.here() + 7), 0x90).nop();  // writes the NOP
    }
    c.dec(ecx).jnz(top);
  }
}

}  // namespace pmusim::platform::test
