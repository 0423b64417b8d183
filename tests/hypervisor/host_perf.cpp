// SPDX-License-Identifier: Apache-2.0
// The host's perf subsystem: scheduling, placement, multiplexing, exclusion bits (kernel/events/core.c,
// arch/x86/events/core.c). Row numbers are those of the table of behaviours this model was specified by.
#include <doctest/doctest.h>

#include <cerrno>

#include "vpmu_fixture.h"

using namespace pmusim;
using namespace pmusim::hv;
using namespace pmusim::hv::test;
using pmu::kFixedBase;

namespace {

constexpr int fx(int n) {
  return static_cast<int>(kFixedBase) + n;
}

struct Host {
  explicit Host(const CpuModel& m, unsigned cpus = 1)
      : model(m), perf(model, cpus), cpu(model, 0), second(model, 1) {}

  PerfEvent* on_cpu(u64 config, bool pinned = true, PerfEvent* leader = nullptr) {
    PerfAttr a;
    a.config = config;
    a.pinned = pinned && !leader;
    PerfEvent* e = nullptr;
    error = perf.create_cpu_event(cpu, a, &e, leader);
    return e;
  }
  // A guest's counter: pinned to the vCPU's thread, exclude_host.
  PerfEvent* of_guest(u64 config) {
    PerfAttr a;
    a.config = config;
    a.pinned = a.exclude_host = true;
    PerfEvent* e = nullptr;
    error = perf.create_task_event(running ? running : nullptr, thread, a, &e);
    return e;
  }
  void in(FakeCpu& c) { perf.task_in(c, thread), running = &c; }
  void out() { perf.task_out(*running, thread), running = nullptr; }
  void mux() {
    cpu.now = perf.mux_deadline(0);
    perf.mux_timer(cpu);
  }
  std::vector<bool> active(const std::vector<PerfEvent*>& events) {
    std::vector<bool> a;
    for (PerfEvent* e : events) a.push_back(e->state() == PerfState::Active);
    return a;
  }

  CpuModel model;
  HostPerf perf;
  FakeCpu cpu, second;
  PerfContext thread{true};
  FakeCpu* running = nullptr;
  int error = 0;
};

using Flags = std::vector<bool>;

}  // namespace

TEST_CASE(
    "Row 1: the seventh pinned event on six counters is created but in ERROR until it is enabled again") {
  Host h(zen4());
  std::vector<PerfEvent*> e;
  for (int i = 0; i < 7; ++i) e.push_back(h.on_cpu(0xc0));
  CHECK(h.error == 0);
  for (int i = 0; i < 6; ++i) CHECK(e[static_cast<unsigned>(i)]->counter() == i);
  CHECK(h.active(e) == Flags{1, 1, 1, 1, 1, 1, 0});
  CHECK(e[6]->state() == PerfState::Error);
  CHECK_FALSE(h.perf.readable(*e[6]));
  h.perf.release(&h.cpu, e[0]);
  CHECK(e[6]->state() == PerfState::Error);
  h.perf.enable(&h.cpu, *e[6]);
  CHECK(e[6]->state() == PerfState::Active);
}

TEST_CASE("Row 2: with the watchdog on GP0 five user events fit and two go to ERROR") {
  Host h(zen4());
  CHECK(h.perf.start_watchdog(h.cpu) == 0);
  std::vector<PerfEvent*> e;
  for (int i = 0; i < 7; ++i) e.push_back(h.on_cpu(0xc0));
  CHECK(h.active(e) == Flags{1, 1, 1, 1, 1, 0, 0});
  for (int i = 0; i < 5; ++i) CHECK(e[static_cast<unsigned>(i)]->counter() == i + 1);
}

TEST_CASE("Row 3: on SPR with the watchdog the guest's cycles find no counter, its reference cycles do") {
  for (bool watchdog : {true, false}) {
    Host h(spr());
    if (watchdog) h.perf.start_watchdog(h.cpu);
    h.in(h.cpu);
    std::vector<PerfEvent*> e;
    for (int i = 0; i < 8; ++i) e.push_back(h.of_guest(0xc4));
    for (u64 config : {0xc0, 0x3c, 0x300}) e.push_back(h.of_guest(config));
    CHECK(e[8]->counter() == fx(0));
    CHECK(e[10]->state() == PerfState::Active);
    CHECK(e[10]->counter() == fx(2));
    CHECK(e[9]->state() == (watchdog ? PerfState::Error : PerfState::Active));
    h.out();
  }
}

