// SPDX-License-Identifier: Apache-2.0
// KVM's accessors of the VMCS: each VMREAD and VMWRITE has its cost, and lists of MSRs are memory.
#include <algorithm>
#include <stdexcept>

#include "arch/msr.h"
#include "hypervisor/hw/vmcs.h"

namespace pmusim::hv {

using core::ExitKind;

namespace {

MsrListEntry* find_entry(std::vector<MsrListEntry>& list, u32 msr) {
  const auto it = std::find_if(list.begin(), list.end(), [&](const MsrListEntry& e) { return e.msr == msr; });
  return it == list.end() ? nullptr : &*it;
}

void put_entry(std::vector<MsrListEntry>& list, u32 msr, u64 value) {
  if (MsrListEntry* entry = find_entry(list, msr))
    entry->value = value;
  else
    list.push_back({msr, value});
}

void drop_entry(std::vector<MsrListEntry>& list, u32 msr) {
  list.erase(std::remove_if(list.begin(), list.end(), [&](const MsrListEntry& e) { return e.msr == msr; }),
             list.end());
}

}  // namespace

void Vmcs::set_cpu_based(u32 bit, bool on) {
  const u32 value = on ? cpu_based | bit : cpu_based & ~bit;
  if (value == cpu_based) return;  // KVM's shadow of the controls saves the VMWRITE
  vmwrite();
  cpu_based = value;
}

void Vmcs::set_msr_intercept(u32 msr, bool read, bool write) {
  msr_bitmap.set(msr, false, read);
  msr_bitmap.set(msr, true, write);
}

void Vmcs::set_instruction_intercept(ExitKind kind, bool on) {
  const u32 bit = vmx::control_bit(kind);
  if (!bit) throw std::logic_error("no VMX control for this instruction");
  set_cpu_based(bit, on);
}

void Vmcs::set_exception_bitmap(u32 vectors) {
  if (vectors == exception_bitmap) return;
  vmwrite();
  exception_bitmap = vectors;
}

void Vmcs::set_tsc_offset(s64 offset) {
  vmwrite();
  tsc_offset_field = static_cast<u64>(offset);
}

void Vmcs::set_interrupt_window(bool on) {
  set_cpu_based(vmx::kInterruptWindow, on);
}
void Vmcs::set_nmi_window(bool on) {
  set_cpu_based(vmx::kNmiWindow, on);
}

void Vmcs::inject(const PendingEvent& event) {
  if (event.has_error_code) {
    vmwrite();
    entry_error_code = event.error_code;
  }
  if (event.type == EventType::SoftwareInterrupt || event.type == EventType::SoftwareException ||
      event.type == EventType::PrivilegedSoftwareException) {
    vmwrite();
    entry_instruction_length = event.instruction_length;
  }
  vmwrite();
  entry_interruption_info = encode_interruption(event);
}

void Vmcs::cancel_injection() {
  vmwrite();
  entry_interruption_info = 0;
}

PendingEvent Vmcs::vectoring() const {
  vmread();
  return decode_interruption(idt_vectoring_info, idt_vectoring_error_code, entry_instruction_length);
}

void Vmcs::use_global_ctrl(bool load, bool save) {
  if (load && !can_load_) throw std::logic_error("this CPU cannot load IA32_PERF_GLOBAL_CTRL at VM-entry");
  const u32 entry =
      load ? entry_controls | vmx::kEntryLoadGlobalCtrl : entry_controls & ~vmx::kEntryLoadGlobalCtrl;
  u32 exit = load ? exit_controls | vmx::kExitLoadGlobalCtrl : exit_controls & ~vmx::kExitLoadGlobalCtrl;
  if (can_save_)
    exit = save ? exit | vmx::kExitSaveGlobalCtrl : exit & ~vmx::kExitSaveGlobalCtrl;
  else if (save)
    put_entry(exit_store, msr::kGlobalCtrl, guest_perf_global_ctrl);
  else
    drop_entry(exit_store, msr::kGlobalCtrl);
  if (entry != entry_controls) {
    vmwrite();
    entry_controls = entry;
  }
  if (exit != exit_controls) {
    vmwrite();
    exit_controls = exit;
  }
}

void Vmcs::set_guest_global_ctrl(u64 value) {
  vmwrite();
  guest_perf_global_ctrl = value;
}

void Vmcs::set_host_global_ctrl(u64 value) {
  vmwrite();
  host_perf_global_ctrl = value;
}

// Without control 30 KVM copies the auto-stored value back to the guest field, for the next entry.
u64 Vmcs::guest_global_ctrl() {
  if (const MsrListEntry* stored = find_entry(exit_store, msr::kGlobalCtrl))
    set_guest_global_ctrl(stored->value);
  else
    vmread();
  return guest_perf_global_ctrl;
}

void Vmcs::atomic_switch(u32 msr, u64 guest, u64 host) {
  if (guest == host) return clear_atomic_switch(msr);
  if (msr == msr::kGlobalCtrl && can_load_) {
    set_guest_global_ctrl(guest);
    set_host_global_ctrl(host);
    use_global_ctrl(true, exit_controls & vmx::kExitSaveGlobalCtrl);
    return;
  }
  put_entry(entry_load, msr, guest);
  put_entry(exit_load, msr, host);
}

void Vmcs::clear_atomic_switch(u32 msr) {
  if (msr == msr::kGlobalCtrl && can_load_)
    return use_global_ctrl(false, exit_controls & vmx::kExitSaveGlobalCtrl);
  drop_entry(entry_load, msr);
  drop_entry(exit_load, msr);
}

}  // namespace pmusim::hv
