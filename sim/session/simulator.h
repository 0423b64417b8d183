// SPDX-License-Identifier: Apache-2.0
// The simulator as a target; for the other parts of it (simulator*.cpp).
#pragma once

#include <memory>

#include "platform/machine/machine.h"
#include "session/cpuid_choice.h"
#include "session/target.h"

namespace pmusim::hv {
class AuditProbe;
struct AuditLine;
class SimulatedKvm;
class Vmm;
}  // namespace pmusim::hv

namespace pmusim::session {

class Simulator final : public Target {
 public:
  explicit Simulator(unsigned max_cpus);
  ~Simulator() override;
  std::string unmet(const TargetRun& run) override;
  Observation run(const TargetRun& run) override;

 private:
  class Probe;
  Observation run_bare_metal(const TargetRun& run);
  Observation run_vm(const TargetRun& run);  // simulator_vm.cpp
  platform::Machine& machine();              // elaborated at first use
  std::function<void()> progress_of(const TargetRun& run);
  static std::string stopped_text(const platform::StopReport& stop);
  static void describe(const platform::StopReport& stop, Observation& seen);
  static void add_audit(unsigned cpu, unsigned counter, const std::string& programmed,
                        const hv::AuditLine& line, Observation& seen);
  static std::string uncounted(const CpuModel& model, unsigned counter, u64 selector, u64 times);
  void count(const TargetRun& run, Observation& seen);  // totals of the CPUs after a run

  unsigned max_cpus_;
  std::unique_ptr<CpuModel> model_;  // reduced to a CPUID, of the last run on bare metal
  std::unique_ptr<platform::Machine> machine_;
  struct Session {  // of the last run of a VM; its objects are in use until the machine's next reset
    std::unique_ptr<hv::AuditProbe> probe;
    std::unique_ptr<hv::SimulatedKvm> kvm;
    std::unique_ptr<hv::Vmm> vmm;
  };
  void report_stop(Observation& seen);
  void end_session();
  Session session_;
};

}  // namespace pmusim::session
