// SPDX-License-Identifier: Apache-2.0
// How far the simulations of a run are: a line on standard error that is rewritten, where that is a terminal
// and not --quiet. Workers tell by memory that they share with the parent, which must exist before they do.
// The wall clock is read for this line only.
#pragma once

#include <atomic>
#include <cstddef>

#include "base/types.h"

namespace pmusim::cli {

class RunProgress {
 public:
  // wanted: by the options. core_khz: of the model, or 0.
  RunProgress(bool wanted, std::size_t jobs, u64 core_khz);
  ~RunProgress();
  RunProgress(const RunProgress&) = delete;
  RunProgress& operator=(const RunProgress&) = delete;

  bool on() const { return jobs_ != nullptr; }
  // Of a job, from whichever process runs it.
  void tell(std::size_t job, u64 cycles, u64 instructions);
  void done() { ++done_; }
  // The line anew, at most ten times a second; only where the cursor stands at the beginning of a line.
  void show();
  void erase();  // before something else is printed

 private:
  struct Job {
    std::atomic<u64> cycles, instructions;
  };
  Job* jobs_ = nullptr;
  std::size_t count_, done_ = 0;
  u64 khz_;
  double start_, last_ = 0;
  bool shown_ = false;
};

}  // namespace pmusim::cli
