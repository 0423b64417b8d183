// SPDX-License-Identifier: Apache-2.0
// The pool of worker processes: order of results, and what a dying worker costs.
#include "jobs/pool.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>

using namespace pmusim::jobs;

namespace {

std::vector<std::string> run(std::size_t count, unsigned workers,
                             const std::function<std::string(std::size_t)>& work) {
  PoolSettings settings;
  settings.workers = workers;
  settings.hung_after_seconds = 1;
  return run_jobs(
      count, settings, work,
      [](std::size_t i, const std::string& why) { return std::to_string(i) + ": " + why; },
      [](std::size_t) {});
}

}  // namespace

TEST_CASE("results stand in the order of the jobs for any number of workers") {
  const auto square = [](std::size_t i) { return std::to_string(i * i) + std::string(i * 1000, 'x'); };
  const auto one = run(40, 1, square);
  REQUIRE(one.size() == 40);
  CHECK(one[39].substr(0, 5) == "1521x");
  CHECK(run(40, 3, square) == one);
  CHECK(run(40, 100, square) == one);
  CHECK(run(0, 2, square).empty());
}

TEST_CASE("a worker that dies costs its one job, and is replaced") {
  const auto results = run(10, 2, [](std::size_t i) -> std::string {
    if (i == 4) ::raise(SIGKILL);
    if (i == 7) ::_exit(3);
    if (i == 8) throw std::runtime_error("two\nlines");
    return "ok";
  });
  for (std::size_t i = 0; i < results.size(); ++i)
    if (i != 4 && i != 7 && i != 8) CHECK(results[i] == "ok");
  CHECK(results[4] == "4: the worker was ended by signal 9 (Killed)");
  CHECK(results[7] == "7: the worker ended with status 3");
  CHECK(results[8] == "8: two lines");
}

TEST_CASE("a worker that hangs is killed and costs its one job") {
  const auto results = run(3, 1, [](std::size_t i) -> std::string {
    if (i == 1) ::sleep(60);
    return "ok";
  });
  CHECK(results[0] == "ok");
  CHECK(results[1] == "1: the worker did not answer within 1 s of wall time");
  CHECK(results[2] == "ok");
}
