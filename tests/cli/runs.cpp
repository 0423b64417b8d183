// SPDX-License-Identifier: Apache-2.0
// Running images as a user does: output, exit status, files, repeatability, and QEMU as a second machine for
// the same bytes.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/json.h"
#include "tests/cli/case_file.h"
#include "tests/support/program.h"

using namespace pmusim::test;
using pmusim::JsonDocument;
using pmusim::load_json;
using pmusim::read_file;

namespace {

const std::string kHello = build("guests/hello.elf");

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
