// SPDX-License-Identifier: Apache-2.0
// Policies that extend others: what they inherit, and which bases and overrides are refused with which words.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "hypervisor/vpmu/policy_file.h"
#include "hypervisor/vpmu/policy_properties.h"
#include "tests/support/paths.h"

using namespace pmusim;
using namespace pmusim::hv;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string text(const std::string& base, const std::string& more = "") {
  return R"({"title": "Mine",
 "extends": ")" +
         base + "\"" + more + "}";
}

Policy extension(const std::string& base, const std::string& more = "") {
  return parse_policy(text(base, more), "mine.json", "mine");
}

// File, place and message.
std::string refusal(const std::string& path) {
  try {
    load_policy(path);
  } catch (const InputError& e) {
    return e.what();
  }
  return "";
}

class Folder {
 public:
  explicit Folder(const std::string& name) : path_(pmusim::test::fresh_folder(name)) {}
  std::string write(const std::string& name, const std::string& content) const {
    std::filesystem::create_directories(std::filesystem::path(path_ + "/" + name).parent_path());
    std::ofstream(path_ + "/" + name) << content;
    return path_ + "/" + name;
  }
  std::string refused(const std::string& content) const { return refusal(write("mine.json", content)); }

 private:
  std::string path_;
};

}  // namespace

TEST_CASE(
    "A policy that extends another and says no more behaves as that one, under its own name and title") {
  for (const std::string& id : policy_ids()) {
    CAPTURE(id);
    const Policy base = shipped_policy(id), same = extension(id);
    CHECK(behave_alike(base, same));
    CHECK(same.first_kernel == base.first_kernel);
    CHECK(same.id == "mine");
    CHECK(same.title == "Mine");
    CHECK(same.extends == id);
  }
  CHECK_FALSE(behave_alike(shipped_policy("mediated"), shipped_policy("dedicated")));
}

TEST_CASE("A base's name that no file can have is refused as one that has none") {
  const Folder folder("policy_long_base");
  const std::string name = std::string(5000, 'x') + ".json";
  CHECK(contains(folder.refused(text(name)),
                 "mine.json: line 2, /extends: found '" + name + "', which is no file"));
}

TEST_CASE("What a policy says itself replaces its base's, asset by asset") {
  const Policy base = shipped_policy("mediated"),
               p = extension("mediated", R"(, "assets": {"rdpmc": "emulated"}, "elide_writes": false)");
  CHECK(p[Asset::Rdpmc].then == Handling::Emulated);
  CHECK(p[Asset::Rdpmc].otherwise == Handling::Emulated);
  CHECK_FALSE(p[Asset::Rdpmc].counts_match);
  CHECK(p.elide_writes == 0);
  CHECK(p[Asset::GlobalCtrl].counts_match);
  CHECK(p.switch_at == base.switch_at);
  CHECK_FALSE(behave_alike(p, base));
  CHECK(extension("dedicated").lockdown_on_erratum);
  CHECK_FALSE(extension("dedicated", R"(, "lockdown_on_erratum": false)").lockdown_on_erratum);
  CHECK(extension("freeze-guest", R"(, "emulated_instructions": "count")").count_emulated);
}

TEST_CASE("A base is a shipped policy's name or a path from the file that says it, and may extend another") {
  const Folder folder("policy_bases");
  folder.write("bases/first.json", text("dedicated", R"(, "on_exit": "leave-running")"));
  folder.write("second.json", text("bases/first.json", R"(, "emulated_instructions": "lose")"));
  const Policy p = load_policy(folder.write("third/mine.json", text("../second.json")));
  CHECK(p.on_exit == OnExit::LeaveRunning);
  CHECK_FALSE(p.count_emulated);
  CHECK(p[Asset::EventSelectors].then == Handling::Passthrough);
  // A file beside it of a shipped policy's name is not meant by the name alone.
  folder.write("mediated.json", text("emulated"));
  CHECK(load_policy(folder.write("mine.json", text("mediated"))).counters_in_hardware());
  CHECK_FALSE(load_policy(folder.write("mine.json", text("./mediated.json"))).counters_in_hardware());
}

