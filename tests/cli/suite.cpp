// SPDX-License-Identifier: Apache-2.0
// Running the suite as a user does: which cases, status and last line, reports, divergences, what failed
// again.
#include <doctest/doctest.h>

#include <fstream>
#include <set>

#include "base/json.h"
#include "tests/cli/case_file.h"
#include "tests/support/program.h"
#include "tests/support/sanitized.h"

using namespace pmusim::test;
using pmusim::JsonDocument;
using pmusim::read_file;

TEST_CASE("the suite takes a CPUID without a feature, beside others") {
  const auto output =
      pmusim_command("conform absent-pmu-rdpmc-faults --model spr --policy emulated --cpuid kvm,-x2apic,kvm");
  CHECK(output.status == 0);
  CHECK(output.last_line() == "2 passed, 0 failed, 0 skipped");
}

TEST_CASE("the suite's status and last line follow the verdicts") {
  const std::string folder = fresh_folder("verdicts");
  case_file(folder, "good", "version >= 0");
  const auto good = pmusim_command("conform " + folder + " --model spr,zen4 --policy all");
  CHECK(good.status == 0);
  CHECK(good.last_line() == "8 passed, 0 failed, 0 skipped");
  case_file(folder, "bad", "version == 99");
  const auto bad = pmusim_command("conform " + folder + " --model spr --policy bare-metal");
  CHECK(bad.status == 1);
  CHECK(bad.last_line() == "1 passed, 1 failed, 0 skipped");
  CHECK(has(bad.out, "the check"));
}

TEST_CASE(
    "a suite run in which everything was skipped has a status of its own, and 0 only if that is asked for") {
  const std::string folder = fresh_folder("skipped");
  case_file(folder, "good", "version >= 0");
  const std::string run = "conform " + folder + " --policy mediated --model ";
  const auto refused = pmusim_command(run + "zen3");  // mediated needs PerfMonV2
  CHECK(refused.status == 77);
  CHECK(refused.last_line() == "0 passed, 0 failed, 1 skipped");
  CHECK(has(refused.out, "nothing was tested"));
  CHECK(pmusim_command(run + "zen3 --allow-skips").status == 0);
  CHECK(pmusim_command(run + "zen3,spr").status == 0);  // one was tested
}

TEST_CASE("a failure may end the run, is run again alone, and is told in the field's words") {
  const std::string folder = fresh_folder("again"), out = fresh_folder("again_out"),
                    later = fresh_folder("again_later");
  case_file(folder, "bad", "version == 99");
  case_file(folder, "good", "version >= 0");
  case_file(folder, "late", "version < 99");
  const std::string suite = "conform " + folder + " --model spr --policy bare-metal,emulated -j 1 ";
  const auto all = pmusim_command(suite + "--out " + out);
  CHECK(all.last_line() == "4 passed, 2 failed, 0 skipped");
  const auto cut = pmusim_command(suite + "-x");
  CHECK(cut.status == 1);
  CHECK(cut.last_line() == "0 passed, 1 failed, 0 skipped");
  CHECK(has(cut.out, "stopped at a failure: 1 of 6 case runs were finished"));
  const auto again = pmusim_command(suite + "--last-failed " + out + " --out " + later);
  CHECK(again.last_line() == "0 passed, 2 failed, 0 skipped");
  // Where is what its results say.
  CHECK(pmusim_command("conform " + folder + " --last-failed " + out).last_line() == again.last_line());
  // That is what its config.json repeats.
  CHECK(pmusim_command("conform --config " + later + "/config.json").last_line() == again.last_line());
  CHECK(pmusim_command(suite + "--durations 1").err.find(" s  ") != std::string::npos);
}

TEST_CASE("a fault that did not come is told as such, once for all rounds of a loop") {
  const std::string file = fresh_folder("words") + "/words.json";
  std::ofstream(file) << R"({"id": "words", "title": "A counter that faults", "area": "version and CPUID",
    "sources": ["none"], "requires": {"vendor": "intel"},
    "steps": [{"for": {"n": 3}, "do": [{"rdmsr": "gp_counter[n]", "fault": "#GP", "title": "a counter faults"}]},
              {"wrmsr": "fixed_ctrl", "value": "0xb0", "readback": "0x80"}]})";
  const auto output = pmusim_command("conform " + file + " --model spr --policy bare-metal --show-values");
  CHECK(has(output.out, "  a counter faults [n:0 to n:2, 3 rounds] ("));
  CHECK(has(output.out, "    expected #GP (vector 13)\n    got      no fault\n"));
  CHECK(has(output.out, "    expected 0x80 (fixed1: PMI)\n    got      0xb0 (fixed1: OS USR PMI)\n"));
}

TEST_CASE("several globs, areas and exclusions choose cases") {
  const std::string run = "conform --model spr --policy bare-metal --timing functional --format ktap ";
  const std::string two = pmusim_command(run + "'lvtpc*' 'rdpmc*'").out;
  CHECK(has(two, ".lvtpc-"));
  CHECK(has(two, ".rdpmc-"));
  const std::string area = pmusim_command(run + "--area 'lvt*' --exclude '*nmi*'").out;
  CHECK(has(area, ".lvtpc-"));
  CHECK_FALSE(has(area, ".rdpmc-"));
  CHECK_FALSE(has(area, "nmi"));
  const std::string folder = fresh_folder("images");
  CHECK(pmusim_command("build 'lvtpc*' --out " + folder + "/all").status == 0);
  CHECK(pmusim_command("run " + folder + "/all/lvtpc-starts-masked.elf --model spr --policy bare-metal")
            .status == 0);
}

