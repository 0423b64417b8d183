// SPDX-License-Identifier: Apache-2.0
// What a vPMU needs from the vCPU it belongs to. Implemented by Vcpu, used by Vpmu.
#pragma once

#include "base/event.h"
#include "base/types.h"
#include "platform/cpu/physical_cpu.h"

namespace pmusim::hv {

class VcpuHooks {
 public:
  virtual ~VcpuHooks() = default;
  virtual void request_pmu() = 0;  // KVM_REQ_PMU; may be called from the host's NMI handler
  virtual void request_pmi() = 0;  // KVM_REQ_PMI, likewise
  virtual void request_recalc_intercepts() = 0;
  virtual u8 guest_cpl() const = 0;
  virtual u64 guest_cr0() const = 0;
  virtual u64 guest_cr4() const = 0;
  virtual u64 guest_efer() const = 0;
  // First byte of the instruction being emulated; 0: skipped.
  virtual u8 emulated_opcode() const { return 0; }
  virtual bool in_guest_hypervisor_mode() const = 0;  // L2 is running
  virtual bool has_in_kernel_apic() const = 0;
  virtual u32 virtual_lvtpc() const = 0;
  virtual void set_virtual_lvtpc(u32 value) = 0;
  // Delivers LVTPC through the virtual APIC with its delivery mode; false if it is masked.
  virtual bool deliver_virtual_lvtpc() = 0;
  // The physical CPU that executes the vCPU's thread, or nullptr when the vCPU is not loaded anywhere.
  virtual platform::PhysicalCpu* cpu() = 0;
  virtual void emit(Event event) = 0;  // fills in cpu, vcpu, cycle and tsc
};

}  // namespace pmusim::hv
