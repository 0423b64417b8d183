// SPDX-License-Identifier: Apache-2.0
// Wrong input of every kind through the real command: status 2, nothing on standard output, and a message
// with the file or option, the place, what was found and what was expected.
#include <doctest/doctest.h>

#include <fstream>

#include "arch/host_cpu.h"
#include "base/json.h"
#include "session/target.h"
#include "tests/support/program.h"

using namespace pmusim::test;
using pmusim::host_vendor;
using pmusim::JsonDocument;
using pmusim::load_json;
using pmusim::read_file;

namespace {

const std::string kHello = build("guests/hello.elf");

struct Refusal {
  std::string arguments;
  std::vector<std::string> parts;  // of the message
};

void check_refused(const Refusal& r) {
  CAPTURE(r.arguments);
  const Output o = pmusim_command(r.arguments);
  CAPTURE(o.err);
  CHECK(o.status == 2);
  CHECK(o.out.empty());
  for (const std::string& part : r.parts) {
    CAPTURE(part);
    CHECK(o.err.find(part) != std::string::npos);
  }
  CHECK(o.err.find("found ") != std::string::npos);
  CHECK(o.err.find("expected ") != std::string::npos);
}

std::string write(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

// A case whose steps are `steps` and with `more` keys in front.
std::string case_with(const std::string& folder, const std::string& id, const std::string& steps,
                      const std::string& more = "") {
  return write(
      folder + "/" + id + ".json", "{" + more + R"("id": ")" + id +
                                       R"(", "title": "A case of a test", "area": "version and CPUID",
"sources": ["none"], "requires": {"pmu": "any"},
"steps": )" + steps + "}");
}

}  // namespace

TEST_CASE("images that are cut short or lie about themselves are refused") {
  const std::string folder = fresh_folder("bad_images"), whole = read_file(kHello);
  std::string hostile = whole;
  hostile.replace(28, 4, "\xf0\xff\xff\xff");  // e_phoff
  const std::string tail = " --model spr --policy ";
  for (const char* policy : {"bare-metal", "emulated"}) {
    check_refused({"run " + write(folder + "/empty.elf", "") + tail + policy,
                   {"empty.elf: offset 0: found an empty file, expected a bootable image"}});
    check_refused({std::string("run /dev/zero") + tail + policy,
                   {"/dev/zero: found a device, pipe or socket, expected a regular file"}});
    check_refused({"run " + write(folder + "/cut.elf", whole.substr(0, 60)) + tail + policy,
                   {"cut.elf: program header table at offset", "the file's end at 0x3c"}});
    check_refused({"run " + write(folder + "/half.elf", whole.substr(0, whole.size() / 2)) + tail + policy,
                   {"half.elf: program header ", "the file's end"}});
    check_refused({"run " + write(folder + "/hostile.elf", hostile) + tail + policy,
                   {"hostile.elf: program header table at offset 0xfffffff0"}});
  }
}

TEST_CASE("cases that are wrong are refused at their place") {
  const std::string folder = fresh_folder("bad_cases");
  const struct {
    std::string file;
    std::vector<std::string> parts;
  } wrong[] = {
      {case_with(folder, "wrong-type", R"({"check": 1})"), {"wrong-type.json: line 3, /steps"}},
      {case_with(folder, "wrong-key", R"([{"chekc": "version >= 0", "title": "x"}])"),
       {"line 3, /steps/0", "'chekc'", "'check'"}},
      {case_with(folder, "misspelt-register", R"([{"rdmsr": "global_crtl", "as": "v"}])"),
       {"misspelt-register.json: line 3, /steps/0/rdmsr", "global_crtl", "'global_ctrl'"}},
      {case_with(folder, "unknown-name", R"([{"expect": {"nothing": "1"}}])"),
       {"unknown-name.json: line 3, /steps/0/expect", "nothing"}},
      {case_with(folder, "not-an-expression", R"([{"check": "version >= ", "title": "the check"}])"),
       {"not-an-expression.json: line 3, /steps/0/check"}},
      {case_with(folder, "duplicate", R"([{"check": "version >= 0", "title": "the check"}])",
                 "\"id\": \"x\",\n"),
       {"duplicate.json: line 2, /id: found a second 'id'"}},
      {case_with(folder, "divides", R"([{"check": "version / 0 == 1", "title": "the check"}])"),
       {"divides.json: line 3, /steps/0/check, column 11: found a divisor that is always 0"}},
  };
  for (const auto& w : wrong) {
    check_refused({"conform " + w.file + " --model spr --policy bare-metal", w.parts});
    check_refused({"build " + w.file + " --out " + folder + "/x.elf", w.parts});
  }
}

