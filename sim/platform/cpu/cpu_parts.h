// SPDX-License-Identifier: Apache-2.0
// The sides of a CPU that face its own core, PMU and APIC. Private to cpu*.cpp.
#pragma once

#include "platform/cpu/cpu.h"
#include "platform/devices/bus.h"

namespace pmusim::platform {

// The APIC timer runs at the model's bus clock.
class Cpu::Clock final : public ApicClock {
 public:
  explicit Clock(const Cpu& cpu) : cpu_(cpu) {}
  u64 cycle() const override { return cpu_.cycle(); }
  u64 tsc() const override { return cpu_.tsc(); }
  u64 cycle_at_tsc(u64 tsc) const override {
    const Ratio clock = cpu_.model().tsc_per_cycle;
    const u64 now = cpu_.tsc();
    if (tsc <= now) return cpu_.cycle();
    const u64 raw = clock.floor(cpu_.cycle()), left = tsc - now;
    return left > kNever - raw ? kNever : clock.inverse().ceil(raw + left);
  }
  u64 timer_ticks() const override { return cpu_.model().bus_per_cycle.floor(cpu_.cycle()); }
  u64 cycle_at_timer_ticks(u64 ticks) const override {
    return cpu_.model().bus_per_cycle.inverse().ceil(ticks);
  }

 private:
  const Cpu& cpu_;
};

class Cpu::IpiPort final : public ApicBus {
 public:
  explicit IpiPort(Cpu& cpu) : cpu_(cpu) {}
  void send(const ApicMessage& message) override { cpu_.fabric_.send_ipi(cpu_, message); }
  void broadcast_eoi(u8 vector) override { cpu_.fabric_.broadcast_eoi(vector); }

 private:
  Cpu& cpu_;
};

class Cpu::CycleFeed final : public core::Observer {
 public:
  explicit CycleFeed(Cpu& cpu) : cpu_(cpu) {}
  u8 levels() const override { return kCycle; }
  void on_cycle(unsigned context, const CountVector& delta, u64 repeat) override {
    cpu_.pmu_->on_cycle(context, delta, repeat);
  }

 private:
  Cpu& cpu_;
};

// The hardware behind MONITOR.
class Cpu::Monitor final : public core::LineMonitor {
 public:
  explicit Monitor(Cpu& cpu) : cpu_(cpu) {}
  void stored() override {
    cpu_.stored_at_ = cpu_.fabric_.store_seen(cpu_);
    if (cpu_.idle_) cpu_.fabric_.reconsider();
  }

 private:
  Cpu& cpu_;
};

// The core's view of the rest of the machine.
class Cpu::Env final : public core::CoreEnv {
 public:
  explicit Env(Cpu& cpu) : cpu_(cpu) {}
  bool rdmsr(u32 index, u64& value) override;
  bool wrmsr(u32 index, u64 value) override;
  bool rdpmc(u32 ecx, u64& value) override { return cpu_.pmu_->rdpmc(ecx, value); }
  u64 rdtsc() override { return cpu_.tsc() + static_cast<u64>(cpu_.guest_tsc_offset_); }
  u64 random() override { return cpu_.random_.next(); }
  CpuidRegs cpuid(u32 leaf, u32 subleaf) override { return cpu_.physical_cpuid(leaf, subleaf); }
  u64 io_read(u16 port, unsigned size) override { return bus_read(cpu_.ports, port, size); }
  void io_write(u16 port, u64 value, unsigned size) override { bus_write(cpu_.ports, port, value, size); }
  u64 mmio_read(u64 physical, unsigned size) override;
  void mmio_write(u64 physical, u64 value, unsigned size) override;
  void monitor(u64 physical) override {
    cpu_.stop_monitoring();
    cpu_.ram_.arm(*cpu_.monitor_, physical);
  }
  bool monitor_armed() override { return cpu_.monitor_->armed() || cpu_.stored_at_ != kNever; }
  u64 read_cr8() override { return cpu_.apic_.cr8(); }
  bool write_cr8(u64 value) override;

 private:
  Cpu& cpu_;
};

}  // namespace pmusim::platform
