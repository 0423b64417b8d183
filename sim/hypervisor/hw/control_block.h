// SPDX-License-Identifier: Apache-2.0
// What KVM's vendor-neutral code asks of the current control block, whatever the vendor (kvm_x86_ops), and
// what VMCS and VMCB share: guest state, second stage, event injection, the exit information.
#pragma once

#include <array>
#include <memory>
#include <stdexcept>
#include <string>

#include "base/bits.h"
#include "hypervisor/hw/pmu_fields.h"
#include "platform/cpu/physical_cpu.h"

namespace pmusim::hv {

// The vendor's number and name of a VM-exit, as statistics, traces and KVM's tracepoints print them.
struct ExitId {
  u64 reason = 0;
  u64 qualification = 0;  // VMX exit qualification, SVM EXITINFO1
  const char* name = "";
};

// A map with a bit for each access that exits. kFind: an MSR's bit in it; MSRs that have none always exit.
template <std::size_t kBytes, bool (*kFind)(u32 msr, bool write, unsigned& bit)>
class MsrMap {
 public:
  MsrMap() { bytes_.fill(0xff); }  // KVM starts from "intercept everything"
  bool intercepted(u32 msr, bool write) const {
    unsigned n;
    return !kFind(msr, write, n) || test_bit(bytes_[n / 8], n % 8);
  }
  void set(u32 msr, bool write, bool intercept) {
    unsigned n;
    if (!kFind(msr, write, n)) {
      if (intercept) return;
      throw std::logic_error("an MSR outside the map cannot be passed through");
    }
    u8& byte = bytes_[n / 8];
    byte = static_cast<u8>(intercept ? byte | 1u << n % 8 : byte & ~(1u << n % 8));
  }
  const std::array<u8, kBytes>& bytes() const { return bytes_; }

 private:
  std::array<u8, kBytes> bytes_;
};

// Interruption information of VMX, low half of SVM's EVENTINJ and EXITINTINFO: vector 7:0, type 10:8, error
// code valid 11, valid 31.
u32 encode_interruption(const PendingEvent& event);
PendingEvent decode_interruption(u32 info, u32 error_code, u32 instruction_length);

class GuestControl : public platform::ControlBlock, public ControlBlockPmuFields {
 public:
  GuestControl(core::CpuState& state, const core::SecondStage& second, u16 tag)
      : state_(&state), second_(&second), tag_(tag) {}

  void set_vcpu(unsigned id) { vcpu_ = static_cast<s8>(id); }
  // The CPU on which the block is current, or nullptr. Accessors then cost a VMREAD or VMWRITE there.
  void set_current(platform::PhysicalCpu* cpu) { cpu_ = cpu; }

  core::CpuState& guest_state() override { return *state_; }
  const core::SecondStage& second_stage() const override { return *second_; }
  u16 tag() const override { return tag_; }
  s8 vcpu() const override { return vcpu_; }

  virtual void set_msr_intercept(u32 msr, bool read, bool write) = 0;
  virtual void set_instruction_intercept(core::ExitKind kind, bool on) = 0;
  virtual void set_exception_bitmap(u32 vectors) = 0;
  virtual void set_tsc_offset(s64 offset) = 0;
  virtual void set_interrupt_window(bool on) = 0;
  virtual void set_nmi_window(bool on) = 0;
  virtual bool interrupt_window() const = 0;
  virtual bool nmi_window() const = 0;
  // CR4 bits that the guest's CPUID does not reserve: which of them it may own.
  virtual void set_guest_cr4_bits(u64 bits) = 0;
  virtual void set_debugctl(u64 value) = 0;
  virtual u64 debugctl() const = 0;

  // The event that the next VM-entry delivers.
  virtual void inject(const PendingEvent& event) = 0;
  virtual bool injecting() const = 0;
  virtual void cancel_injection() = 0;
  // The event whose delivery the last VM-exit interrupted (IDT-vectoring information, EXITINTINFO).
  virtual PendingEvent vectoring() const = 0;

  virtual ExitId exit_id(const core::VmExit& exit) const = 0;
  // Why the last VM-entry failed, with the vendor's number; empty if it did not.
  const std::string& entry_failure() const { return entry_failure_; }
  u64 entry_failure_reason() const { return entry_failure_reason_; }

 protected:
  void vmread() const {
    if (cpu_) cpu_->vmaccess(false);
  }
  void vmwrite() const {
    if (cpu_) cpu_->vmaccess(true);
  }
  std::string fail_entry(u64 reason, std::string text) {
    entry_failure_reason_ = reason;
    entry_failure_ = text;
    return text;
  }
  void clear_entry_failure() {
    entry_failure_.clear();
    entry_failure_reason_ = 0;
  }

  core::CpuState* state_;
  const core::SecondStage* second_;
  u16 tag_;
  s8 vcpu_ = -1;
  platform::PhysicalCpu* cpu_ = nullptr;

 private:
  std::string entry_failure_;
  u64 entry_failure_reason_ = 0;
};

// Guest-state checks that both vendors' VM-entries make and that a simulated guest can violate; "" if none
// fails.
std::string check_guest_state(const core::CpuState& state);

}  // namespace pmusim::hv