TEST_CASE("a case whose id is not its file's name is refused, alone and in a folder with others") {
  const std::string folder = fresh_folder("misnamed");
  const std::string file = case_with(folder, "right", R"([{"check": "version >= 0", "title": "the check"}])");
  const std::string other = folder + "/other.json";
  write(other, read_file(file));
  case_with(folder, "second", R"([{"check": "versoin >= 0", "title": "the check"}])");
  const std::string answer = "other.json: line 1, /id: found 'right', expected 'other', as the file is named";
  check_refused({"build " + other + " --out " + folder + "/x.elf", {answer}});
  check_refused({"conform " + other + " --model spr --policy bare-metal", {answer}});
  check_refused({"conform " + folder + " --model spr --policy bare-metal", {answer, "'versoin'"}});
}

TEST_CASE("a mistake in an inner verb's options names the whole command") {
  CHECK(pmusim_command("trace view").err.find("'pmusim trace view --help'") != std::string::npos);
  CHECK(pmusim_command("bugs check --jbos 2").err.find("'pmusim bugs check --help'") != std::string::npos);
}

TEST_CASE("a policy that cannot work and a misspelt word in one are refused at their place") {
  const std::string folder = fresh_folder("bad_policies");
  const auto with_rdpmc = [policy =
                               load_json(source("policies/emulated.json"))](const std::string& handling) {
    JsonDocument changed = policy;
    changed.override_value("assets.rdpmc=" + handling);
    return changed.root().text();
  };
  const std::string run = "run " + kHello + " --model spr --policy ";
  check_refused({run + write(folder + "/impossible.json", with_rdpmc("passthrough")),
                 {"impossible.json: line ", "/assets/rdpmc", "host perf events"}});
  check_refused({run + write(folder + "/misspelt.json", with_rdpmc("emulatd")),
                 {"misspelt.json: line ", "/assets/rdpmc"}});
  check_refused({run + "exitless-pmi",
                 {"--policy: found 'exitless-pmi', which cannot run here: the simulator delivers no"}});
  check_refused({run + "emulatde", {"'emulatde'", "did you mean 'emulated'?"}});
}

TEST_CASE("a policy whose base is none, or does not go with what it says, is refused at its place") {
  const std::string folder = fresh_folder("bad_bases");
  const auto refuse = [&](const std::string& keys, const std::vector<std::string>& parts) {
    const std::string file = write(folder + "/mine.json", "{\"title\": \"Mine\",\n" + keys + "}");
    check_refused({"run " + kHello + " --model spr --policy " + file, parts});
    check_refused({"conform 'absent*' --model spr --policy " + file, parts});
  };
  write(folder + "/other.json", R"({"title": "Other", "extends": "mine.json"})");
  refuse(R"("extends": "mediatd")", {"mine.json: line 2, /extends", "did you mean 'mediated'?"});
  refuse(R"("extends": "none.json")", {"mine.json: line 2, /extends", "'none.json', which is no file"});
  refuse(R"("extends": "mine.json")", {"mine.json: line 2, /extends", "which is this file"});
  refuse(R"("extends": "other.json")", {"other.json: line 1, /extends", "itself extends this file"});
  refuse(R"("extends": "dedicated", "pmi": "direct")", {"mine.json: line 2, /extends", "'lvtpc'"});
  refuse(R"("extends": "dedicated", "pmis": "direct")", {"mine.json: line 2, /pmis", "'pmi'"});
  refuse(R"("sources": [])", {"mine.json: line 1", "no 'assets'", "'extends'"});
}

