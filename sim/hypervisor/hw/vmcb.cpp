// SPDX-License-Identifier: Apache-2.0
// VMCB: what VMRUN and #VMEXIT do, and KVM's accessors. A VMCB lies in memory; KVM reads and writes it with
// plain loads and stores, which the port's vmaccess() costs on SVM.
#include "hypervisor/hw/vmcb.h"

#include <stdexcept>

#include "arch/msr.h"
#include "base/bits.h"

namespace pmusim::hv {

using core::ExitKind;
using Source = platform::PhysicalCpu::Source;

namespace {

struct Place {
  u32 Vmcb::*vector = nullptr;
  u32 bit = 0;
};

Place place_of(ExitKind kind) {
  switch (kind) {
    case ExitKind::InterruptWindow:
      return {&Vmcb::intercept3, svm::kVintr};
    case ExitKind::NmiWindow:
      return {&Vmcb::intercept3, svm::kIret};
    case ExitKind::Rdtsc:
      return {&Vmcb::intercept3, svm::kRdtsc};
    case ExitKind::Rdpmc:
      return {&Vmcb::intercept3, svm::kRdpmc};
    case ExitKind::Cpuid:
      return {&Vmcb::intercept3, svm::kCpuid};
    case ExitKind::Invd:
      return {&Vmcb::intercept3, svm::kInvd};
    case ExitKind::Pause:
      return {&Vmcb::intercept3, svm::kPause};
    case ExitKind::Hlt:
      return {&Vmcb::intercept3, svm::kHlt};
    case ExitKind::Invlpg:
      return {&Vmcb::intercept3, svm::kInvlpg};
    case ExitKind::Io:
      return {&Vmcb::intercept3, svm::kIoio};
    case ExitKind::InitSignal:
      return {&Vmcb::intercept3, svm::kInit};
    case ExitKind::TaskSwitch:
      return {&Vmcb::intercept3, svm::kTaskSwitch};
    case ExitKind::TripleFault:
      return {&Vmcb::intercept3, svm::kShutdown};
    case ExitKind::VmInstruction:
      return {&Vmcb::intercept4, svm::kVmrun};
    case ExitKind::Vmcall:
      return {&Vmcb::intercept4, svm::kVmmcall};
    case ExitKind::Rdtscp:
      return {&Vmcb::intercept4, svm::kRdtscp};
    case ExitKind::Wbinvd:
      return {&Vmcb::intercept4, svm::kWbinvd};
    case ExitKind::Monitor:
      return {&Vmcb::intercept4, svm::kMonitor};
    case ExitKind::Mwait:
      return {&Vmcb::intercept4, svm::kMwait};
    case ExitKind::Xsetbv:
      return {&Vmcb::intercept4, svm::kXsetbv};
    default:
      return {};
  }
}

// EVENTINJ and EXITINTINFO. INT3, INTO and BOUND are exceptions there, which have no type of their own.
u64 encode_event(PendingEvent event) {
  if (event.type == EventType::SoftwareException || event.type == EventType::PrivilegedSoftwareException)
    event.type = EventType::HardwareException;
  return encode_interruption(event) | static_cast<u64>(event.error_code) << 32;
}
PendingEvent decode_event(u64 field) {
  return decode_interruption(static_cast<u32>(field), static_cast<u32>(field >> 32), 0);
}

[[noreturn]] void no_field() {
  throw std::logic_error("a VMCB has no PERF_GLOBAL_CTL field and no MSR lists");
}

}  // namespace

bool find_svm_msr(u32 msr, bool write, unsigned& n) {
  unsigned range;
  if (msr <= 0x1fff)
    range = 0;
  else if (msr >= 0xc0000000 && msr <= 0xc0001fff)
    range = 1;
  else if (msr >= 0xc0010000 && msr <= 0xc0011fff)
    range = 2;
  else
    return false;
  n = range * 0x800 * 8 + (msr & 0x1fff) * 2 + (write ? 1 : 0);
  return true;
}

Vmcb::Vmcb(core::CpuState& state, const core::SecondStage& second, u16 asid)
    : GuestControl(state, second, asid) {
  intercept_cr = 1u << 4 | 1u << 20 | 1u << 8 | 1u << 24 | 1u << 16;  // CR4 and CR8 both ways, writes of CR0
  intercept3 = svm::kIntr | svm::kNmi | svm::kInit | svm::kRdpmc | svm::kCpuid | svm::kInvd | svm::kHlt |
               svm::kIoio | svm::kMsr | svm::kTaskSwitch | svm::kShutdown;
  intercept4 = svm::kVmrun | svm::kVmmcall | svm::kWbinvd | svm::kMonitor | svm::kMwait | svm::kXsetbv;
}

bool Vmcb::instruction(ExitKind kind) const {
  const Place place = place_of(kind);
  return place.vector && (this->*place.vector & place.bit);
}

bool Vmcb::msr(u32 index, bool write) const {
  return (intercept3 & svm::kMsr) && msr_map.intercepted(index, write);
}
bool Vmcb::io(u16, unsigned) const {
  return intercept3 & svm::kIoio;
}
bool Vmcb::exception(u8 vector, u32) const {
  return test_bit(intercept_exceptions, vector);
}

bool Vmcb::cr(unsigned number, bool write, u64 value) const {
  if (number == 0 && write) {
    // KVM drops the CR0 write intercept while guest and hardware CR0 agree; only CD and NW then matter to it.
    return ((value ^ state_->cr0) & (core::kCr0Cd | core::kCr0Nw)) && test_bit(intercept_cr, 16);
  }
  return number < 16 && test_bit(intercept_cr, number + (write ? 16 : 0));
}

std::string Vmcb::load(platform::PhysicalCpu& cpu) {
  clear_entry_failure();
  u64 efer = 0;
  if (!cpu.hw_rdmsr(msr::kEfer, efer, Source::Field) || !(efer & core::kEferSvme))
    return fail_entry(svm::kExitInvalid, "VMRUN with EFER.SVME = 0 (#UD)");
  if (!(intercept4 & svm::kVmrun))
    return fail_entry(svm::kExitInvalid, "VMEXIT_INVALID: the VMRUN intercept is clear");
  if (tag_ == 0) return fail_entry(svm::kExitInvalid, "VMEXIT_INVALID: ASID 0");
  std::string failure = check_guest_state(*state_);
  if (!failure.empty()) return fail_entry(svm::kExitInvalid, "VMEXIT_INVALID: " + failure);
  return {};
}

void Vmcb::store(platform::PhysicalCpu&, const core::VmExit& exit) {
  const ExitId id = exit_id(exit);
  exit_code_field = id.reason;
  exit_info1 = id.qualification;
  exit_info2 = svm::exit_info2(exit);
  exit_int_info = exit.vectoring.valid ? encode_event(exit.vectoring) : 0;
  event_injection = 0;
}

PendingEvent Vmcb::take_injection() {
  return decode_event(event_injection);
}

void Vmcb::set_msr_intercept(u32 msr, bool read, bool write) {
  msr_map.set(msr, false, read);
  msr_map.set(msr, true, write);
}

void Vmcb::set_instruction_intercept(ExitKind kind, bool on) {
  const Place place = place_of(kind);
  if (!place.vector) throw std::logic_error("no SVM intercept for this instruction");
  vmwrite();
  u32& vector = this->*place.vector;
  vector = on ? vector | place.bit : vector & ~place.bit;
}

void Vmcb::set_exception_bitmap(u32 vectors) {
  intercept_exceptions = vectors;
}
void Vmcb::set_tsc_offset(s64 offset) {
  tsc_offset_field = static_cast<u64>(offset);
}
void Vmcb::set_interrupt_window(bool on) {
  set_instruction_intercept(ExitKind::InterruptWindow, on);
}
void Vmcb::set_nmi_window(bool on) {
  set_instruction_intercept(ExitKind::NmiWindow, on);
}

void Vmcb::inject(const PendingEvent& event) {
  vmwrite();
  event_injection = encode_event(event);
}

void Vmcb::cancel_injection() {
  vmwrite();
  event_injection = 0;
}

PendingEvent Vmcb::vectoring() const {
  vmread();
  return decode_event(exit_int_info);
}

void Vmcb::use_global_ctrl(bool load, bool save) {
  if (load || save) no_field();
}
void Vmcb::set_guest_global_ctrl(u64) {
  no_field();
}
void Vmcb::set_host_global_ctrl(u64) {
  no_field();
}
u64 Vmcb::guest_global_ctrl() {
  no_field();
}
void Vmcb::atomic_switch(u32, u64, u64) {
  no_field();
}

}  // namespace pmusim::hv