TEST_CASE(
    "Row 4: a watchdog started later displaces the guest's cycles, and the cascade takes reference cycles") {
  Host h(spr());
  h.in(h.cpu);
  std::vector<PerfEvent*> e;
  for (int i = 0; i < 8; ++i) e.push_back(h.of_guest(0xc4));
  for (u64 config : {0xc0, 0x3c, 0x300}) e.push_back(h.of_guest(config));
  CHECK(e[9]->counter() == fx(1));
  CHECK(h.perf.start_watchdog(h.cpu) == 0);
  CHECK(e[8]->state() == PerfState::Active);
  CHECK(e[9]->state() == PerfState::Error);
  CHECK(e[10]->state() == PerfState::Error);
  CHECK((h.perf.counters_in_use(0) >> kFixedBase) == 3);  // FX2 stays free
  h.out();
}

TEST_CASE(
    "Row 5: four flexible host events share the two counters that a guest leaves, and get all when it is "
    "out") {
  Host h(zen4());
  std::vector<PerfEvent*> host;
  for (int i = 0; i < 4; ++i) host.push_back(h.on_cpu(0xc2, false));
  std::vector<PerfEvent*> guest;
  for (int i = 0; i < 4; ++i) guest.push_back(h.of_guest(0xc0));
  h.in(h.cpu);
  CHECK(h.active(guest) == Flags{1, 1, 1, 1});
  CHECK(h.active(host) == Flags{1, 1, 0, 0});
  h.mux();
  CHECK(h.active(host) == Flags{0, 1, 1, 0});
  h.mux();
  CHECK(h.active(host) == Flags{0, 0, 1, 1});
  h.out();
  CHECK(h.active(host) == Flags{0, 0, 1, 1});  // nothing is placed at switch-out
  h.mux();
  CHECK(h.active(host) == Flags{1, 1, 1, 1});
}

TEST_CASE("Row 6: a vCPU that visits a fuller CPU loses its last event for good, until it is enabled again") {
  Host h(zen4(), 2);
  PerfAttr pinned;
  pinned.config = 0x76;
  pinned.pinned = true;
  PerfEvent* other = nullptr;
  CHECK(h.perf.create_cpu_event(h.second, pinned, &other) == 0);
  std::vector<PerfEvent*> guest;
  for (int i = 0; i < 6; ++i) guest.push_back(h.of_guest(0xc0));
  h.in(h.cpu);
  CHECK(h.active(guest) == Flags{1, 1, 1, 1, 1, 1});
  h.out();
  h.in(h.second);
  CHECK(h.active(guest) == Flags{1, 1, 1, 1, 1, 0});
  CHECK(guest[5]->state() == PerfState::Error);
  h.out();
  h.in(h.cpu);
  CHECK(guest[5]->state() == PerfState::Error);
  h.perf.enable(&h.cpu, *guest[5]);
  CHECK(h.active(guest) == Flags{1, 1, 1, 1, 1, 1});
  h.out();
}

TEST_CASE("Row 7: a pinned event that does not fit takes those behind it into ERROR, free counters or not") {
  Host h(spr());
  CHECK(h.on_cpu(0x04a4)->counter() == 0);
  std::vector<PerfEvent*> guest;
  for (u64 config : {0x51, 0x51, 0x51, 0x51, 0xc4}) guest.push_back(h.of_guest(config));
  h.in(h.cpu);
  CHECK(h.active(guest) == Flags{1, 1, 1, 0, 0});
  for (int i = 0; i < 3; ++i) CHECK(guest[static_cast<unsigned>(i)]->counter() == i + 1);
  CHECK(guest[3]->state() == PerfState::Error);
  CHECK(guest[4]->state() == PerfState::Error);
  h.out();
}

TEST_CASE("Row 8: ten flexible events on five counters run half of the time, the window sliding by one") {
  Host h(zen4());
  h.perf.start_watchdog(h.cpu);
  std::vector<PerfEvent*> e;
  for (int i = 0; i < 10; ++i) e.push_back(h.on_cpu(0xc0, false));
  for (int tick = 0; tick < 1000; ++tick) h.mux();
  const u64 interval = h.perf.mux_interval_cycles();
  for (PerfEvent* event : e) {
    h.perf.read(&h.cpu, *event);
    CHECK(event->enabled_time() == 1000 * interval);
    CHECK(event->running_time() >= 499 * interval);
    CHECK(event->running_time() <= 501 * interval);
  }
}

