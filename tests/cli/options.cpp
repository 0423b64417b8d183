// SPDX-License-Identifier: Apache-2.0
// Options: each works or is refused, never silently ignored; which of two wins; numbers at their limits.
#include <doctest/doctest.h>

#include <fstream>

#include "base/json.h"
#include "tests/support/program.h"

using namespace pmusim::test;
using pmusim::JsonDocument;
using pmusim::JsonView;
using pmusim::load_json;
using pmusim::read_file;

namespace {

const std::string kRun = "run " + build("guests/hello.elf") + " --model spr --policy emulated ";
const std::string kConform = "conform absent-pmu-rdpmc-faults --model spr --policy emulated ";

void check_refused(const std::string& arguments, const std::vector<std::string>& parts) {
  CAPTURE(arguments);
  const Output o = pmusim_command(arguments);
  CAPTURE(o.err);
  CHECK(o.status == 2);
  CHECK(o.out.empty());
  for (const std::string& part : parts) {
    CAPTURE(part);
    CHECK(has(o.err, part));
  }
}

}  // namespace

TEST_CASE("numbers outside of an option's range are refused with the range") {
  const std::string cycles = "expected a whole number from 1 to 9223372036854775807";
  for (const char* value :
       {"0", "-5", "9223372036854775808", "99999999999999999999999", "1e6", "ten", "0x10"})
    for (const std::string& verb : {kRun, kConform})
      check_refused(verb + "--max-cycles " + value,
                    {"--max-cycles: found '" + std::string(value) + "'", cycles});
  const std::string seed = "expected a whole number from 0 to 18446744073709551615";
  for (const char* value : {"-1", "18446744073709551616", "1.5", ""})
    for (const std::string& verb : {kRun, kConform, std::string("bugs check ")})
      check_refused(verb + "--seed '" + value + "'", {"--seed: found '" + std::string(value) + "'", seed});
  for (const char* value : {"0", "65", "-1"})
    check_refused(kRun + "--cpus " + value, {"--cpus: found", "a whole number from 1 to 64"});
  for (const char* value : {"0", "1025"})
    for (const char* verb : {"conform ", "bugs check "})
      check_refused(verb + std::string("--jobs ") + value,
                    {"--jobs: found", "a whole number from 1 to 1024"});
  check_refused(kRun + "--max-seconds 0", {"--max-seconds: found '0'"});
}

TEST_CASE("numbers at the ends of an option's range are taken") {
  CHECK(pmusim_command(kRun + "--max-cycles 9223372036854775807 --max-seconds 1000000000 --seed 0").status ==
        0);
  CHECK(pmusim_command(kRun + "--seed 18446744073709551615").status == 0);
  CHECK(pmusim_command(kRun + "--max-cycles 1").status == 1);
}

TEST_CASE("an empty text is refused wherever a name or a path is expected") {
  for (const char* option : {"--record", "--out", "--scenario", "--config", "--memory", "--kernel", "--cpuid",
                             "--log", "--timing", "--color"})
    check_refused(kRun + option + " ''", {"found ", "expected "});
  for (const char* option : {"--bug", "--out", "--config", "--target", "--format", "--color", "--kernel"})
    check_refused(kConform + option + " ''", {"found ", "expected "});
  check_refused("conform '' --model spr --policy all", {"GLOB: found an empty text"});
  check_refused("build '' --out x.elf", {"CASE: found an empty text"});
  check_refused("run '' --model spr --policy all", {"IMAGE: found an empty text"});
  check_refused("bugs check ''", {"found ''"});
  check_refused("trace view ''", {"found an empty text"});
}

TEST_CASE("an option that could have no effect is refused") {
  const std::string bare = "run " + build("guests/hello.elf") + " --model spr --policy bare-metal ";
  check_refused(kConform + "--set scenario.sync_window=2", {"'scenario.sync_window=2'", "model.KEY=VALUE"});
  check_refused("bugs check --set scenario.sync_window=2", {"'scenario.sync_window=2'"});
  check_refused("bugs check --set modle.width=2", {"did you mean 'model'?"});
  check_refused(bare + "--set policy.elide_writes=false", {"policy.elide_writes", "bare metal"});
  check_refused(bare + "--scenario " + source("scenarios/nmi-watchdog.json"), {"/host", "bare metal"});
  check_refused(bare + "--record-events msr", {"--record-events", "--record FILE"});
  check_refused("conform --target kvm --seed 3", {"--seed", "--target kvm"});
  check_refused("conform -- x", {"found '--'", "'run'"});
}

