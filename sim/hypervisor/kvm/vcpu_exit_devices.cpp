// SPDX-License-Identifier: Apache-2.0
// Ports, memory-mapped devices and the emulator: what the kernel's own devices do not answer goes out to user
// space and is completed at the next KVM_RUN.
#include <cstring>

#include "base/bits.h"
#include "hypervisor/kvm/host_kernel.h"
#include "hypervisor/kvm/vcpu.h"
#include "hypervisor/kvm/vm.h"
#include "hypervisor/vpmu/vpmu.h"

namespace pmusim::hv {

namespace {

u64 load_bytes(const u8* data, unsigned size) {
  u64 value = 0;
  std::memcpy(&value, data, size);
  return value;
}

}  // namespace

int Vcpu::exit_for_access(const DeviceAccess& access) {
  if (access.port) {
    run_.exit_reason = kvm::ExitReason::Io;
    run_.io.direction = access.write;
    run_.io.size = static_cast<u8>(access.size);
    run_.io.port = static_cast<u16>(access.address);
    run_.io.count = 1;
    std::memcpy(run_.io.data, &access.value, access.size);
  } else {
    run_.exit_reason = kvm::ExitReason::Mmio;
    run_.mmio.phys_addr = access.address;
    run_.mmio.len = access.size;
    run_.mmio.is_write = access.write;
    std::memcpy(run_.mmio.data, &access.value, access.size);
  }
  return 0;
}

bool Vcpu::kernel_port(u16 port, unsigned size, bool write, u64& value) {
  if (!vm_.port_access(*cpu_or_home(), port, size, write, value)) return false;
  requests_ |= kReqEvent;
  return true;
}

int Vcpu::handle_io(HostKernel& kernel) {
  const u16 port = static_cast<u16>(exit_.qualification);
  const unsigned size = exit_.qualification >> 16 & 0xff;
  const bool in = test_bit(exit_.qualification, 24), string = test_bit(exit_.qualification, 25);
  if (string) return emulate(kernel, 0);
  kernel.work(Path::PortIo);
  const u64 value = state_.gpr[core::RAX] & mask(size * 8);
  const auto set_accumulator = [this, size](u64 read) {
    u64& rax = state_.gpr[core::RAX];
    rax = size == 4 ? read & mask(32) : (rax & ~mask(size * 8)) | (read & mask(size * 8));
  };
  u64 data = value;
  if (kernel_port(port, size, !in, data)) {
    if (in) set_accumulator(data);
    return skip_instruction(exit_.instruction_length);
  }
  const unsigned length = exit_.instruction_length;
  // Registers that user space has set meanwhile end the instruction (KVM's cui_linear_rip).
  const auto linear_rip = [this] {
    return state_.code64() ? state_.rip : static_cast<u32>(state_.seg[core::CS].base + state_.rip);
  };
  const u64 at = linear_rip();
  if (in) {
    completion_ = [this, size, length, at, linear_rip, set_accumulator](HostKernel&) {
      if (linear_rip() != at) return 1;
      set_accumulator(load_bytes(run_.io.data, size));
      return skip_instruction(length);
    };
  } else {
    completion_ = [this, length, at, linear_rip](HostKernel&) {
      return linear_rip() == at ? skip_instruction(length) : 1;
    };
  }
  return exit_for_access({true, !in, port, size, in ? 0 : value});
}

int Vcpu::emulate(HostKernel& kernel, unsigned skip_prefix) {
  state_.rip += skip_prefix;
  answers_.clear();
  return continue_emulation(kernel);
}

int Vcpu::continue_emulation(HostKernel& kernel) {
  kernel.work(Path::Emulate);
  const bool user = state_.cpl != 0;
  switch (emulator_->run(state_, answers_)) {
    case Emulator::Result::NeedsRead: {
      const DeviceAccess access = emulator_->read();
      completion_ = [this, access](HostKernel& k) {
        answers_.push_back(load_bytes(access.port ? run_.io.data : run_.mmio.data, access.size));
        return continue_emulation(k);
      };
      return exit_for_access(access);
    }
    case Emulator::Result::TripleFault:
      return shutdown("triple fault");
    case Emulator::Result::Failed:
      return internal_error(1, emulator_->failure());
    case Emulator::Result::Done:
      break;
  }
  if (emulator_->retired()) {
    emulated_opcode_ = emulator_->opcode();
    vpmu_->instruction_emulated(emulator_->branch(), user);
    emulated_opcode_ = 0;
  }
  if (state_.activity == core::Activity::Halted) {
    state_.activity = core::Activity::Running;
    halted_ = true;
    note(EventKind::Halt, 0, 0, "enter");
  }
  device_writes_.assign(emulator_->writes().begin(), emulator_->writes().end());
  return next_device_write(kernel);
}

int Vcpu::next_device_write(HostKernel&) {
  if (device_writes_.empty()) return 1;
  const DeviceAccess access = device_writes_.front();
  device_writes_.pop_front();
  completion_ = [this](HostKernel& k) { return next_device_write(k); };
  return exit_for_access(access);
}

}  // namespace pmusim::hv
