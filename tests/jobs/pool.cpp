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
                             const std::function<std::string(std::size_t)>& work,
                             unsigned hung_after_seconds = 300) {
  PoolSettings settings;
  settings.workers = workers;
  settings.hung_after_seconds = hung_after_seconds;
  return run_jobs(
      count, settings, work,
      [](std::size_t i, const std::string& why) { return std::to_string(i) + ": " + why; },
      [](std::size_t, const std::string&) {});
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

// On a busy machine the others may take seconds too.
TEST_CASE("a worker that hangs is killed and costs its one job") {
  const auto work = [](std::size_t i) -> std::string {
    if (i == 1) ::sleep(1000);
    return "ok";
  };
  const auto results = run(3, 1, work, 10);
  CHECK(results[0] == "ok");
  CHECK(results[1] == "1: the worker did not answer within 10 s of wall time");
  CHECK(results[2] == "ok");
}

TEST_CASE("a caller is given each result as it comes, with its index") {
  std::vector<std::string> given(5);
  unsigned calls = 0;
  PoolSettings settings;
  settings.workers = 2;
  const std::vector<std::string> results = run_jobs(
      given.size(), settings, [](std::size_t i) { return "job " + std::to_string(i); },
      [](std::size_t, const std::string&) { return std::string("died"); },
      [&](std::size_t index, const std::string& line) {
        given.at(index) = line;
        ++calls;
      });
  CHECK(calls == given.size());
  CHECK(given == results);
}

TEST_CASE("once it is enough no job is begun, and those that were begun have their results") {
  PoolSettings settings;
  std::size_t finished = 0;
  settings.enough = [&] { return finished >= 3; };
  const auto results = run_jobs(
      10, settings, [](std::size_t i) { return std::to_string(i); },
      [](std::size_t, const std::string& why) { return why; },
      [&](std::size_t, const std::string&) { ++finished; });
  REQUIRE(results.size() == 10);
  for (std::size_t i = 0; i < 10; ++i) CHECK(results[i] == (i < 3 ? std::to_string(i) : ""));
}
