// SPDX-License-Identifier: Apache-2.0
// The simulator as a target: one machine for the whole process, set up anew for each run.
#include "session/simulator.h"

#include <fmt/format.h>

#include "arch/event_counts.h"
#include "base/bits.h"
#include "hypervisor/drivers/simulated_kvm.h"
#include "hypervisor/drivers/vmm.h"
#include "hypervisor/vpmu/audit_bare_metal.h"

namespace pmusim::session {

namespace {

constexpr ContextMask kHost = 0x00f, kGuest = 0xff0;
constexpr std::size_t kMostUncounted = 32;  // lines of a report

const char* unit_of(const std::string& count) {
  const auto begins = [&](const char* text) { return count.rfind(text, 0) == 0; };
  if (count == "instructions") return "instructions";
  if (count == "interrupts") return "interrupts";
  if (begins("slots")) return "slots";
  const bool cycles = count.size() >= 6 && count.compare(count.size() - 6, 6, "cycles") == 0;
  return cycles || begins("no_retire_") ? "cycles" : "events";
}

// The character sink is the caller's; it must not stay behind after a run, even if the run throws.
class SerialListener {
 public:
  SerialListener(platform::Serial& serial, std::function<void(char)> listener) : serial_(serial) {
    serial_.on_character = std::move(listener);
  }
  ~SerialListener() { serial_.on_character = nullptr; }
  SerialListener(const SerialListener&) = delete;
  SerialListener& operator=(const SerialListener&) = delete;

