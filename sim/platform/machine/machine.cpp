// SPDX-License-Identifier: Apache-2.0
// Elaboration, reset, and driving the SystemC kernel.
#include "platform/machine/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

#include "base/cancel.h"
#include "base/error.h"
#include "platform/machine/sanitizer.h"

namespace pmusim::platform {
namespace {

u64 steady_ns() {
  return static_cast<u64>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                              std::chrono::steady_clock::now().time_since_epoch())
                              .count());
}

}  // namespace

Machine::Machine(unsigned cpus, sc_core::sc_module_name name) : sc_module(name) {
  if (cpus == 0 || cpus > 64) throw std::invalid_argument("a machine has 1 to 64 CPUs");
  bus_ = std::make_unique<Bus>("bus");
  const auto attach = [this](Space space, const std::vector<Place>& places) {
    for (const Place& p : places) {
      devices_.push_back(std::make_unique<ModelDevice>(p.name, *p.model));
      bus_->map(space, p.base, p.size, *devices_.back());
    }
  };
  attach(Space::Port, ports_.places());
  attach(Space::Port, controllers_.ports());
  attach(Space::Memory, controllers_.memory());
  for (unsigned id = 0; id < cpus; ++id) {
    cpus_.push_back(
        std::make_unique<Cpu>(fmt::format("cpu{}", id).c_str(), id, ram_, static_cast<CpuFabric&>(*this)));
    cpus_.back()->ports.bind(bus_->ports);
    cpus_.back()->memory.bind(bus_->memory);
  }
}

Machine::~Machine() = default;

void Machine::unwind_programs() {
  for (auto& cpu : cpus_) {
    if (!cpu->running_program()) continue;
    cpu->abandon();
    // Two delta cycles are enough; a program that suspends again while unwinding would hang the process.
    for (unsigned i = 0; cpu->running_program(); ++i) {
      if (i == 100) throw std::logic_error("a CPU's program does not unwind");
      sc_core::sc_start(sc_core::SC_ZERO_TIME);
      returned_from_kernel();
    }
  }
}

void Machine::map_memory(bool map) {
  const u64 high = u64{1} << 32, low_size = std::min(memory_.size(), kLowMemoryEnd);
  const bool two = memory_.size() > low_size;
  if (map) {
    ram_.add(0, low_size, memory_.data());
    if (two) ram_.add(high, memory_.size() - low_size, memory_.data() + low_size);
  } else {
    ram_.remove(0);
    if (two) ram_.remove(high);
  }
}

void Machine::reset(const MachineConfig& config) {
  const std::string place = "machine configuration";
  if (!config.model) throw std::logic_error("machine reset without a model");
  if (config.cpus == 0 || config.cpus > cpus_.size())
    throw InputError(place, "/cpus", fmt::format("{}", config.cpus), fmt::format("1 to {}", cpus_.size()));
  if (config.memory == 0 || config.memory % core::kPageSize || config.memory > (u64{1} << 40))
    throw InputError(place, "/memory", fmt::format("{}", config.memory), "a multiple of 4096 up to 1 TiB");
  if (config.quantum == 0) throw InputError(place, "/quantum", "0", "1 or more cycles");
  const u64 latency = config.ipi_latency ? config.ipi_latency : config.model->ipi_latency;
  if (config.sync_window == 0 || (config.cpus > 1 && config.sync_window > latency))
    throw InputError(place, "/sync_window", fmt::format("{}", config.sync_window),
                     fmt::format("1 to the IPI latency, {}", latency));
  unwind_programs();
  config_ = config;
  config_.ipi_latency = latency;

  if (memory_.size()) map_memory(false);
  memory_.reset(config.memory);
  map_memory(true);

  bus_->reset();
  ports_.reset();
  controllers_.reset();
  ports_.debug_exit.on_exit = [this](u32 status) {
    if (pending_ == StopKind::None) exit_status_ = status;
    stop(StopKind::Exit, acting().id());
  };
  ports_.on_reset = [this] { stop(StopKind::Reset, acting().id()); };
  ports_.on_power_off = [this] { stop(StopKind::PowerOff, acting().id()); };
  ports_.on_line = [this](unsigned gsi, bool level) { controllers_.set_line(gsi, level); };
  ports_.doorbell.on_ring = {};
  ports_.serial.on_character = {};
  ports_.fw_cfg.cpus = config.cpus;
  ports_.fw_cfg.memory = config.memory;
  ports_.fw_cfg.memory_limit = 0;
  ports_.rtc.start_time = config.start_time;
  for (unsigned id = 0; id < cpus_.size(); ++id) {
    CpuConfig c;
    c.model = config.model;
    c.active = id < config.cpus;
    c.bootstrap = id == 0;
    c.step = config.step;
    c.seed = config.seed;
    c.make_timing = config.make_timing;
    cpus_[id]->reset(c);
    cpus_[id]->set_program(&bare_metal_);
  }
  current_ = nullptr;
  stopped_ = true;
  pending_ = StopKind::None;
  exit_status_ = 0;
  error_ = nullptr;
  next_poll_ = 0;
  next_quantum_ = config.quantum;
  time_base_ = sc_core::sc_time_stamp().value();
  interrupted_ = false;
}

