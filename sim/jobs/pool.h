// SPDX-License-Identifier: Apache-2.0
// A pool of worker processes that work through a list of jobs. SystemC has one simulation per process, so
// work is shared by processes; a worker that dies costs its one job and is replaced. Workers are forked from
// the caller, which must not have elaborated a SystemC module nor started a thread.
// Results stand in the order of the jobs, whatever the number of workers.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/types.h"

namespace pmusim::jobs {

struct PoolSettings {
  unsigned workers = 1;
  // A worker that has not answered after this time is taken for hung: it is killed and its job has died. A
  // guard against our own defects; simulated time has its own limits.
  unsigned hung_after_seconds = 300;
  // Asked before a job is begun; once true, none is begun any more, and the results of those that are missing
  // are "".
  std::function<bool()> enough = {};
  // Called in the parent while it waits for results, several times a second; empty: not.
  std::function<void()> on_wait;
};

// work: runs in a worker; the job's result as one line of text without newline. An exception it throws is
// passed to `died` as its message. died: the result of a job whose worker died, with the reason.
// on_result: called in the parent for each job that is finished, as it is, with its index and result (that of
// `died` too); never for one that the user's interruption left unfinished.
// When the user interrupts (base/cancel.h), no job is begun any more, the workers are told, and get some
// time to answer; the result of a job that was not finished is "".
std::vector<std::string> run_jobs(std::size_t jobs, const PoolSettings& settings,
                                  const std::function<std::string(std::size_t)>& work,
                                  const std::function<std::string(std::size_t, const std::string&)>& died,
                                  const std::function<void(std::size_t, const std::string&)>& on_result);

// Processors that this process may use, at least 1.
unsigned default_workers();

}  // namespace pmusim::jobs
