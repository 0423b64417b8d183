// SPDX-License-Identifier: Apache-2.0
// Which policies a divergence is about: by properties, by a shipped policy's name, or all.
#include "conformance/language/policy_match.h"

#include <doctest/doctest.h>

#include "base/data.h"
#include "conformance/judge/documented.h"
#include "hypervisor/vpmu/policy_file.h"

using namespace pmusim;
using namespace pmusim::conformance;
using hv::Circumstances;
using hv::HandlingFacts;
using hv::KernelRelease;
using hv::shipped_policy;

namespace {

PolicyMatch match(const std::string& json) {
  return read_policy_match(parse_json(json, "sample.json").root());
}

std::string why(const std::string& json, const hv::Policy& policy, const Circumstances& at = {}) {
  return match(json).why(&policy, at);
}

// An extension of a shipped policy; `more`: keys, with a comma before them.
hv::Policy extension(const std::string& base, const std::string& more = "") {
  return hv::parse_policy(R"({"title": "Mine", "extends": ")" + base + "\"" + more + "}", "mine.json",
                          "mine");
}

std::string refusal(const std::string& json) {
  try {
    match(json);
  } catch (const InputError& e) {
    CHECK(e.file() == "sample.json");
    return e.what();
  }
  return "";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a divergence of a property is about every policy that has it, and says so") {
  const std::string passed = R"({"event_selectors": "passthrough"})";
  CHECK(why(passed, shipped_policy("dedicated")) == "event_selectors passthrough");
  CHECK(why(passed, extension("dedicated")) == "event_selectors passthrough");
  CHECK(why(passed, shipped_policy("mediated")).empty());
  CHECK(why(passed, extension("dedicated", R"(, "assets": {"event_selectors": "filtered"})")).empty());
  CHECK(match(passed).why(nullptr, {}).empty());  // bare metal
}

TEST_CASE("of several properties all have to hold, of several values one") {
  const std::string both = R"({"switch_at": ["run-loop", "vcpu-load-put"], "on_exit": "stop-all"})";
  CHECK(why(both, shipped_policy("mediated")) == "on_exit stop-all, switch_at run-loop");
  CHECK(why(both, shipped_policy("dedicated")) == "on_exit stop-all, switch_at vcpu-load-put");
  CHECK(why(both, shipped_policy("mediated-rfc-v1")).empty());  // another place
  CHECK(why(both, shipped_policy("freeze-vcpu")).empty());      // runs on
}

TEST_CASE("every axis is a property, with true and false as such") {
  const hv::Policy dedicated = shipped_policy("dedicated"), freeze = shipped_policy("freeze-guest");
  CHECK(why(R"({"pmi": "dedicated-vector"})", dedicated) == "pmi dedicated-vector");
  CHECK(why(R"({"host_perf": "denied"})", dedicated) == "host_perf denied");
  CHECK(why(R"({"lockdown_on_erratum": true})", dedicated) == "lockdown_on_erratum true");
  CHECK(why(R"({"lockdown_on_erratum": false})", dedicated).empty());
  CHECK(why(R"({"emulated_instructions": "count"})", dedicated) == "emulated_instructions count");
  CHECK(why(R"({"emulated_instructions": "lose"})", freeze) == "emulated_instructions lose");
  CHECK(why(R"({"pebs": "hidden"})", freeze) == "pebs hidden");  // which no file names
}

TEST_CASE("an asset with a condition is what it is for that guest, and either where that is not known") {
  const hv::Policy mediated = shipped_policy("mediated");
  const std::string passed = R"({"rdpmc": "passthrough"})", trapped = R"({"rdpmc": "emulated"})";
  const Circumstances matching{HandlingFacts{true, true, true}, {}},
      fewer{HandlingFacts{false, true, true}, {}};
  CHECK_FALSE(why(passed, mediated, matching).empty());
  CHECK(why(trapped, mediated, matching).empty());
  CHECK(why(passed, mediated, fewer).empty());
  CHECK_FALSE(why(trapped, mediated, fewer).empty());
  CHECK_FALSE(why(passed, mediated).empty());
  CHECK_FALSE(why(trapped, mediated).empty());
  CHECK(why(R"({"rdpmc": "hidden"})", mediated).empty());
}

