// SPDX-License-Identifier: Apache-2.0
// Running images and the suite as a user does: output, exit status, files, repeatability, and QEMU as a
// second machine for the same bytes.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/json.h"
#include "tests/support/program.h"
#include "tests/support/sanitized.h"

using namespace pmusim::test;
using pmusim::JsonDocument;
using pmusim::load_json;
using pmusim::read_file;

namespace {

const std::string kHello = build("guests/hello.elf");

// A case whose one check is `condition`.
std::string case_file(const std::string& folder, const std::string& id, const std::string& condition) {
  const std::string path = folder + "/" + id + ".json";
  std::ofstream(path) << R"({"id": ")" << id
                      << R"(", "title": "A case of a test", "area": "version and CPUID",
    "sources": ["none"], "requires": {"pmu": "any"}, "steps": [{"check": ")"
                      << condition << R"(", "title": "the check"}]})";
  return path;
}

struct Qemu {
  bool installed = false;
  int status = 0;
  std::string text;  // of the serial line
};
Qemu qemu(const std::string& image) {
  if (shell("command -v qemu-system-x86_64").status != 0) return {};
  const std::string serial = build("test_qemu.serial");
  const Output o = shell(
      "timeout 900 qemu-system-x86_64 -accel tcg -display none -no-reboot -m 128 -device "
      "isa-debug-exit,iobase=0xf4,iosize=4 -serial file:" +
      serial + " -kernel " + image);
  std::string text = read_file(serial);
  text.erase(std::remove(text.begin(), text.end(), '\r'), text.end());
  return {true, o.status, text};
}

}  // namespace

TEST_CASE("a guest's text is the same on bare metal and under every policy that can run") {
  // With the CPUID of a VM, which the text tells.
  const auto bare =
      pmusim_command("run " + kHello + " --format serial --model spr --policy bare-metal --cpuid kvm");
  CHECK(bare.status == 0);
  CHECK(has(bare.out, "hello"));
  for (const char* policy : {"emulated", "mediated", "dedicated"}) {
    CAPTURE(policy);
    const auto vm = pmusim_command("run " + kHello + " --format serial --model spr --policy " + policy);
    CHECK(vm.status == 0);
    CHECK(vm.out == bare.out);
  }
  const auto all = pmusim_command("run " + kHello + " --model spr --policy all --cpuid kvm");
  CHECK(all.status == 0);
  CHECK(has(all.out, bare.out));
  CHECK(has(all.out, "VM-exits"));
}

TEST_CASE("a policy that cannot run on a model is refused with the reason, and others still run") {
  const auto alone = pmusim_command("run " + kHello + " --model zen3 --policy mediated");
  CHECK(alone.status == 2);
  CHECK(has(alone.err, "PerfMonV2"));
  const auto both = pmusim_command("run " + kHello + " --model zen3 --policy bare-metal,mediated");
  CHECK(both.status == 0);
  CHECK(has(both.out, "mediated was not run: "));
}

TEST_CASE("a run's folder is the same bytes each time, and its config.json repeats it") {
  const std::string a = fresh_folder("run_a"), b = fresh_folder("run_b"), c = fresh_folder("run_c");
  const std::string run = "run " + kHello + " --model spr --policy emulated,mediated --cpuid host --out ";
  CHECK(pmusim_command(run + a).status == 0);
  CHECK(pmusim_command(run + b).status == 0);
  CHECK(pmusim_command("run --config " + a + "/config.json --out " + c).status == 0);
  for (const char* file : {"/config.json", "/stats.json"}) {
    CHECK(read_file(a + file) == read_file(b + file));
    CHECK(read_file(a + file) == read_file(c + file));
  }
  const JsonDocument stats = load_json(a + "/stats.json");
  CHECK(stats.root().at_pointer("/policies/mediated/stats/guest.instructions/unit").as_string() ==
        "instructions");
  CHECK(stats.root().at_pointer("/policies/emulated/assumed_values").size() > 0);
}

