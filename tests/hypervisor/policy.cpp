// SPDX-License-Identifier: Apache-2.0
// Policy files: what is accepted, what is refused with which words, and what a machine lacks for one.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/json.h"
#include "base/schema.h"
#include "hypervisor/vpmu/policy_properties.h"
#include "tests/support/paths.h"
#include "vpmu_fixture.h"

using namespace pmusim;
using namespace pmusim::hv;
using namespace pmusim::hv::test;

namespace {

std::string text_of(const std::string& id) {
  return read_file(pmusim::test::source("policies/" + id + ".json"));
}

// The shipped policy with one piece of text replaced; the error's place and message.
std::string refusal(const std::string& id, const std::string& from, const std::string& to) {
  std::string text = text_of(id);
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  text.replace(at, from.size(), to);
  try {
    parse_policy(text, "p.json", "p");
  } catch (const InputError& e) {
    CHECK(e.file() == "p.json");
    return e.place() + ": " + e.what();
  }
  return "";
}
bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("All shipped policies load, and their id is the file's name") {
  unsigned count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(pmusim::test::source("policies"))) {
    if (entry.path().filename() == "schema.json") continue;
    CAPTURE(entry.path().string());
    CHECK(load_policy(entry.path().string()).id == entry.path().stem().string());
    ++count;
  }
  CHECK(count >= 3);
}

TEST_CASE("The policies' schema names the kernel releases that are modelled, the default one among them") {
  const JsonDocument schema = load_json(pmusim::test::source("policies/schema.json"));
  CHECK(schema.root().at("properties").at("first_kernel").at("enum").as_strings() == release_names());
  for (const std::string& name : release_names()) CHECK(release_name(release_by_name(name)) == name);
  CHECK(release_name(kDefaultRelease) == release_names().back());
}

TEST_CASE("The policies' schema has every property and its words") {
  const JsonDocument schema = load_json(pmusim::test::source("policies/schema.json"));
  const JsonView properties = schema.root().at("properties");
  std::vector<std::string> assets = properties.at("assets").at("properties").keys();
  for (const std::string& name : property_names()) {
    CAPTURE(name);
    const auto asset = std::find(assets.begin(), assets.end(), name);
    if (asset != assets.end()) {
      assets.erase(asset);
      continue;
    }
    const JsonView axis = properties.at(name);
    if (axis.has("enum")) {
      std::vector<std::string> words = axis.at("enum").as_strings(), known = property_values(name);
      std::sort(words.begin(), words.end());
      std::sort(known.begin(), known.end());
      CHECK(words == known);
    } else {
      CHECK(axis.at("type").as_string() == "boolean");
    }
  }
  CHECK(assets.empty());
  CHECK(schema.root().at("definitions").at("handling").at("enum").as_strings() == kHandlingNames);
}

TEST_CASE("Shipped policies fit the published schema, which uses only words that the validator knows") {
  const Schema schema(load_json(pmusim::test::source("policies/schema.json")));
  for (const auto& entry : std::filesystem::directory_iterator(pmusim::test::source("policies"))) {
    if (entry.path().filename() == "schema.json") continue;
    CAPTURE(entry.path().string());
    CHECK_NOTHROW(schema.validate(load_json(entry.path().string())));
  }
  CHECK_THROWS_AS(schema.validate(parse_json("{\"sources\": []}", "p.json")), InputError);
}

TEST_CASE("A conditional asset is resolved by the guest's and the host's counts, widths and version") {
  const Policy p = shipped_policy("mediated");
  HandlingFacts facts{true, true, true};
  CHECK(p[Asset::GlobalCtrl].resolve(facts) == Handling::Passthrough);
  CHECK(p[Asset::Rdpmc].resolve(facts) == Handling::Passthrough);
  facts.version_above_1 = false;
  CHECK(p[Asset::GlobalCtrl].resolve(facts) == Handling::Emulated);
  CHECK(p[Asset::Rdpmc].resolve(facts) == Handling::Passthrough);
  facts = {true, false, true};
  CHECK(p[Asset::GlobalCtrl].resolve(facts) == Handling::Passthrough);
  CHECK(p[Asset::Rdpmc].resolve(facts) == Handling::Emulated);
}

TEST_CASE("Emulated instructions are counted unless a policy says that they are lost") {
  CHECK(shipped_policy("dedicated").count_emulated);
  CHECK_FALSE(shipped_policy("partitioned-passthrough").count_emulated);
}

