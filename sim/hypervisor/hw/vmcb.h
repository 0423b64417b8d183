// SPDX-License-Identifier: Apache-2.0
// AMD VMCB: intercept vectors in their hardware encoding, the MSR permission map, event injection, checks and
// exit codes (APM Vol. 2, chapter "Secure Virtual Machine", appendices B and C).
// Not modelled: PMC virtualization of Zen 5 (VMCB 0B8h bit 3; a vCPU never turns it on), LBR and IBS
// virtualization, AVIC, virtual NMI and virtual GIF, nested SVM, SEV, clean bits, I/O permission map (all I/O
// exits, as with KVM). SVM has no NMI window: KVM intercepts IRET and steps over it; here the exit comes when
// the IRET has completed.
#pragma once

#include "hypervisor/hw/control_block.h"

namespace pmusim::hv {

namespace svm {
// Intercept vector 3 (offset 00Ch) and 4 (010h).
inline constexpr u32 kIntr = 1u << 0, kNmi = 1u << 1, kInit = 1u << 3, kVintr = 1u << 4, kRdtsc = 1u << 14,
                     kRdpmc = 1u << 15, kCpuid = 1u << 18, kIret = 1u << 20, kInvd = 1u << 22,
                     kPause = 1u << 23, kHlt = 1u << 24, kInvlpg = 1u << 25, kIoio = 1u << 27,
                     kMsr = 1u << 28, kTaskSwitch = 1u << 29, kShutdown = 1u << 31;
inline constexpr u32 kVmrun = 1u << 0, kVmmcall = 1u << 1, kRdtscp = 1u << 7, kWbinvd = 1u << 9,
                     kMonitor = 1u << 10, kMwait = 1u << 11, kXsetbv = 1u << 13;
inline constexpr u64 kExitInvalid = ~u64{0};

u64 exit_code(const core::VmExit& exit);
const char* exit_code_name(u64 code);
u64 exit_info2(const core::VmExit& exit);
}  // namespace svm

// Two bits per MSR, read then write; ranges 0..1FFFh, C0000000h..C0001FFFh, C0010000h..C0011FFFh of 800h
// bytes.
bool find_svm_msr(u32 msr, bool write, unsigned& bit);
using SvmMsrMap = MsrMap<8192, find_svm_msr>;

class Vmcb final : public GuestControl {
 public:
  Vmcb(core::CpuState& state, const core::SecondStage& second, u16 asid);

  u32 intercept_cr = 0;  // reads 15:0, writes 31:16
  u32 intercept_exceptions = 0, intercept3 = 0, intercept4 = 0;
  u64 event_injection = 0;  // EVENTINJ, error code in 63:32
  u64 exit_int_info = 0, exit_code_field = 0, exit_info1 = 0, exit_info2 = 0;
  u64 tsc_offset_field = 0, debugctl_field = 0;
  SvmMsrMap msr_map;

  bool instruction(core::ExitKind kind) const override;
  bool msr(u32 index, bool write) const override;
  bool io(u16 port, unsigned size) const override;
  bool exception(u8 vector, u32 error_code) const override;
  bool cr(unsigned cr, bool write, u64 value) const override;
  bool external_interrupt() const override { return intercept3 & svm::kIntr; }
  bool nmi() const override { return intercept3 & svm::kNmi; }
  bool faults_before_intercept() const override { return true; }

  std::string load(platform::PhysicalCpu& cpu) override;
  void store(platform::PhysicalCpu& cpu, const core::VmExit& exit) override;
  PendingEvent take_injection() override;
  s64 tsc_offset() const override { return static_cast<s64>(tsc_offset_field); }

  void set_msr_intercept(u32 msr, bool read, bool write) override;
  void set_instruction_intercept(core::ExitKind kind, bool on) override;
  void set_exception_bitmap(u32 vectors) override;
  void set_tsc_offset(s64 offset) override;
  void set_interrupt_window(bool on) override;
  void set_nmi_window(bool on) override;
  bool interrupt_window() const override { return intercept3 & svm::kVintr; }
  bool nmi_window() const override { return intercept3 & svm::kIret; }
  void set_guest_cr4_bits(u64) override {}  // every access to CR4 exits
  void set_debugctl(u64 value) override { debugctl_field = value; }
  u64 debugctl() const override { return debugctl_field; }
  void inject(const PendingEvent& event) override;
  bool injecting() const override { return event_injection >> 31 & 1; }
  void cancel_injection() override;
  PendingEvent vectoring() const override;
  ExitId exit_id(const core::VmExit& exit) const override;

  // SVM has no fields for GLOBAL_CTL and no MSR lists: a request for them is a bug (std::logic_error).
  bool can_load_global_ctrl() const override { return false; }
  bool can_save_global_ctrl() const override { return false; }
  void use_global_ctrl(bool load, bool save) override;
  void set_guest_global_ctrl(u64 value) override;
  void set_host_global_ctrl(u64 value) override;
  u64 guest_global_ctrl() override;
  void atomic_switch(u32 msr, u64 guest, u64 host) override;
  void clear_atomic_switch(u32) override {}
};

}  // namespace pmusim::hv
