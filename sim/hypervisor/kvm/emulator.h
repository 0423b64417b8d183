// SPDX-License-Identifier: Apache-2.0
// KVM's instruction emulator: a second core that executes one guest instruction with MSRs, CPUID, ports and
// MMIO routed to the vCPU's virtual devices. Its own counts tell whether the instruction retired and was a
// branch; the hardware's counters never see it. A fault is delivered through the guest's IDT like an injected
// one; then the handler's first instruction is emulated too (it retires in the guest either way). A read that
// only user space can answer ends the attempt without effect; it is repeated with the answer.
#pragma once

#include <memory>
#include <vector>

#include "core/run/core.h"

namespace pmusim::hv {

class EmulatorDevices {
 public:
  virtual ~EmulatorDevices() = default;
  virtual bool emulated_rdmsr(u32 index, u64& value) = 0;
  virtual bool emulated_wrmsr(u32 index, u64 value) = 0;
  virtual bool emulated_rdpmc(u32 ecx, u64& value) = 0;
  virtual u64 emulated_rdtsc() = 0;
  virtual CpuidRegs emulated_cpuid(u32 leaf, u32 subleaf) = 0;
  // In-kernel device at that place? Then the access is done; false: user space must do it.
  virtual bool kernel_mmio(u64 physical, unsigned size, bool write, u64& value) = 0;
  virtual bool kernel_port(u16 port, unsigned size, bool write, u64& value) = 0;
  virtual u64 emulated_cr8() = 0;
  virtual bool emulated_set_cr8(u64 value) = 0;
};

// An access for user space.
struct DeviceAccess {
  bool port = false;
  bool write = false;
  u64 address = 0;
  unsigned size = 0;
  u64 value = 0;
};

class Emulator {
 public:
  enum class Result : u8 {
    Done,       // writes() may hold accesses for user space
    NeedsRead,  // read() must be answered; nothing has happened yet
    TripleFault,
    Failed,  // an instruction the core does not implement
  };

  Emulator(core::Ram& ram, const core::SecondStage& second, EmulatorDevices& devices,
           const core::CoreConfig& config);
  ~Emulator();

  // What the guest's CPUID says: bits of control registers are reserved by it.
  void set_guest_features(const core::Features& features);
  // One instruction at state.rip. `answers` are values for the reads that user space has performed so far.
  Result run(core::CpuState& state, const std::vector<u64>& answers);
  // The rest of a task switch that was a VM-exit: done, a triple fault, or failed. A fault is delivered (KVM
  // drops it). Memory-mapped I/O on the way fails, as in KVM.
  Result switch_task(core::CpuState& state, const core::TaskSwitch& t);
  const DeviceAccess& read() const { return read_; }
  const std::vector<DeviceAccess>& writes() const { return writes_; }
  bool retired() const { return retired_; }
  bool branch() const { return branch_; }
  u8 opcode() const { return opcode_; }  // the first byte, prefixes included
  const std::string& failure() const { return failure_; }
  // Guest memory at a linear address as `state` maps it; false if not mapped.
  bool read_linear(core::CpuState& state, u64 address, void* to, u64 size);

 private:
  struct Env;
  void use(core::CpuState& state);

  std::unique_ptr<Env> env_;
  core::CoreConfig config_;
  core::FunctionalTiming timing_{1};
  std::unique_ptr<core::Core> core_;
  const core::SecondStage* second_;
  DeviceAccess read_;
  std::vector<DeviceAccess> writes_;
  bool retired_ = false, branch_ = false;
  u8 opcode_ = 0;
  std::string failure_;
};

}  // namespace pmusim::hv
