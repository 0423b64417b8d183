// SPDX-License-Identifier: Apache-2.0
// Exit handlers except devices: 1 back to the guest, 0 out to user space. Each pays its host work and retires
// the emulated instruction into the vPMU (kvm_skip_emulated_instruction).
#include <algorithm>

#include "core/system/task_switch.h"
#include "hypervisor/kvm/host_kernel.h"
#include "hypervisor/kvm/vcpu.h"
#include "hypervisor/kvm/vm.h"
#include "hypervisor/vpmu/vpmu.h"

namespace pmusim::hv {

using core::ExitKind;

int Vcpu::skip_instruction(unsigned length) {
  const bool user = state_.cpl != 0, trap = state_.rflags & core::kTF;
  state_.rip += length;
  if (!state_.code64()) state_.rip = static_cast<u32>(state_.rip);
  state_.interrupt_shadow = false;
  state_.rflags &= ~core::kRF;
  vpmu_->instruction_emulated(false, user);
  if (trap) {
    state_.dr[6] |= 1 << 14;  // BS
    queue_exception(kDB);
  }
  return 1;
}

int Vcpu::internal_error(u32 suberror, const std::string& detail) {
  run_.exit_reason = kvm::ExitReason::InternalError;
  run_.internal_suberror = suberror;
  run_.detail = detail;
  return 0;
}

int Vcpu::shutdown(const std::string& why) {
  run_.exit_reason = kvm::ExitReason::Shutdown;
  run_.detail = why;
  return 0;
}

int Vcpu::handle_cpuid(HostKernel& kernel) {
  kernel.work(Path::Cpuid);
  const u32 leaf = static_cast<u32>(state_.gpr[core::RAX]), subleaf = static_cast<u32>(state_.gpr[core::RCX]);
  const CpuidRegs r = emulated_cpuid(leaf, subleaf);
  state_.gpr[core::RAX] = r.eax;
  state_.gpr[core::RBX] = r.ebx;
  state_.gpr[core::RCX] = r.ecx;
  state_.gpr[core::RDX] = r.edx;
  note(EventKind::Cpuid, leaf, subleaf, "");
  return skip_instruction(exit_.instruction_length);
}

int Vcpu::handle_rdmsr(HostKernel& kernel) {
  kernel.work(Path::Msr);
  const u32 index = static_cast<u32>(state_.gpr[core::RCX]);
  u64 value = 0;
  const bool fault = get_msr(index, value, false) != 0;
  note(EventKind::Msr, index, value, "", false, fault);
  if (fault) {
    queue_gp();
    return 1;
  }
  state_.gpr[core::RAX] = static_cast<u32>(value);
  state_.gpr[core::RDX] = value >> 32;
  return skip_instruction(exit_.instruction_length);
}

int Vcpu::handle_wrmsr(HostKernel& kernel) {
  kernel.work(Path::Msr);
  const u32 index = static_cast<u32>(state_.gpr[core::RCX]);
  const u64 value = state_.gpr[core::RDX] << 32 | static_cast<u32>(state_.gpr[core::RAX]);
  const bool fault = set_msr(index, value, false) != 0;
  note(EventKind::Msr, index, value, "", true, fault);
  if (fault) {
    queue_gp();
    return 1;
  }
  return skip_instruction(exit_.instruction_length);
}

int Vcpu::handle_rdpmc(HostKernel& kernel) {
  kernel.work(Path::Rdpmc);
  const u32 ecx = static_cast<u32>(state_.gpr[core::RCX]);
  u64 value = 0;
  const bool fault = !vpmu_->rdpmc(ecx, value);
  note(EventKind::Rdpmc, ecx, value, "", false, fault);
  if (fault) {
    queue_gp();
    return 1;
  }
  state_.gpr[core::RAX] = static_cast<u32>(value);
  state_.gpr[core::RDX] = value >> 32;
  return skip_instruction(exit_.instruction_length);
}

bool Vcpu::emulated_rdpmc(u32 ecx, u64& value) {
  return !vpmu_->rdpmc_early_fault(ecx) && vpmu_->rdpmc(ecx, value);
}

// kvm_emulate_xsetbv; the core has checked CR4.OSXSAVE and the privilege level. Components are those of the
// guest's CPUID, x87 always.
int Vcpu::handle_xsetbv(HostKernel& kernel) {
  kernel.work(Path::ControlRegister);
  const u64 value = state_.gpr[core::RDX] << 32 | static_cast<u32>(state_.gpr[core::RAX]);
  const u64 supported = cpuid_.read(0xd, 0).eax | core::kXcr0X87;
  if (value & ~supported || !core::xcr_accepts(static_cast<u32>(state_.gpr[core::RCX]), value)) {
    queue_gp();
    return 1;
  }
  state_.fpu.xcr0 = value;
  return skip_instruction(exit_.instruction_length);
}

int Vcpu::handle_halt(HostKernel& kernel) {
  kernel.work(Path::Halt);
  ++statistics_.halts;
  skip_instruction(exit_.instruction_length);
  if (!vm_.irqchip()) {
    run_.exit_reason = kvm::ExitReason::Hlt;
    return 0;
  }
  halted_ = true;
  note(EventKind::Halt, 0, 0, "enter");
  return 1;
}

// handle_task_switch, task_switch_interception. The event that met the task gate is not injected again: the
// switch delivers it. The privilege of a software interrupt's gate was checked by the CPU.
int Vcpu::handle_task_switch(HostKernel& kernel) {
  kernel.work(Path::Emulate);
  const PendingEvent event = reinject_;
  reinject_ = {};
  const bool software = event.type == EventType::SoftwareInterrupt ||
                        event.type == EventType::SoftwareException ||
                        event.type == EventType::PrivilegedSoftwareException ||
                        (event.type == EventType::HardwareException &&
                         (event.vector == kBP || event.vector == kOF));  // as EXITINTINFO has them
  if (!event.valid || software) state_.rip = static_cast<u32>(state_.rip + exit_.instruction_length);
  if (event.valid && event.type == EventType::Nmi) state_.nmi_blocked = true;
  core::TaskSwitch t;
  t.selector = static_cast<u16>(exit_.qualification);
  t.source = static_cast<core::TaskSource>(exit_.qualification >> 30);
  t.rip = state_.rip;
  t.flags = state_.rflags;
  t.ext = event.valid && !software;
  t.has_error_code = event.valid && event.has_error_code;
  t.error_code = event.error_code;
  const Emulator::Result end = emulator_->switch_task(state_, t);
  if (end == Emulator::Result::TripleFault) return shutdown("triple fault");
  return end == Emulator::Result::Done ? 1 : internal_error(1, emulator_->failure());
}

int Vcpu::handle_control_register(HostKernel& kernel) {
  kernel.work(Path::ControlRegister);
  const unsigned number = exit_.qualification & 0xf, gpr = exit_.qualification >> 16 & 0xf;
  const bool write = exit_.qualification >> 8 & 1;
  if (number != 8) return emulate(kernel, 0);
  if (!write) {
    state_.gpr[gpr] = apic_.cr8();
  } else if (!emulated_set_cr8(exit_.value)) {
    queue_gp();
    return 1;
  }
  return skip_instruction(exit_.instruction_length);
}

// #UD: KVM's forced emulation prefix (UD2 followed by "kvm") where the module offers it, else the guest's
// own.
int Vcpu::handle_exception(HostKernel& kernel) {
  kernel.work(Path::Exception);
  const u8 vector = static_cast<u8>(exit_.qualification);
  if (vector == kUD && host_.config().forced_emulation_prefix) {
    static constexpr u8 kPrefix[5] = {0x0f, 0x0b, 'k', 'v', 'm'};
    u8 code[5] = {};
    const u64 linear = state_.seg[core::CS].base + state_.rip;
    if (emulator_->read_linear(state_, linear, code, sizeof code) && std::equal(code, code + 5, kPrefix))
      return emulate(kernel, sizeof code);
  }
  queue_exception(vector, exit_.has_error_code, exit_.error_code);
  return 1;
}

int Vcpu::handle_exit(HostKernel& kernel) {
  const platform::Charged charged(kernel.cpu(), platform::HostCause::Handlers);
  switch (exit_.kind) {
    case ExitKind::ExternalInterrupt:
    case ExitKind::Nmi:
    case ExitKind::InitSignal:
    case ExitKind::Sipi:
    case ExitKind::PreemptionTimer:
      return 1;
    case ExitKind::Exception:
      return handle_exception(kernel);
    case ExitKind::Cpuid:
      return handle_cpuid(kernel);
    case ExitKind::Rdmsr:
      return handle_rdmsr(kernel);
    case ExitKind::Wrmsr:
      return handle_wrmsr(kernel);
    case ExitKind::Rdpmc:
      return handle_rdpmc(kernel);
    case ExitKind::Hlt:
      return handle_halt(kernel);
    case ExitKind::Io:
      return handle_io(kernel);
    case ExitKind::SecondStageFault:
      kernel.work(Path::SecondStage);
      return emulate(kernel, 0);
    case ExitKind::CrAccess:
      return handle_control_register(kernel);
    case ExitKind::Vmcall:
      return handle_hypercall(kernel);
    case ExitKind::InterruptWindow:
      kernel.work(Path::Window);
      control_->set_interrupt_window(false);
      requests_ |= kReqEvent;
      return 1;
    case ExitKind::NmiWindow:
      kernel.work(Path::Window);
      control_->set_nmi_window(false);
      requests_ |= kReqEvent;
      return 1;
    case ExitKind::Invd:
    case ExitKind::Wbinvd:
    case ExitKind::Pause:
    case ExitKind::Invlpg:
    case ExitKind::Mwait:  // kvm_emulate_monitor_mwait: no operation, whatever the guest's CPUID says, unless
    case ExitKind::Monitor:  // user space gives up KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS
      return skip_instruction(exit_.instruction_length);
    case ExitKind::VmInstruction:
      queue_exception(kUD);
      return 1;
    case ExitKind::Xsetbv:
      return handle_xsetbv(kernel);
    case ExitKind::TaskSwitch:
      return handle_task_switch(kernel);
    case ExitKind::DrAccess:
    case ExitKind::Rdtsc:
    case ExitKind::Rdtscp:
      return emulate(kernel, 0);
    case ExitKind::TripleFault:
      return shutdown("triple fault");
    case ExitKind::EntryFailure:
    case ExitKind::InvalidGuest:
      run_.exit_reason = kvm::ExitReason::FailEntry;
      run_.hardware_entry_failure_reason = control_->entry_failure_reason();
      run_.detail = control_->entry_failure();
      return 0;
    case ExitKind::None:
    case ExitKind::Number:
      break;
  }
  return internal_error(4, "unexpected VM-exit");
}

}  // namespace pmusim::hv
