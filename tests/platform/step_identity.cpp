// SPDX-License-Identifier: Apache-2.0
// Random programs run by blocks, one instruction at a time, in random slices and with random quanta:
// counters, cycles, TSC, PMI places, status, memory and everything else that belongs to the machine's state
// must be the same. Interval timing has the model's own pipeline, caches and events. Fewer programs under a
// sanitizer, which is an order of magnitude slower; PMUSIM_IDENTITY_PROGRAMS in the environment asks for more
// of each model (docs/validation.md), from the seed PMUSIM_IDENTITY_SEED on.
#include <doctest/doctest.h>

#include <cstring>

#include "base/bits.h"
#include "tests/support/machine/identity.h"
#include "tests/support/machine/random_guest.h"
#include "tests/support/machine/recorded.h"
#include "tests/support/sanitized.h"

using namespace pmusim;
using namespace pmusim::platform;
using namespace pmusim::platform::test;

namespace {

const Seeds kSeeds = identity_seeds(pmusim::test::repeated(30, 4));
std::vector<std::string> tested_models() {
  if (pmusim::test::kSanitized) return {"spr", "zen4"};
  return models::model_ids();
}
constexpr u64 kMostCycles = 50000000;

struct Execution {
  bool step = false, slices = false;
  u64 quantum = 1000000;
  bool restored = false;  // saved and restored between slices
  bool interval = false;  // timing
  unsigned cpus = 1;
};

struct Outcome {
  StopReport stop;
  u64 tsc = 0, hash = 0, pmis = 0, interrupts = 0, faults = 0;
  std::vector<u64> counters, status, cycles;  // of all CPUs
  std::vector<u8> log;
  std::vector<Event> events;
};

Outcome execute(const Image& image, const std::string& model_id, const Execution& how, u64 seed) {
  MachineConfig c = config(model_id, how.cpus);
  c.step = how.step;
  c.quantum = how.quantum;
  if (how.interval) c.model = &interval_model(model_id);
  Recorded recorded(c);
  Machine& m = machine();
  m.load(image);
  Outcome o;
  Rng rng(seed);
  u64 limit = how.slices ? 0 : kMostCycles;
  do {
    if (how.slices) limit += 1 + rng.below(rng.below(4) ? 3000 : 12);
    o.stop = m.run({limit, 120});
    if (how.restored) m.restore(m.save());
  } while (o.stop.kind == StopKind::MaxCycles && limit < kMostCycles);
  Cpu& cpu = m.cpu(0);
  o.tsc = cpu.tsc();
  o.hash = m.hash();
  for (unsigned n = 0; n < how.cpus; ++n) {
    const pmu::Pmu& pmu = m.cpu(n).pmu();
    for (const unsigned id : counter_ids(model(model_id))) o.counters.push_back(pmu.counter_value(id));
    o.status.push_back(pmu.registers().global_status);
    o.cycles.push_back(m.cpu(n).cycle());
    for (const CountVector& v : m.cpu(n).core().counts()) o.interrupts += v[unsigned(Count::Interrupts)];
  }
  o.log.resize(kLogEnd - kLogPointer);
  REQUIRE(m.ram().read(kLogPointer, o.log.data(), o.log.size()));
  std::memcpy(&o.faults, &o.log[24], 4);
  o.pmis = recorded.list.of(EventKind::Pmi).size();
  o.events = std::move(recorded.list.events);
  return o;
}

void check_same(const Outcome& a, const Outcome& b) {
  CHECK(b.stop.kind == a.stop.kind);
  CHECK(b.stop.status == a.stop.status);
  check_same_events(a.events, b.events);
  CHECK(b.log == a.log);
  CHECK(b.cycles == a.cycles);
  CHECK(b.tsc == a.tsc);
  CHECK(b.counters == a.counters);
  CHECK(b.status == a.status);
  CHECK(b.hash == a.hash);
}

}  // namespace

TEST_CASE(
    "random programs with faults and PMIs are the same by blocks, by steps, in slices, with any quantum") {
  for (const std::string& id : tested_models()) {
    u64 pmis = 0, faults = 0, interrupts = 0;
    for (u64 seed = kSeeds.first; seed < kSeeds.first + kSeeds.count; ++seed) {
      INFO("model " << id);
      CAPTURE(seed);
      const bool interval = seed % 2 == 0;
      CAPTURE(interval);
      GuestPlan plan;
      plan.seed = seed;
      if (seed % 3 == 0) plan.cpus = 2 + seed / 3 % 3;
      CAPTURE(plan.cpus);
      const Image image = random_guest(interval ? interval_model(id) : model(id), plan);
      Execution in_blocks;
      in_blocks.interval = interval;
      in_blocks.cpus = plan.cpus;
      const Outcome blocks = execute(image, id, in_blocks, 0);
      CAPTURE(blocks.stop.text());
      REQUIRE(blocks.stop.kind == StopKind::Exit);
      REQUIRE(blocks.stop.status == 1);
      std::vector<Execution> others = {{true, false, 1000000}, {false, true, 777}, {true, true, 5000}};
      if (seed % 32 < 2) others.push_back({false, true, 1000000, true});  // slow: every page is copied
      for (Execution& how : others) {
        how.interval = interval;
        how.cpus = plan.cpus;
        CAPTURE(how.step);
        CAPTURE(how.slices);
        CAPTURE(how.restored);
        check_same(blocks, execute(image, id, how, seed));
      }
      pmis += blocks.pmis;
      faults += blocks.faults;
      interrupts += blocks.interrupts;
    }
    // The programs do what they are for.
    MESSAGE(id << ": " << pmis << " PMIs, " << interrupts << " interrupts, " << faults << " faults");
    CHECK(pmis > 8 * kSeeds.count);  // Zen 3 has six counters
    CHECK(interrupts > 20 * kSeeds.count);
    CHECK(faults > 5 * kSeeds.count);
  }
}

TEST_CASE("a counter that starts one below, at or above its distance ends at its top, at 0 or at 1") {
  for (const std::string& id : tested_models()) {
    const CpuModel& m = model(id);
    const std::vector<unsigned> ids = counter_ids(m);
    unsigned wrapped = 0;
    for (u64 seed = 1; seed <= kSeeds.count / 2; ++seed) {
      INFO("model " << id);
      CAPTURE(seed);
      GuestPlan plan;
      plan.seed = seed;
      plan.units = 80;
      plan.counters = CounterPlan::Silent;
      const Outcome from_zero = execute(random_guest(m, plan), id, {}, 0);
      REQUIRE(from_zero.stop.status == 1);
      CHECK(from_zero.pmis == 0);
      for (unsigned above = 0; above < 3; ++above) {
        CAPTURE(above);
        plan.initial.clear();
        std::vector<u64> expected;
        u64 status = 0;
        for (std::size_t i = 0; i < ids.size(); ++i) {
          const u64 top = mask(m.caps.width_of(ids[i])), counted = from_zero.counters[i];
          plan.initial.push_back((top - counted + above) & top);
          expected.push_back((top + above) & top);
          // A counter that counts nothing stays where it is.
          if (above && counted >= above) status |= u64{1} << ids[i];
          wrapped += above && counted >= above;
        }
        const Image image = random_guest(m, plan);
        for (const bool step : {false, true}) {
          CAPTURE(step);
          const Outcome o = execute(image, id, {step, false, 1000000}, 0);
          CHECK(o.cycles == from_zero.cycles);
          CHECK(o.counters == expected);
          if (m.vendor == pmu::Vendor::Intel || m.caps.version >= 2) CHECK(o.status[0] == status);
        }
      }
    }
    CHECK(wrapped > 0);
  }
}
