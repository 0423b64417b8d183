// SPDX-License-Identifier: Apache-2.0
// Intel VMCS: control fields in their hardware encodings, the 4 KB MSR bitmap, MSR-load and -store lists,
// event injection, consistency checks and exit reasons (SDM Vol. 3, chapters "Virtual-Machine Control
// Structures", "VM Entries", "VM Exits", appendix "VMX Basic Exit Reasons"). Not modelled: acknowledging the
// interrupt on exit (it stays pending until the host enables interrupts, which handles it alike), nested VMX,
// posted interrupts and APIC virtualization, VMCS shadowing, SMM transfer monitor, I/O bitmaps (all I/O
// exits, as with KVM), preemption timer, VM-exits by INVEPT-class instructions.
#pragma once

#include <vector>

#include "hypervisor/hw/control_block.h"

namespace pmusim::hv {

namespace vmx {
// Pin-based controls.
inline constexpr u32 kExternalInterruptExiting = 1u << 0, kNmiExiting = 1u << 3, kVirtualNmis = 1u << 5;
// Primary processor-based controls.
inline constexpr u32 kInterruptWindow = 1u << 2, kTscOffsetting = 1u << 3, kHltExiting = 1u << 7,
                     kInvlpgExiting = 1u << 9, kMwaitExiting = 1u << 10, kRdpmcExiting = 1u << 11,
                     kRdtscExiting = 1u << 12, kCr8Load = 1u << 19, kCr8Store = 1u << 20,
                     kNmiWindow = 1u << 22, kMovDr = 1u << 23, kUnconditionalIo = 1u << 24,
                     kUseMsrBitmaps = 1u << 28, kMonitorExiting = 1u << 29, kPauseExiting = 1u << 30;
// VM-exit controls.
inline constexpr u32 kExitSaveDebug = 1u << 2, kExitLoadGlobalCtrl = 1u << 12, kExitSaveGlobalCtrl = 1u << 30;
// VM-entry controls.
inline constexpr u32 kEntryLoadDebug = 1u << 2, kEntryLoadGlobalCtrl = 1u << 13;
// Basic exit reasons of failed entries, and the flag of entry failures.
inline constexpr u32 kReasonInvalidGuestState = 33, kReasonMsrLoading = 34, kReasonEntryFailure = 1u << 31;
// VM-instruction errors (entries that do not reach the guest).
inline constexpr u32 kErrorInvalidControls = 7, kErrorInvalidHostState = 8;

// The processor-based control by which such an instruction exits; 0: there is none.
u32 control_bit(core::ExitKind kind);
u32 exit_reason(const core::VmExit& exit);
const char* exit_reason_name(u32 reason);
}  // namespace vmx

// One 4 KB page: reads of 0..1FFFh at 0, of C0000000h..C0001FFFh at 400h, writes of the same at 800h and
// C00h.
bool find_vmx_msr(u32 msr, bool write, unsigned& bit);
using VmxMsrBitmap = MsrMap<4096, find_vmx_msr>;

struct MsrListEntry {
  u32 msr;
  u64 value;
};

class Vmcs final : public GuestControl {
 public:
  // global_ctrl_reserved: reserved bits of IA32_PERF_GLOBAL_CTRL on this CPU. can_save: exit control 30
  // exists.
  Vmcs(core::CpuState& state, const core::SecondStage& second, u16 vpid, u64 global_ctrl_reserved,
       bool can_load, bool can_save);

  // Fields, in hardware encoding; plain so that tests and handlers can see the whole block.
  u32 pin_based = 0, cpu_based = 0, entry_controls = 0, exit_controls = 0, exception_bitmap = 0;
  u64 guest_perf_global_ctrl = 0, host_perf_global_ctrl = 0, guest_debugctl = 0;
  // Host-owned bits; the read shadows always equal the guest's values, so the guest state serves as shadow.
  u64 cr0_guest_host_mask = 0, cr4_guest_host_mask = 0;
  u64 tsc_offset_field = 0;
  u32 entry_interruption_info = 0, entry_error_code = 0, entry_instruction_length = 0;
  u32 exit_reason_field = 0, idt_vectoring_info = 0, idt_vectoring_error_code = 0;
  u64 exit_qualification = 0;
  std::vector<MsrListEntry> entry_load, exit_load, exit_store;
  VmxMsrBitmap msr_bitmap;

  // core::Intercepts
  bool instruction(core::ExitKind kind) const override;
  bool msr(u32 index, bool write) const override;
  bool io(u16 port, unsigned size) const override;
  bool exception(u8 vector, u32 error_code) const override;
  bool cr(unsigned cr, bool write, u64 value) const override;
  bool external_interrupt() const override { return pin_based & vmx::kExternalInterruptExiting; }
  bool nmi() const override { return pin_based & vmx::kNmiExiting; }
  bool faults_before_intercept() const override { return false; }

  // platform::ControlBlock
  std::string load(platform::PhysicalCpu& cpu) override;
  void store(platform::PhysicalCpu& cpu, const core::VmExit& exit) override;
  PendingEvent take_injection() override;
  s64 tsc_offset() const override {
    return cpu_based & vmx::kTscOffsetting ? static_cast<s64>(tsc_offset_field) : 0;
  }

  // GuestControl
  void set_msr_intercept(u32 msr, bool read, bool write) override;
  void set_instruction_intercept(core::ExitKind kind, bool on) override;
  void set_exception_bitmap(u32 vectors) override;
  void set_tsc_offset(s64 offset) override;
  void set_interrupt_window(bool on) override;
  void set_nmi_window(bool on) override;
  bool interrupt_window() const override { return cpu_based & vmx::kInterruptWindow; }
  bool nmi_window() const override { return cpu_based & vmx::kNmiWindow; }
  void set_guest_cr4_bits(u64 bits) override;
  void set_debugctl(u64 value) override { guest_debugctl = value; }
  u64 debugctl() const override { return guest_debugctl; }
  void inject(const PendingEvent& event) override;
  bool injecting() const override { return entry_interruption_info >> 31; }
  void cancel_injection() override;
  PendingEvent vectoring() const override;
  ExitId exit_id(const core::VmExit& exit) const override;

  // ControlBlockPmuFields
  bool can_load_global_ctrl() const override { return can_load_; }
  bool can_save_global_ctrl() const override { return can_save_; }
  void use_global_ctrl(bool load, bool save) override;
  void set_guest_global_ctrl(u64 value) override;
  void set_host_global_ctrl(u64 value) override;
  u64 guest_global_ctrl() override;
  void atomic_switch(u32 msr, u64 guest, u64 host) override;
  void clear_atomic_switch(u32 msr) override;

 private:
  std::string check(u64& reason) const;
  void set_cpu_based(u32 bit, bool on);

  u64 global_ctrl_reserved_;
  bool can_load_, can_save_;
};

}  // namespace pmusim::hv