TEST_CASE("Row 9: a flexible group that never fits blocks what is behind it") {
  Host h(zen4());
  h.perf.start_watchdog(h.cpu);
  PerfEvent* group = h.on_cpu(0xc0, false);
  for (int i = 0; i < 5; ++i) h.on_cpu(0xc0, false, group);
  PerfEvent* a = h.on_cpu(0xc1, false);
  PerfEvent* b = h.on_cpu(0xc2, false);
  for (int tick = 0; tick < 3000; ++tick) h.mux();
  const u64 third = 1000 * h.perf.mux_interval_cycles(), slack = 2 * h.perf.mux_interval_cycles();
  for (PerfEvent* e : {group, a, b}) h.perf.read(&h.cpu, *e);
  CHECK(group->running_time() == 0);
  CHECK(a->running_time() >= third - slack);
  CHECK(a->running_time() <= third + slack);
  CHECK(b->running_time() >= 2 * third - slack);
  CHECK(b->running_time() <= 2 * third + slack);
}

TEST_CASE(
    "Row 10: a group too large for the PMU is refused at creation, one that fits with fixed counters opens") {
  Host h(spr());
  PerfEvent* leader = h.on_cpu(0xc4, false);
  for (int i = 1; i < 8; ++i) CHECK(h.on_cpu(0xc4, false, leader) != nullptr);
  CHECK(h.on_cpu(0xc4, false, leader) == nullptr);
  CHECK(h.error == -EINVAL);
  for (u64 config : {0x3c, 0xc0, 0x300}) CHECK(h.on_cpu(config, false, leader) != nullptr);
  CHECK(leader->state() == PerfState::Active);
  CHECK(h.perf.counters_in_use(0) == (0xff | u64{7} << kFixedBase));
}

TEST_CASE("Row 10: five events of a class with four counters do not open as one group") {
  Host h(spr());
  PerfEvent* leader = h.on_cpu(0x51, false);
  for (int i = 1; i < 4; ++i) CHECK(h.on_cpu(0x51, false, leader) != nullptr);
  CHECK(h.on_cpu(0x51, false, leader) == nullptr);
  CHECK(h.error == -EINVAL);
}

TEST_CASE("Row 11: placement on Sapphire Rapids, by weight and then by order") {
  Host h(spr());
  PerfEvent* leader = h.on_cpu(0x3c, false);
  h.perf.disable(&h.cpu, *leader);
  std::vector<PerfEvent*> e{leader};
  for (u64 config : {0xc0, 0x300, 0xc4, 0xc5}) e.push_back(h.on_cpu(config, false, leader));
  h.perf.enable(&h.cpu, *leader);
  CHECK(e[0]->counter() == fx(1));
  CHECK(e[1]->counter() == fx(0));
  CHECK(e[2]->counter() == fx(2));
  CHECK(e[3]->counter() == 0);
  CHECK(e[4]->counter() == 1);
}

TEST_CASE(
    "Row 11: a second cycles event goes to GP0 and stays there when the watchdog frees the fixed counter") {
  Host h(spr());
  h.perf.start_watchdog(h.cpu);
  PerfEvent* cycles = h.on_cpu(0x3c);
  CHECK(cycles->counter() == 0);
  h.perf.stop_watchdog(h.cpu);
  CHECK(cycles->counter() == 0);
  h.on_cpu(0xc4);  // a new event forces the slow path
  CHECK(cycles->counter() == fx(1));
}

TEST_CASE(
    "Row 11: a running event moves when a constrained one needs its counter, and its count is continuous") {
  Host h(spr());
  PerfEvent* branches = h.on_cpu(0xc4);
  CHECK(branches->counter() == 0);
  h.cpu.counter(0) += 100;
  PerfEvent* constrained = h.on_cpu(0x51);
  CHECK(constrained->counter() == 0);
  CHECK(branches->counter() == 1);
  h.cpu.counter(1) += 23;
  CHECK(h.perf.read(&h.cpu, *branches) == 123);
}

