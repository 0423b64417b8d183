// SPDX-License-Identifier: Apache-2.0
// A VM with one vCPU, to be looked at.
#include "session/vcpu_view.h"

#include <cstring>

#include "arch/msr.h"
#include "base/error.h"
#include "hypervisor/drivers/simulated_kvm.h"
#include "hypervisor/drivers/simulated_vcpu.h"
#include "hypervisor/vpmu/vpmu.h"
#include "platform/machine/machine.h"
#include "session/cpuid_choice.h"
#include "session/msr_name.h"

namespace pmusim::session {
namespace {

// Beside those of the PMU, what software of a guest touches often.
constexpr u32 kOthers[] = {msr::kTsc,
                           msr::kApicBase,
                           msr::kMiscEnable,
                           msr::kDebugCtl,
                           msr::kTscDeadline,
                           msr::kX2ApicFirst + 0x0b,
                           msr::kX2ApicFirst + 0x34,
                           msr::kEfer,
                           msr::kLstar,
                           msr::kFsBase,
                           msr::kGsBase,
                           msr::kKernelGsBase};

void need(const char* call, int error) {
  if (error) throw InputError(call, "", std::strerror(-error), "a policy and CPUID that KVM takes");
}

MsrView view_msr(hv::Vcpu& vcpu, const std::string& name, u32 address, const std::string& why) {
  const hv::GuestControl& control = vcpu.control();
  return {name, address, control.msr(address, false), control.msr(address, true), why};
}

void look(hv::Vcpu& vcpu, pmu::Vendor vendor, VcpuView& view) {
  const hv::Vpmu& vpmu = vcpu.vpmu();
  view.caps = vpmu.caps();
  view.facts = vpmu.handling_facts();
  for (const pmu::RegDescription& d : pmu::register_descriptions(vendor))
    for (unsigned i = 0; i < d.count; ++i) {
      const u32 address = d.address + i * d.stride;
      view.registers.push_back(view_msr(vcpu, pmu::name_of(vendor, {d.reg, static_cast<u8>(i)}), address,
                                        vpmu.interception_reason(address)));
    }
  view.rdpmc_exits = vcpu.control().instruction(core::ExitKind::Rdpmc);
  view.rdpmc_why = vpmu.rdpmc_interception_reason();
  for (const u32 other : kOthers) {
    MsrView row = view_msr(vcpu, msr_name(vendor, other), other, "");
    const bool exits = row.read_exits || row.write_exits;
    row.why = !exits ? "KVM passes it through to every guest"
              : other >= msr::kX2ApicFirst && other <= msr::kX2ApicLast
                  ? "the virtual APIC's: APIC virtualization is not modelled"
                  : "not among those that KVM passes through";
    view.others.push_back(std::move(row));
  }
}

}  // namespace

VcpuView view_vcpu(const CpuModel& model, const hv::Policy& policy, hv::KernelRelease release,
                   const std::string& cpuid) {
  const GuestCpuid guest =
      guest_cpuid(resolved_cpuid(cpuid, false), model, release, policy.counters_in_hardware());
  platform::Machine machine(1);
  platform::MachineConfig machine_config;
  machine_config.model = &model;
  machine_config.memory = 1 << 20;
  machine.reset(machine_config);
  hv::HostConfig config;
  config.policy = policy;
  config.release = release;
  hv::SimulatedKvm simulated(machine, std::move(config));
  std::unique_ptr<kvm::Vm> vm;
  kvm::Vcpu* vcpu = nullptr;
  need("KVM_CREATE_VM", simulated.create_vm(vm));
  need("KVM_CREATE_IRQCHIP", vm->create_irqchip());
  need("KVM_CREATE_VCPU", vm->create_vcpu(0, vcpu));
  need("KVM_SET_CPUID2", vcpu->set_cpuid2(hv::entries_of(guest.table)));
  hv::Vcpu& inner = hv::SimulatedKvm::simulated(*vcpu);
  simulated.on_cpu(0, [&] { inner.recalculate_intercepts(); });  // as the first VM-entry would
  VcpuView view;
  look(inner, model.vendor, view);
  return view;
}

}  // namespace pmusim::session
