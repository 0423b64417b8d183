// SPDX-License-Identifier: Apache-2.0
// The audit's books over whole runs: every shipped case, and the profiler guest, on several models under bare
// metal and policies. What the guest sees is the true count and the causes, with nothing left over; on
// bare metal there is nothing but the true count.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "conformance/language/case.h"
#include "hypervisor/vpmu/kernel_release.h"
#include "hypervisor/vpmu/policy_file.h"
#include "jobs/pool.h"
#include "model/cpu_model.h"
#include "session/catalog.h"
#include "session/target.h"
#include "tests/support/paths.h"
#include "tests/support/sanitized.h"

using namespace pmusim;
using namespace pmusim::conformance;
using namespace pmusim::session;
using namespace pmusim::jobs;

namespace {

struct Point {
  std::string model, policy;
  bool interval = true;  // timing
};

// Interval timing on five models, functional timing on one of each vendor; under sanitizers one timing for
// each vendor has to do.
std::vector<Point> points(const std::vector<std::string>& policies) {
  std::vector<Point> models = {{"spr", "", true},  {"skx", "", true},  {"zen3", "", true}, {"zen4", "", true},
                               {"zen5", "", true}, {"spr", "", false}, {"zen4", "", false}};
  if (pmusim::test::kSanitized) models = {{"spr", "", false}, {"zen4", "", true}};
  std::vector<Point> result;
  for (const Point& model : models)
    for (const std::string& policy : policies) result.push_back({model.model, policy, model.interval});
  return result;
}

struct Ran {
  bool unmet = true;
  Observation seen;
};

// A point with what it names, loaded once for all of its runs.
struct Loaded {
  const Point& point;
  CpuModel model = model_by_id(point.model, {}, point.interval);
  std::optional<hv::Policy> policy = policy_by_id(point.policy, {});
};

Ran run(Target& target, const Loaded& loaded, const platform::Image& image, const Case* steps) {
  const auto& [point, model, policy] = loaded;
  TargetRun run;
  run.point = {point.model, vendor_name(model.vendor), point.policy, policy ? "kvm" : "host",
               hv::release_name(hv::kDefaultRelease)};
  run.model = &model;
  run.policy = policy ? &*policy : nullptr;
  run.image = &image;
  run.audit = true;
  run.max_cycles = u64{20} * 1000 * 1000 * 1000;
  if (steps) run.script = &steps->script;
  Ran ran;
  ran.unmet = !target.unmet(run).empty();
  if (!ran.unmet) ran.seen = target.run(run);
  return ran;
}

// One line for each counter whose account does not balance.
std::string unbalanced(const Point& point, const std::string& what, const Observation& seen, u64& counters) {
  std::string text;
  for (const CounterAudit& a : seen.audit) {
    ++counters;
    s64 explained = a.truth;
    for (const auto& [cause, count] : a.causes) explained += count;
    const bool bare = point.policy == kBareMetal;
    if (a.residual == 0 && a.visible == explained && (!bare || a.visible == a.truth)) continue;
    text += what + " on " + point.model + " under " + point.policy + (point.interval ? "" : ", functional") +
            ": " + a.counter + " " + a.programmed + " shows " + std::to_string(a.visible) + ", true " +
            std::to_string(a.truth) + ", residual " + std::to_string(a.residual) + "\n";
  }
  return text;
}

// A process can elaborate once, so each point has its own.
std::vector<nlohmann::json> in_workers(const std::vector<Point>& where,
                                       const std::function<nlohmann::json(Target&, const Point&)>& work) {
  PoolSettings settings;
  settings.workers = default_workers();
  settings.hung_after_seconds = ~0u >> 1;
  std::unique_ptr<Target> target;
  const auto job = [&](std::size_t index) {
    if (!target) target = make_simulator(1);
    return work(*target, where[index]).dump();
  };
  const auto died = [](std::size_t, const std::string& reason) {
    return nlohmann::json({{"unbalanced", reason}, {"counters", 0}}).dump();
  };
  std::vector<nlohmann::json> results;
  for (const std::string& line :
       run_jobs(where.size(), settings, job, died, [](std::size_t, const std::string&) {}))
    results.push_back(nlohmann::json::parse(line));
  return results;
}

}  // namespace