 private:
  platform::Serial& serial_;
};

// Can a run with this timing and policy have read that value of the model file?
bool can_touch(const TargetRun& run, const std::string& path) {
  const auto begins = [&](const char* text) { return path.rfind(text, 0) == 0; };
  if (begins("/timing/")) return run.model->interval;
  const bool of_vms = begins("/costs/vm_") || begins("/costs/vmread/") || begins("/costs/vmwrite/") ||
                      begins("/costs/msr_list_entry/");
  return run.policy || !of_vms;
}

}  // namespace

Simulator::Simulator(unsigned max_cpus) : max_cpus_(max_cpus) {}
Simulator::~Simulator() {
  end_session();
}

platform::Machine& Simulator::machine() {
  if (!machine_) machine_ = std::make_unique<platform::Machine>(max_cpus_);
  return *machine_;
}

std::string Simulator::unmet(const TargetRun& run) {
  if (run.cpus > max_cpus_)
    return fmt::format("{} CPUs, the simulator was set up for {}", run.cpus, max_cpus_);
  return run.policy ? hv::unmet(*run.policy, *run.model, run.release) : "";
}

Observation Simulator::run(const TargetRun& run) {
  return run.policy ? run_vm(run) : run_bare_metal(run);
}

// Looks at the machine from inside a run: counts may lag by a block.
std::function<void()> Simulator::progress_of(const TargetRun& run) {
  if (!run.on_progress) return {};
  return [this, tell = run.on_progress, guest = run.policy ? kGuest : kHost, cpus = run.cpus] {
    u64 instructions = 0;
    for (unsigned id = 0; id < cpus; ++id)
      instructions += machine().cpu(id).core().counts().sum(mask_of(Count::Instructions), guest);
    tell(machine().cycle(), instructions);
  };
}

void Simulator::describe(const platform::StopReport& stop, Observation& seen) {
  seen.exited = stop.kind == platform::StopKind::Exit;
  seen.exit_status = stop.status;
  if (!seen.exited) {
    seen.stopped = stopped_text(stop);
    seen.interrupted = stop.kind == platform::StopKind::Interrupted;
    seen.report = stop.cpus_text();
  }
  for (const std::string& access : stop.unclaimed) seen.gaps.push_back("no device answers: " + access);
}

std::string Simulator::stopped_text(const platform::StopReport& stop) {
  std::string text = fmt::format("{}: {}", platform::stop_name(stop.kind), stop.message);
  text.erase(text.find_last_not_of(" \n") + 1);
  return text;
}

// What was programmed on a counter and counts nothing here, by name where the model knows it.
std::string Simulator::uncounted(const CpuModel& model, unsigned counter, u64 selector, u64 times) {
  const auto said = [&](const std::string& what) {
    return fmt::format("{} is not counted by {}; it was programmed {} time{}", what,
                       pmu::not_counted_by(model, counter, selector), times, times == 1 ? "" : "s");
  };
  if (counter == pmu::kPebsBit) return said("PEBS");
  if (counter == pmu::kMetricsBit) return said("PERF_METRICS");
  if (counter >= pmu::kFixedBase)
    return said(fmt::format("the event of fixed counter {}", counter - pmu::kFixedBase));
  const u64 code = pmu::event_code(model.vendor, selector), umask = selector >> 8 & 0xff;
  std::string name;
  for (const pmu::EventInfo& event : model.events)
    if (event.code == code && event.umask == umask && event.fixed < 0 && name.empty())
      name = " " + event.name;
  return said(fmt::format("event {:#04x}, umask {:#04x}{} on counter {}", code, umask, name, counter));
}

void Simulator::count(const TargetRun& run, Observation& seen) {
  for (unsigned id = 0; id < run.cpus; ++id) {
    platform::Cpu& cpu = machine().cpu(id);
    const EventCounts& counts = cpu.core().counts();
    const ContextMask guest = run.policy ? kGuest : kHost;
    seen.instructions += counts.sum(mask_of(Count::Instructions), guest);
    seen.stats.push_back({fmt::format("cpu{}.cycles", id), cpu.cycle(), "cycles"});
    for (unsigned k = 0; k < kCounts; ++k) {
      if (!run.model->interval && (kIntervalCounts >> k & 1)) continue;
      const char* name = count_name(static_cast<Count>(k));
      const char* unit = unit_of(name);
      seen.stats.push_back(
          {fmt::format("cpu{}.guest.{}", id, name), counts.sum(CountMask{1} << k, guest), unit});
      if (run.policy)
        seen.stats.push_back(
            {fmt::format("cpu{}.host.{}", id, name), counts.sum(CountMask{1} << k, kHost), unit});
    }
    if (!run.policy) continue;
    const platform::HostCycles& spent = cpu.host_cycles();
    for (unsigned c = 0; c < platform::kHostCauses; ++c)
      seen.stats.push_back(
          {fmt::format("cpu{}.host_cycles.{}", id, host_cause_name(static_cast<platform::HostCause>(c))),
           spent[c], "cycles"});
  }
  std::map<std::pair<unsigned, u64>, u64> uncounted_events;  // of all CPUs
  for (unsigned id = 0; id < run.cpus; ++id)
    for (const auto& [what, times] : machine().cpu(id).uncounted()) uncounted_events[what] += times;
  std::size_t told = 0;
  for (const auto& [what, times] : uncounted_events)
    if (told++ < kMostUncounted) seen.gaps.push_back(uncounted(*run.model, what.first, what.second, times));
  if (told > kMostUncounted)
    seen.gaps.push_back(fmt::format("{} more events are not counted", told - kMostUncounted));
  seen.cycles = machine().cpu(0).cycle();
  for (const AssumedValue& value : run.model->assumed)
    if (can_touch(run, value.path)) seen.assumed.push_back(value.set_name());
}

// Counters that were programmed, or moved.
void Simulator::add_audit(unsigned cpu, unsigned counter, const std::string& programmed,
                          const hv::AuditLine& line, Observation& seen) {
  if (!line.seen && !line.truth && programmed.empty()) return;
  CounterAudit audit;
  audit.vcpu = cpu;
  audit.counter = counter >= pmu::kFixedBase ? fmt::format("fixed{}", counter - pmu::kFixedBase)
                                             : fmt::format("gp{}", counter);
  audit.programmed = programmed;
  audit.hardware = line.hardware;
  audit.visible = line.seen;
  audit.truth = line.truth;
  for (std::size_t c = 0; c < line.causes.size(); ++c)
    if (line.causes[c])
      audit.causes.emplace_back(hv::audit_cause_name(static_cast<hv::AuditCause>(c)), line.causes[c]);
  audit.residual = line.residual();
  seen.audit.push_back(std::move(audit));
}

Observation Simulator::run_bare_metal(const TargetRun& run) {
  GuestCpuid cpuid = guest_cpuid(run.point.cpuid, *run.model, run.release, false);
  edit_cpuid(run.machine_setup().cpuid, cpuid.table);
  // The machine refers to the model of its last run until it is set up for the next one.
  auto model = std::make_unique<CpuModel>(reduced_model(*run.model, cpuid));
  platform::MachineConfig config;
  config.model = model.get();
  config.cpus = run.cpus;
  config.sync_window = run.sync_window;
  config.memory = run.memory;
  config.step = run.step;
  config.seed = run.seed;
  config.sink = run.sink;
  config.on_poll = progress_of(run);
  platform::Machine& m = machine();
  m.reset(config);
  model_ = std::move(model);
  end_session();
  m.load(*run.image, {run.command_line, run.modules, run.cpus});
  const SerialListener listener(m.ports().serial, run.on_character);
  std::vector<std::unique_ptr<hv::BareMetalAudit>> audits;
  for (unsigned id = 0; run.audit && id < run.cpus; ++id)
    audits.push_back(
        std::make_unique<hv::BareMetalAudit>(m.cpu(id).pmu(), m.cpu(id).core().counts(), *model_));
  const platform::StopReport stop = m.run({run.max_cycles, run.max_seconds});
  Observation seen;
  seen.serial = m.ports().serial.output();
  describe(stop, seen);
  for (unsigned id = 0; id < audits.size(); ++id) {
    m.cpu(id).core().sync();
    audits[id]->finish();
    const u64 counters = model_->caps.counter_bits();
    for (const unsigned counter : set_bits(counters)) {
      add_audit(id, counter, audits[id]->programmed(counter), audits[id]->line(counter), seen);
    }
  }
  count(run, seen);
  return seen;
}

std::unique_ptr<Target> make_simulator(unsigned max_cpus) {
  return std::make_unique<Simulator>(max_cpus);
}

}  // namespace pmusim::session
