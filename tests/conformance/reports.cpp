// SPDX-License-Identifier: Apache-2.0
// Reports: every verdict appears as its format wants it, and odd text does no harm.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "conformance/judge/report_formats.h"

using namespace pmusim::conformance;

namespace {

CaseResult result(const char* id, const char* policy, Verdict verdict, const char* reason = "") {
  CaseResult r;
  r.id = id;
  r.title = "title of " + r.id;
  r.area = "counters";
  r.model = "spr";
  r.policy = policy;
  r.cpuid = "kvm";
  r.kernel = "7.2";
  r.verdict = verdict;
  r.reason = reason;
  return r;
}

std::vector<CaseResult> sample() {
  std::vector<CaseResult> all = {result("a", "bare-metal", Verdict::Pass),
                                 result("b", "bare-metal", Verdict::Skip, "needs <4> counters"),
                                 result("a", "emulated", Verdict::Fail),
                                 result("b", "emulated", Verdict::Error, "died")};
  all[2].findings.push_back({"count & more", "/guest/3", "10", "11", "SDM \"18.2\""});
  all[2].code = "mov eax, 1\nwrmsr\n";
  return all;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("an error counts as failed") {
  CHECK(totals_of(sample()).line() == "1 passed, 2 failed, 1 skipped");
  CHECK(totals_of({}).line() == "0 passed, 0 failed, 0 skipped");
}

TEST_CASE("a result survives being sent as JSON") {
  for (const CaseResult& r : sample()) CHECK(to_json(result_from_json(to_json(r))) == to_json(r));
  CHECK(result_from_json(to_json(sample()[2])).code == "mov eax, 1\nwrmsr\n");
}

TEST_CASE("the text report has a cell per area and policy, and every failure with its source") {
  const std::string text = report_text(sample(), {});
  CHECK(has(text,
            "spr       bare-metal   emulated\n"
            "  CPUID          kvm        kvm\n"
            "  kernel         7.2        7.2\n"
            "counters        1 1s       0 2F\n"));
  CHECK(has(text, "skipped    1  spr / bare-metal: needs <4> counters"));
  CHECK(has(text, "FAIL a on spr / emulated (cpuid kvm, kernel 7.2)"));
  CHECK(has(text, "expected 10\n    got      11\n  source SDM \"18.2\""));
  CHECK_FALSE(has(text, "wrmsr"));
  CHECK_FALSE(has(text, "\033"));
  CHECK(
      has(text,
          "\n\na cell counts cases: N passed, Nd passed with a documented divergence, NF failed, Ns skipped; "
          "-: all skipped\n\n"));
  // The head's names can be wider than every area and the model.
  auto narrow = sample();
  for (CaseResult& r : narrow) r.area = "lvt";
  CHECK(has(report_text(narrow, {}),
            "spr       bare-metal   emulated\n"
            "  CPUID          kvm        kvm\n"
            "  kernel         7.2        7.2\n"
            "lvt             1 1s       0 2F\n"));
  // Each combination of policy, CPUID and kernel is a column; bare metal has no kernel.
  auto several = sample();
  several[0].kernel = several[1].kernel = "-";
  several[0].cpuid = several[1].cpuid = "host";
  several[3].kernel = "7.0";
  CHECK(has(report_text(several, {}),
            "spr       bare-metal   emulated   emulated\n"
            "  CPUID         host        kvm        kvm\n"
            "  kernel           -        7.2        7.0\n"
            "counters        1 1s       0 1F       0 1F\n"));
  TextStyle style;
  style.explain = style.color = true;
  CHECK(has(report_text(sample(), style), "    mov eax, 1\n    wrmsr\n"));
  CHECK(has(report_text(sample(), style), "\033[31mFAIL"));
}

TEST_CASE("the text report names passing cases with checks that could not be made") {
  std::vector<CaseResult> all = {result("a", "bare-metal", Verdict::Pass)};
  CHECK_FALSE(has(report_text(all, {false, false, true}), "unmade"));
  all[0].skipped_checks = {"no such GP counter", "a value is undefined"};
  CHECK(has(report_text(all, {false, false, true}), "unmade     2  spr / bare-metal: checks of a"));
}

TEST_CASE("JUnit counts its verdicts and escapes text") {
  const std::string text = report_junit(sample());
  CHECK(has(
      text,
      "<testsuite name=\"spr.bare-metal.kvm.7.2\" tests=\"2\" failures=\"0\" errors=\"0\" skipped=\"1\">"));
  CHECK(
      has(text,
          "<testsuite name=\"spr.emulated.kvm.7.2\" tests=\"2\" failures=\"1\" errors=\"1\" skipped=\"0\">"));
  CHECK(has(text, "<skipped message=\"needs &lt;4&gt; counters\"/>"));
  CHECK(has(text, "count &amp; more (/guest/3): expected 10, got 11&#10;source: SDM &quot;18.2&quot;"));
}

TEST_CASE("KTAP numbers every case and marks skips") {
  CHECK(report_ktap(sample()) ==
        "KTAP version 1\n1..4\n"
        "ok 1 spr.bare-metal.kvm.7.2.a\n"
        "ok 2 spr.bare-metal.kvm.7.2.b # SKIP needs <4> counters\n"
        "# count & more (/guest/3): expected 10, got 11\n# source: SDM \"18.2\"\n"
        "not ok 3 spr.emulated.kvm.7.2.a\n"
        "# died\n"
        "not ok 4 spr.emulated.kvm.7.2.b\n");
}

TEST_CASE("the JSON report parses and holds every result") {
  const auto report = nlohmann::json::parse(report_json(sample(), {"pmusim", "sim", "interval", 1, "", ""}));
  CHECK(report["passed"] == 1);
  CHECK(report["failed"] == 2);
  CHECK(report["results"].size() == 4);
  CHECK(report["results"][2]["verdict"] == "fail");
}

TEST_CASE("details are apart, and a source that findings share stands once") {
  std::vector<CaseResult> all = {result("a", "emulated", Verdict::Fail)};
  all[0].findings.push_back({"first", "line 3", "1", "2", "SDM"});
  all[0].findings.push_back({"second", "", "3", "4", "SDM"});
  CHECK(has(report_text(all, {}),
            "  first (line 3)\n    expected 1\n    got      2\n  second\n    expected 3\n    got      4\n"
            "  source SDM\n"));
  CHECK(has(report_ktap(all),
            "# first (line 3): expected 1, got 2\n# second: expected 3, got 4\n# source: SDM\nnot ok 1"));
  CHECK(has(report_junit(all),
            "first (line 3): expected 1, got 2&#10;second: expected 3, got 4&#10;source: SDM\""));
}