TEST_CASE("Misspelt and unknown names are errors at their place") {
  CHECK(contains(refusal("mediated", "\"run-loop\"", "\"run-lop\""), "run-loop"));
  CHECK(contains(refusal("mediated", "\"lvtpc\"", "\"lvtcp\""), "lvt"));
  CHECK(contains(refusal("mediated", "\"counts-match\"", "\"count-match\""), "counts-match"));
  CHECK(contains(refusal("exitless-pmi", "\"lose\"", "\"lost\""), "lose"));
  const std::string handling =
      refusal("mediated", "\"event_selectors\": \"filtered\"", "\"event_selectors\": \"filterd\"");
  CHECK(contains(handling, "/assets/event_selectors"));
  CHECK(contains(handling, "did you mean 'filtered'?"));
}

TEST_CASE("Combinations that cannot work are refused with the reason") {
  CHECK(contains(refusal("dedicated", "\"gp_counters\": \"passthrough\"", "\"gp_counters\": \"filtered\""),
                 "/assets/gp_counters"));
  CHECK(contains(refusal("partitioned-passthrough", "\"pmi\"", "\"host_perf\": \"shared\", \"pmi\""),
                 "never switched"));
  CHECK(contains(
      refusal("partitioned-passthrough", "\"pmi\"", "\"host_perf\": \"exclude-guest-only\", \"pmi\""),
      "never switched"));
  CHECK(contains(refusal("dedicated", "\"pmi\": \"dedicated-vector\"", "\"pmi\": \"direct\""),
                 "/assets/lvtpc"));
  CHECK(contains(refusal("exitless-pmi", "\"pmi\": \"direct\"", "\"pmi\": \"dedicated-vector\""),
                 "/assets/lvtpc"));
  CHECK(contains(refusal("mediated", "\"pmi\": \"dedicated-vector\"", "\"pmi\": \"host-nmi\""), "/pmi"));
  CHECK(
      contains(refusal("emulated", "\"event_selectors\": \"emulated\"", "\"event_selectors\": \"filtered\""),
               "host perf events"));
  CHECK(contains(refusal("emulated", "\"rdpmc\": \"emulated\"", "\"rdpmc\": \"passthrough\""),
                 "host perf events"));
  CHECK(
      contains(refusal("mediated", "\"fixed_counters\": \"passthrough\"", "\"fixed_counters\": \"emulated\""),
               "/assets/fixed_counters"));
  CHECK(
      contains(refusal("mediated", "\"event_selectors\": \"filtered\"", "\"event_selectors\": \"emulated\""),
               "/assets/event_selectors"));
  CHECK(contains(
      refusal("mediated-rfc-v1", "\"elide_writes\"", "\"on_exit\": \"leave-running\", \"elide_writes\""),
      "/on_exit"));
  CHECK(contains(
      refusal("dedicated", "\"on_exit\": \"stop-all\"", "\"on_exit\": \"stop-instructions-and-branches\""),
      "/on_exit"));
  CHECK(
      contains(refusal("mediated", "\"assets\": {", "\"assets\": {\"lbr\": \"passthrough\", "), "not model"));
}

// PERF_PMU_CAP_MEDIATED_VPMU, bfee4f07d880, 9ba0bb4ae76a.
TEST_CASE("The mediated policy is refused on hosts that KVM refuses, with KVM's requirement") {
  const Policy mediated = shipped_policy("mediated"), emulated = shipped_policy("emulated");
  CHECK(unmet(mediated, spr()) == "");
  CHECK(unmet(mediated, skx()) == "");
  CHECK(unmet(mediated, zen4()) == "");
  CHECK(contains(unmet(mediated, zen3()), "PerfMonV2"));
  CHECK(unmet(emulated, zen3()) == "");
  CpuModel v3 = skx();
  v3.caps.version = 3;
  CHECK(contains(unmet(mediated, v3), "version 4"));
  CpuModel narrow = skx();
  narrow.caps.perf_capabilities = 0;
  CHECK(contains(unmet(mediated, narrow), "full-width"));
  CHECK(contains(unmet(mediated, spr(), KernelRelease::V6_12), "7.0"));
  CHECK(unmet(mediated, spr(), KernelRelease::V7_0) == "");
  CHECK(unmet(emulated, spr(), KernelRelease::V6_12) == "");
}

// Linux 7.0: PerfMonV2 is perf's condition for its mediated support; a policy that denies host perf the
// PMU does without that support.
TEST_CASE("PerfMonV2 is asked of an AMD host only by policies that need perf's mediated support") {
  CHECK(unmet(shipped_policy("dedicated"), zen3()) == "");
  for (const char* id : {"mediated", "mediated-rfc-v1", "freeze-guest", "freeze-hybrid", "freeze-vcpu"})
    CHECK(contains(unmet(shipped_policy(id), zen3()), "PerfMonV2"));
  CpuModel three = zen3();
  three.caps.gp_count = 3;
  CHECK(contains(unmet(shipped_policy("dedicated"), three), "4 counters"));
  CpuModel v3 = skx();
  v3.caps.version = 3;
  CHECK(contains(unmet(shipped_policy("dedicated"), v3), "version 4"));
}