void Machine::load(const Image& image, BootOptions options) {
  options.cpus = config_.cpus;
  place_image(
      image, options, memory_.size(),
      [this](u64 address, const void* bytes, u64 size) { return ram_.write(address, bytes, size); },
      cpus_[0]->state());
  cpus_[0]->core().set_state(&cpus_[0]->state());
  cpus_[0]->apic().connect_virtual_wire();
}

void Machine::set_program(unsigned cpu, CpuProgram* program) {
  cpus_.at(cpu)->set_program(program);
}

u64 Machine::cycle() const {
  u64 first = kNever, last = 0;
  for (const auto& cpu : cpus_) {
    if (cpu->id() >= config_.cpus) continue;
    last = std::max(last, cpu->cycle());
    if (cpu->next_action() != kNever) first = std::min(first, cpu->cycle());
  }
  return first == kNever ? last : first;
}

StopReport Machine::run_until(const std::function<bool()>& predicate, const RunLimits& limits) {
  if (sc_core::sc_get_status() == sc_core::SC_STOPPED || sc_core::sc_end_of_simulation_invoked())
    throw std::logic_error("the SystemC simulation of this process has ended");
  if (!started_) {
    sc_core::sc_start(sc_core::SC_ZERO_TIME);  // elaborates; every CPU's thread reaches its first wait
    returned_from_kernel();
    started_ = true;
  }
  predicate_ = predicate ? &predicate : nullptr;
  limits_ = limits;
  deadline_ns_ = limits.max_seconds == kNever ? kNever : steady_ns() + limits.max_seconds * 1000000000;
  if (pending_ == StopKind::Requested) pending_ = StopKind::None;
  stopped_ = false;
  next_poll_ = 0;  // another predicate, another interval
  poll();
  Cpu* next = pending_ == StopKind::None ? pick() : nullptr;
  if (!next) {
    if (pending_ == StopKind::None) stop(StopKind::Stall, 0);
    stopped_ = true;
  } else {
    current_ = next;
    next->set_bound(bound_for(*next));
    next->resume_later();
    while (!stopped_) {
      sc_core::sc_start();
      returned_from_kernel();
      const sc_core::sc_status status = sc_core::sc_get_status();
      if (stopped_) break;
      if (status == sc_core::SC_STOPPED || sc_core::sc_end_of_simulation_invoked())
        throw std::logic_error("a module ended the SystemC simulation");
      if (!sc_core::sc_pending_activity())
        throw std::logic_error("the machine lost its turn: no CPU is running");
    }
  }
  current_ = nullptr;
  predicate_ = nullptr;
  StopReport result = report();
  const bool explained = pending_ == StopKind::Unimplemented || pending_ == StopKind::GuestError;
  pending_ = StopKind::None;
  if (!error_) return result;
  const std::exception_ptr error = std::exchange(error_, nullptr);
  try {
    std::rethrow_exception(error);
  } catch (const core::Unimplemented& e) {
    if (!explained) throw;
    result.message = fmt::format("CPU {}: {}", result.cpu, e.what());
  }
  return result;
}

void Machine::poll() {
  if (pending_ != StopKind::None) return;
  if (interrupted_.exchange(false) || (limits_.interruptible && interrupt_signal()))
    return stop(StopKind::Interrupted, current_ ? current_->id() : 0);
  if (predicate_ && (*predicate_)()) return stop(StopKind::Predicate, current_ ? current_->id() : 0);
  if (deadline_ns_ != kNever && steady_ns() >= deadline_ns_)
    stop(StopKind::MaxSeconds, current_ ? current_->id() : 0);
}

}  // namespace pmusim::platform