TEST_CASE("a divergence of a property that policies do not have is refused at its place") {
  const std::string folder = fresh_folder("bad_divergences");
  const auto refuse = [&](const std::string& policy, const std::vector<std::string>& parts) {
    const std::string more =
        R"("divergences": [{"check": "no PMU", "reason": "of the test", "policy": )" + policy + "}],\n";
    const std::string file = case_with(folder, "mine", R"([{"check": "!has_pmu", "title": "no PMU"}])", more);
    check_refused({"conform " + file + " --model spr --policy bare-metal", parts});
  };
  const std::string place = "mine.json: line 1, /divergences/0/policy";
  refuse(R"("mediatd")", {place, "'mediatd'", "did you mean 'mediated'?"});
  refuse(R"({"rdpcm": "emulated"})", {place + "/rdpcm", "did you mean 'rdpmc'?"});
  refuse(R"({"rdpmc": "filtered"})", {place + "/rdpmc", "which no policy has", "emulated, passthrough"});
  refuse(R"({"rdpmc": []})", {place + "/rdpmc", "at least 1"});
  refuse("{}", {place, "at least 1"});
  refuse("1", {place});
}

TEST_CASE("options with values that cannot be are refused by name") {
  const std::string run = "run " + kHello + " --model spr --policy emulated ";
  const Refusal wrong[] = {
      {run + "--timing cycle", {"--timing", "'cycle'", "functional"}},
      {run + "--set foo", {"--set", "'foo'", "model.KEY=VALUE"}},
      {run + "--set model.width=99", {"spr.json: --set model.width: found 99", "16"}},
      {run + "--set model.widht=4", {"--set model.widht", "'width'"}},
      {run + "--set model.width=abc", {"--set model.width", "abc"}},
      {run + "--set policy.assets.rdpmc=passthrough", {"emulated.json: --set policy.assets.rdpmc"}},
      {run + "--set scenario.sync_windo=1", {"--set scenario.sync_windo", "'sync_window'"}},
      {run + "--set model.timing.rob=4",
       {"spr.json: --set model.timing.rob: found unknown key 'rob'", "'pipeline.rob'"}},
      {run + "--set model.timing.core.rob=4",
       {"spr.json: --set model.timing.core.rob: found unknown key 'core'", "pipeline"}},
      {run + "--set model.costs.rdmsr=4",
       {"--set model.costs.rdmsr: found 4, expected an object with cycles"}},
      {run + "--set model.width.x=4", {"spr.json: --set model.width.x: found 'x'", "'width'", "plain value"}},
      {run + "--set model..width=4", {"spr.json: --set model..width", "an empty name"}},
      {run + "--set model.=4", {"--set: found 'model.=4'"}},
      {run + "--set scenario.host.0.watchdog=true",
       {"scenario: --set scenario.host.0.watchdog: found an object, expected an array"}},
      {run + "--memory=12Q", {"--memory", "'12Q'"}},
      {run + "--memory=-1", {"--memory", "'-1'"}},
      {run + "--memory=999999999999G", {"--memory"}},
      {run + "--memory=0", {"--memory: found '0', expected a multiple of 4096 bytes, from 4096 to 1024G"}},
      {run + "--memory=4097", {"--memory", "'4097'"}},
      {run + "--memory=1025G", {"--memory", "'1025G'"}},
      {run + "--memory=1M", {"hello.elf", "segment"}},
      {run + "--log msr,exti", {"--log", "'exti'", "'exit'"}},
      {run + "--cpuid nofile", {"--cpuid", "'nofile'"}},
      {run + "--cpuid /nonexistent.json", {"/nonexistent.json"}},
      {run + "--cpuid kvm,-x2apci",
       {"--cpuid: found 'x2apci' as a feature to leave out, expected", "did you mean 'x2apic'?",
        "list features"}},
      {run + "--cpuid kvm,-qqqqqqqq", {"--cpuid", "'qqqqqqqq'", "list features"}},
      {"conform 'absent*' --model spr --policy all --cpuid host,kvm,-x2apci", {"--cpuid", "'x2apic'"}},
      {run + "--module ''", {"--module: found an empty text"}},
      {run + "--scenario /nonexistent.json", {"/nonexistent.json"}},
      {run + "--kernel 6.13", {"--kernel", "'6.13'", "6.12"}},
      {"run " + kHello + " --policy emulated --model sprr", {"--model", "'spr'"}},
      {"conform overflow-freezes-all-counter --model spr --policy bare-metal",
       {"no case", "'overflow-freezes-all-counters'"}},
      {"conform overflow-freezes-all-counters --bug lvtpc-not-maskd-on-pmi --model spr --policy emulated",
       {"'lvtpc-not-masked-on-pmi'"}},
  };
  for (const Refusal& r : wrong) check_refused(r);
}