TEST_CASE("Row 11: four constrained and five unconstrained singles: the last one fails") {
  Host h(spr());
  std::vector<PerfEvent*> e;
  for (int i = 0; i < 4; ++i) e.push_back(h.on_cpu(0x51));
  for (int i = 0; i < 5; ++i) e.push_back(h.on_cpu(0xc4));
  for (int i = 0; i < 8; ++i) CHECK(e[static_cast<unsigned>(i)]->counter() == i);
  CHECK(e[8]->state() == PerfState::Error);
}

// Linux 7.2, intel_guest_get_msrs: ALL = 0001_000F_0000_00FF; watchdog FX1, host event on GP0, guest events
// on GP1 and FX0.
TEST_CASE(
    "Row 12: GLOBAL_CTRL hides guest-only counters from the host and host-only counters from the guest") {
  Host h(spr());
  h.perf.start_watchdog(h.cpu);
  PerfAttr a;
  a.config = 0xc5;
  a.pinned = a.exclude_guest = true;
  PerfEvent* host_only = nullptr;
  h.perf.create_cpu_event(h.cpu, a, &host_only);
  CHECK(host_only->counter() == 0);
  h.in(h.cpu);
  PerfEvent* g1 = h.of_guest(0xc4);
  PerfEvent* g2 = h.of_guest(0xc0);
  CHECK(g1->counter() == 1);
  CHECK(g2->counter() == fx(0));
  const auto msrs = h.perf.guest_msrs(0);
  CHECK(msrs.size() == 1);
  CHECK(msrs[0].msr == msr::kGlobalCtrl);
  CHECK(msrs[0].host == 0x0001000e000000fd);
  CHECK(msrs[0].guest == 0x0001000f000000fe);
  CHECK(h.cpu.global() == 0x0001000e000000fd);
  h.out();
}

TEST_CASE("Row 12: without exclusion bits host and guest values are equal, so nothing is switched") {
  Host h(spr());
  h.perf.start_watchdog(h.cpu);
  const auto msrs = h.perf.guest_msrs(0);
  CHECK(msrs[0].host == msrs[0].guest);
  FakeFields fields(h.cpu, true, true);
  fields.atomic_switch(msrs[0].msr, msrs[0].guest, msrs[0].host);
  CHECK(fields.switched.empty());
}

TEST_CASE("Row 13: AMD qualifies in the selector, HostOnly waits until virtualization is on") {
  Host h(zen4());
  const auto selector = [&](bool exclude_host, bool exclude_guest) {
    PerfAttr a;
    a.config = 0xc0;
    a.pinned = true;
    a.exclude_host = exclude_host;
    a.exclude_guest = exclude_guest;
    PerfEvent* e = nullptr;
    h.perf.create_cpu_event(h.cpu, a, &e);
    return static_cast<unsigned>(e->counter());
  };
  const unsigned guest = selector(true, false), host = selector(false, true), none = selector(true, true),
                 all = selector(false, false);
  CHECK((h.cpu.selector(guest) >> 40 & 3) == 1);
  CHECK((h.cpu.selector(host) >> 40 & 3) == 0);
  CHECK((h.cpu.selector(none) >> 16 & 3) == 0);
  CHECK((h.cpu.selector(all) >> 40 & 3) == 0);
  CHECK((h.cpu.selector(all) >> 16 & 3) == 3);
  h.perf.set_virtualization(h.cpu, true);
  CHECK((h.cpu.selector(host) >> 40 & 3) == 2);
  CHECK(h.cpu.global() == 0x3f);
}

TEST_CASE("Row 17: periods longer than the counter fold without a report, and period 1 is armed as 2") {
  Host h(spr());
  PerfAttr a;
  a.config = 0xc4;
  a.pinned = true;
  a.sample_period = u64{1} << 48;
  PerfEvent* e = nullptr;
  h.perf.create_cpu_event(h.cpu, a, &e);
  unsigned reports = 0;
  e->on_overflow = [&](PerfEvent&) { ++reports; };
  const u64 longest = mask(47);
  CHECK(h.cpu.counter(0) == ((u64{0} - longest) & mask(48)));
  for (unsigned pmi = 1; pmi <= 3; ++pmi) {
    h.cpu.counter(0) = 0;  // wrapped
    h.cpu.status() = 1;
    CHECK(h.perf.handle_nmi(h.cpu));
    CHECK(reports == (pmi == 3 ? 1 : 0));
  }
  CHECK(h.perf.set_period(&h.cpu, *e, 1) == 0);
  CHECK(h.cpu.counter(0) == mask(48) - 1);
  CHECK(h.perf.set_period(&h.cpu, *e, u64{1} << 63) == -EINVAL);
}

