// SPDX-License-Identifier: Apache-2.0
// The host kernel as a CPU's program: work until there is none, then park until the caller posts more.
#include "hypervisor/drivers/machine_driver.h"

#include <stdexcept>

#include "hypervisor/kvm/host.h"
#include "hypervisor/kvm/host_kernel.h"

namespace pmusim::hv {

class MachineDriver::Program final : public platform::CpuProgram {
 public:
  explicit Program(HostKernel& kernel) : kernel_(kernel) {}
  void run(platform::Cpu& cpu) override {
    for (;;) {
      kernel_.run();
      cpu.park();
    }
  }

 private:
  HostKernel& kernel_;
};

MachineDriver::MachineDriver(platform::Machine& machine, Host& host) : machine_(machine), host_(host) {
  for (unsigned id = 0; id < host.cpu_count(); ++id) {
    programs_.push_back(std::make_unique<Program>(host.kernel(id)));
    machine.set_program(id, programs_.back().get());
  }
}

// The programs' stacks refer to this object: unwind them before it goes.
MachineDriver::~MachineDriver() {
  machine_.reset(platform::MachineConfig(machine_.config()));
}

void MachineDriver::wake(unsigned cpu) {
  machine_.cpu(cpu).wake(machine_.cycle());
}
void MachineDriver::pause(unsigned cpu) {
  machine_.cpu(cpu).pause();
}

bool MachineDriver::drive(const std::function<bool()>& condition, const kvm::TimeLimit& limit,
                          bool interruptible) {
  platform::RunLimits limits;
  limits.interruptible = interruptible;
  if (limit.cycles != kNever) limits.max_cycles = machine_.cycle() + limit.cycles;
  if (limit.wall_milliseconds != kNever) limits.max_seconds = (limit.wall_milliseconds + 999) / 1000;
  while (!condition()) {
    last_stop_ = machine_.run_until(condition, limits);
    if (last_stop_.kind != platform::StopKind::Predicate && last_stop_.kind != platform::StopKind::Requested)
      break;
  }
  return condition();
}

void MachineDriver::on_cpu(unsigned cpu, const std::function<void()>& action) {
  bool done = false;
  host_.kernel(cpu).post([&] {
    action();
    done = true;
    pause(cpu);
  });
  wake(cpu);
  if (!drive([&] { return done; }, {}, false))
    throw std::logic_error("host-kernel work did not complete: " + last_stop_.message);
}

int MachineDriver::check_extension(u32 cap) const {
  switch (cap) {
    case kvm::kCapPmuEventFilter:
    case kvm::kCapPmuEventMaskedEvents:
      return 1;
    case kvm::kCapPmuCapability:
      return kvm::kPmuCapDisable;
    default:
      return 0;
  }
}

}  // namespace pmusim::hv
