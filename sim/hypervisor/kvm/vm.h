// SPDX-License-Identifier: Apache-2.0
// One virtual machine: memory, vCPUs, the interrupt fabric between their virtual APICs, capabilities.
// Not modelled: other routing of interrupt lines than the default, dirty logging.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hypervisor/api/kvm_api.h"
#include "hypervisor/kvm/memory_map.h"
#include "platform/cpu/physical_cpu.h"
#include "platform/devices/interrupt_controllers.h"

namespace pmusim::hv {

class Host;
class Vcpu;
struct EventFilter;

class Vm final : public platform::ApicBus {
 public:
  explicit Vm(Host& host);
  ~Vm() override;

  Host& host() { return host_; }
  MemoryMap& memory() { return memory_; }
  bool irqchip() const { return irqchip_; }
  s64 tsc_offset() const { return tsc_offset_; }
  bool pmu_disabled() const { return pmu_disabled_; }
  std::vector<std::unique_ptr<Vcpu>>& vcpus() { return vcpus_; }
  std::shared_ptr<const EventFilter> filter() const { return filter_; }

  int create_irqchip();
  int create_pit2();
  int create_vcpu(unsigned id, Vcpu*& vcpu);  // on physical CPU id mod number of CPUs
  std::string why_busy() const;               // what kept create_vcpu() from taking the PMU
  int set_memory(const kvm::MemoryRegion& region);
  int enable_cap(const kvm::EnableCap& cap);
  int set_filter(const kvm::PmuEventFilter& filter);

  // Interrupt message from a vCPU's virtual APIC: accepted by the targets after the sender's time.
  void send(const platform::ApicMessage& message) override;
  // The same to the vCPUs whose APIC ID minus `first` is a set bit of the word. Returns how many.
  unsigned send_to(u64 word, u32 first, const platform::ApicMessage& message);
  void broadcast_eoi(u8 vector) override;
  void act_on(const platform::PhysicalCpu& cpu) { acting_ = &cpu; }  // what follows happens on that CPU
  Vcpu* by_apic_id(u32 id);

  // The in-kernel devices, as code on a physical CPU reaches them. false: no such device.
  bool port_access(const platform::PhysicalCpu& cpu, u16 port, unsigned size, bool write, u64& value);
  bool mmio_access(const platform::PhysicalCpu& cpu, u64 physical, unsigned size, bool write, u64& value);
  void irq_line(const platform::PhysicalCpu& cpu, unsigned gsi, bool level);
  u8 acknowledge_external(const platform::PhysicalCpu& cpu);
  void update_devices(const platform::PhysicalCpu& cpu);
  u64 device_deadline() const;                              // host TSC, or kNever
  u64 nanoseconds(const platform::PhysicalCpu& cpu) const;  // since the VM was created

 private:
  void post(const platform::ApicMessage& message, Vcpu& target);
  // Time of the CPU that acts on the devices.
  class Clock final : public platform::DeviceClock {
   public:
    explicit Clock(const Vm& vm) : vm_(vm) {}
    u64 nanoseconds() const override { return vm_.nanoseconds(*vm_.acting_); }

   private:
    const Vm& vm_;
  };

  Host& host_;
  MemoryMap memory_;
  std::vector<std::unique_ptr<Vcpu>> vcpus_;
  Clock clock_{*this};
  platform::InterruptControllers controllers_{*this, clock_};
  const platform::PhysicalCpu* acting_;
  std::shared_ptr<const EventFilter> filter_;
  s64 tsc_offset_;
  bool irqchip_ = false, pit_ = false, pmu_disabled_ = false, owns_pmu_ = false, pmu_denied_ = false;
};

}  // namespace pmusim::hv
