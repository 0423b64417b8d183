// SPDX-License-Identifier: Apache-2.0
// From records to verdicts: what passes, what a documented divergence excuses, and what it does not.
#include <doctest/doctest.h>

#include "conformance/judge/documented.h"
#include "conformance/judge/verdict_judge.h"
#include "hypervisor/vpmu/policy_file.h"
#include "session/catalog.h"

using namespace pmusim;
using namespace pmusim::conformance;
using namespace pmusim::session;

namespace {

Case case_with(std::vector<Divergence> divergences) {
  Case c;
  c.id = "counters.sample";
  c.sources = {"SDM 20.2"};
  c.step_pointers = {"/guest/0", "/guest/1", "/guest/2"};
  c.divergences = std::move(divergences);
  c.script.document = std::make_shared<JsonDocument>(parse_json("{}", "sample.json"));
  return c;
}

PolicyMatch policies(const std::string& json) {
  return read_policy_match(parse_json(json, "sample.json").root());
}

// Nothing for "bare-metal".
std::optional<hv::Policy> policy(const std::string& id) {
  if (id == kBareMetal) return std::nullopt;
  return hv::shipped_policy(id);
}

const hv::Policy& emulated() {
  static const hv::Policy p = hv::shipped_policy("emulated");
  return p;
}

bool applies(const Divergence& d, const RunPoint& point) {
  const std::optional<hv::Policy> p = policy(point.policy);
  return !why_documented(d, setting_of(point, p ? &*p : nullptr, {})).empty();
}

Divergence divergence(const char* policy, bool has_value = true, const char* vendor = "") {
  Divergence d;
  d.policies = policies(json_string(policy));
  d.vendor = vendor;
  d.check = "exact";
  d.has_value = has_value;
  d.reason = "documented";
  return d;
}

CaseResult run(const Case& c, const std::string& records, const char* policy = "emulated",
               const char* implements = "") {
  Observation seen;
  seen.serial = "@case counters.sample\n" + records + "@end x\n";
  seen.exited = true;
  CaseResult result;
  const std::optional<hv::Policy> p = ::policy(*implements ? implements : policy);
  judge(c, {"spr", "intel", policy, "kvm", *implements ? "running" : "7.2", implements}, p ? &*p : nullptr,
        seen, result);
  return result;
}

const std::string kPass = "@check 1 pass got=0x4 op=eq want=0x4 at=- exact\n";
const std::string kFail = "@check 1 fail got=0x5 op=eq want=0x4 at=- exact\n";

}  // namespace

TEST_CASE("a case passes when every check passes, and fails with place, expected and got when one does not") {
  CHECK(run(case_with({}), kPass).verdict == Verdict::Pass);
  const CaseResult failed = run(case_with({}), kPass + kFail);
  CHECK(failed.verdict == Verdict::Fail);
  CHECK(failed.checks == 2);
  REQUIRE(failed.findings.size() == 1);
  CHECK(failed.findings[0].place.find("/guest/1") != std::string::npos);
  CHECK(failed.findings[0].expected == "4");
  CHECK(failed.findings[0].got == "5");
  CHECK(failed.findings[0].source == "SDM 20.2");
}

TEST_CASE("a divergence of some kernel releases holds on those, and not on bare metal") {
  Divergence d = divergence("emulated", false);
  d.kernels = {"6.12", "7.0"};
  CHECK(applies(d, {"spr", "intel", "emulated", "kvm", "6.12"}));
  CHECK(applies(d, {"spr", "intel", "emulated", "kvm", "7.0"}));
  CHECK_FALSE(applies(d, {"spr", "intel", "emulated", "kvm", "7.2"}));
  CHECK_FALSE(applies(d, {"spr", "intel", "mediated", "kvm", "7.0"}));
  d.policies = policies(R"("*")");
  CHECK_FALSE(applies(d, {"spr", "intel", "bare-metal", "host", "-"}));
  // Where it holds it is asserted, elsewhere the check is judged as if it were not there.
  const Case c = case_with({d});
  CHECK(run(c, kFail).verdict == Verdict::Fail);
  CHECK(run(c, kPass).verdict == Verdict::Pass);
}

TEST_CASE("a real kernel may have the divergences of the policy that it implements, of any release") {
  Divergence d = divergence("emulated");
  d.kernels = {"6.12"};
  const Case c = case_with({d});
  const std::string alternative = "@alt 1 0 0x5 at=-\n", other = "@alt 1 0 0x6 at=-\n";
  const auto on_kernel = [&](const std::string& records, const char* implements = "emulated") {
    return run(c, records, "kernel", implements);
  };
  CHECK(on_kernel(kFail + alternative).verdict == Verdict::Pass);
  CHECK(on_kernel(kFail + alternative).divergences.size() == 1);
  CHECK(on_kernel(kPass + alternative).verdict == Verdict::Pass);  // it need not occur
  CHECK(on_kernel(kPass + alternative).divergences.empty());
  const CaseResult neither = on_kernel(kFail + other);
  CHECK(neither.verdict == Verdict::Fail);
  REQUIRE(neither.findings.size() == 1);
  CHECK(neither.findings[0].expected == "4, or the documented divergence: 6");
  CHECK(on_kernel(kFail + alternative, "mediated").verdict == Verdict::Fail);
  CHECK(on_kernel(kPass, "emulated").verdict == Verdict::Pass);  // nor is its absence a finding
}

