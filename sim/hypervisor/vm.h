// SPDX-License-Identifier: Apache-2.0
// One virtual machine: memory, vCPUs, the interrupt fabric between their virtual APICs, capabilities.
// Not modelled: I/O APIC and PIC beyond their mask registers, routing, dirty logging.
#pragma once

#include <memory>
#include <vector>

#include "hypervisor/kvm_api.h"
#include "hypervisor/memory_map.h"
#include "platform/local_apic.h"
#include "platform/pc_ports.h"

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
  platform::PicMask& pic(unsigned n) { return pic_[n]; }
  std::shared_ptr<const EventFilter> filter() const { return filter_; }

  int create_irqchip();
  int create_vcpu(unsigned id, Vcpu*& vcpu);  // on physical CPU id mod number of CPUs
  int set_memory(const kvm::MemoryRegion& region);
  int enable_cap(const kvm::EnableCap& cap);
  int set_filter(const kvm::PmuEventFilter& filter);

  // Interrupt message from a vCPU's virtual APIC: accepted by the targets after the sender's time.
  void send(const platform::ApicMessage& message) override;
  Vcpu* by_apic_id(u32 id);

 private:
  Host& host_;
  MemoryMap memory_;
  std::vector<std::unique_ptr<Vcpu>> vcpus_;
  platform::PicMask pic_[2];
  std::shared_ptr<const EventFilter> filter_;
  s64 tsc_offset_;
  bool irqchip_ = false, pmu_disabled_ = false, owns_pmu_ = false, pmu_denied_ = false;
};

}  // namespace pmusim::hv
