// SPDX-License-Identifier: Apache-2.0
// Hypercalls (kvm_emulate_hypercall). KVM_HC_SEND_IPI works whether or not CPUID offers it, as KVM does not
// enforce its paravirtual feature bits unless asked; user mode may call none (KVM_EPERM). Not modelled, and
// answered as unknown (KVM_ENOSYS): KVM's other hypercalls, VAPIC_POLL_IRQ, KICK_CPU, CLOCK_PAIRING,
// SCHED_YIELD and MAP_GPA_RANGE.
#include "hypervisor/kvm/host_kernel.h"
#include "hypervisor/kvm/vcpu.h"
#include "hypervisor/kvm/vm.h"

namespace pmusim::hv {

namespace {

constexpr u64 kSendIpi = 10;
constexpr s64 kEperm = 1, kEinval = 22, kEnosys = 1000;
constexpr u64 kLogical = 1 << 11, kShorthand = 3 << 18;  // of an interrupt command

}  // namespace

// kvm_pv_send_ipi: one interrupt command for up to two words of APIC IDs from `first` on. Returns how many
// accepted.
s64 Vcpu::send_ipis(const u64 (&words)[2], u32 first, u64 command) {
  if (command & (kLogical | kShorthand)) return -kEinval;
  platform::ApicMessage message;
  message.delivery = static_cast<platform::ApicDelivery>(command >> 8 & 7);
  message.vector = static_cast<u8>(command);
  message.level_trigger = command >> 15 & 1;
  message.source = apic_.id();
  s64 accepted = 0;
  for (const u64 word : words) {
    accepted += vm_.send_to(word, first, message);
    first += state_.code64() ? 64 : 32;
  }
  return accepted;
}

int Vcpu::handle_hypercall(HostKernel& kernel) {
  kernel.work(Path::Hypercall);
  const bool wide = state_.code64();
  const auto argument = [&](unsigned reg) {
    return wide ? state_.gpr[reg] : static_cast<u32>(state_.gpr[reg]);
  };
  s64 result_value = -kEnosys;
  if (state_.cpl)
    result_value = -kEperm;
  else if (argument(core::RAX) == kSendIpi && vm_.irqchip())
    result_value = send_ipis({argument(core::RBX), argument(core::RCX)},
                             static_cast<u32>(argument(core::RDX)), argument(core::RSI));
  const u64 value = static_cast<u64>(result_value);
  state_.gpr[core::RAX] = wide ? value : static_cast<u32>(value);
  return skip_instruction(exit_.instruction_length);
}

}  // namespace pmusim::hv