TEST_CASE("a real kernel that is judged as a release may have the divergences of that release only") {
  Divergence d = divergence("emulated");
  d.kernels = {"6.12", "7.0"};
  RunPoint point{"this-machine", "intel", "kernel", "kvm", "running", "emulated"};
  const auto may = [&](const char* release) {
    point.as_release = release;
    return !why_documented(d, setting_of(point, &emulated(), {})).empty();
  };
  CHECK(may("6.12"));
  CHECK(may("7.0"));
  CHECK_FALSE(may("7.2"));
  CHECK(may(""));
}

TEST_CASE("rounds of a loop that saw the same are one finding, others another") {
  const std::string round = "@check 1 fail got=0x5 op=eq want=0x4 at=i:";
  const CaseResult r = run(case_with({}), round + "0 exact\n" + round + "1 exact\n" +
                                              "@check 1 fail got=0x6 op=eq want=0x4 at=i:2 exact\n");
  REQUIRE(r.findings.size() == 2);
  CHECK(what_in_rounds(r.findings[0]) == "exact [i:0 to i:1, 2 rounds]");
  CHECK(what_in_rounds(r.findings[1]) == "exact [i:2]");
}

TEST_CASE("a documented divergence excuses its value only, and only where it is documented") {
  const Case c = case_with({divergence("emulated")});
  const std::string alternative = "@alt 1 0 0x5 at=-\n", other = "@alt 1 0 0x6 at=-\n";
  const CaseResult excused = run(c, kFail + alternative);
  CHECK(excused.verdict == Verdict::Pass);
  CHECK(excused.divergences.size() == 1);
  CHECK(run(c, kFail + other).verdict == Verdict::Fail);
  CHECK(run(c, kFail + alternative, "mediated").verdict == Verdict::Fail);
  CHECK(run(case_with({divergence("emulated", true, "amd")}), kFail + alternative).verdict == Verdict::Fail);
  CHECK(run(case_with({divergence("emulated", true, "intel")}), kFail + alternative).verdict ==
        Verdict::Pass);
}

TEST_CASE("a divergence for every policy does not excuse bare metal") {
  const Case c = case_with({divergence("*")});
  CHECK(run(c, kFail + "@alt 1 0 0x5 at=-\n", "dedicated").verdict == Verdict::Pass);
  CHECK(run(c, kFail + "@alt 1 0 0x5 at=-\n", "bare-metal").verdict == Verdict::Fail);
}

TEST_CASE("a documented divergence that no longer occurs fails") {
  CHECK(run(case_with({divergence("emulated")}), kPass + "@alt 1 0 0x5 at=-\n").verdict == Verdict::Fail);
  CHECK(run(case_with({divergence("emulated", false)}), kPass).verdict == Verdict::Fail);
  CHECK(run(case_with({divergence("emulated", false)}), kFail).verdict == Verdict::Pass);
  // Nothing is known where the check was not made.
  CHECK(run(case_with({divergence("emulated", false)}),
            "@check 1 skip got=- op=- want=- at=- exact\n@check 2 pass got=0x1 op=true want=0x1 at=- other\n")
            .verdict == Verdict::Pass);
}

TEST_CASE("a divergence with a condition holds only where the guest found the condition true") {
  for (const bool has_value : {false, true}) {
    Divergence d = divergence("emulated", has_value);
    d.has_when = true;
    const Case c = case_with({d});
    const std::string alternative = has_value ? "@alt 1 0 0x5 at=-\n" : "";
    const std::string yes = "@when 1 0 0x1 at=-\n" + alternative, no = "@when 1 0 0x0 at=-\n" + alternative;
    CHECK(run(c, kFail + yes).verdict == Verdict::Pass);
    CHECK(run(c, kFail + no).verdict == Verdict::Fail);
    CHECK(run(c, kFail + alternative).verdict == Verdict::Fail);  // an undefined condition is not true
    CHECK(run(c, kPass + yes).verdict == Verdict::Fail);          // no longer occurs
    CHECK(run(c, kPass + no).verdict == Verdict::Pass);
    CHECK(run(c, kFail + yes + kPass + no).verdict == Verdict::Pass);
    CHECK(run(c, kFail + no + kFail + yes).verdict == Verdict::Fail);
  }
}

TEST_CASE("a case skips when a requirement is not met or no check could be made") {
  const CaseResult unmet = run(case_with({}), "@skip case at=- needs version >= 2, have 0\n");
  CHECK(unmet.verdict == Verdict::Skip);
  CHECK(unmet.reason == "needs version >= 2, have 0");
  CHECK(run(case_with({}), "@check 1 skip got=- op=- want=- at=- exact\n").verdict == Verdict::Skip);
}

TEST_CASE("a guest that does not finish, gives up or loses records is an error") {
  const Case c = case_with({});
  CHECK(run(c, kPass + "@abort #PF\n").verdict == Verdict::Error);
  CHECK(run(c, kPass + "@lost 1\n").verdict == Verdict::Error);
  CHECK(run(c, kPass + "@nonsense\n").verdict == Verdict::Error);
  Observation seen;
  seen.serial = "@case counters.sample\n" + kPass;
  CaseResult result;
  judge(c, {"spr", "intel", "emulated", "kvm", "7.2"}, &emulated(), seen, result);
  CHECK(result.verdict == Verdict::Error);
  seen.serial += "@end pass\n";
  seen.stopped = "limit of 10 cycles reached";
  judge(c, {"spr", "intel", "emulated", "kvm", "7.2"}, &emulated(), seen, result);
  CHECK(result.reason == "limit of 10 cycles reached");
}