TEST_CASE("an empty list of names is refused, it does not stand for none") {
  for (const char* list : {"--policy ''", "--policy ,", "--model ''", "--model ,", "--cpuid ''"}) {
    const std::string rest = std::string(list).find("--model") == 0 ? " --policy all" : " --model spr";
    check_refused({std::string("conform global-ctrl-reset-value ") + list + rest +
                       (std::string(list).find("--cpuid") == 0 ? " --policy all" : ""),
                   {"an empty list"}});
  }
}

TEST_CASE("what is missing is told as what was expected in its place") {
  const Refusal missing[] = {
      {"", {"found no verb, expected one of list, show, run, conform"}},
      {"bugs", {"found no verb, expected one of check", "'pmusim bugs --help'"}},
      {"trace", {"found no verb, expected one of view, validate"}},
      {"run " + kHello + " --cpus", {"--cpus: found nothing after it, expected a value"}},
      {"run " + kHello + " --step=5", {"--step: found a value, expected the option alone"}},
      {"run " + kHello + " --quiet=x", {"--quiet: found a value, expected the option alone"}},
  };
  for (const Refusal& r : missing) check_refused(r);
  for (const char* arguments : {"list", "build", "trace view"})
    CHECK(pmusim_command(arguments).err.find(" is required, found nothing") != std::string::npos);
  CHECK(pmusim_command("run " + kHello + " more").err.find("arguments follow '--'") != std::string::npos);
}

TEST_CASE("files and folders that are not what a verb reads are refused by name") {
  const std::string folder = fresh_folder("not_a_case"),
                    run = "run " + kHello + " --model spr --policy emulated ";
  const std::string empty = write(folder + "/empty.json", ""), none = folder + "/none.json";
  const std::string suite = " --model spr --policy emulated";
  const std::string cases = fresh_folder("no_cases");
  check_refused({"conform " + none + suite, {none + ": found no such file"}});
  check_refused({"conform " + cases + suite, {cases + ": found a folder without cases"}});
  check_refused({"conform nothing-like-it" + suite, {"no case 'nothing-like-it'", "'pmusim list cases'"}});
  check_refused({"build " + none + " --out " + folder + "/x", {none + ": found no such file"}});
  check_refused({"build " + cases + " --out " + folder + "/x", {cases + ": found a folder without cases"}});
  for (const std::string& reader : {run + "--scenario ", run + "--cpuid ", run + "--config ",
                                    "run " + kHello + " --policy emulated --model ", "conform" + suite + " "})
    check_refused({reader + empty, {empty + ": line 1: found an empty file, expected JSON"}});
  check_refused({run + "--module " + cases, {cases + ": found Is a directory, expected a readable file"}});
  check_refused(
      {run + "--cpuid " + write(folder + "/leaves.json", R"({"leaves": []})"),
       {"leaves.json: line 1, /leaves: found no leaf 0x0, 0x1, 0x80000000, 0x80000001", "list cpuid"}});
  check_refused({run + "--cpuid kvm,gp=9", {"--cpuid", "gp 8, fixed 3"}});
  check_refused({"conform 'absent*' --model spr --policy emulated --cpuid kvm,gp=9", {"--cpuid", "gp 8"}});
  check_refused({run + "--set host.vmmm=5", {"--set", "'host.vmmm'", "'vmm'", "list costs"}});
  check_refused(
      {"run " + kHello + " --model spr --policy bare-metal --set host.vmm=5", {"'host.vmm=5'", "a policy"}});
  check_refused(
      {run + "--cpus 2 --set scenario.sync_window=99999", {"sync_window", "found 99999", "IPI latency"}});
  check_refused({"bugs check rdpmc-type-as-flag rdpmc-type-as-flag", {"'rdpmc-type-as-flag' twice"}});
}

