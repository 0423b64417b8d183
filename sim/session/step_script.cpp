// SPDX-License-Identifier: Apache-2.0
// Host steps as calls of the KVM API and of the simulated host's perf.
#include "session/step_script.h"

#include <cerrno>

#include "hypervisor/drivers/simulated_kvm.h"
#include "hypervisor/drivers/vmm.h"
#include "hypervisor/kvm/host.h"
#include "hypervisor/perf/host_perf.h"

namespace pmusim::session {
namespace {

u32 status_of(int result) {
  return result < 0 ? static_cast<u32>(-result) : 0;
}

bool of_the_host(const std::string& verb) {
  return verb == "watchdog" || verb == "perf_event" || verb == "close_perf_event";
}

class HostSteps final : public HostActions {
 public:
  HostSteps(const StepScript& script, hv::Vmm& vmm, hv::SimulatedKvm* simulated);

  void set_up_host() override;    // what the set-up does to the host, before there is a VM
  void set_up() override;         // InputError if a step of the set-up fails
  u32 ring(u32 number) override;  // for the doorbell port

 private:
  static constexpr u32 kNobody = 0xffffffff;
  void set_up(const HostStep& step);
  u32 perform(const HostStep& step);
  u32 check_extension(const JsonView& arguments);
  u32 set_filter(const JsonView& arguments);
  u32 set_msr(const JsonView& arguments);
  u32 get_msr(const JsonView& arguments);
  u32 perf_event(const JsonView& arguments);
  u32 close_perf_event();
  u32 watchdog(const JsonView& arguments);

