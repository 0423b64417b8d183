// SPDX-License-Identifier: Apache-2.0
// Simulated instructions and case runs per second, on bare metal and under each preset, by timing. The
// measured case spends its time in a loop of loads, stores and branches with two counters running, as a guest
// that is being profiled does.
#include <benchmark/benchmark.h>

#include <functional>
#include <stdexcept>

#include "conformance/language/case.h"
#include "hypervisor/vpmu/kernel_release.h"
#include "session/catalog.h"
#include "session/target.h"

namespace {

using namespace pmusim;
using namespace pmusim::conformance;
using namespace pmusim::session;

constexpr const char* kLoop = R"({
  "id": "bench", "title": "A counted loop", "area": "exact instruction and branch counts", "sources": ["none"],
  "programs": {"work": [{"loop": 1000000, "body": [{"load": 2, "stride": 64}, {"store": 1}, {"alu": 4},
                                                   {"branch": "not_taken"}, {"branch": "taken"}]}]},
  "steps": [{"measure": "work", "counters": [{"gp": 0, "select": "event(instructions) | OS | USR", "as": "n"},
                                             {"gp": 1, "select": "event(branches) | OS | USR", "as": "b"}]},
            {"expect": {"n": "work.instructions"}}]
})";

// An empty case: start-up, exits of the serial line, end.
constexpr const char* kShort = R"({
  "id": "short", "title": "An empty case", "area": "version and CPUID", "sources": ["none"],
  "steps": [{"check": "version >= 1", "title": "there is a PMU"}]
})";

void run_case(benchmark::State& state, Target& simulator, const std::string& policy_id, bool interval,
              const char* text) {
  const CpuModel model = model_by_id("spr", {}, interval);
  const auto policy = policy_by_id(policy_id, {});
  const Case c = parse_case(text, "bench");
  const platform::Image image = platform::load_image(compile_case(c), "bench");
  TargetRun run;
  run.point = {"spr", "intel", policy_id, "kvm", hv::release_name(hv::kDefaultRelease)};
  run.model = &model;
  run.policy = policy ? &*policy : nullptr;
  run.image = &image;
  u64 instructions = 0;
  for (auto _ : state) {
    const Observation seen = simulator.run(run);
    if (!seen.exited) throw std::runtime_error(seen.stopped);
    instructions += seen.instructions;
  }
  state.counters["instructions"] =
      benchmark::Counter(static_cast<double>(instructions), benchmark::Counter::kIsRate);
  state.counters["cases"] =
      benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

}  // namespace

extern "C" int sc_main(int argc, char** argv) {
  const std::unique_ptr<Target> simulator = make_simulator(1);  // must not outlive SystemC's kernel
  Target& target = *simulator;
  for (const bool interval : {false, true})
    for (const std::string policy : {"bare-metal", "emulated", "mediated", "dedicated"}) {
      const std::string name = (interval ? "interval/" : "functional/") + policy;
      benchmark::RegisterBenchmark(("loop/" + name).c_str(), run_case, std::ref(target), policy, interval,
                                   kLoop)
          ->Unit(benchmark::kMillisecond);
      benchmark::RegisterBenchmark(("short_case/" + name).c_str(), run_case, std::ref(target), policy,
                                   interval, kShort)
          ->Unit(benchmark::kMillisecond);
    }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
