// SPDX-License-Identifier: Apache-2.0
// What a virtual PMU needs from the vCPU it belongs to and from the control block the vCPU runs on.
#pragma once

#include <string>

#include "base/event.h"
#include "base/types.h"

namespace pmusim::hypervisor {

// The vCPU, as its virtual PMU sees it.
class VcpuHooks {
 public:
  virtual ~VcpuHooks() = default;
  // Requests are flags: raised any number of times, handled once before the next VM-entry, PMU before PMI. They
  // may be raised from an NMI handler. A pending PMI wakes a halted vCPU.
  virtual void request_pmu() = 0;
  virtual void request_pmi() = 0;
  virtual void request_recalc_intercepts() = 0;  // rebuild MSR bitmap and RDPMC intercept from msr_intercepted()

  virtual unsigned guest_cpl() const = 0;
  virtual u64 guest_cr0() const = 0;
  virtual u64 guest_cr4() const = 0;
  virtual u64 guest_efer() const = 0;
  virtual bool guest_in_nested_guest() const { return false; }

  // Virtual local APIC. No in-kernel APIC: PMIs are never delivered.
  virtual bool has_virtual_apic() const = 0;
  virtual u32 virtual_lvtpc() const = 0;
  virtual void set_virtual_lvtpc(u32 value) = 0;
  // kvm_apic_local_deliver(LVTPC): by LVTPC's delivery mode and vector. Called only when LVTPC is not masked.
  virtual void deliver_lvtpc() = 0;

  // VMware's pseudo counters 10000h (host TSC), 10001h (real time, ns), 10002h (apparent time, ns).
  virtual u64 backdoor_clock(u32 index) = 0;

  virtual void emit(EventKind kind, u64 a, u64 b, const std::string& text) = 0;
};

// The PMU fields of a VMCS; of a VMCB there are none. Plain storage: the virtual PMU pays for each VMREAD and
// VMWRITE itself (PhysicalCpu::vmaccess) and caches what it wrote.
class ControlBlockPmuFields {
 public:
  virtual ~ControlBlockPmuFields() = default;
  virtual bool has_global_ctrl_fields() const = 0;  // VM-entry "load IA32_PERF_GLOBAL_CTRL" exists (VMX)
  virtual bool has_global_ctrl_save() const = 0;    // VM-exit "save IA32_PERF_GLOBAL_CTRL" (control 30)
  // Controls: entry loads the guest field, exit loads the host field, exit saves to the guest field.
  virtual void set_global_ctrl_controls(bool entry_load, bool exit_load, bool exit_save) = 0;
  virtual u64 guest_global_ctrl() const = 0;
  virtual void set_guest_global_ctrl(u64 value) = 0;
  virtual void set_host_global_ctrl(u64 value) = 0;
  // VM-entry MSR-load and VM-exit MSR-load lists: an entry for `msr` in both, replaced if it is there.
  virtual void set_autoload(u32 msr, u64 guest, u64 host) = 0;
  virtual void clear_autoload(u32 msr) = 0;
  // VM-exit MSR-store list.
  virtual void set_autostore(u32 msr, bool on) = 0;
  virtual u64 autostored(u32 msr) const = 0;
};

}  // namespace pmusim::hypervisor
