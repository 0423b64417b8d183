// SPDX-License-Identifier: Apache-2.0
// What a vPMU needs from the vCPU it belongs to, and the PMU-related fields of the current control block.
// Implemented by Vcpu, Vmcs and Vmcb; used by Vpmu.
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
  virtual u8 emulated_opcode() const {
    return 0;
  }  // first byte of the instruction being emulated; 0: skipped
  virtual bool in_guest_hypervisor_mode() const = 0;  // L2 is running
  virtual bool has_in_kernel_apic() const = 0;
  virtual u32 virtual_lvtpc() const = 0;
  virtual void set_virtual_lvtpc(u32 value) = 0;
  // Delivers LVTPC through the virtual APIC with its delivery mode; false if it is masked.
  virtual bool deliver_virtual_lvtpc() = 0;
  // The physical CPU that executes the vCPU's thread, or nullptr when the vCPU is not loaded anywhere.
  virtual platform::PhysicalCpu* cpu() = 0;
  virtual int vcpu_index() const = 0;
  virtual void emit(Event event) = 0;  // fills in cpu, vcpu, cycle and tsc
};

// PMU fields of a VMCS or VMCB. Accessors cost a VMREAD or VMWRITE while the block is loaded on a CPU.
class ControlBlockPmuFields {
 public:
  virtual ~ControlBlockPmuFields() = default;
  virtual bool can_load_global_ctrl() const = 0;  // VM-entry control 13 and VM-exit control 12; false on SVM
  virtual bool can_save_global_ctrl()
      const = 0;  // VM-exit control 30; without it: the VM-exit MSR-store list
  // Enables "load at entry" and "load at exit", and with `save` storing the guest's value at exit (control
  // 30, or an entry in the VM-exit MSR-store list where the control does not exist).
  virtual void use_global_ctrl(bool load, bool save) = 0;
  virtual void set_guest_global_ctrl(u64 value) = 0;
  virtual void set_host_global_ctrl(u64 value) = 0;
  virtual u64 guest_global_ctrl() = 0;  // after a VM-exit with save: the guest's value at that exit
  // KVM's add_atomic_switch_msr / clear_atomic_switch_msr: GLOBAL_CTRL through its fields where they exist,
  // else through the MSR-load lists. guest == host clears.
  virtual void atomic_switch(u32 msr, u64 guest, u64 host) = 0;
  virtual void clear_atomic_switch(u32 msr) = 0;
};

}  // namespace pmusim::hv
