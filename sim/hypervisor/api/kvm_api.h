// SPDX-License-Identifier: Apache-2.0
// The hypervisor's API: KVM's objects (system, VM, vCPU) with structs laid out like those of the ioctls
// (Linux Documentation/virt/kvm/api.rst; checked against <linux/kvm.h> in kernel_kvm.cpp). Results are 0 or a
// positive number as the ioctl returns, or a negative errno. Implemented by SimulatedKvm and KernelKvm.
// Running is request and completion: post_run() starts KVM_RUN, Vm::wait() returns a vCPU whose run has
// ended.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/types.h"

namespace pmusim::kvm {

struct CpuidEntry2 {  // kvm_cpuid_entry2
  u32 function = 0, index = 0, flags = 0;
  u32 eax = 0, ebx = 0, ecx = 0, edx = 0;
  u32 padding[3] = {};
};
inline constexpr u32 kCpuidFlagSignificantIndex = 1;

struct MsrEntry {  // kvm_msr_entry
  u32 index = 0, reserved = 0;
  u64 data = 0;
};

struct Regs {  // kvm_regs
  u64 rax = 0, rbx = 0, rcx = 0, rdx = 0, rsi = 0, rdi = 0, rsp = 0, rbp = 0;
  u64 r8 = 0, r9 = 0, r10 = 0, r11 = 0, r12 = 0, r13 = 0, r14 = 0, r15 = 0;
  u64 rip = 0, rflags = 0;
};

struct Segment {  // kvm_segment
  u64 base = 0;
  u32 limit = 0;
  u16 selector = 0;
  u8 type = 0, present = 0, dpl = 0, db = 0, s = 0, l = 0, g = 0, avl = 0, unusable = 0, padding = 0;
};

struct DescriptorTable {  // kvm_dtable
  u64 base = 0;
  u16 limit = 0;
  u16 padding[3] = {};
};

struct Sregs {  // kvm_sregs
  Segment cs, ds, es, fs, gs, ss, tr, ldt;
  DescriptorTable gdt, idt;
  u64 cr0 = 0, cr2 = 0, cr3 = 0, cr4 = 0, cr8 = 0, efer = 0, apic_base = 0;
  u64 interrupt_bitmap[4] = {};
};

struct MemoryRegion {  // kvm_userspace_memory_region
  u32 slot = 0, flags = 0;
  u64 guest_phys_addr = 0, memory_size = 0, userspace_addr = 0;
};

struct EnableCap {  // kvm_enable_cap
  u32 cap = 0, flags = 0;
  u64 args[4] = {};
  u8 pad[64] = {};
};
inline constexpr u32 kCapPmuEventFilter = 173;
inline constexpr u32 kCapPmuCapability = 212;
inline constexpr u32 kCapPmuEventMaskedEvents = 226;
inline constexpr u64 kPmuCapDisable = 1;

// kvm_pmu_event_filter; the flexible array is a vector here.
struct PmuEventFilter {
  u32 action = 0;  // 0 ALLOW, 1 DENY
  u32 nevents = 0;
  u32 fixed_counter_bitmap = 0;
  u32 flags = 0;  // bit 0: masked events
  u32 pad[4] = {};
  std::vector<u64> events;
};

enum class ExitReason : u32 {
  Unknown = 0,
  Exception = 1,
  Io = 2,
  Hypercall = 3,
  Debug = 4,
  Hlt = 5,
  Mmio = 6,
  IrqWindowOpen = 7,
  Shutdown = 8,
  FailEntry = 9,
  Intr = 10,
  SetTpr = 11,
  InternalError = 17,
};
const char* exit_reason_name(ExitReason reason);  // "KVM_EXIT_IO"

// What kvm_run tells user space about one KVM_RUN.
struct Run {
  ExitReason exit_reason = ExitReason::Unknown;
  u8 ready_for_interrupt_injection = 0, if_flag = 0;
  struct {
    u8 direction = 0;  // 0 in, 1 out
    u8 size = 0;
    u16 port = 0;
    u32 count = 0;
    u8 data[64] = {};  // kvm_run holds an offset to it; count elements
  } io;
  struct {
    u64 phys_addr = 0;
    u8 data[8] = {};
    u32 len = 0;
    u8 is_write = 0;
  } mmio;
  u64 hardware_entry_failure_reason = 0;
  u32 internal_suberror = 0;
  // The simulator's explanation of FAIL_ENTRY, INTERNAL_ERROR and SHUTDOWN; empty from a kernel.
  std::string detail;
};

class Vcpu {
 public:
  virtual ~Vcpu() = default;
  virtual unsigned id() const = 0;
  virtual int set_cpuid2(const std::vector<CpuidEntry2>& entries) = 0;
  virtual int set_regs(const Regs& regs) = 0;
  virtual int get_sregs(Sregs& sregs) = 0;
  virtual int set_sregs(const Sregs& sregs) = 0;
  // Number of entries processed; stops at the first one that fails.
  virtual int get_msrs(std::vector<MsrEntry>& entries) = 0;
  virtual int set_msrs(const std::vector<MsrEntry>& entries) = 0;
  virtual Run& run_data() = 0;
  virtual void post_run() = 0;         // a run that has not completed must not be posted again
  virtual bool running() const = 0;    // posted and not yet completed
  virtual int run_result() const = 0;  // KVM_RUN's result: 0, -EINTR, ...
};

// How long a wait may take. The simulator obeys cycles (of the fastest CPU, from now), a kernel wall time.
struct TimeLimit {
  u64 cycles = kNever;
  u64 wall_milliseconds = kNever;
};

class Vm {
 public:
  virtual ~Vm() = default;
  virtual int create_irqchip() = 0;  // local APICs, I/O APIC, both 8259As
  virtual int create_pit2() = 0;     // 8254 and port 61H; after create_irqchip()
  virtual int irq_line(u32 gsi, bool level) = 0;
  virtual u64 clock() = 0;  // KVM_GET_CLOCK: nanoseconds since the VM was created
  virtual int create_vcpu(unsigned id, Vcpu*& vcpu) = 0;  // owned by the VM
  virtual std::string why_busy() const { return ""; }     // the simulator's explanation of -EBUSY
  virtual int set_user_memory_region(const MemoryRegion& region) = 0;
  virtual int check_extension(u32 cap) = 0;
  virtual int enable_cap(const EnableCap& cap) = 0;
  virtual int set_pmu_event_filter(const PmuEventFilter& filter) = 0;
  // Returns a vCPU whose posted run has completed, the lowest id first; nullptr at the limit.
  virtual Vcpu* wait(const TimeLimit& limit) = 0;
  // Cycles simulated so far, on the clock that TimeLimit::cycles is measured with; 0 on a real kernel, which
  // has no such limit.
  virtual u64 cycles() const { return 0; }
  // After wait() returned nullptr: no vCPU will ever run again (all halted for good), rather than a limit.
  virtual bool stalled() const = 0;
  // post_run() and wait() for that vCPU alone; -ETIME at the limit.
  int run(Vcpu& vcpu, const TimeLimit& limit);
};

class Hypervisor {
 public:
  virtual ~Hypervisor() = default;
  virtual std::string name() const = 0;  // "simulated KVM 7.2, mediated, spr"
  virtual int get_supported_cpuid(std::vector<CpuidEntry2>& entries) = 0;
  virtual int get_host_cpuid(std::vector<CpuidEntry2>& entries) = 0;  // what the CPU itself reports
  virtual u64 supported_perf_capabilities() = 0;  // KVM_GET_MSRS on the system: IA32_PERF_CAPABILITIES
  virtual int check_extension(u32 cap) = 0;
  virtual int create_vm(std::unique_ptr<Vm>& vm) = 0;
};

}  // namespace pmusim::kvm
