// SPDX-License-Identifier: Apache-2.0
// pmusim-silicon: the core against the host CPU, as long as wanted. Prints a line for each form and the first
// difference of each form that has one; exit status 1 if there is any, 2 for wrong use.
#include <fmt/format.h>

#include <regex.h>

#include <CLI/CLI.hpp>
#include <chrono>

#include "campaign.h"

namespace {
constexpr int kWrongUse = 2;
}

int main(int argc, char** argv) {
  using namespace pmusim;
  using namespace pmusim::silicon;
  CLI::App app{"Executes random states of every instruction form on the host CPU and in the simulated core"};
  u64 states = 1000, seed = 1, total = 0;
  std::string form_pattern = ".*";
  bool list = false, quiet = false;
  const CLI::Range some(u64{1}, u64{1} << 40);
  CLI::Option* each =
      app.add_option("--states", states, "states for each form")->check(some)->capture_default_str();
  app.add_option("--total", total, "states in all, shared by the forms (instead of --states)")
      ->check(some)
      ->excludes(each);
  app.add_option("--seed", seed, "seed of the random states")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option(
      "--form", form_pattern,
      "regular expression that a form's name must contain; 'fst m32 /d9 code16' is one, in 64-bit code "
      "without the last word");
  app.add_flag("--list", list, "print the names of the forms and stop");
  app.add_flag("--quiet", quiet, "no line for forms without a difference");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kWrongUse;
  }
  regex_t pattern;
  if (const int error = regcomp(&pattern, form_pattern.c_str(), REG_EXTENDED | REG_NOSUB)) {
    char reason[256];
    regerror(error, &pattern, reason, sizeof reason);
    fmt::print(stderr,
               "pmusim-silicon: --form: found '{}', expected a regular expression (POSIX, extended): {}\n",
               form_pattern, reason);
    return kWrongUse;
  }
  std::vector<Form> forms;
  for (Form& f : enumerate_forms(core::Features::all()).forms)
    if (regexec(&pattern, f.name.c_str(), 0, nullptr, 0) == 0) forms.push_back(std::move(f));
  regfree(&pattern);
  if (forms.empty()) {
    fmt::print(stderr, "pmusim-silicon: --form: found '{}', which no form contains; --list prints them\n",
               form_pattern);
    return kWrongUse;
  }
  if (list) {
    for (const Form& f : forms) fmt::print("{}\n", f.name);
    return 0;
  }
  if (total) states = (total + forms.size() - 1) / forms.size();

  fmt::print("the core runs as the host's vendor, {}; seed {}\n", host_is_amd() ? "amd" : "intel", seed);
  Campaign campaign(seed);
  Tally sum;
  unsigned bad = 0, skipped = 0;
  const auto start = std::chrono::steady_clock::now();
  if (!quiet)
    fmt::print("{:40} {:>9} {:>9} {:>9} {:>10} {:>11}\n", "form", "states", "faults", "undefined",
               "unpromised", "differences");
  for (const Form& f : forms) {
    if (const char* missing = campaign.lacks(f)) {
      fmt::print("{:40} skipped: {}\n", f.name, missing);
      ++skipped;
      continue;
    }
    const Tally t = campaign.run(f, states);
    sum.states += t.states;
    sum.faults += t.faults;
    sum.undefined += t.undefined;
    sum.unpromised += t.unpromised;
    sum.differences += t.differences;
    if (!quiet || t.differences)
      fmt::print("{:40} {:9} {:9} {:9} {:10} {:11}\n", f.name, t.states, t.faults, t.undefined, t.unpromised,
                 t.differences);
    if (t.differences) {
      fmt::print("{}", t.first);
      ++bad;
    }
    std::fflush(stdout);
  }
  const SplitLocks& split = campaign.split_locks();
  fmt::print(
      "locked accesses across a cache line: {} states, {} left out (each takes {} here)\n", split.taken(),
      split.refused(),
      split_lock_cost() == kRefused ? std::string("a signal") : fmt::format("{} ns", split_lock_cost()));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  fmt::print(
      "{} forms, {} skipped, {} states, {} faults, {} undefined, {} unpromised, {} differences in {} forms; "
      "{:.1f} s, "
      "{:.0f} states/s\n",
      forms.size() - skipped, skipped, sum.states, sum.faults, sum.undefined, sum.unpromised, sum.differences,
      bad, seconds, sum.states / seconds);
  return sum.differences != 0;
}
