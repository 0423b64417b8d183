// SPDX-License-Identifier: Apache-2.0
// A small virtual machine monitor over the KVM API, for the simulated and the real one: loads an image into
// guest memory, defines the vCPU model, and serves the PC's port devices in user space; interrupt controllers
// and timer are the kernel's. Without an in-kernel irqchip their registers answer, but interrupt nobody.
// Ends with the status, what the guest printed, and why.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hypervisor/api/kvm_api.h"
#include "platform/boot/boot.h"
#include "platform/boot/guest_memory.h"
#include "platform/devices/interrupt_controllers.h"
#include "platform/devices/pc_ports.h"
#include "platform/devices/unclaimed.h"

namespace pmusim::hv {

enum class CpuidChoice : u8 {
  Kvm,    // what KVM offers on this host
  Host,   // what the CPU reports, whatever KVM offers
  Table,  // VmmConfig::cpuid
};

struct VmmConfig {
  platform::Image image;
  std::string command_line;
  std::vector<platform::BootModule> modules;
  u64 start_time = platform::kDefaultStartTime;  // of the real-time clock, seconds since 1970
  u64 memory = u64{128} << 20;
  unsigned cpus = 1;
  CpuidChoice cpuid = CpuidChoice::Kvm;
  std::vector<kvm::CpuidEntry2> table;
  std::function<void(std::vector<kvm::CpuidEntry2>&)> edit_cpuid;  // empty: as chosen
  bool irqchip = true;
  bool disable_pmu = false;                     // KVM_CAP_PMU_CAPABILITY
  std::unique_ptr<kvm::PmuEventFilter> filter;  // installed before the first run
  kvm::TimeLimit limit;                         // of the whole run
  std::function<u32(u32 step)> on_doorbell;     // empty: the port reads all ones
  std::function<void(char)> on_character;
};

enum class VmmEnd : u8 {
  Exit,      // the guest wrote the exit port: status
  Shutdown,  // triple fault
  Reset,     // the guest reset the machine
  PowerOff,  // the guest switched it off
  FailEntry,
  GuestError,  // what KVM cannot emulate for it, such as execution outside memory
  InternalError,
  Stall,  // no vCPU will ever run again
  CycleLimit,
  TimeLimit,
  Interrupted,  // by the user
  Refused,      // an ioctl failed while the VM was set up; detail says which, error is the errno
};
const char* vmm_end_name(VmmEnd end);

struct VmmResult {
  VmmEnd end = VmmEnd::Stall;
  u32 status = 0;  // 2 * value + 1
  int error = 0;   // negative errno
  std::string serial;
  std::string detail;
  std::vector<std::string> unclaimed;  // accesses that neither the kernel's devices nor ours answered
};

class Vmm {
 public:
  Vmm(kvm::Hypervisor& hypervisor, VmmConfig config);
  ~Vmm();

  // Creates and configures everything; false: result() says what was refused.
  bool create();
  VmmResult run();  // create() first

  const VmmResult& result() const { return result_; }
  kvm::Vm& vm() { return *vm_; }
  kvm::Vcpu& vcpu(unsigned id) { return *vcpus_.at(id); }
  unsigned vcpus() const { return static_cast<unsigned>(vcpus_.size()); }
  platform::PcPorts& ports() { return ports_; }
  const platform::GuestMemory& memory() const { return memory_; }
  // The entries a vCPU gets: KVM's or the host's, with the topology of this VM.
  std::vector<kvm::CpuidEntry2> cpuid_for(unsigned id);

 private:
  bool refused(const char* what, int error);
  bool load();
  // Handles one exit; false ends the run.
  bool handle(kvm::Vcpu& vcpu);
  // What the limit leaves to a run that began then; false: nothing.
  bool time_left(u64 begin_cycle, std::chrono::steady_clock::time_point begin, kvm::TimeLimit& left) const;
  void finish(VmmEnd end, const std::string& detail);
  void finish_at_limit(u64 cycles);  // cycles: that the run took
  void port_access(kvm::Run& run);
  void serve_port(u16 port, unsigned size, bool write, u64& value);

  class Clock final : public platform::DeviceClock {
   public:
    explicit Clock(const Vmm& vmm) : vmm_(vmm) {}
    u64 nanoseconds() const override { return vmm_.vm_ ? vmm_.vm_->clock() : 0; }

   private:
    const Vmm& vmm_;
  };
  struct NoBus final : platform::ApicBus {
    void send(const platform::ApicMessage&) override {}
  };

  kvm::Hypervisor& hypervisor_;
  VmmConfig config_;
  platform::GuestMemory memory_;
  Clock clock_{*this};
  platform::PcPorts ports_{clock_};
  platform::UnclaimedAccesses unclaimed_;
  NoBus no_bus_;
  platform::InterruptControllers controllers_{no_bus_, clock_};  // without an in-kernel irqchip
  std::unique_ptr<kvm::Vm> vm_;
  std::vector<kvm::Vcpu*> vcpus_;
  VmmResult result_;
  bool ended_ = false;
};

}  // namespace pmusim::hv