TEST_CASE("what departs as documented is shown in the matrix, below it, and by the list") {
  const std::string folder = fresh_folder("departs");
  const auto suite = pmusim_command(
      "conform absent-pmu-legacy-msrs --model spr --policy bare-metal,emulated --timing functional --out " +
      folder);
  CHECK(suite.status == 0);
  CHECK(has(suite.out, "0 1d"));
  CHECK(has(suite.out, "emulated departs from the architecture, as documented, cpuid kvm, kernel 7.2:\n"));
  CHECK(has(suite.out, "a write of a legacy counter raises #GP: expected #GP (vector 13), got no fault\n"));
  CHECK(has(suite.out, "1 of the passed ones depart from the architecture as documented\n2 passed, "));
  CHECK(has(read_file(folder + "/junit.xml"), "<property name=\"divergence\" value=\"a write of a legacy"));
  CHECK(has(read_file(folder + "/results.ktap"),
            "# divergence: a write of a legacy counter raises #GP [i:0 to i:1, 2 rounds]: expected"));
  const std::string list = "list divergences --policy emulated --model spr";
  CHECK(has(pmusim_command(list).out, "    absent-pmu-legacy-msrs\n"));
  const JsonDocument rows = pmusim_command(list + " --json").json();
  CHECK(rows.root().size() > 10);
  std::set<std::string> ids;
  for (const pmusim::JsonView& row : rows.root().items()) {
    CHECK(ids.insert(row.at("id").as_string()).second);
    CHECK(row.at("policy").as_string() == "emulated");
    for (const char* key : {"id", "case", "check", "expected", "got", "reason", "source"})
      CHECK_FALSE(row.at(key).as_string().empty());
  }
  CHECK(pmusim_command("list divergences --policy bare-metal --model spr").out.empty());
  // What cannot run there is no absence of divergences.
  const auto refused = pmusim_command("list divergences --policy mediated --model zen3");
  CHECK(refused.status == 77);
  CHECK(has(refused.err, "not looked at: needs PerfMonV2"));
}

TEST_CASE("reports are the same bytes for any number of workers") {
  const std::string a = fresh_folder("one_worker"), b = fresh_folder("three_workers");
  const std::string run = "conform 'c*' --model spr,zen4 --policy all --timing functional --out ";
  const auto one = pmusim_command(run + a + " --jobs 1"), three = pmusim_command(run + b + " --jobs 3");
  CHECK(one.status == three.status);
  CHECK(one.out == three.out);
  for (const char* file : {"/config.json", "/results.json", "/junit.xml", "/results.ktap", "/report.txt"})
    CHECK(read_file(a + file) == read_file(b + file));
}

TEST_CASE("a report for programs has standard output to itself") {
  const std::string folder = fresh_folder("formats");
  case_file(folder, "good", "version >= 0");
  const std::string run = "conform " + folder + " --model spr --policy bare-metal --format ";
  const auto json = pmusim_command(run + "json");
  CHECK(json.json().root().at("passed").as_u64() == 1);
  CHECK(has(json.err, "1 passed, 0 failed, 0 skipped"));
  CHECK(has(pmusim_command(run + "junit").out, "</testsuites>"));
  CHECK(has(pmusim_command(run + "ktap").out, "KTAP version 1\n1..1\nok 1 "));
}

TEST_CASE("a case that is wrong is refused before anything runs") {
  const std::string folder = fresh_folder("wrong_case");
  const std::string file = case_file(folder, "wrong", "versoin == 2");
  const auto output = pmusim_command("conform " + file + " --model spr --policy bare-metal");
  CHECK(output.status == 2);
  CHECK(has(output.err, "versoin"));
  CHECK(has(output.err, "'version'"));
}

TEST_CASE("bare metal is the machine itself unless it is given a vCPU's CPUID, a VM gets what KVM offers") {
  const std::string folder = fresh_folder("cpuid_default");
  const std::string file = case_file(folder, "five", "version == 5 && fixed_count == 4");
  const std::string run = "conform " + file + " --model spr --policy ";
  CHECK(pmusim_command(run + "bare-metal").status == 0);
  CHECK(pmusim_command(run + "bare-metal --cpuid host").status == 0);
  CHECK(pmusim_command(run + "bare-metal --cpuid kvm").status == 1);
  CHECK(pmusim_command(run + "emulated").status == 1);
  const auto both = pmusim_command("conform " + file + " --model spr --policy all --cpuid default,kvm");
  CHECK(both.last_line() == "1 passed, 4 failed, 0 skipped");  // a VM's default is kvm: one column, not two
  CHECK(has(both.out, "  CPUID                  host         kvm        kvm        kvm        kvm\n"));
}

// Drawn by the program under test and compared with the picture in the README.
TEST_CASE("the picture of the matrix in the README is what the program shows") {
  if (kSanitized) {
    MESSAGE("SKIPPED: the build without sanitizers draws it");
    return;
  }
  const std::string picture = fresh_folder("matrix") + "/matrix.svg";
  CHECK(shell("PMUSIM=" + program() + " " + source("scripts/matrix") + " " + picture).status == 0);
  CHECK(read_file(picture) == read_file(source("docs/matrix.svg")));
}