TEST_CASE("a name that stands twice in a list is refused, it is not dropped") {
  const std::string run = "run " + kHello + " --model spr ";
  check_refused({run + "--policy emulated,emulated", {"--policy: found 'emulated' twice"}});
  check_refused({run + "--policy emulated --policy emulated", {"--policy: found 'emulated' twice"}});
  check_refused({run + "--policy emulated --log msr,msr", {"--log: found 'msr' twice"}});
  const std::string conform = "conform 'absent*' --policy all ";
  check_refused({conform + "--model spr,spr", {"--model: found 'spr' twice"}});
  check_refused({conform + "--model spr --kernel 7.2,7.2", {"--kernel: found '7.2' twice"}});
  check_refused({conform + "--model spr --cpuid kvm,-x2apic,kvm,-x2apic", {"found 'kvm,-x2apic' twice"}});
}

TEST_CASE("what changes a simulated machine is refused beside the kernel of this one") {
  for (const char* option :
       {"--bug lvtpc-not-masked-on-pmi", "--step", "--set model.width=4", "--timing interval"})
    check_refused({std::string("conform absent-pmu-rdpmc-faults --target kvm ") + option, {"--target kvm"}});
  check_refused({"conform --target kvm --model sprr", {"spr"}});
}

TEST_CASE("what the kernel of this machine cannot be expected to be is refused") {
  const std::string kvm = "conform absent-pmu-rdpmc-faults --target kvm ";
  const std::string other = host_vendor() == "intel" ? "zen4" : "spr";
  const std::string implemented = pmusim::session::policy_of_this_kernel();
  check_refused({kvm + "--model " + other, {"--model: found '" + other + "'", host_vendor()}});
  check_refused({kvm + "--model all", {"--model: found 6 names", "one"}});
  check_refused({kvm + "--policy bare-metal", {"'bare-metal'", "a hypervisor"}});
  check_refused({kvm + "--policy " + (implemented == "emulated" ? "mediated" : "emulated"),
                 {"keeps the guest's counters", "'" + implemented + "'"}});
  check_refused({kvm + "--kernel 6.12,7.2", {"--kernel: found 2 names"}});
}

TEST_CASE("a selection that selects nothing is refused with what there is") {
  const std::string suite = " --model spr --policy emulated";
  check_refused({"conform overflow" + suite, {"no case 'overflow'", "'overflow*' for the"}});
  check_refused({"conform --area overflwo" + suite, {"--area: found 'overflwo'", "overflow and PMI"}});
  check_refused({"conform 'lvtpc*' --area rdpmc" + suite, {"no case of that area"}});
  check_refused({"conform 'lvtpc*' --exclude 'rdpcm*'" + suite, {"'rdpcm*', which is none of the cases"}});
  check_refused({"conform 'lvtpc*' --exclude '*'" + suite, {"nothing left"}});
  const std::string folder = fresh_folder("last");
  REQUIRE(
      pmusim_command("conform 'lvtpc*' --model spr --policy bare-metal --timing functional --out " + folder)
          .status == 0);
  check_refused({"conform --last-failed " + folder + suite, {"results.json", "no failure"}});
  check_refused({"list divergences 'lvtpc*' --model spr",
                 {"list divergences", "no case with a documented divergence"}});
  check_refused({"conform --last-failed " + folder + "/config.json" + suite, {"config.json", "'results'"}});
  check_refused({"conform --last-failed " + folder + "/nothing" + suite, {"nothing"}});
  check_refused({"run --config " + folder + "/config.json", {"found 'conform', expected 'run'"}});
}