TEST_CASE("Row 18: events keep their place in the list: A's return puts C into ERROR again") {
  CpuModel two = zen4();
  two.caps.gp_count = 2;
  Host h(two);
  h.in(h.cpu);
  PerfEvent* a = h.of_guest(0xc0);
  PerfEvent* b = h.of_guest(0xc0);
  PerfEvent* c = h.of_guest(0xc0);
  CHECK(h.active({a, b, c}) == Flags{1, 1, 0});
  h.perf.disable(&h.cpu, *a);
  CHECK(h.active({a, b, c}) == Flags{0, 1, 0});
  h.perf.enable(&h.cpu, *c);
  CHECK(h.active({a, b, c}) == Flags{0, 1, 1});
  h.perf.enable(&h.cpu, *a);
  CHECK(h.active({a, b, c}) == Flags{1, 1, 0});
  CHECK(c->state() == PerfState::Error);
  h.out();
}

TEST_CASE("Row 19: a counter freed by disabling is given away at the next multiplexing tick") {
  CpuModel two = zen4();
  two.caps.gp_count = 2;
  Host h(two);
  std::vector<PerfEvent*> e;
  for (int i = 0; i < 3; ++i) e.push_back(h.on_cpu(0xc0, false));
  CHECK(h.active(e) == Flags{1, 1, 0});
  h.perf.disable(&h.cpu, *e[0]);
  CHECK(h.active(e) == Flags{0, 1, 0});
  h.mux();
  CHECK(h.active(e) == Flags{0, 1, 1});
}

TEST_CASE("Row 20: while a VM owns the PMU, events that count guests are refused and others wait for put") {
  Host h(spr());
  CHECK(h.perf.create_mediated_vm(false) == 0);
  CHECK(h.on_cpu(0xc0) == nullptr);
  CHECK(h.error == -EOPNOTSUPP);
  CHECK(h.perf.start_watchdog(h.cpu) == -EOPNOTSUPP);
  h.perf.load_guest_context(h.cpu);
  PerfAttr a;
  a.config = 0xc0;
  a.pinned = a.exclude_guest = true;
  PerfEvent* e = nullptr;
  CHECK(h.perf.create_cpu_event(h.cpu, a, &e) == 0);
  CHECK(e->state() == PerfState::Inactive);
  h.cpu.now = 1000;
  h.perf.put_guest_context(h.cpu);
  CHECK(e->state() == PerfState::Active);
  h.cpu.now = 1500;
  h.perf.read(&h.cpu, *e);
  CHECK(e->enabled_time() == 500);
  h.perf.release_mediated_vm(false);
  CHECK(h.perf.start_watchdog(h.cpu) == 0);
  CHECK(h.perf.create_mediated_vm(false) == -EBUSY);
  h.perf.stop_watchdog(h.cpu);
  CHECK(h.perf.create_mediated_vm(false) == 0);
  CHECK(h.perf.create_mediated_vm(true) == -EBUSY);  // even an exclude_guest event is in its way
}

// calibration 5.1: 6 + 2k accesses for k overflowed counters.
TEST_CASE("Intel's NMI handler makes six accesses and two for each overflowed counter") {
  Host h(spr());
  PerfAttr a;
  a.config = 0xc4;
  a.pinned = true;
  a.sample_period = 1000;
  PerfEvent* e = nullptr;
  h.perf.create_cpu_event(h.cpu, a, &e);
  unsigned reports = 0;
  e->on_overflow = [&](PerfEvent&) { ++reports; };
  h.cpu.counter(0) = 3;
  h.cpu.status() = 1;
  h.cpu.log.clear();
  CHECK(h.perf.handle_nmi(h.cpu));
  CHECK(reports == 1);
  CHECK(h.cpu.log == std::vector<std::string>{"wrmsr 38f 0", "rdmsr 38e", "wrmsr 390 1", "rdpmc 0",
                                              "wrmsr 4c1 fffffffffc1b", "rdmsr 38e",
                                              "wrmsr 38f 1000f000000ff", "apic 340 400"});
  CHECK(h.perf.read(&h.cpu, *e) == 1003);
}
