// SPDX-License-Identifier: Apache-2.0
// The KVM API on a simulated machine: system and VM objects.
#include "hypervisor/drivers/simulated_kvm.h"

#include <cerrno>
#include <stdexcept>

#include "base/error.h"
#include "hypervisor/drivers/simulated_vcpu.h"
#include "hypervisor/kvm/host_kernel.h"
#include "hypervisor/kvm/vm.h"
#include "hypervisor/vpmu/kvm_rules.h"
#include "hypervisor/vpmu/vpmu_state.h"

namespace pmusim::hv {

namespace {

std::vector<platform::PhysicalCpu*> cpus_of(platform::Machine& machine) {
  std::vector<platform::PhysicalCpu*> cpus;
  for (unsigned id = 0; id < machine.active_cpus(); ++id) cpus.push_back(&machine.cpu(id));
  return cpus;
}

class SimulatedVm final : public kvm::Vm {
 public:
  SimulatedVm(MachineDriver& driver, Host& host) : driver_(driver), vm_(host) {}

  int create_irqchip() override { return vm_.create_irqchip(); }
  int create_pit2() override { return vm_.create_pit2(); }
  // On the CPU of the vCPU whose exit the caller handles: that one has nothing better to do.
  int irq_line(u32 gsi, bool level) override {
    HostKernel& kernel = driver_.host().kernel(last_cpu_);
    driver_.on_cpu(last_cpu_, [&] {
      kernel.work(Path::Ioctl);
      vm_.irq_line(kernel.cpu(), gsi, level);
    });
    return 0;
  }
  u64 clock() override { return vm_.nanoseconds(driver_.host().cpu(last_cpu_)); }
  int create_vcpu(unsigned id, kvm::Vcpu*& vcpu) override {
    vcpu = nullptr;
    hv::Vcpu* inner = nullptr;
    if (const int error = vm_.create_vcpu(id, inner)) return error;
    vcpus_.push_back(std::make_unique<SimulatedVcpu>(driver_, *inner));
    vcpu = vcpus_.back().get();
    return 0;
  }
  std::string why_busy() const override { return vm_.why_busy(); }
  int set_user_memory_region(const kvm::MemoryRegion& region) override { return vm_.set_memory(region); }
  int check_extension(u32 cap) override { return driver_.check_extension(cap); }
  int enable_cap(const kvm::EnableCap& cap) override { return vm_.enable_cap(cap); }
  int set_pmu_event_filter(const kvm::PmuEventFilter& filter) override { return vm_.set_filter(filter); }

  kvm::Vcpu* wait(const kvm::TimeLimit& limit) override {
    const auto completed = [this]() -> kvm::Vcpu* {
      for (auto& vcpu : vcpus_)
        if (vcpu->take_completion()) {
          last_cpu_ = vcpu->inner().placed_on();
          return vcpu.get();
        }
      return nullptr;
    };
    if (kvm::Vcpu* done = completed()) return done;
    driver_.drive(
        [this] {
          for (auto& vcpu : vcpus_)
            if (vcpu->completed()) return true;
          return false;
        },
        limit);
    return completed();
  }
  u64 cycles() const override { return driver_.cycles(); }
  bool stalled() const override { return driver_.last_stop().kind == platform::StopKind::Stall; }

 private:
  MachineDriver& driver_;
  hv::Vm vm_;
  unsigned last_cpu_ = 0;
  std::vector<std::unique_ptr<SimulatedVcpu>> vcpus_;
};

}  // namespace

struct SimulatedKvm::Impl {
  Impl(platform::Machine& machine, HostConfig config)
      : host(cpus_of(machine), machine.ram(), std::move(config)), driver(machine, host) {}
  Host host;
  MachineDriver driver;
};

SimulatedKvm::SimulatedKvm(platform::Machine& machine, HostConfig config) {
  const std::string reason = unmet(config.policy, *machine.config().model, config.release);
  if (!reason.empty())
    throw InputError(config.policy.file, "", reason, "a machine and kernel that can run the policy");
  impl_ = std::make_unique<Impl>(machine, std::move(config));
}

SimulatedKvm::~SimulatedKvm() = default;

Host& SimulatedKvm::host() {
  return impl_->host;
}
const platform::StopReport& SimulatedKvm::last_stop() const {
  return impl_->driver.last_stop();
}
Vcpu& SimulatedKvm::simulated(kvm::Vcpu& vcpu) {
  return static_cast<SimulatedVcpu&>(vcpu).inner();
}
void SimulatedKvm::on_cpu(unsigned cpu, const std::function<void()>& action) {
  impl_->driver.on_cpu(cpu, action);
}

void SimulatedKvm::move(kvm::Vcpu& vcpu, unsigned cpu) {
  Vcpu& inner = simulated(vcpu);
  if (inner.posted) throw std::logic_error("a running vCPU cannot be moved");
  if (cpu >= impl_->host.cpu_count()) throw std::out_of_range("no such physical CPU");
  HostKernel& from = impl_->host.kernel(inner.placed_on());
  on_cpu(inner.placed_on(), [&] {
    if (from.current() == &inner) from.switch_away();
  });
  from.remove_thread(inner);
  inner.place_on(cpu);
  impl_->host.kernel(cpu).add_thread(inner);
}

std::string SimulatedKvm::name() const {
  const HostConfig& c = impl_->host.config();
  return std::string("simulated KVM ") + release_name(c.release) + ", " + c.policy.id + ", " +
         impl_->host.model().id;
}

int SimulatedKvm::get_supported_cpuid(std::vector<kvm::CpuidEntry2>& entries) {
  const HostConfig& c = impl_->host.config();
  const auto strategies = c.strategies ? c.strategies : default_strategies();
  entries = entries_of(
      strategies->supported_cpuid(impl_->host.model(), c.release, c.policy.counters_in_hardware()));
  return 0;
}

int SimulatedKvm::get_host_cpuid(std::vector<kvm::CpuidEntry2>& entries) {
  entries = entries_of(impl_->host.model().cpuid);
  return 0;
}

u64 SimulatedKvm::supported_perf_capabilities() {
  return impl_->host.supported_perf_capabilities();
}
int SimulatedKvm::check_extension(u32 cap) {
  return impl_->driver.check_extension(cap);
}

int SimulatedKvm::create_vm(std::unique_ptr<kvm::Vm>& vm) {
  vm = std::make_unique<SimulatedVm>(impl_->driver, impl_->host);
  return 0;
}

}  // namespace pmusim::hv
