// SPDX-License-Identifier: Apache-2.0
// The VMM: set-up and the loop over exits.
#include "hypervisor/drivers/vmm.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "arch/cpuid_features.h"
#include "arch/msr.h"
#include "base/cancel.h"
#include "base/error.h"
#include "hypervisor/api/kvm_state.h"
#include "platform/devices/places.h"

namespace pmusim::hv {

namespace {
constexpr u32 kEmulationFailure = 1;       // KVM_INTERNAL_ERROR_EMULATION
constexpr u32 kAuthenticAmd = 0x68747541;  // the first letters of the vendor's name
constexpr u64 kHwcrTscFreqSel = 1 << 24;
}  // namespace

const char* vmm_end_name(VmmEnd end) {
  switch (end) {
    case VmmEnd::Exit:
      return "exit";
    case VmmEnd::Shutdown:
      return "shutdown";
    case VmmEnd::Reset:
      return "machine reset";
    case VmmEnd::PowerOff:
      return "power off";
    case VmmEnd::FailEntry:
      return "failed VM-entry";
    case VmmEnd::GuestError:
      return "guest error";
    case VmmEnd::InternalError:
      return "internal error";
    case VmmEnd::Stall:
      return "stall";
    case VmmEnd::CycleLimit:
      return "cycle limit";
    case VmmEnd::TimeLimit:
      return "time limit";
    case VmmEnd::Interrupted:
      return "interrupted";
    case VmmEnd::Refused:
      break;
  }
  return "refused";
}

Vmm::Vmm(kvm::Hypervisor& hypervisor, VmmConfig config)
    : hypervisor_(hypervisor), config_(std::move(config)) {}
Vmm::~Vmm() = default;

bool Vmm::refused(const char* what, int error) {
  result_.end = VmmEnd::Refused;
  result_.error = error;
  result_.detail = std::string(what) + ": " + std::strerror(-error);
  const std::string why = vm_ && error == -EBUSY ? vm_->why_busy() : "";
  if (!why.empty()) result_.detail += " (" + why + ")";
  ended_ = true;
  return false;
}

void Vmm::finish(VmmEnd end, const std::string& detail) {
  if (ended_) return;
  ended_ = true;
  result_.end = end;
  result_.detail = detail;
}

std::vector<kvm::CpuidEntry2> Vmm::cpuid_for(unsigned id) {
  std::vector<kvm::CpuidEntry2> entries;  // empty if the hypervisor refuses to say
  if (config_.cpuid == CpuidChoice::Table)
    entries = config_.table;
  else if (config_.cpuid == CpuidChoice::Host)
    hypervisor_.get_host_cpuid(entries);
  else
    hypervisor_.get_supported_cpuid(entries);
  if (config_.edit_cpuid) config_.edit_cpuid(entries);
  for (kvm::CpuidEntry2& e : entries) {
    if (e.function == 1) {
      e.ebx = (e.ebx & 0x0000ffff) | config_.cpus << 16 | id << 24;
      e.edx = config_.cpus > 1 ? e.edx | cpuid::kHtt.mask() : e.edx & ~cpuid::kHtt.mask();
    }
    if (e.function == 0xb || e.function == 0x1f) {
      e.edx = id;
      if (e.index == 0) e.eax = 0, e.ebx = e.ebx ? 1 : 0;  // one thread per core
      if (e.index == 1) {
        unsigned shift = 0;
        while (1u << shift < config_.cpus) ++shift;
        e.eax = shift;
        e.ebx = e.ebx ? config_.cpus : 0;
      }
    }
  }
  return entries;
}

bool Vmm::load() {
  memory_.reset(config_.memory);
  core::CpuState entry;
  core::reset(entry);
  const auto write = [this](u64 address, const void* bytes, u64 size) {
    const u64 low = std::min(memory_.size(), platform::kLowMemoryEnd);
    u64 at = address;
    if (address >= u64{1} << 32)
      at = address - (u64{1} << 32) + low;
    else if (address > low || size > low - address)
      return false;
    if (at > memory_.size() || size > memory_.size() - at) return false;
    std::memcpy(memory_.data() + at, bytes, size);
    return true;
  };
  platform::place_image(config_.image, {config_.command_line, config_.modules, config_.cpus}, config_.memory,
                        write, entry);
  const u64 low = std::min(memory_.size(), platform::kLowMemoryEnd);
  kvm::MemoryRegion region;
  region.memory_size = low;
  region.userspace_addr = reinterpret_cast<u64>(memory_.data());
  if (const int error = vm_->set_user_memory_region(region))
    return refused("KVM_SET_USER_MEMORY_REGION", error);
  if (memory_.size() > low) {
    region.slot = 1;
    region.guest_phys_addr = u64{1} << 32;
    region.memory_size = memory_.size() - low;
    region.userspace_addr += low;
    if (const int error = vm_->set_user_memory_region(region))
      return refused("KVM_SET_USER_MEMORY_REGION", error);
  }
  kvm::Regs regs;
  kvm::Sregs sregs;
  if (const int error = vcpus_[0]->get_sregs(sregs)) return refused("KVM_GET_SREGS", error);
  to_kvm(entry, regs, sregs);
  if (const int error = vcpus_[0]->set_sregs(sregs)) return refused("KVM_SET_SREGS", error);
  if (const int error = vcpus_[0]->set_regs(regs)) return refused("KVM_SET_REGS", error);
  return true;
}

bool Vmm::create() {
  if (const int error = hypervisor_.create_vm(vm_)) return refused("KVM_CREATE_VM", error);
  // A KVM without virtual PMUs refuses the capability; there is nothing to switch off then.
  if (config_.disable_pmu && vm_->check_extension(kvm::kCapPmuCapability) > 0) {
    kvm::EnableCap cap;
    cap.cap = kvm::kCapPmuCapability;
    cap.args[0] = kvm::kPmuCapDisable;
    if (const int error = vm_->enable_cap(cap)) return refused("KVM_ENABLE_CAP(PMU_CAPABILITY)", error);
  }
  if (config_.irqchip)
    if (const int error = vm_->create_irqchip()) return refused("KVM_CREATE_IRQCHIP", error);
  if (config_.irqchip)
    if (const int error = vm_->create_pit2()) return refused("KVM_CREATE_PIT2", error);
  for (unsigned id = 0; id < config_.cpus; ++id) {
    kvm::Vcpu* vcpu = nullptr;
    if (const int error = vm_->create_vcpu(id, vcpu)) return refused("KVM_CREATE_VCPU", error);
    vcpus_.push_back(vcpu);
    const std::vector<kvm::CpuidEntry2> cpuid = cpuid_for(id);
    if (const int error = vcpu->set_cpuid2(cpuid)) return refused("KVM_SET_CPUID2", error);
    // KVM (Linux 6.8) leaves it to the monitor to say that the TSC counts at the P0 frequency; where it
    // refuses, Linux as a guest reports a firmware bug and goes on.
    for (const kvm::CpuidEntry2& e : cpuid)
      if (e.function == 0 && e.ebx == kAuthenticAmd) vcpu->set_msrs({{msr::kHwcr, 0, kHwcrTscFreqSel}});
  }
  if (config_.filter)
    if (const int error = vm_->set_pmu_event_filter(*config_.filter))
      return refused("KVM_SET_PMU_EVENT_FILTER", error);
  ports_.reset();
  controllers_.reset();
  ports_.fw_cfg.cpus = config_.cpus;
  ports_.fw_cfg.memory = config_.memory;
  ports_.rtc.start_time = config_.start_time;
  ports_.on_reset = [this] { finish(VmmEnd::Reset, "there is no firmware to start again"); };
  ports_.on_power_off = [this] { finish(VmmEnd::PowerOff, "the guest switched the machine off"); };
  if (config_.irqchip) ports_.on_line = [this](unsigned gsi, bool level) { vm_->irq_line(gsi, level); };
  ports_.debug_exit.on_exit = [this](u32 status) {
    result_.status = status;
    finish(VmmEnd::Exit, "");
  };
  ports_.doorbell.on_ring = config_.on_doorbell;
  ports_.serial.on_character = config_.on_character;
  return load();
}

void Vmm::serve_port(u16 port, unsigned size, bool write, u64& value) {
  u64 offset = 0;
  platform::RegisterModel* model = platform::find_model(ports_.places(), port, size, offset);
  if (!model && !config_.irqchip) model = platform::find_model(controllers_.ports(), port, size, offset);
  if (!model) unclaimed_.add(platform::Space::Port, port, size, write);
  if (write) {
    if (model) model->write(offset, value, size);
  } else {
    value = model ? model->read(offset, size) : ~u64{0};
  }
}

void Vmm::port_access(kvm::Run& run) {
  for (u32 i = 0; i < run.io.count && !ended_; ++i) {
    u8* data = run.io.data + i * run.io.size;
    u64 value = 0;
    if (run.io.direction) {
      std::memcpy(&value, data, run.io.size);
      serve_port(run.io.port, run.io.size, true, value);
    } else {
      serve_port(run.io.port, run.io.size, false, value);
      std::memcpy(data, &value, run.io.size);
    }
  }
}

bool Vmm::handle(kvm::Vcpu& vcpu) {
  kvm::Run& run = vcpu.run_data();
  if (const int error = vcpu.run_result()) {
    if (error == -EINTR || error == -EAGAIN)
      return true;  // a signal, or an application processor got its INIT
    finish(VmmEnd::InternalError, std::string("KVM_RUN: ") + std::strerror(-error));
    return false;
  }
  switch (run.exit_reason) {
    case kvm::ExitReason::Io:
      port_access(run);
      break;
    case kvm::ExitReason::Mmio:  // nothing there
      unclaimed_.add(platform::Space::Memory, run.mmio.phys_addr, run.mmio.len, run.mmio.is_write);
      if (!run.mmio.is_write) std::memset(run.mmio.data, 0xff, sizeof run.mmio.data);
      break;
    case kvm::ExitReason::Intr:
      break;
    case kvm::ExitReason::Hlt:
      finish(VmmEnd::Stall, "halted without an interrupt controller");
      break;
    case kvm::ExitReason::Shutdown:
      finish(VmmEnd::Shutdown, run.detail);
      break;
    case kvm::ExitReason::FailEntry:
      finish(VmmEnd::FailEntry, run.detail.empty()
                                    ? "hardware reason " + std::to_string(run.hardware_entry_failure_reason)
                                    : run.detail);
      break;
    case kvm::ExitReason::InternalError:
      finish(run.internal_suberror == kEmulationFailure ? VmmEnd::GuestError : VmmEnd::InternalError,
             run.detail.empty() ? "suberror " + std::to_string(run.internal_suberror) : run.detail);
      break;
    default:
      finish(VmmEnd::InternalError, std::string("unexpected ") + kvm::exit_reason_name(run.exit_reason));
      break;
  }
  return !ended_;
}

bool Vmm::time_left(u64 begin_cycle, std::chrono::steady_clock::time_point begin,
                    kvm::TimeLimit& left) const {
  left = config_.limit;
  if (left.cycles != kNever) {
    const u64 used = vm_->cycles() - begin_cycle;
    if (used >= left.cycles) return false;
    left.cycles -= used;
  }
  if (left.wall_milliseconds != kNever) {
    using std::chrono::milliseconds;
    const auto elapsed = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin);
    const u64 used = static_cast<u64>(elapsed.count());
    if (used >= left.wall_milliseconds) return false;
    left.wall_milliseconds -= used;
  }
  return true;
}