  const StepScript& script_;
  hv::Vmm& vmm_;
  hv::SimulatedKvm* simulated_;
  struct Opened {
    unsigned cpu;
    hv::PerfEvent* event;
  };
  std::vector<Opened> events_;  // opened by perf_event, newest last
};

HostSteps::HostSteps(const StepScript& script, hv::Vmm& vmm, hv::SimulatedKvm* simulated)
    : script_(script), vmm_(vmm), simulated_(simulated) {}

void HostSteps::set_up_host() {
  for (const HostStep& step : script_.setup)
    if (of_the_host(step.verb)) set_up(step);
}

void HostSteps::set_up() {
  for (const HostStep& step : script_.setup)
    if (!is_machine_setup(step.verb) && !of_the_host(step.verb)) set_up(step);
}

void HostSteps::set_up(const HostStep& step) {
  const u32 status = perform(step);
  if (status == 0) return;
  script_.arguments(step).fail(
      status == kNobody ? "a step that this host cannot perform" : "errno " + std::to_string(status),
      "a set-up that succeeds");
}

u32 HostSteps::ring(u32 number) {
  for (const HostStep& step : script_.steps)
    if (step.number == number) return perform(step);
  return kNobody;
}

u32 HostSteps::perform(const HostStep& step) {
  const JsonView arguments = script_.arguments(step);
  if (step.verb == "set_filter") return set_filter(arguments);
  if (step.verb == "set_msr") return set_msr(arguments);
  if (step.verb == "get_msr") return get_msr(arguments);
  if (step.verb == "check_extension") return check_extension(arguments);
  if (step.verb == "force_exit") {  // the doorbell's own exit to user space
    arguments.only_keys({});
    return 0;
  }
  if (!simulated_) return kNobody;
  if (step.verb == "perf_event") return perf_event(arguments);
  if (step.verb == "close_perf_event") return close_perf_event();
  if (step.verb == "watchdog") return watchdog(arguments);
  return kNobody;
}

u32 HostSteps::check_extension(const JsonView& arguments) {
  arguments.only_keys({"capability"});
  const u32 capability = static_cast<u32>(arguments.at("capability").as_u64(0xffffffff));
  return vmm_.vm().check_extension(capability) > 0 ? 0 : EOPNOTSUPP;
}

u32 HostSteps::set_filter(const JsonView& arguments) {
  arguments.only_keys({"action", "events", "fixed_counter_bitmap", "masked"});
  kvm::PmuEventFilter filter;
  filter.action = arguments.at("action").one_of({"allow", "deny"}) == "deny";
  if (arguments.has("events"))
    for (const JsonView& event : arguments.at("events").items()) filter.events.push_back(event.as_u64());
  filter.nevents = static_cast<u32>(filter.events.size());
  filter.fixed_counter_bitmap = static_cast<u32>(arguments.get_u64("fixed_counter_bitmap", 0, 0xffffffff));
  filter.flags = arguments.get_bool("masked", false);
  return status_of(vmm_.vm().set_pmu_event_filter(filter));
}

u32 HostSteps::set_msr(const JsonView& arguments) {
  arguments.only_keys({"index", "value"});
  kvm::MsrEntry entry;
  entry.index = static_cast<u32>(arguments.at("index").as_u64(0xffffffff));
  entry.data = arguments.at("value").as_u64();
  const int processed = vmm_.vcpu(0).set_msrs({entry});
  return processed == 1 ? 0 : processed < 0 ? status_of(processed) : EINVAL;
}

// "equals" makes the comparison here, because a status has 32 bits: EDOM if the value differs.
u32 HostSteps::get_msr(const JsonView& arguments) {
  arguments.only_keys({"index", "equals"});
  std::vector<kvm::MsrEntry> entries(1);
  entries[0].index = static_cast<u32>(arguments.at("index").as_u64(0xffffffff));
  const int processed = vmm_.vcpu(0).get_msrs(entries);
  if (processed != 1) return processed < 0 ? status_of(processed) : EINVAL;
  return arguments.has("equals") && entries[0].data != arguments.at("equals").as_u64() ? EDOM : 0;
}

u32 HostSteps::perf_event(const JsonView& arguments) {
  arguments.only_keys({"config", "cpu", "pinned", "exclude_user", "exclude_kernel", "exclude_host",
                       "exclude_guest", "sample_period"});
  hv::PerfAttr attr;
  attr.config = arguments.at("config").as_u64();
  attr.pinned = arguments.get_bool("pinned", false);
  attr.exclude_user = arguments.get_bool("exclude_user", false);
  attr.exclude_kernel = arguments.get_bool("exclude_kernel", false);
  attr.exclude_host = arguments.get_bool("exclude_host", false);
  attr.exclude_guest = arguments.get_bool("exclude_guest", false);
  attr.sample_period = arguments.get_u64("sample_period", 0);
  const unsigned cpu = static_cast<unsigned>(arguments.get_u64("cpu", 0, simulated_->host().cpu_count() - 1));
  hv::Host& host = simulated_->host();
  hv::PerfEvent* event = nullptr;
  int error = 0;
  simulated_->on_cpu(cpu, [&] { error = host.perf().create_cpu_event(host.cpu(cpu), attr, &event); });
  if (event) events_.push_back({cpu, event});
  return status_of(error);
}

u32 HostSteps::close_perf_event() {
  if (events_.empty()) return EBADF;
  const Opened last = events_.back();
  events_.pop_back();
  hv::Host& host = simulated_->host();
  simulated_->on_cpu(last.cpu, [&] { host.perf().release(&host.cpu(last.cpu), last.event); });
  return 0;
}

// true starts it on every CPU, false stops it.
u32 HostSteps::watchdog(const JsonView& arguments) {
  const bool start = arguments.as_bool();
  hv::Host& host = simulated_->host();
  int error = 0;
  for (unsigned cpu = 0; cpu < host.cpu_count() && !error; ++cpu)
    simulated_->on_cpu(cpu, [&, cpu] {
      if (start)
        error = host.perf().start_watchdog(host.cpu(cpu));
      else
        host.perf().stop_watchdog(host.cpu(cpu));
    });
  return status_of(error);
}

}  // namespace

JsonView StepScript::arguments(const HostStep& step) const {
  return document->root().at_pointer(step.pointer);
}

std::unique_ptr<HostActions> StepScript::begin(hv::Vmm& vmm, hv::SimulatedKvm* simulated) const {
  return std::make_unique<HostSteps>(*this, vmm, simulated);
}

}  // namespace pmusim::session