TEST_CASE("a config.json repeats its run from any folder, and its bytes name no folder of the machine") {
  const std::string top = fresh_folder("moved"), program = pmusim::test::program();
  for (const char* folder : {"/images", "/out", "/elsewhere/deep"})
    std::filesystem::create_directories(top + folder);
  std::filesystem::copy_file(kHello, top + "/images/hello.elf");
  std::filesystem::copy_file(source("policies/emulated.json"), top + "/images/mine.json");
  std::ofstream(top + "/elsewhere/host.json") << R"({"sync_window": 100})";
  CHECK(shell("cd " + top + " && " + program +
              " run images/hello.elf --model spr --policy images/mine.json,bare-metal --out out/a -- x")
            .status == 0);
  const Output again = shell("cd " + top + "/elsewhere/deep && " + program +
                             " run --config ../../out/a/config.json --out ../../out/b");
  CAPTURE(again.err);
  CHECK(again.status == 0);
  CHECK(has(again.out, "command line: images/hello.elf x\n"));
  for (const char* file : {"/config.json", "/stats.json"})
    CHECK(read_file(top + "/out/a" + file) == read_file(top + "/out/b" + file));
  const JsonDocument config = load_json(top + "/out/a/config.json");
  CHECK(config.root().at("policies").text() == R"(["images/mine.json","bare-metal"])");
  CHECK(config.root().at("folder").as_string() == "../..");
  // A path given beside it is one of the current folder.
  CHECK(shell("cd " + top + "/elsewhere && " + program +
              " run --config ../out/a/config.json --scenario host.json --out c")
            .status == 0);
  const JsonDocument beside = load_json(top + "/elsewhere/c/config.json");
  CHECK(beside.root().at("scenario").as_string() == "elsewhere/host.json");
  std::filesystem::copy_file(source("conformance/cases/absent-pmu-rdpmc-faults.json"),
                             top + "/images/absent-pmu-rdpmc-faults.json");
  CHECK(
      shell("cd " + top + " && " + program +
            " conform images/absent-pmu-rdpmc-faults.json --model spr --policy images/mine.json --out out/d")
          .status == 0);
  CHECK(shell("cd " + top + "/elsewhere && " + program +
              " conform --config ../out/d/config.json --out ../out/e")
            .status == 0);
  for (const char* file : {"/config.json", "/results.json"})
    CHECK(read_file(top + "/out/d" + file) == read_file(top + "/out/e" + file));
}

TEST_CASE("the arguments after '--' are the guest's command line") {
  const auto output = pmusim_command("run " + kHello + " --model spr --policy emulated -- first second");
  CHECK(has(output.out, "command line: " + kHello + " first second\n"));
}

// APM Vol. 2, Detecting Hardware Support for Performance Counters (13.2.2 in 24593 rev 3.44): six counters
// are PerfCtrExtCore's (Fn8000_0001_ECX[23]), four are always there; the guest tells a version of 2 by
// PerfMonV2 (Fn8000_0022_EAX[0]).
TEST_CASE("a guest does not see the features that its CPUID leaves out, on bare metal and in a VM") {
  for (const char* policy : {"bare-metal", "emulated", "mediated"}) {
    CAPTURE(policy);
    const std::string run = "run " + kHello + " --model zen4 --policy " + policy + " --cpuid kvm";
    CHECK(has(pmusim_command(run).out, "PMU version 2: 6 counters"));
    CHECK(has(pmusim_command(run + ",-perfmon-v2").out, "PMU version 1: 6 counters"));
    CHECK(has(pmusim_command(run + ",-perfmon-v2,-perfctr-core").out, "PMU version 1: 4 counters"));
  }
}

TEST_CASE("the suite takes a CPUID without a feature, beside others") {
  const auto output =
      pmusim_command("conform absent-pmu-rdpmc-faults --model spr --policy emulated --cpuid kvm,-x2apic,kvm");
  CHECK(output.status == 0);
  CHECK(output.last_line() == "2 passed, 0 failed, 0 skipped");
}

TEST_CASE("one instruction at a time gives the same counts and cycles") {
  const std::string a = fresh_folder("blocks"), b = fresh_folder("steps");
  const std::string run = "run " + kHello + " --model spr --policy bare-metal,mediated ";
  CHECK(pmusim_command(run + "--out " + a).status == 0);
  CHECK(pmusim_command(run + "--step --out " + b).status == 0);
  CHECK(read_file(a + "/stats.json") == read_file(b + "/stats.json"));
}

TEST_CASE("a recording of a run is well formed and shows the guest's accesses") {
  const std::string file = fresh_folder("record") + "/run.jsonl";
  CHECK(pmusim_command("run " + kHello + " --model spr --policy emulated --record " + file).status == 0);
  CHECK(pmusim_command("trace validate " + file).status == 0);
  CHECK(has(pmusim_command("trace view " + file).out, " exit "));
}

TEST_CASE("a run that reaches its limit says so and ends with status 1") {
  for (const char* policy : {"bare-metal", "emulated"}) {
    const auto output =
        pmusim_command("run " + kHello + " --max-cycles 2000 --model spr --policy " + std::string(policy));
    CHECK(output.status == 1);
    CHECK_FALSE(output.err.empty());
  }
}

