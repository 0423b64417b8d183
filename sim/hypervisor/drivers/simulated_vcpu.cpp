// SPDX-License-Identifier: Apache-2.0
// vCPU ioctls of the simulated KVM.
#include "hypervisor/drivers/simulated_vcpu.h"

#include <cerrno>
#include <stdexcept>

#include "hypervisor/api/kvm_state.h"
#include "hypervisor/kvm/host.h"
#include "hypervisor/kvm/host_kernel.h"

namespace pmusim::hv {

SimulatedVcpu::SimulatedVcpu(MachineDriver& driver, hv::Vcpu& inner) : driver_(driver), inner_(inner) {
  inner_.on_completed = [this](hv::Vcpu& vcpu) {
    completed_ = true;
    driver_.pause(vcpu.placed_on());
  };
}

// vCPU ioctls run on the vCPU's thread: switch to it, work, done.
void SimulatedVcpu::ioctl(const std::function<void()>& action) {
  if (inner_.posted) throw std::logic_error("ioctl on a running vCPU");
  HostKernel& kernel = driver_.host().kernel(inner_.placed_on());
  driver_.on_cpu(inner_.placed_on(), [&] {
    kernel.run_as(inner_, [&] {
      kernel.work(Path::Ioctl);
      action();
    });
  });
}

void SimulatedVcpu::post_run() {
  if (running()) throw std::logic_error("KVM_RUN on a running vCPU");
  inner_.posted = true;
  driver_.wake(inner_.placed_on());
}

int SimulatedVcpu::set_cpuid2(const std::vector<kvm::CpuidEntry2>& entries) {
  int error = 0;
  ioctl([&] { error = inner_.set_cpuid(entries); });
  return error;
}

std::vector<kvm::CpuidEntry2> entries_of(const CpuidTable& table) {
  std::vector<kvm::CpuidEntry2> entries;
  for (const CpuidEntry& e : table.entries)
    entries.push_back({e.leaf,
                       e.subleaf,
                       e.subleaf_matters ? kvm::kCpuidFlagSignificantIndex : 0,
                       e.regs.eax,
                       e.regs.ebx,
                       e.regs.ecx,
                       e.regs.edx,
                       {}});
  return entries;
}

int SimulatedVcpu::set_regs(const kvm::Regs& r) {
  using namespace core;
  CpuState& s = inner_.state();
  const u64 values[16] = {r.rax, r.rcx, r.rdx, r.rbx, r.rsp, r.rbp, r.rsi, r.rdi,
                          r.r8,  r.r9,  r.r10, r.r11, r.r12, r.r13, r.r14, r.r15};
  for (unsigned i = 0; i < 16; ++i) s.gpr[i] = values[i];
  s.rip = r.rip;
  s.rflags = r.rflags | kFixed1;
  return 0;
}

int SimulatedVcpu::get_sregs(kvm::Sregs& sregs) {
  kvm::Regs regs;
  to_kvm(inner_.state(), regs, sregs);
  sregs.cr8 = inner_.apic().cr8();
  sregs.apic_base = inner_.apic().base();
  return 0;
}

int SimulatedVcpu::set_sregs(const kvm::Sregs& q) {
  using namespace core;
  if ((q.cr0 & kCr0Pg) && !(q.cr0 & kCr0Pe)) return -EINVAL;
  if ((q.efer & kEferLme) && (q.cr0 & kCr0Pg) && (!(q.cr4 & kCr4Pae) || !(q.efer & kEferLma))) return -EINVAL;
  if (q.cr4 & ~inner_.valid_cr4_bits()) return -EINVAL;
  CpuState& s = inner_.state();
  s.seg[CS] = from_kvm(q.cs);
  s.seg[DS] = from_kvm(q.ds);
  s.seg[ES] = from_kvm(q.es);
  s.seg[FS] = from_kvm(q.fs);
  s.seg[GS] = from_kvm(q.gs);
  s.seg[SS] = from_kvm(q.ss);
  s.tr = from_kvm(q.tr);
  s.ldtr = from_kvm(q.ldt);
  s.gdtr = {q.gdt.base, q.gdt.limit};
  s.idtr = {q.idt.base, q.idt.limit};
  s.cr0 = q.cr0 | kCr0Et;
  s.cr2 = q.cr2;
  s.cr3 = q.cr3;
  s.cr4 = q.cr4;
  s.efer = q.efer;
  s.cpl = s.seg[SS].dpl();
  inner_.apic().write_cr8(q.cr8);
  if (q.apic_base && q.apic_base != inner_.apic().base() && !inner_.apic().write_base(q.apic_base))
    return -EINVAL;
  return 0;
}

int SimulatedVcpu::get_msrs(std::vector<kvm::MsrEntry>& entries) {
  int done = 0;
  ioctl([&] {
    for (kvm::MsrEntry& e : entries) {
      if (inner_.get_msr(e.index, e.data, true)) break;
      ++done;
    }
  });
  return done;
}

int SimulatedVcpu::set_msrs(const std::vector<kvm::MsrEntry>& entries) {
  int done = 0;
  ioctl([&] {
    for (const kvm::MsrEntry& e : entries) {
      if (inner_.set_msr(e.index, e.data, true)) break;
      ++done;
    }
  });
  return done;
}

}  // namespace pmusim::hv
