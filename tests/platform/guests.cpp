// SPDX-License-Identifier: Apache-2.0
// Compiled guest programs (64-bit code, several CPUs, a sampling profiler with PMIs) end in the same machine
// state whether blocks or single instructions are executed, whatever the quantum, and when interrupted and
// restored.
#include <doctest/doctest.h>

#include "tests/support/machine/machine.h"
#include "tests/support/paths.h"
#include "tests/support/sanitized.h"

using namespace pmusim;
using namespace pmusim::platform;
using namespace pmusim::platform::test;

namespace {

struct Result {
  StopReport report;
  u64 cycle, hash;
  std::string output;
};

Result run_guest(const char* name, const char* model_id, unsigned cpus, bool step, u64 quantum,
                 bool interrupt) {
  MachineConfig c = config(model_id, cpus);
  c.step = step;
  c.quantum = quantum;
  Machine& m = machine();
  m.reset(c);
  m.load(load_image(pmusim::test::build("guests/") + name));
  Result r;
  u64 limit = interrupt ? 1000 : 100000000;
  while ((r.report = m.run({limit, 300})).kind == StopKind::MaxCycles && limit < 100000000) {
    m.restore(m.save());
    limit *= 5;
  }
  r.cycle = m.cycle();
  r.hash = m.hash();
  r.output = m.ports().serial.output();
  return r;
}

}  // namespace

TEST_CASE(
    "guest programs end in the same state by blocks, by steps, with any quantum, and when restored midway") {
  struct {
    const char* name;
    unsigned cpus;
  } const guests[] = {
      {"hello.elf", 1}, {"numbers.elf", 1}, {"smp.elf", 4}, {"smp_pmi.elf", 4}, {"profiler.elf", 1}};
  for (const auto& g : guests)
    for (const char* id : {"spr", "zen4"}) {
      if (pmusim::test::kSanitized && g.cpus == 1 && id[0] == 'z') continue;
      INFO(g.name << " on " << id);
      const Result first = run_guest(g.name, id, g.cpus, false, 1000000, false);
      CHECK(first.report.kind == StopKind::Exit);
      CHECK(first.report.status == 1);
      struct {
        bool step;
        u64 quantum;
        bool interrupt;
      } const variants[] = {
          {true, 1000000, false}, {false, 777, false}, {false, 50000, false}, {false, 1000000, true}};
      for (const auto& v : variants) {
        if (pmusim::test::kSanitized && v.quantum == 50000) continue;
        INFO("step " << v.step << ", quantum " << v.quantum << ", restored " << v.interrupt);
        const Result r = run_guest(g.name, id, g.cpus, v.step, v.quantum, v.interrupt);
        CHECK(r.report.status == 1);
        CHECK(r.output == first.output);
        CHECK(r.cycle == first.cycle);
        CHECK(r.hash == first.hash);
      }
    }
}