// In the words of a machine without a VM.
void Vmm::finish_at_limit(u64 cycles) {
  const kvm::TimeLimit& limit = config_.limit;
  if (limit.cycles != kNever && cycles >= limit.cycles)
    finish(VmmEnd::CycleLimit, "cycle " + std::to_string(limit.cycles) + " reached without an exit");
  else
    finish(VmmEnd::TimeLimit,
           std::to_string(limit.wall_milliseconds / 1000) + " seconds passed without an exit");
}

VmmResult Vmm::run() {
  const u64 begin_cycle = vm_ ? vm_->cycles() : 0;
  const auto begin = std::chrono::steady_clock::now();
  if (!ended_)
    for (kvm::Vcpu* vcpu : vcpus_) vcpu->post_run();
  while (!ended_) {
    if (interrupt_signal()) {
      finish(VmmEnd::Interrupted, "the user ended the run");
      break;
    }
    kvm::TimeLimit left;
    const bool late = !time_left(begin_cycle, begin, left);
    kvm::Vcpu* vcpu = late ? nullptr : vm_->wait(left);
    if (!vcpu && interrupt_signal()) continue;
    if (!vcpu) {
      if (!late && vm_->stalled())
        finish(VmmEnd::Stall, "no vCPU will ever run again");
      else
        finish_at_limit(vm_->cycles() - begin_cycle);
      break;
    }
    if (handle(*vcpu)) vcpu->post_run();
  }
  result_.serial = ports_.serial.output();
  result_.unclaimed = unclaimed_.text();
  return result_;
}

}  // namespace pmusim::hv
