// SPDX-License-Identifier: Apache-2.0
// The in-kernel local APIC as the guest reaches it: its page, x2APIC MSRs, CR8.
#include "arch/msr.h"
#include "hypervisor/kvm/vcpu.h"
#include "hypervisor/kvm/vm.h"

namespace pmusim::hv {

namespace apic = platform::apic;

// The PMI's vector if it is in service, or -1.
int Vcpu::pmi_in_service() const {
  const u32 lvtpc = apic_.lvt(apic::kLvtPc);
  const u8 vector = static_cast<u8>(lvtpc);
  return (lvtpc >> 8 & 7) == 0 && vector >= 16 && apic_.in_service(vector) ? vector : -1;
}

void Vcpu::apic_written(u32 offset, u64 value, int pmi_before) {
  requests_ |= kReqEvent;
  if (offset == apic::kLvtPc) note(EventKind::Lvt, value, 0, "", true);
  if (offset == apic::kEoi && pmi_before >= 0 && pmi_in_service() < 0)
    note(EventKind::Pmi, static_cast<u64>(pmi_before), 0, "eoi");
}

bool Vcpu::kernel_mmio(u64 physical, unsigned size, bool write, u64& value) {
  if (!vm_.irqchip()) return false;
  if (!apic_.claims(physical)) {
    if (!vm_.mmio_access(*cpu_or_home(), physical, size, write, value)) return false;
    requests_ |= kReqEvent;
    return true;
  }
  const u32 offset = physical & 0xfff;
  if (write) {
    if (size != 4) return true;  // dropped, as KVM does
    const int before = pmi_in_service();
    vm_.act_on(*cpu_or_home());
    apic_.write(offset, static_cast<u32>(value));
    apic_written(offset, value, before);
  } else {
    value = apic_.read(offset & ~0xfu) >> (offset & 3) * 8;
  }
  return true;
}

bool Vcpu::emulated_set_cr8(u64 value) {
  if (value >> 4) return false;
  apic_.write_cr8(value);
  requests_ |= kReqEvent;
  return true;
}

bool Vcpu::x2apic_read(u32 index, u64& value) {
  return vm_.irqchip() && apic_.read_msr(index, value);
}

bool Vcpu::x2apic_write(u32 index, u64 value) {
  const int before = pmi_in_service();
  vm_.act_on(*cpu_or_home());
  if (!vm_.irqchip() || !apic_.write_msr(index, value)) return false;
  apic_written((index - msr::kX2ApicFirst) * 16, value, before);
  return true;
}

}  // namespace pmusim::hv