TEST_CASE("In every case and under every preset the visible count is the true count and the named causes") {
  const std::vector<Case> cases = load_cases(pmusim::test::source("conformance/cases"));
  std::vector<platform::Image> images;
  for (const Case& c : cases) images.push_back(platform::load_image(compile_case(c), c.path));
  const std::vector<std::string> policies = policies_from({"all"}, "");  // bare metal and the presets
  const auto results = in_workers(points(policies), [&](Target& target, const Point& point) {
    std::string text;
    u64 counters = 0;
    const Loaded loaded{point};
    for (const Case& c : cases) {
      const platform::Image& image = images[static_cast<std::size_t>(&c - cases.data())];
      const Ran ran = run(target, loaded, image, &c);
      if (!ran.unmet) text += unbalanced(point, c.id, ran.seen, counters);
    }
    return nlohmann::json({{"unbalanced", text}, {"counters", counters}});
  });
  u64 counters = 0;
  for (const nlohmann::json& result : results) {
    CHECK(result.at("unbalanced").get<std::string>() == "");
    counters += result.at("counters").get<u64>();
  }
  CHECK(counters > 1000);  // the accounts were kept
}

TEST_CASE(
    "Beside a running NMI watchdog an emulated vPMU works, and a VM that would own the PMU is refused as "
    "busy") {
  const platform::Image image = platform::load_image(pmusim::test::build("guests/hello.elf"));
  const Case steps = parse_case(R"({"id": "watchdog", "title": "The watchdog runs",
                                    "area": "existence and reset values", "sources": ["none"], "setup": [{"watchdog": true}],
                                    "steps": [{"check": "gp_count > 0", "title": "a PMU"}]})",
                                "watchdog");
  const auto results =
      in_workers({{"zen4", "emulated"}, {"zen4", "mediated"}, {"spr", "dedicated"}},
                 [&](Target& target, const Point& point) {
                   const Ran ran = run(target, Loaded{point}, image, &steps);
                   return nlohmann::json({{"exited", ran.seen.exited}, {"stopped", ran.seen.stopped}});
                 });
  CHECK(results[0].at("exited") == true);
  for (const std::size_t owner : {1, 2}) {
    CHECK(results[owner].at("exited") == false);
    CHECK(results[owner].at("stopped").get<std::string>().find("busy") != std::string::npos);
  }
}

// Linux 7.2, x86_schedule_events: an event that a fixed counter can count takes the lowest free fixed one,
// any other the lowest free general one; perf does not know which counter the guest named. In hardware a
// counter stands for itself.
TEST_CASE("Host perf chooses the hardware counter behind a guest's, hardware backing takes the same one") {
  const Case steps = load_case(pmusim::test::source("conformance/cases/instructions-exact.json"));
  const platform::Image image = platform::load_image(compile_case(steps), steps.path);
  const std::vector<Point> where = {
      {"spr", "emulated"}, {"zen4", "emulated"}, {"spr", "mediated"}, {"zen4", "dedicated"}};
  const auto results = in_workers(where, [&](Target& target, const Point& point) {
    nlohmann::json behind = nlohmann::json::object();
    for (const CounterAudit& a : run(target, Loaded{point}, image, &steps).seen.audit)
      behind[a.counter] = a.hardware;
    return behind;
  });
  const u64 fixed0 = u64{1} << 32;
  for (unsigned n = 0; n < 6; ++n) {
    const std::string counter = "gp" + std::to_string(n);
    CAPTURE(counter);
    CHECK(results[0].at(counter) == fixed0);
    CHECK(results[1].at(counter) == 1);
    CHECK(results[2].at(counter) == u64{1} << n);
    CHECK(results[3].at(counter) == u64{1} << n);
  }
  CHECK(results[0].at("fixed0") == fixed0);
}

TEST_CASE("The profiler's re-armed and free-running counters balance under every policy") {
  const platform::Image image = platform::load_image(pmusim::test::build("guests/profiler.elf"));
  std::vector<std::string> policies = policies_from({"all"}, "");  // which have to do under sanitizers
  if (!pmusim::test::kSanitized) {
    policies = hv::policy_ids();
    policies.push_back(kBareMetal);
  }
  const auto results = in_workers(points(policies), [&](Target& target, const Point& point) {
    u64 counters = 0;
    std::string text;
    const Ran ran = run(target, Loaded{point}, image, nullptr);
    if (!ran.unmet) {
      text = unbalanced(point, "the profiler", ran.seen, counters);
      if (counters < 4) text += point.model + " under " + point.policy + ": fewer than four counters\n";
    }
    return nlohmann::json({{"unbalanced", text}, {"counters", counters}});
  });
  u64 counters = 0;
  for (const nlohmann::json& result : results) {
    CHECK(result.at("unbalanced").get<std::string>() == "");
    counters += result.at("counters").get<u64>();
  }
  CHECK(counters >= pmusim::test::repeated(4 * 4 * 3 * 2, 4 * 4 * 2));
}
