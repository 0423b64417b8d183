// SPDX-License-Identifier: Apache-2.0
// The audit's books: seen = true + causes, with nothing left over.
#include "hypervisor/vpmu/audit.h"

#include <doctest/doctest.h>

#include "arch/event_counts.h"
#include "vpmu_fixture.h"

using namespace pmusim;
using namespace pmusim::hv;
using namespace pmusim::hv::test;
using pmu::kFixedBase;

namespace {

// Rules that know one event, instructions retired, on GP counters.
class OneEvent : public pmu::VendorRules {
 public:
  pmu::Vendor vendor() const override { return pmu::Vendor::Intel; }
  const pmu::RuleLayer& hardware() const override { return layer_; }
  pmu::Caps caps_from(const CpuidTable&, u64) const override { return {}; }
  pmu::CounterSetup setup(const pmu::Caps&, const pmu::Registers& r, const std::vector<pmu::EventInfo>&,
                          unsigned counter, bool) const override {
    pmu::CounterSetup s;
    if (counter >= kFixedBase) return s;
    s.enabled = r.selector[counter] & evtsel::kEn;
    s.kinds = mask_of(Count::Instructions);
    if (r.selector[counter] & evtsel::kOs) s.contexts |= 1u << context_of(World::Host, false);
    if (r.selector[counter] & evtsel::kUsr) s.contexts |= 1u << context_of(World::Host, true);
    return s;
  }
  pmu::OverflowEffect overflow(const pmu::Caps&, const pmu::Registers&, unsigned) const override {
    return {};
  }
  int rdpmc_counter(const pmu::Caps&, u32) const override { return -1; }
  void reset(const pmu::Caps&, pmu::Registers&) const override {}
  bool masks_lvtpc_on_pmi() const override { return true; }

 private:
  pmu::RuleLayer layer_;
};

struct Audited : AuditProbe {
  Audited(CpuModel m, const char* policy) : g(with_rules(std::move(m)), policy), fields(g.cpu, true, true) {
    g.vpmu->audit().attach(this);
  }
  static CpuModel with_rules(CpuModel m) {
    m.rules = std::make_shared<OneEvent>();
    return m;
  }
  const EventCounts& counts(unsigned) const override { return core; }
  u64 counter(unsigned, unsigned n) const override { return const_cast<FakeCpu&>(g.cpu).counter(n); }
  pmu::Pmu::Advances advances(unsigned, unsigned n) const override {
    const auto found = in_guest.find(n);
    return {0, found == in_guest.end() ? 0 : found->second};
  }
  void follow(unsigned, VpmuAudit*) override {}
  // The guest retires n instructions at CPL 0; what counts in hardware is the test's to say.
  void guest(u64 n, std::vector<unsigned> hardware) {
    g.requests();
    g.vpmu->load(g.cpu);
    g.vpmu->prepare_entry(g.cpu, fields);
    core.in(context_of(World::Guest, false))[static_cast<unsigned>(Count::Instructions)] += n;
    for (unsigned c : hardware) g.cpu.counter(c) += n, in_guest[c] += n;
    fields.at_exit = fields.guest;
    g.vpmu->after_exit(g.cpu, fields);
    g.vpmu->put(g.cpu);
  }
  const AuditLine& line(unsigned n = 0) { return g.vpmu->audit().line(n); }
  s64 cause(AuditCause c, unsigned n = 0) { return line(n).causes[static_cast<std::size_t>(c)]; }

  EventCounts core;
  std::map<unsigned, u64> in_guest;
  Guest g;
  FakeFields fields;
};

}  // namespace

TEST_CASE("Guest instructions and emulated ones are true counts under both kinds of backing") {
  for (const char* policy : {"emulated", "mediated"}) {
    Audited a(spr(), policy);
    a.g.write(msr::kPerfEvtSel0, kCountInstructions);
    a.g.write(msr::kPerfCtr0, 500);
    a.guest(100, {std::string(policy) == "mediated" ? 0 : kFixedBase});
    a.g.vpmu->instruction_emulated(false, false);
    a.guest(10, {std::string(policy) == "mediated" ? 0 : kFixedBase});
    CHECK(a.line().seen == 111);
    CHECK(a.line().truth == 111);
    CHECK(a.line().residual() == 0);
    CHECK(a.g.read(msr::kPerfCtr0) == 611);
  }
}

TEST_CASE("What the filter denies is booked under the filter") {
  Audited a(spr(), "mediated");
  a.g.vpmu->set_filter(deny(pmu::Vendor::Intel, {0xc0}));
  a.g.write(msr::kPerfEvtSel0, kCountInstructions);
  a.guest(100, {});
  CHECK(a.line().seen == 0);
  CHECK(a.line().truth == 100);
  CHECK(a.cause(AuditCause::Filter) == -100);
  CHECK(a.line().residual() == 0);
}

TEST_CASE("A guest counter that host perf cannot place is booked under contention") {
  Audited a(skx(), "emulated");
  for (int i = 0; i < 5; ++i) {
    PerfAttr pinned;
    pinned.config = 0xc0;
    pinned.pinned = true;
    PerfEvent* e = nullptr;
    a.g.perf.create_cpu_event(a.g.cpu, pinned, &e);
  }
  a.g.write(msr::kPerfEvtSel0, kCountInstructions);
  a.guest(100, {});
  CHECK(a.line().truth == 100);
  CHECK(a.cause(AuditCause::Contention) == -100);
  CHECK(a.line().residual() == 0);
}

TEST_CASE("Counting that nothing explains is left as the residual") {
  Audited a(spr(), "mediated");
  a.g.write(msr::kPerfEvtSel0, kCountInstructions);
  a.guest(100, {});  // the hardware, for some reason, did not count
  CHECK(a.line().residual() == -100);
}

TEST_CASE(
    "With state left in hardware, emulated instructions are added there and host work leaks, under its "
    "name") {
  Audited a(skx(), "dedicated");
  a.g.cpu.selector(0) = kCountInstructions;
  CHECK(a.g.read(msr::kPerfEvtSel0) == kCountInstructions);
  a.guest(100, {0});
  a.g.cpu.counter(0) += 7;
  a.g.cpu.during_rdpmc = [&](u32) { a.g.cpu.counter(0) += 2; };  // overwritten by the increment
  a.g.vpmu->instruction_emulated(false, false);
  a.g.cpu.during_rdpmc = nullptr;
  a.g.cpu.counter(0) += 3;
  a.guest(1, {0});
  CHECK(a.line().seen == 112);
  CHECK(a.line().truth == 102);
  CHECK(a.cause(AuditCause::HostLeak) == 10);
  CHECK(a.cause(AuditCause::LostIncrement) == 0);
  CHECK(a.line().residual() == 0);
}

TEST_CASE("A policy that does not count emulated instructions loses them, each under its name") {
  for (const char* policy : {"dedicated", "mediated"}) {
    Audited a(skx(), policy);
    a.g.policy.count_emulated = false;
    a.g.write(msr::kPerfEvtSel0, kCountInstructions);
    a.guest(100, {0});
    a.g.vpmu->instruction_emulated(false, false);
    a.guest(1, {0});
    CHECK(a.line().seen == 101);
    CHECK(a.line().truth == 102);
    CHECK(a.cause(AuditCause::LostIncrement) == -1);
    CHECK(a.cause(AuditCause::HostLeak) == 0);
    CHECK(a.line().residual() == 0);
  }
}
