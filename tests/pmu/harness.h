// SPDX-License-Identifier: Apache-2.0
// A PMU without a core: the test adds happenings to the counts and looks at the registers.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <vector>

#include "arch/event_counts.h"
#include "arch/evtsel.h"
#include "arch/msr.h"
#include "base/bits.h"
#include "models/models.h"
#include "pmu/pmu.h"

namespace pmusim::test {

using pmu::kFixedBase;

using evtsel::kEdge, evtsel::kEn, evtsel::kInt, evtsel::kInv, evtsel::kOs, evtsel::kUsr;
inline constexpr u64 kInstructions = 0xc0, kIntelCycles = 0x3c, kAmdCycles = 0x76;
constexpr u64 cmask(u64 k) {
  return k << 24;
}

// A shipped model, with its CPUID changed before the capabilities are derived.
inline CpuModel model(const char* id, const std::function<void(CpuidTable&)>& change = {}) {
  CpuModel m = models::load_model(id);
  if (change) {
    change(m.cpuid);
    m.caps = m.rules->caps_from(m.cpuid, m.perf_capabilities);
  }
  return m;
}

// Skylake-SP's PMU as another architectural version: leaf 0AH EAX[7:0].
inline CpuModel intel_version(unsigned version) {
  return model("skx", [version](CpuidTable& cpuid) {
    CpuidRegs& regs = cpuid.find(0xa, 0)->regs;
    regs.eax = (regs.eax & ~0xffu) | version;
  });
}

struct Bench : pmu::PmuClient {
  explicit Bench(const char* id) : Bench(model(id)) {}
  explicit Bench(CpuModel m) : generation(std::move(m)), pmu(counts) {
    pmu.add_client(*this);
    pmu.configure(generation);
  }
  void on_overflow(unsigned counter) override { overflows.push_back(counter); }
  void on_pmi() override {
    ++pmis;
    at_pmi = pmu.registers().global_status;
  }
  void on_unavailable(unsigned counter, u64 selector) override { unavailable.push_back({counter, selector}); }
  void on_change(u32 msr) override { changes.push_back(msr); }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  bool wr(u32 msr, u64 value) { return pmu.wrmsr(msr, value); }
  u64 rd(u32 msr) {
    u64 value = 0;
    CHECK(pmu.rdmsr(msr, value));
    return value;
  }
  bool readable(u32 msr) {
    u64 value;
    return pmu.rdmsr(msr, value);
  }
  u64 rdpmc(u32 ecx) {
    u64 value = 0;
    CHECK(pmu.rdpmc(ecx, value));
    return value;
  }
  void count(Count kind, u64 n, World world = World::Host, bool user = false) {
    counts.in(context_of(world, user))[static_cast<unsigned>(kind)] += n;
  }
  void happen(Count kind, u64 n, World world = World::Host, bool user = false) {
    count(kind, n, world, user);
    pmu.sync();
  }
  void retire(u64 n, World world = World::Host, bool user = false) {
    happen(Count::Instructions, n, world, user);
  }
  // One cycle in which `n` instructions retire.
  void cycle(u64 n, u64 repeat = 1, bool user = false) {
    CountVector delta{};
    delta[static_cast<unsigned>(Count::Cycles)] = 1;
    delta[static_cast<unsigned>(Count::Instructions)] = n;
    for (unsigned k = 0; k < kCounts; ++k) counts.in(context_of(World::Host, user))[k] += delta[k] * repeat;
    pmu.on_cycle(context_of(World::Host, user), delta, repeat);
    pmu.sync();
  }

  CpuModel generation;
  EventCounts counts;
  pmu::Pmu pmu;
  std::vector<unsigned> overflows;
  std::vector<u32> changes;
  unsigned pmis = 0;
  u64 at_pmi = 0;  // the status when the last was requested
  std::vector<std::pair<unsigned, u64>> unavailable;
};

}  // namespace pmusim::test