TEST_CASE("an image or scenario that is wrong ends with status 2 and says where") {
  CHECK(pmusim_command("run /nonexistent.elf --model spr --policy bare-metal").status == 2);
  CHECK(pmusim_command("run " + source("LICENSE") + " --model spr --policy bare-metal").status == 2);
  const std::string scenario = fresh_folder("scenario") + "/wrong.json";
  std::ofstream(scenario) << "{\n\"hots\": []}";
  const auto output =
      pmusim_command("run " + kHello + " --model spr --policy emulated --scenario " + scenario);
  CHECK(output.status == 2);
  CHECK(has(output.err, "wrong.json: line 2, /hots: found unknown key 'hots'"));
  CHECK(has(output.err, "'host'"));
}

TEST_CASE("a host with an NMI watchdog runs the same guest") {
  const std::string scenario = fresh_folder("watchdog") + "/watchdog.json";
  std::ofstream(scenario) << R"({"host": [{"watchdog": true}]})";
  CHECK(pmusim_command("run " + kHello + " --model spr --policy emulated --scenario " + scenario).status ==
        0);
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
  for (const pmusim::JsonView& row : rows.root().items()) {
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

TEST_CASE("a built image prints the same records in the simulator as the suite judges") {
  const std::string folder = fresh_folder("build");
  const std::string file = case_file(folder, "good", "version >= 0");
  CHECK(pmusim_command("build " + file + " --out " + folder + "/good.elf").status == 0);
  const auto output = pmusim_command("run " + folder + "/good.elf --model spr --policy bare-metal");
  CHECK(output.status == 0);
  CHECK(has(output.out, "@case good\n"));
  CHECK(has(output.out, " pass got="));
}

// What a case without a PMU can do: arithmetic, loops, branches, code that runs at both privilege levels,
// checks that hold and one that does not, a skip. Under QEMU's TCG, which has no PMU, the same bytes have to
// print the same lines. One line is left out: @cpu, which tells the CPUID. Nothing here is about time.
TEST_CASE("the same image prints the same lines in QEMU, and ends with the same status") {
  const std::string folder = fresh_folder("qemu");
  std::ofstream(folder + "/lines.json") << R"({"id": "lines", "title": "A case that needs no PMU",
    "area": "version and CPUID", "sources": ["none"], "requires": {"pmu": "any"},
    "steps": [{"let": {"a": "0x123456789abcdef0"}},
              {"for": {"i": 8}, "do": [{"let": {"byte": "a >> 8 * i & 255"}},
                                       {"check": "byte == (a & 255 << 8 * i) >> 8 * i", "title": "byte of a"},
                                       {"if": "byte % 3", "then": [{"check": "byte / 3 * 3 != byte"}],
                                        "else": [{"check": "byte / 3 * 3 == byte"}]}]},
              {"check": "sext(a, 8) == 1", "title": "a check that does not hold"},
              {"check": "popcount(a) == 32", "title": "half of the bits"},
              {"skip": "what is never done", "when": "a > 1"},
              {"check": "a == 0"}]})";
  REQUIRE(pmusim_command("build " + folder + "/lines.json --out " + folder + "/lines.elf").status == 0);
  const Qemu there = qemu(folder + "/lines.elf");
  if (!there.installed) {
    MESSAGE("SKIPPED: QEMU is not installed");
    return;
  }
  const Output here = pmusim_command(
      "run " + folder + "/lines.elf --format serial --model spr --policy bare-metal --out " + folder);
  const auto without_cpu = [](const std::string& all) {
    std::string kept;
    for (std::size_t at = 0, end; at < all.size(); at = end + 1) {
      end = std::min(all.find('\n', at), all.size());
      const std::string line = all.substr(at, end - at);
      if (line.compare(0, 5, "@cpu ") != 0) kept += line + "\n";
    }
    return kept;
  };
  CHECK(without_cpu(there.text) == without_cpu(here.out));
  CHECK(has(there.text, "@end fail "));
  CHECK(here.status == 1);
  const JsonDocument stats = load_json(folder + "/stats.json");
  CHECK(stats.root().at_pointer("/policies/bare-metal/exit_status").as_s64() == there.status);
  // Every line of this one tells the CPUID.
  const Qemu hello = qemu(kHello);
  CHECK(has(hello.text, "hello from"));
  CHECK(hello.status == 1);
}