TEST_CASE("the check of the bug library takes overrides and a seed") {
  const Output same = pmusim_command("bugs check rdpmc-type-as-flag --set model.width=4 --seed 7 --quiet");
  CAPTURE(same.err);
  CHECK(same.status == 0);
  check_refused("bugs check rdpmc-type-as-flag --set model.width=99", {"--set model.width", "99"});
}

TEST_CASE("a comparison has colour only where it is asked for") {
  const std::string run = "run " + build("guests/hello.elf") + " --model spr --policy all --color ";
  CHECK(has(pmusim_command(run + "always").out, "\033[1mVM-exits "));
  CHECK_FALSE(has(pmusim_command(run + "never").out, "\033["));
  CHECK_FALSE(has(pmusim_command(run + "auto").out, "\033["));  // no terminal
}

TEST_CASE("options beside a run's config.json win over it, and its overrides come first") {
  const std::string a = fresh_folder("config_a"), b = fresh_folder("config_b");
  CHECK(pmusim_command(kRun + "--memory 64M --set model.width=4 --out " + a + " -- one two").status == 0);
  const Output o = pmusim_command("run --memory 256M --set model.width=2 --seed 9 --config " + a +
                                  "/config.json --policy mediated --out " + b);
  CAPTURE(o.err);
  CHECK(o.status == 0);
  const JsonDocument document = load_json(b + "/config.json");
  const JsonView config = document.root();
  CHECK(config.at("memory").as_string() == "256M");
  CHECK(config.at("policies").text() == R"(["mediated"])");
  CHECK(config.at("set").text() == R"(["model.width=4","model.width=2"])");
  CHECK(config.at("seed").as_u64() == 9);
  CHECK(config.at("model").as_string() == "spr");
  CHECK(config.at("arguments").text() == R"(["one","two"])");
  check_refused("run --config " + a + "/stats.json", {"stats.json: line ", "expected "});
}

TEST_CASE("interval timing is the default, and functional timing is chosen by its name") {
  const std::string run = "run " + build("guests/hello.elf") + " --model spr --policy bare-metal --out ";
  const std::string a = fresh_folder("timing_default"), b = fresh_folder("timing_functional");
  CHECK(pmusim_command(run + a).status == 0);
  CHECK(pmusim_command(run + b + " --timing functional").status == 0);
  CHECK(load_json(a + "/config.json").root().at("timing").as_string() == "interval");
  CHECK(load_json(b + "/config.json").root().at("timing").as_string() == "functional");
  const auto cycles = [](const std::string& folder) {
    const JsonDocument stats = load_json(folder + "/stats.json");
    return stats.root().at_pointer("/policies/bare-metal/stats/machine.cycles/value").as_u64();
  };
  CHECK(cycles(a) != cycles(b));
}

TEST_CASE("the suite's config.json repeats its run, and options beside it win") {
  const std::string a = fresh_folder("conform_a"), b = fresh_folder("conform_b"),
                    c = fresh_folder("conform_c");
  CHECK(
      pmusim_command("conform 'absent*' --model spr,zen4 --policy emulated --max-cycles 100000000 --out " + a)
          .status == 0);
  CHECK(pmusim_command("conform --config " + a + "/config.json --out " + b).status == 0);
  for (const char* file : {"/config.json", "/results.json"})
    CHECK(read_file(a + file) == read_file(b + file));
  CHECK(pmusim_command("conform --model spr --config " + a + "/config.json --out " + c).status == 0);
  CHECK(load_json(c + "/config.json").root().at("models").text() == R"(["spr"])");
  check_refused("conform --config " + a + "/results.json", {"results.json", "expected "});
}

TEST_CASE("the help of a verb shows what the verb takes: forms of --set, one model or several") {
  const std::string run = pmusim_command("run --help").out, conform = pmusim_command("conform --help").out;
  CHECK(run.find("scenario.KEY=V") != std::string::npos);
  CHECK(conform.find("policy.KEY=V") != std::string::npos);
  CHECK(conform.find("scenario.") == std::string::npos);
  CHECK(run.find("--model TEXT ...") == std::string::npos);
  CHECK(conform.find("--model TEXT ...") != std::string::npos);
  check_refused("run x.elf --policy emulated --model spr --model zen4", {"2 models", "one model"});
}
