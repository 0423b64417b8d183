// SPDX-License-Identifier: Apache-2.0
// What the host does for a case: before the guest starts ("setup") and when the guest rings the doorbell.
// Steps are calls of the KVM API, and, on a simulated host, of its perf subsystem. A step's status is 0 or a
// positive errno; steps that this host cannot perform answer as if nobody were there, so that the guest skips
// what depends on them.
#pragma once

#include <vector>

#include "conformance/language/case.h"
#include "hypervisor/api/kvm_api.h"

namespace pmusim::hv {
class PerfEvent;
class SimulatedKvm;
class Vmm;
}  // namespace pmusim::hv

namespace pmusim::conformance {

class HostSteps {
 public:
  // simulated: nullptr where the host is a real kernel, whose perf subsystem is not ours to disturb.
  HostSteps(const Case& c, hv::Vmm& vmm, hv::SimulatedKvm* simulated);

  void set_up_host();    // what the set-up does to the host, before there is a VM
  void set_up();         // InputError if a step of the set-up fails
  u32 ring(u32 number);  // for the doorbell port

 private:
  static constexpr u32 kNobody = 0xffffffff;
  void set_up(const HostStep& step);
  u32 perform(const HostStep& step);
  u32 check_extension(const JsonView& arguments);
  u32 set_filter(const JsonView& arguments);
  u32 set_msr(const JsonView& arguments);
  u32 get_msr(const JsonView& arguments);
  u32 perf_event(const JsonView& arguments);
  u32 close_perf_event();
  u32 watchdog(const JsonView& arguments);

  const Case& case_;
  hv::Vmm& vmm_;
  hv::SimulatedKvm* simulated_;
  struct Opened {
    unsigned cpu;
    hv::PerfEvent* event;
  };
  std::vector<Opened> events_;  // opened by perf_event, newest last
};

}  // namespace pmusim::conformance
