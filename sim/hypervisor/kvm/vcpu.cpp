// SPDX-License-Identifier: Apache-2.0
// vCPU: creation, CPUID, thread switches, clocks, hooks of the vPMU.
#include "hypervisor/kvm/vcpu.h"

#include <algorithm>
#include <cerrno>

#include "arch/cpuid_features.h"
#include "arch/msr.h"
#include "base/bits.h"
#include "hypervisor/hw/vmcb.h"
#include "hypervisor/hw/vmcs.h"
#include "hypervisor/kvm/host_kernel.h"
#include "hypervisor/kvm/vm.h"
#include "hypervisor/perf/host_perf.h"
#include "hypervisor/vpmu/vpmu.h"

namespace pmusim::hv {

namespace apic = platform::apic;

namespace {

constexpr u64 kLeastTimerPeriod = 200'000;  // ns: KVM's min_timer_period_us, its default

std::unique_ptr<GuestControl> make_control(Host& host, core::CpuState& state,
                                           const core::SecondStage& memory) {
  if (!host.intel()) return std::make_unique<Vmcb>(state, memory, host.next_tag());
  const CpuModel& model = host.model();
  // Reserved: what is neither a counter nor the PERF_METRICS enable (bit 48, PERF_CAPABILITIES bit 15).
  const u64 valid = model.caps.counter_bits() | (model.caps.metrics() ? bit(pmu::kMetricsBit) : 0);
  return std::make_unique<Vmcs>(state, memory, host.next_tag(), ~valid, model.caps.version >= 2,
                                model.save_global_ctrl_on_exit);
}

core::CoreConfig emulator_config(const Host& host) {
  core::CoreConfig config;
  config.amd = host.model().vendor == pmu::Vendor::Amd;
  config.physical_bits = physical_address_bits(host.model().cpuid);
  config.features = core::features_of(host.model().cpuid);
  return config;
}

}  // namespace

Vcpu::Vcpu(Vm& vm, unsigned id, unsigned cpu)
    : vm_(vm),
      host_(vm.host()),
      id_(id),
      placed_on_(cpu),
      control_(make_control(host_, state_, vm.memory())),
      apic_(vm, *this),
      emulator_(std::make_unique<Emulator>(host_.ram(), vm.memory(), *this, emulator_config(host_))) {
  core::reset(state_);
  state_.fpu = {};  // as after FNINIT, not as after RESET
  control_->set_vcpu(id);
  vpmu_ = std::make_unique<Vpmu>(host_.config().policy, host_.model(), host_.config().release, host_.perf(),
                                 *this, host_.config().strategies);
  if (vm.pmu_disabled()) vpmu_->disable();
  if (vm.filter()) vpmu_->set_filter(vm.filter());
  wait_for_sipi_ = vm.irqchip() && id != 0;
  misc_enable_ = host_.intel() ? 1 : 0;  // fast strings
  control_->set_tsc_offset(vm.tsc_offset());
  control_->set_exception_bitmap(1u << kUD | 1u << kMC);
  // What KVM passes through whatever the guest does. TSC: reads only.
  for (const u32 index : {msr::kFsBase, msr::kGsBase, msr::kKernelGsBase, msr::kSysenterCs, msr::kSysenterEsp,
                          msr::kSysenterEip})
    control_->set_msr_intercept(index, false, false);
  if (host_.intel())
    control_->set_msr_intercept(msr::kTsc, false, true);
  else
    for (const u32 index : {msr::kStar, msr::kLstar, msr::kCstar, msr::kSfmask})
      control_->set_msr_intercept(index, false, false);
  set_cpuid({});
}

Vcpu::~Vcpu() = default;

int Vcpu::set_cpuid(const std::vector<kvm::CpuidEntry2>& entries) {
  if (entries.size() > 256) return -E2BIG;
  CpuidTable table;
  for (const kvm::CpuidEntry2& e : entries)
    table.entries.push_back({e.function,
                             e.index,
                             (e.flags & kvm::kCpuidFlagSignificantIndex) != 0,
                             {e.eax, e.ebx, e.ecx, e.edx}});
  if (vpmu_->has_run()) {  // only the same model again
    if (table.entries.size() != cpuid_.entries.size()) return -EINVAL;
    for (std::size_t i = 0; i < table.entries.size(); ++i) {
      const CpuidEntry &a = table.entries[i], &b = cpuid_.entries[i];
      if (a.leaf != b.leaf || a.subleaf != b.subleaf || a.regs.eax != b.regs.eax ||
          a.regs.ebx != b.regs.ebx || a.regs.ecx != b.regs.ecx || a.regs.edx != b.regs.edx)
        return -EINVAL;
    }
    return 0;
  }
  cpuid_ = std::move(table);
  emulator_->set_guest_features(core::features_of(cpuid_));
  control_->set_guest_cr4_bits(valid_cr4_bits());
  platform::ApicFeatures features;
  features.x2apic = cpuid_.has(cpuid::kX2Apic);
  features.tsc_deadline = cpuid_.has(cpuid::kTscDeadline);
  features.masks_lvtpc_on_pmi = false;  // the vPMU decides it when it delivers (Vpmu::deliver_pmi)
  features.physical_bits = physical_address_bits(cpuid_);
  features.least_period = kLeastTimerPeriod;
  apic_.power_on(id_, id_ == 0, features);
  if (id_ == 0) apic_.connect_virtual_wire();  // as KVM does for firmware that relies on it
  vpmu_->set_cpuid(cpuid_);
  requests_ |= kReqRecalc;
  return 0;
}

// __cr4_reserved_bits of host and guest.
u64 Vcpu::valid_cr4_bits() const {
  return core::cr4_bits(core::features_of(cpuid_) & core::features_of(host_.model().cpuid));
}

CpuidRegs Vcpu::emulated_cpuid(u32 leaf, u32 subleaf) {
  CpuidRegs r = cpuid_.read(leaf, subleaf);
  if (leaf == 1) {
    r.ebx = (r.ebx & 0x00ffffff) | id_ << 24;
    cpuid::kApic.set(r, apic_.enabled());
    cpuid::kOsxsave.set(r, state_.cr4 & core::kCr4Osxsave);
  } else if (leaf == 0xb || leaf == 0x1f) {
    r.edx = id_;
  }
  return r;
}

void Vcpu::sched_in(HostKernel& kernel) {
  cpu_ = &kernel.cpu();
  control_->set_current(cpu_);
  Event event = {};
  event.kind = EventKind::Sched;
  event.a = cpu_->id();
  event.text = "in";
  emit(event);
  vpmu_->sched_in(*cpu_);
}

void Vcpu::sched_out(HostKernel& kernel) {
  vpmu_->sched_out(kernel.cpu());
  Event event = {};
  event.kind = EventKind::Sched;
  event.a = kernel.cpu().id();
  event.text = "out";
  emit(event);
  control_->set_current(nullptr);
  cpu_ = nullptr;
}

u64 Vcpu::timer_deadline() {
  if (!vm_.irqchip()) return kNever;
  // The VM's timer interrupts its bootstrap processor.
  return id_ == 0 ? std::min(apic_.next_deadline(), vm_.device_deadline()) : apic_.next_deadline();
}

void Vcpu::timer_expired() {
  apic_.update();
  if (id_ == 0) vm_.update_devices(*cpu_or_home());
  requests_ |= kReqEvent;
}

bool Vcpu::has_in_kernel_apic() const {
  return vm_.irqchip();
}

bool Vcpu::deliver_virtual_lvtpc() {
  if (!vm_.irqchip()) return false;
  const platform::LocalApic::Local outcome = apic_.pmi();
  if (outcome == platform::LocalApic::Local::Masked) return false;
  requests_ |= kReqEvent;
  return true;
}

void Vcpu::emit(Event event) {
  host_.emit(cpu_or_home(), static_cast<int>(id_), std::move(event));
}

void Vcpu::note(EventKind kind, u64 a, u64 b, const char* text, bool write, bool fault) {
  if (!host_.listening()) return;
  Event event = {};
  event.kind = kind;
  event.a = a;
  event.b = b;
  event.text = text;
  event.write = write;
  event.fault = fault;
  emit(std::move(event));
}

platform::PhysicalCpu* Vcpu::cpu_or_home() const {
  return cpu_ ? cpu_ : &host_.cpu(placed_on_);
}

u64 Vcpu::cycle() const {
  return cpu_or_home()->tsc();
}
u64 Vcpu::tsc() const {
  return cycle() + static_cast<u64>(control_->tsc_offset());
}

u64 Vcpu::cycle_at_tsc(u64 guest_tsc) const {
  const u64 now = tsc();
  if (guest_tsc <= now) return cycle();
  const u64 left = guest_tsc - now;
  return left > kNever - 1 - cycle() ? kNever : cycle() + left;
}

// 1 GHz: nanoseconds of the host's TSC clock.
u64 Vcpu::timer_ticks() const {
  return host_.model().nanoseconds_per_tick().floor(cycle());
}

u64 Vcpu::cycle_at_timer_ticks(u64 ticks) const {
  return host_.model().nanoseconds_per_tick().inverse().ceil(ticks);
}

}  // namespace pmusim::hv