TEST_CASE("An asset that neither a policy nor its base names is hidden") {
  const Policy p = shipped_policy("dedicated");
  CHECK(p[Asset::Lbr].then == Handling::Hidden);
  CHECK(p[Asset::GlobalInuse].otherwise == Handling::Hidden);
  const Folder folder("policy_absent");
  const std::string axes = R"("title": "x", "sources": [], "switch_at": "never", "pmi": "host-nmi",
"host_perf": "shared", "on_exit": "stop-all")";
  const std::string none = folder.refused("{" + axes + R"(, "assets": {}})");
  CHECK(contains(none, "mine.json: line 2, /assets/gp_counters"));
  CHECK(contains(none, "for 'gp_counters' 'hidden', as of an asset that is not named"));
}

TEST_CASE("Without a base, what is missing is named") {
  const Folder folder("policy_missing");
  CHECK(contains(folder.refused(R"({"title": "x", "sources": []})"), "no 'assets'"));
  CHECK(contains(folder.refused(R"({"title": "x", "sources": [], "assets": {}})"), "no 'switch_at'"));
  CHECK(contains(folder.refused(R"({"title": "x"})"), "or 'extends' with a policy that has one"));
}

TEST_CASE("A base that is no policy is refused at its place") {
  const Folder folder("policy_no_base");
  CHECK(contains(folder.refused(text("mediatd")), "mine.json: line 2, /extends: found 'mediatd'"));
  CHECK(contains(folder.refused(text("mediatd")), "did you mean 'mediated'?"));
  CHECK(contains(folder.refused(text("bare-metal")), "found 'bare-metal'"));
  CHECK(contains(folder.refused(text("schema")), "found 'schema'"));
  CHECK(contains(folder.refused(text("./none.json")), "/extends: found './none.json', which is no file"));
  CHECK(contains(folder.refused(text("")), "/extends"));
  // A mistake of the base is told at the base.
  folder.write("base.json", text("mediated", R"(, "pmi": "nmi")"));
  CHECK(contains(folder.refused(text("base.json")), "base.json: line 2, /pmi"));
}

TEST_CASE("A policy that extends itself, directly or in a circle, is refused") {
  const Folder folder("policy_circle");
  CHECK(contains(folder.refused(text("mine.json")), "/extends: found 'mine.json', which is this file"));
  CHECK(contains(folder.refused(text("./../test_policy_circle/mine.json")), "which is this file"));
  folder.write("other.json", text("mine.json"));
  const std::string circle = folder.refused(text("other.json"));
  CHECK(contains(circle, "other.json: line 2, /extends: found 'mine.json', which itself extends this file"));
  CHECK(contains(circle, "expected a policy that does not extend this one"));
}

TEST_CASE("Overrides that do not fit the base are refused, with where the value comes from") {
  const Folder folder("policy_overrides");
  // What the file says itself is placed there ...
  CHECK(contains(folder.refused(text("emulated", R"(, "assets": {"rdpmc": "passthrough"})")),
                 "mine.json: line 2, /assets/rdpmc: found hardware access"));
  // ... what it inherits at its base.
  const std::string inherited = folder.refused(text("dedicated", R"(, "pmi": "direct")"));
  CHECK(contains(inherited, "mine.json: line 2, /extends: found for 'lvtpc' an emulated LVTPC"));
  CHECK(contains(inherited, "as in 'dedicated'"));
  CHECK(contains(folder.refused(text("mediated", R"(, "assets": {"rdpcm": "emulated"})")), "'rdpcm'"));
  CHECK(contains(folder.refused(text("mediated", R"(, "on_exits": "stop-all")")), "'on_exits'"));
}
