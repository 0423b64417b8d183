// SPDX-License-Identifier: Apache-2.0
// Whoever hears what happens in a PMU: the CPU that it is part of, an audit, a recorder. Several may; each is
// told in the order in which they were added.
#pragma once

#include "base/types.h"

namespace pmusim::pmu {

class PmuClient {
 public:
  virtual ~PmuClient() = default;

  // A counter has wrapped; in counter order, before status, freezes and the PMI of those that wrapped
  // together.
  virtual void on_overflow(unsigned /*counter*/) {}
  virtual void on_pmi() {}  // a PMI is requested
  // Something that the simulator does not count was programmed, with the selector's value (fixed counter: of
  // FIXED_CTR_CTRL). kMetricsBit, kPebsBit: PERF_METRICS or PEBS was enabled, with the enabling register's
  // value.
  virtual void on_unavailable(unsigned /*counter*/, u64 /*selector*/) {}
  // A PMU register other than a counter was written, or (0) a freeze changed the controls or EFER.SVME what
  // they mean; what was counted before is in the counts that the PMU was given. Observation only.
  virtual void on_change(u32 /*msr*/) {}
};

}  // namespace pmusim::pmu
