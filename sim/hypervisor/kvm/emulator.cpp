// SPDX-License-Identifier: Apache-2.0
// The emulator's environment and its one-instruction run.
#include "hypervisor/kvm/emulator.h"

#include "arch/event_counts.h"
#include "arch/msr.h"
#include "base/bits.h"
#include "core/system/task_switch.h"

namespace pmusim::hv {

namespace {
struct ReadForUserSpace {};  // thrown through the core: the instruction then has changed nothing
}  // namespace

struct Emulator::Env final : core::CoreEnv {
  Env(Emulator& owner, EmulatorDevices& devices) : owner_(owner), devices_(devices) {}

  bool rdmsr(u32 index, u64& value) override { return devices_.emulated_rdmsr(index, value); }
  bool wrmsr(u32 index, u64 value) override { return devices_.emulated_wrmsr(index, value); }
  bool rdpmc(u32 ecx, u64& value) override { return devices_.emulated_rdpmc(ecx, value); }
  u64 rdtsc() override { return devices_.emulated_rdtsc(); }
  CpuidRegs cpuid(u32 leaf, u32 subleaf) override { return devices_.emulated_cpuid(leaf, subleaf); }
  u64 random() override { throw core::Unimplemented(0, "RDRAND or RDSEED in the emulator"); }
  u64 read_cr8() override { return devices_.emulated_cr8(); }
  bool write_cr8(u64 value) override { return devices_.emulated_set_cr8(value); }

  u64 ask(bool port, u64 address, unsigned size) {
    if (used_ < answers_->size()) return (*answers_)[used_++];
    owner_.read_ = {port, false, address, size, 0};
    throw ReadForUserSpace{};
  }
  u64 io_read(u16 port, unsigned size) override {
    u64 value = 0;
    return devices_.kernel_port(port, size, false, value) ? value : ask(true, port, size);
  }
  void io_write(u16 port, u64 value, unsigned size) override {
    if (devices_.kernel_port(port, size, true, value)) return;
    owner_.writes_.push_back({true, true, port, size, value});
  }
  u64 mmio_read(u64 physical, unsigned size) override {
    u64 value = 0;
    return devices_.kernel_mmio(physical, size, false, value) ? value : ask(false, physical, size);
  }
  void mmio_write(u64 physical, u64 value, unsigned size) override {
    if (!devices_.kernel_mmio(physical, size, true, value))
      owner_.writes_.push_back({false, true, physical, size, value});
  }

  Emulator& owner_;
  EmulatorDevices& devices_;
  const std::vector<u64>* answers_ = nullptr;
  std::size_t used_ = 0;
};

Emulator::Emulator(core::Ram& ram, const core::SecondStage& second, EmulatorDevices& devices,
                   const core::CoreConfig& config)
    : env_(std::make_unique<Env>(*this, devices)),
      config_(config),
      core_(std::make_unique<core::Core>(ram, *env_, timing_)),
      second_(&second) {
  core_->configure(config_);
}

void Emulator::set_guest_features(const core::Features& features) {
  config_.enumerated = features;
  core_->configure(config_);
}

Emulator::~Emulator() = default;

void Emulator::use(core::CpuState& state) {
  core_->set_state(&state);
  core_->set_world(World::Host, second_, nullptr, 0);
  core_->flush_tlb();
}

bool Emulator::read_linear(core::CpuState& state, u64 address, void* to, u64 size) {
  use(state);
  return core_->read_linear(address, to, size);
}

Emulator::Result Emulator::switch_task(core::CpuState& state, const core::TaskSwitch& t) {
  core::CpuState work = state;
  const std::vector<u64> none;
  env_->answers_ = &none;
  env_->used_ = 0;
  writes_.clear();
  failure_.clear();
  use(work);
  try {
    if (core_->switch_task(t) == core::Stop::Shutdown) return Result::TripleFault;
  } catch (const ReadForUserSpace&) {
    failure_ = "a task switch needs memory-mapped I/O";
  } catch (const core::Unimplemented& e) {
    failure_ = e.what();
  }
  if (!writes_.empty()) failure_ = "a task switch writes memory-mapped I/O";
  if (!failure_.empty()) return Result::Failed;
  state = work;
  core_->set_state(&state);
  return Result::Done;
}

Emulator::Result Emulator::run(core::CpuState& state, const std::vector<u64>& answers) {
  core::CpuState work = state;
  work.activity = core::Activity::Running;
  env_->answers_ = &answers;
  env_->used_ = 0;
  writes_.clear();
  failure_.clear();
  use(work);
  if (!core_->read_linear(work.seg[core::CS].base + work.rip, &opcode_, 1)) opcode_ = 0;
  const EventCounts before = core_->counts();
  try {
    const core::Stop stop = core_->run({1, kNever});
    if (stop == core::Stop::Shutdown) return Result::TripleFault;
  } catch (const ReadForUserSpace&) {
    return Result::NeedsRead;
  } catch (const core::Unimplemented& e) {
    failure_ = e.what();
    return Result::Failed;
  }
  const auto difference = [&](CountMask kinds) {
    return core_->counts().sum(kinds, 0xfff) - before.sum(kinds, 0xfff);
  };
  retired_ = difference(mask_of(Count::Instructions)) != 0;
  branch_ =
      difference(mask_of(Count::CondTaken) | mask_of(Count::CondNotTaken) | mask_of(Count::DirectJump) |
                 mask_of(Count::IndirectJump) | mask_of(Count::DirectCall) | mask_of(Count::IndirectCall) |
                 mask_of(Count::Return) | mask_of(Count::FarBranch)) != 0;
  state = work;
  core_->set_state(&state);
  return Result::Done;
}

}  // namespace pmusim::hv
