// SPDX-License-Identifier: Apache-2.0
// The PMU's part of the current control block. Implemented by Vmcs and Vmcb, used by Vpmu.
#pragma once

#include "base/types.h"

namespace pmusim::hv {

// PMU fields of a VMCS or VMCB. Accessors cost a VMREAD or VMWRITE while the block is loaded on a CPU.
class ControlBlockPmuFields {
 public:
  virtual ~ControlBlockPmuFields() = default;
  virtual bool can_load_global_ctrl() const = 0;  // VM-entry control 13 and VM-exit control 12; false on SVM
  // VM-exit control 30; without it: the VM-exit MSR-store list.
  virtual bool can_save_global_ctrl() const = 0;
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