TEST_CASE("SSE2 and x87 arithmetic gives the same digits on every model, under every policy and in QEMU") {
  const std::string image = build("guests/numbers.elf");
  const std::string bare =
      pmusim_command("run " + image + " --format serial --model spr --policy bare-metal").out;
  CHECK(has(bare, "MXCSR 1fa0 1fbd"));  // all but denormal are set
  for (const char* where : {"--model zen4 --policy bare-metal", "--model skx --policy emulated",
                            "--model zen5 --policy mediated", "--model spr --policy dedicated"}) {
    CAPTURE(where);
    const auto output = pmusim_command("run " + image + " --format serial " + where);
    CHECK(output.status == 0);
    CHECK(output.out == bare);
  }
  std::string text = qemu(image).text;
  if (text.empty()) {
    MESSAGE("QEMU is not installed");
    return;
  }
  CHECK(text == bare);
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

TEST_CASE("a limit is a budget of the whole run, whatever the guest does") {
  const std::string file = fresh_folder("budget") + "/leaves.json";
  std::ofstream(file) << R"({"id": "leaves", "title": "A guest that keeps leaving to user space",
    "area": "counting across VM-exits", "sources": ["none"], "requires": {"pmu": "any"},
    "steps": [{"for": {"i": 1000000000}, "do": [{"host": {"force_exit": {}}, "as": "status"}]},
              {"check": "status == 0", "title": "the host came back"}]})";
  for (const auto& [limit, end] :
       {std::pair<const char*, const char*>{"--max-cycles 3000000",
                                            "cycle limit: cycle 3000000 reached without an exit"},
        {"--max-seconds 1", "time limit: 1 seconds passed without an exit"}}) {
    CAPTURE(limit);
    const auto suite =
        pmusim_command("conform " + file + " --model spr --policy emulated " + std::string(limit));
    CHECK(suite.status == 1);
    CHECK(has(suite.out, end));
  }
}

TEST_CASE(
    "an event that the simulator does not count is reported at the end with how often it was programmed") {
  const std::string folder = fresh_folder("uncounted");
  const std::string file = folder + "/uncounted.json";
  std::ofstream(file) << R"({"id": "uncounted", "title": "A case that programs an event without a model",
    "area": "version and CPUID", "sources": ["none"], "requires": {"vendor": "intel"},
    "steps": [{"for": {"i": 3}, "do": [{"wrmsr": "gp_selector[0]", "value": "0x4309b0"},
                                       {"wrmsr": "gp_selector[0]", "value": 0}]},
              {"check": "version >= 2", "title": "the check"}]})";
  CHECK(pmusim_command("build " + file + " --out " + folder + "/u.elf").status == 0);
  const auto output = pmusim_command("run " + folder + "/u.elf --model spr --policy bare-metal");
  CHECK(output.status == 0);
  CHECK(has(output.err,
            "event 0xb0, umask 0x09 ARITH.DIV_ACTIVE on counter 0 is not counted by this simulator; "
            "it was programmed "));
  // What only interval timing counts is told apart; 0x43412e is LLC misses (SDM 3B, architectural events).
  const std::string misses = folder + "/misses.json";
  std::ofstream(misses) << R"({"id": "misses", "title": "A case that programs an event of the caches",
    "area": "version and CPUID", "sources": ["none"], "requires": {"vendor": "intel"},
    "steps": [{"wrmsr": "gp_selector[0]", "value": "0x43412e"},
              {"check": "version >= 2", "title": "the check"}]})";
  CHECK(pmusim_command("build " + misses + " --out " + folder + "/m.elf").status == 0);
  const std::string run = "run " + folder + "/m.elf --model spr --policy bare-metal --timing ";
  const auto functional = pmusim_command(run + "functional");
  CHECK(has(functional.err, "on counter 0 is not counted by functional timing; it was programmed "));
  CHECK_FALSE(has(functional.err, "this simulator"));
  CHECK_FALSE(has(pmusim_command(run + "interval").err, "not counted"));
  const auto events = pmusim_command("list events --model spr");
  CHECK(has(events.out, "not counted\n"));
  CHECK(has(events.out, "INST_RETIRED.ANY"));
}

TEST_CASE("a recording can be limited to groups of events") {
  const std::string file = fresh_folder("record_groups") + "/run.jsonl";
  CHECK(
      pmusim_command("run " + kHello + " --model spr --policy emulated --record-events exit --record " + file)
          .status == 0);
  const std::string text = pmusim_command("trace view " + file).out;
  CHECK(has(text, " exit "));
  CHECK_FALSE(has(text, " hostmsr "));
}

TEST_CASE("the recording that is shipped is what its command records") {
  const std::string made = fresh_folder("shipped_recording") + "/run.jsonl";
  const auto run = shell("cd " + build("guests") + " && " + build("pmusim") +
                         " run profiler.elf --model spr --policy mediated --max-cycles 1600000 --quiet "
                         "--record-events msr,exit,pmi --record " +
                         made);
  REQUIRE(run.status == 1);  // the limit of cycles
  const std::string shipped = read_file(source("traces/profiler-spr-mediated.jsonl"));
  CHECK((read_file(made) == shipped));
}

TEST_CASE("the recording that is shipped is well formed") {
  const auto output = pmusim_command("trace validate " + source("traces/profiler-spr-mediated.jsonl"));
  CHECK(output.status == 0);
  CHECK(has(output.out, "well formed"));
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
