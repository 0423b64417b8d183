// SPDX-License-Identifier: Apache-2.0
// VMCB: what VMRUN and #VMEXIT do, and KVM's accessors. A VMCB lies in memory; KVM reads and writes it with
// plain loads and stores, which the port's vmaccess() costs on SVM.
#include "hypervisor/vmcb.h"

#include <stdexcept>

#include "arch/msr.h"
#include "base/bits.h"

namespace pmusim::hv {

using core::ExitKind;
using Source = platform::PhysicalCpu::Source;

namespace {

bool find_bit(u32 msr, bool write, unsigned& bit_index) {
  u32 range;
  if (msr <= 0x1fff)
    range = 0;
  else if (msr >= 0xc0000000 && msr <= 0xc0001fff)
    range = 1;
  else if (msr >= 0xc0010000 && msr <= 0xc0011fff)
    range = 2;
  else
    return false;
  bit_index = range * 0x800 * 8 + (msr & 0x1fff) * 2 + (write ? 1 : 0);
  return true;
}

[[noreturn]] void no_field() {
  throw std::logic_error("a VMCB has no PERF_GLOBAL_CTL field and no MSR lists");
}

}  // namespace

bool SvmMsrMap::intercepted(u32 msr, bool write) const {
  unsigned n;
  return !find_bit(msr, write, n) || test_bit(bytes_[n / 8], n % 8);
}

void SvmMsrMap::set(u32 msr, bool write, bool intercept) {
  unsigned n;
  if (!find_bit(msr, write, n)) {
    if (intercept) return;
    throw std::logic_error("an MSR outside the MSR permission map cannot be passed through");
  }
  u8& byte = bytes_[n / 8];
  byte = static_cast<u8>(intercept ? byte | 1u << n % 8 : byte & ~(1u << n % 8));
}

Vmcb::Vmcb(core::CpuState& state, const core::SecondStage& second, u16 asid)
    : GuestControl(state, second, asid) {
  intercept_cr = 1u << 8 | 1u << 24 | 1u << 16;  // CR8 both ways, writes of CR0
  intercept3 = svm::kIntr | svm::kNmi | svm::kInit | svm::kRdpmc | svm::kCpuid | svm::kInvd | svm::kHlt |
               svm::kIoio | svm::kMsr | svm::kShutdown;
  intercept4 = svm::kVmrun | svm::kVmmcall | svm::kWbinvd | svm::kMonitor | svm::kMwait | svm::kXsetbv;
}

u32* Vmcb::vector_of(ExitKind kind, u32& b) {
  switch (kind) {
    case ExitKind::InterruptWindow:
      b = svm::kVintr;
      return &intercept3;
    case ExitKind::NmiWindow:
      b = svm::kIret;
      return &intercept3;
    case ExitKind::Rdtsc:
      b = svm::kRdtsc;
      return &intercept3;
    case ExitKind::Rdpmc:
      b = svm::kRdpmc;
      return &intercept3;
    case ExitKind::Cpuid:
      b = svm::kCpuid;
      return &intercept3;
    case ExitKind::Invd:
      b = svm::kInvd;
      return &intercept3;
    case ExitKind::Pause:
      b = svm::kPause;
      return &intercept3;
    case ExitKind::Hlt:
      b = svm::kHlt;
      return &intercept3;
    case ExitKind::Invlpg:
      b = svm::kInvlpg;
      return &intercept3;
    case ExitKind::Io:
      b = svm::kIoio;
      return &intercept3;
    case ExitKind::InitSignal:
      b = svm::kInit;
      return &intercept3;
    case ExitKind::TripleFault:
      b = svm::kShutdown;
      return &intercept3;
    case ExitKind::VmInstruction:
      b = svm::kVmrun;
      return &intercept4;
    case ExitKind::Vmcall:
      b = svm::kVmmcall;
      return &intercept4;
    case ExitKind::Rdtscp:
      b = svm::kRdtscp;
      return &intercept4;
    case ExitKind::Wbinvd:
      b = svm::kWbinvd;
      return &intercept4;
    case ExitKind::Monitor:
      b = svm::kMonitor;
      return &intercept4;
    case ExitKind::Mwait:
      b = svm::kMwait;
      return &intercept4;
    case ExitKind::Xsetbv:
      b = svm::kXsetbv;
      return &intercept4;
    default:
      b = 0;
      return nullptr;
  }
}

bool Vmcb::instruction(ExitKind kind) const {
  u32 b;
  const u32* vector = const_cast<Vmcb*>(this)->vector_of(kind, b);
  return vector && (*vector & b);
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
  exit_info2 = exit.kind == ExitKind::SecondStageFault ? exit.guest_physical : 0;
  const PendingEvent& v = exit.vectoring;
  exit_int_info =
      v.valid ? u64{1} << 31 | static_cast<u64>(v.has_error_code) << 11 |
                    static_cast<u64>(v.type == EventType::SoftwareException ? EventType::HardwareException
                                                                            : v.type)
                        << 8 |
                    v.vector | static_cast<u64>(v.error_code) << 32
              : 0;
  event_injection = 0;
}

PendingEvent Vmcb::take_injection() {
  PendingEvent event;
  event.valid = test_bit(event_injection, 31);
  if (!event.valid) return event;
  event.vector = static_cast<u8>(event_injection);
  event.type = static_cast<EventType>(bits(event_injection, 10, 8));
  event.has_error_code = test_bit(event_injection, 11);
  event.error_code = event.has_error_code ? static_cast<u32>(event_injection >> 32) : 0;
  return event;
}

void Vmcb::set_msr_intercept(u32 msr, bool read, bool write) {
  msr_map.set(msr, false, read);
  msr_map.set(msr, true, write);
}

void Vmcb::set_instruction_intercept(ExitKind kind, bool on) {
  u32 b;
  u32* vector = vector_of(kind, b);
  if (!vector) throw std::logic_error("no SVM intercept for this instruction");
  vmwrite();
  *vector = on ? *vector | b : *vector & ~b;
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
  // INT3, INTO and BOUND are injected as exceptions, the VMCB has no type of their own for them.
  const EventType type =
      event.type == EventType::SoftwareException || event.type == EventType::PrivilegedSoftwareException
          ? EventType::HardwareException
          : event.type;
  event_injection = u64{1} << 31 | static_cast<u64>(event.has_error_code) << 11 |
                    static_cast<u64>(type) << 8 | event.vector | static_cast<u64>(event.error_code) << 32;
}

void Vmcb::cancel_injection() {
  vmwrite();
  event_injection = 0;
}

PendingEvent Vmcb::vectoring() const {
  vmread();
  PendingEvent event;
  event.valid = test_bit(exit_int_info, 31);
  if (!event.valid) return event;
  event.vector = static_cast<u8>(exit_int_info);
  event.type = static_cast<EventType>(bits(exit_int_info, 10, 8));
  event.has_error_code = test_bit(exit_int_info, 11);
  event.error_code = event.has_error_code ? static_cast<u32>(exit_int_info >> 32) : 0;
  return event;
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