TEST_CASE("an ELF file with a load address is refused, since it says itself where it goes") {
  check_refused({"run " + kHello + " --model spr --policy bare-metal --load-address 0x100000",
                 {"hello.elf: offset 0: found an ELF file, expected a flat binary"}});
}

TEST_CASE("an option with one value that is given twice is told so") {
  check_refused({"run " + kHello + " --model spr --policy bare-metal --record a --record b",
                 {"--record: found it given twice, expected it once"}});
}

TEST_CASE("the name of a guest program that is no file leads to the program") {
  check_refused({"run hello --model spr --policy bare-metal", {"no file 'hello'", "guests/hello.elf"}});
  check_refused({"run no-such-guest --model spr --policy bare-metal",
                 {"no-such-guest: found no such file, expected a readable file"}});
}

TEST_CASE("a program that a compiler made for Linux is refused with the way to make one for here") {
  const std::string folder = fresh_folder("plain");
  write(folder + "/plain.c", "int main(void) { return 0; }\n");
  for (const char* options : {"", " -static -no-pie"}) {
    if (shell("gcc" + std::string(options) + " -o " + folder + "/plain " + folder + "/plain.c").status != 0) {
      MESSAGE("SKIPPED: gcc links no such program here");
      continue;
    }
    check_refused({"run " + folder + "/plain --model spr --policy bare-metal",
                   {"CONTRIBUTING.md, 'A guest program of your own'"}});
  }
}

TEST_CASE("a VM that cannot take the PMU says who has it") {
  for (const auto& [host, holder] :
       {std::pair<const char*, const char*>{R"([{"watchdog": true}])", "the NMI watchdog of CPU 0"},
        {R"([{"perf_event": {"config": "0x3c", "pinned": true}}])",
         "a pinned perf event of CPU 0, config 0x3c"}}) {
    const std::string scenario =
        write(fresh_folder("busy") + "/s.json", std::string(R"({"host": )") + host + "}");
    const Output o =
        pmusim_command("run " + kHello + " --model spr --policy mediated --scenario " + scenario);
    CHECK(o.status == 1);
    CHECK(o.err.find("Device or resource busy") != std::string::npos);
    CHECK(o.err.find(holder) != std::string::npos);
  }
}

TEST_CASE("in a folder that is gone absolute paths work, and relative ones are told") {
  const std::string folder = fresh_folder("gone"), out = fresh_folder("gone_out");
  const std::string from_gone =
      "mkdir " + folder + "/here && cd " + folder + "/here && rmdir ../here && " + program();
  const std::string tail = " --model spr --policy bare-metal";
  CHECK(shell(from_gone + " run " + kHello + tail + " --out " + out).status == 0);
  const Output again = shell(from_gone + " run --config " + out + "/config.json");
  CAPTURE(again.err);
  CHECK(again.status == 0);
  const Output relative = shell(from_gone + " run x.elf" + tail);
  CHECK(relative.status == 2);
  const Output beside = shell(from_gone + " run --config " + out + "/config.json --out x");
  CHECK(beside.status == 2);
  CHECK(shell(from_gone + " conform 'absent*' --quiet" + tail).status == 0);
}

TEST_CASE("a config.json that was moved away from what it names says so") {
  const std::string folder = fresh_folder("config_moved");
  const std::string run = " --model spr --policy bare-metal --out ";
  REQUIRE(pmusim_command("run " + kHello + run + folder + "/a/b").status == 0);
  std::string text = read_file(folder + "/a/b/config.json");
  const std::size_t at = text.find("\"folder\": \"");
  REQUIRE(at != std::string::npos);
  text.insert(at + 11, "nowhere/");
  check_refused({"run --config " + write(folder + "/c.json", text), {"/folder", "was the file moved?"}});
}