TEST_CASE("writes that a policy leaves to the kernel are elided from 7.0 on") {
  const hv::Policy mediated = shipped_policy("mediated"), never = shipped_policy("mediated-rfc-v1");
  const std::string elided = R"({"elide_writes": true})";
  CHECK(why(elided, mediated, {{}, KernelRelease::V6_12}).empty());
  CHECK_FALSE(why(elided, mediated, {{}, KernelRelease::V7_0}).empty());
  CHECK_FALSE(why(elided, mediated).empty());
  CHECK(why(elided, never, {{}, KernelRelease::V7_2}).empty());
}

TEST_CASE("a shipped policy's name stands for all of its properties, whatever a policy with them is called") {
  const std::string name = R"("mediated")";
  CHECK(why(name, shipped_policy("mediated")) == "policy mediated");
  CHECK(why(name, extension("mediated")) == "policy mediated");
  CHECK(why(name, extension("mediated", R"(, "first_kernel": "6.12")")) == "policy mediated");
  CHECK(why(name, extension("mediated", R"(, "elide_writes": false)")).empty());
  CHECK(why(name, extension("mediated", R"(, "assets": {"rdpmc": "emulated"})")).empty());
  CHECK(why(name, extension("dedicated")).empty());
  hv::Policy renamed = shipped_policy("dedicated");
  renamed.id = "mediated";
  CHECK(why(name, renamed).empty());
}

TEST_CASE("'*' is every policy and never bare metal, 'bare-metal' nothing else") {
  CHECK(why(R"("*")", shipped_policy("freeze-vcpu")) == "every policy");
  CHECK(match(R"("*")").why(nullptr, {}).empty());
  CHECK(match(R"("bare-metal")").why(nullptr, {}) == "bare-metal");
  CHECK(why(R"("bare-metal")", shipped_policy("emulated")).empty());
}

TEST_CASE(
    "unknown policies, unknown properties and values that no policy can have are refused at their place") {
  CHECK(has(refusal(R"("mediatd")"), "did you mean 'mediated'?"));
  const std::string unknown = refusal(R"({"event_selector": "passthrough"})");
  CHECK(has(unknown, "/event_selector"));
  CHECK(has(unknown, "did you mean 'event_selectors'?"));
  CHECK(has(refusal(R"({"title": "x"})"), "no property"));
  CHECK(has(refusal(R"({"rdpmc": "passthrugh"})"), "did you mean 'passthrough'?"));
  CHECK(has(refusal(R"({"rdpmc": "filtered"})"), "'filtered', which no policy has for 'rdpmc'"));
  CHECK(has(refusal(R"({"lbr": "passthrough"})"), "expected one of hidden"));
  CHECK(has(refusal(R"({"gp_counters": "hidden"})"), "no policy has"));
  CHECK(has(refusal(R"({"ds_area": "passthrough"})"), "no policy has"));
  CHECK(has(refusal(R"({"switch_at": ["run-loop", "run-lop"]})"), "/switch_at/1"));
  CHECK(has(refusal(R"({"elide_writes": "yes"})"), "one of false, true"));
  CHECK(refusal(R"({"event_selectors": "filtered"})").empty());
  CHECK(refusal(R"({"lbr": "hidden"})").empty());
}

TEST_CASE("what applies to a case under a policy is listed, with the reason for each") {
  const Case c = load_case(data_path("conformance/cases/selector-anythread-bit.json"));
  const auto applying = [&](const std::string& policy, const char* vendor = "intel") {
    const hv::Policy p = shipped_policy(policy);
    std::string text;
    for (const Applying& a :
         applying_divergences(c, setting_of({"spr", vendor, policy, "kvm", "7.2"}, &p, {})))
      text += c.divergences[a.divergence].check + ": " + a.why + "\n";
    return text;
  };
  CHECK(applying("dedicated") == "AnyThread raises #GP: event_selectors passthrough\n");
  CHECK(applying("emulated") ==
        "AnyThread is accepted: event_selectors emulated\n"
        "gp_selector[0] reads back as event(cycles) | bit(21): event_selectors emulated\n");
  CHECK(applying("emulated", "amd").empty());
}
