// SPDX-License-Identifier: Apache-2.0
// What a run prints and writes: the table, JSON and CSV are the same values, and parts add up to their
// wholes.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <regex>

#include "base/json.h"
#include "tests/cli/small_image.h"
#include "tests/support/program.h"

using namespace pmusim;
using namespace pmusim::test;

namespace {

const std::string kHello = build("guests/hello.elf");
const std::string kProfiler = build("guests/profiler.elf");

// Of a policy: the value of a name, and the sum of those below a name.
class Stats {
 public:
  Stats(const JsonDocument& document, const std::string& policy)
      : stats_(document.root().at("policies").at(policy).at("stats")) {}
  u64 value(const std::string& name) const { return stats_.at(name).at("value").as_u64(); }
  bool has(const std::string& name) const { return stats_.has(name); }
  std::vector<std::string> below(const std::string& prefix) const {
    std::vector<std::string> names;
    for (const std::string& name : stats_.keys())
      if (name.rfind(prefix, 0) == 0) names.push_back(name);
    return names;
  }
  u64 sum(const std::string& prefix) const {
    u64 total = 0;
    for (const std::string& name : below(prefix)) total += value(name);
    return total;
  }
  const JsonView& all() const { return stats_; }

 private:
  JsonView stats_;
};

std::string grouped(u64 value) {
  std::string text = std::to_string(value);
  for (int at = static_cast<int>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<std::size_t>(at), ",");
  return text;
}

}  // namespace

TEST_CASE("a run of one policy ends with the guest's text and then the table") {
  const std::string run = "run " + kHello + " --model spr --timing functional --policy emulated --format ";
  const std::string text = pmusim_command(run + "serial").out;
  REQUIRE(has(text, "hello"));
  const Output o = pmusim_command(run + "text");
  CHECK(o.out.rfind(text + "\n", 0) == 0);
  for (const char* row : {"guest instructions", "cycles in the host", "VM-exits", "world switch", "monitor"})
    CHECK(has(o.out.substr(text.size()), row));
}

TEST_CASE("the table's numbers are those of stats.json, with separators") {
  const std::string out = fresh_folder("table_values");
  const Output o =
      pmusim_command("run " + kHello + " --model zen4 --timing functional --policy mediated --out " + out);
  const JsonDocument document = load_json(out + "/stats.json");
  const Stats stats(document, "mediated");
  for (const char* name : {"machine.cycles", "guest.instructions", "cpu0.host.cycles", "vcpu0.exits",
                           "cpu0.host_cycles.monitor"})
    CHECK(has(o.out, " " + grouped(stats.value(name))));
}

TEST_CASE("the host's cycles by cause add up to the host's cycles") {
  for (const char* model : {"spr", "zen4"}) {
    const JsonDocument document = pmusim_command("run " + kProfiler + " --timing functional --format json " +
                                                 "--policy emulated,mediated,dedicated --model " + model)
                                      .json();
    for (const char* policy : {"emulated", "mediated", "dedicated"}) {
      CAPTURE(model);
      CAPTURE(policy);
      const Stats stats(document, policy);
      CHECK(stats.sum("cpu0.host_cycles.") == stats.value("cpu0.host.cycles"));
      for (const char* cause : {"world_switch", "handlers", "monitor", "boot"})
        CHECK(stats.value(std::string("cpu0.host_cycles.") + cause) > 0);
    }
    // The emulated policy's counters are events of host perf; the others' are switched by KVM.
    const Stats emulated(document, "emulated"), mediated(document, "mediated");
    CHECK(emulated.value("cpu0.host_cycles.host_perf") > mediated.value("cpu0.host_cycles.host_perf"));
    CHECK(emulated.value("cpu0.host_cycles.msr_accesses") < mediated.value("cpu0.host_cycles.msr_accesses"));
  }
}

TEST_CASE("with several processors each one's causes add up") {
  const JsonDocument document = pmusim_command("run " + build("guests/smp.elf") + " --cpus 4 --format json " +
                                               "--timing functional --model spr --policy emulated")
                                    .json();
  const Stats stats(document, "emulated");
  for (const char* cpu : {"cpu0", "cpu1", "cpu2", "cpu3"}) {
    CAPTURE(cpu);
    const std::string name = cpu;
    CHECK(stats.value(name + ".host.cycles") > 0);
    CHECK(stats.sum(name + ".host_cycles.") == stats.value(name + ".host.cycles"));
  }
}

// KVM's names of the exits: vmx.c's reasons tell reads from writes, svm.c's one does not.
TEST_CASE("VM-exits by MSR add up to the exits that accesses to MSRs caused, and so do their cycles") {
  for (const char* model : {"spr", "zen4"}) {
    CAPTURE(model);
    const JsonDocument document = pmusim_command("run " + kProfiler + " --timing functional --format json " +
                                                 "--policy emulated,mediated --model " + model)
                                      .json();
    for (const char* policy : {"emulated", "mediated"}) {
      CAPTURE(policy);
      const Stats stats(document, policy);
      u64 exits = 0, cycles = 0;
      for (const char* reason : {"MSR_READ", "MSR_WRITE", "msr"})
        if (stats.has(std::string("vcpu0.exits.") + reason)) {
          exits += stats.value(std::string("vcpu0.exits.") + reason);
          cycles += stats.value(std::string("vcpu0.exit_cycles.") + reason);
        }
      CHECK(exits > 0);
      CHECK(stats.sum("vcpu0.msr_exits.") == exits);
      CHECK(stats.sum("vcpu0.msr_exit_cycles.") == cycles);
    }
    CHECK(Stats(document, "emulated")
              .has(std::string("vcpu0.msr_exits.write.") +
                   (model[0] == 's' ? "IA32_PERF_GLOBAL_CTRL" : "PerfCntrGlobalCtl")));
  }
}

TEST_CASE("the overhead over bare metal is that of the cycles, rounded to a tenth of a percent") {
  const std::string out = fresh_folder("overhead");
  const Output o = pmusim_command("run " + kProfiler + " --model spr --timing functional --cpuid kvm " +
                                  "--policy bare-metal,mediated --out " + out);
  const JsonDocument document = load_json(out + "/stats.json");
  const u64 bare = Stats(document, "bare-metal").value("machine.cycles");
  const Stats mediated(document, "mediated");
  const u64 cycles = mediated.value("machine.cycles"), shown = mediated.value("overhead.bare_metal");
  // |cycles / bare - 1 - shown / 1000| is at most half of a thousandth.
  const u64 exact = (cycles - bare) * 1000;
  CHECK(exact <= shown * bare + bare / 2);
  CHECK(exact + bare / 2 >= shown * bare);
  CHECK(has(o.out, "+" + std::to_string(shown / 10) + "." + std::to_string(shown % 10) + " %"));
  CHECK_FALSE(Stats(document, "bare-metal").has("overhead.bare_metal"));
  CHECK(has(o.err, "--timing interval"));
}

TEST_CASE("without bare metal there is no overhead, and a note says how to get it") {
  const Output o = pmusim_command("run " + kHello + " --model spr --policy emulated,mediated");
  CHECK_FALSE(has(o.out, "over bare metal"));
  CHECK(has(o.err, "add bare-metal to --policy"));
}

TEST_CASE("a baseline is the same policy without a PMU, and the overhead is over its cycles") {
  const std::string out = fresh_folder("baseline");
  const Output o = pmusim_command("run " + kHello + " --model spr --policy emulated,mediated " +
                                  "--baseline no-pmu --out " + out);
  CHECK(o.status == 0);
  CHECK(has(o.out, "over the baseline"));
  const JsonDocument document = load_json(out + "/stats.json");
  // A VM with KVM_PMU_CAP_DISABLE has no PMU to switch, whatever the policy.
  const Stats mediated(document, "mediated");
  CHECK(mediated.value("baseline.machine.cycles") ==
        Stats(document, "emulated").value("baseline.machine.cycles"));
  CHECK(mediated.value("baseline.machine.cycles") < mediated.value("machine.cycles"));
  CHECK(mediated.has("overhead.baseline"));
}

TEST_CASE("a guest that needs a PMU has no baseline without one, and the run says so") {
  const Output o = pmusim_command(
      "run " + kProfiler + " --timing functional --model zen4 --policy emulated " + "--baseline no-pmu");
  CHECK(o.status == 1);
  CHECK(has(o.err, "emulated: no baseline: the guest wrote 38 to the exit port instead of 0: it skipped"));
  CHECK_FALSE(has(o.out, "over the baseline"));
}

TEST_CASE("a baseline may be the same guest with other arguments") {
  const std::string image = build("guests/workload_alu.elf"), out = fresh_folder("baseline_args");
  const Output o = pmusim_command("run " + image + " --model spr --policy emulated --timing functional " +
                                  "--baseline args= --out " + out + " -- count");
  CAPTURE(o.err);
  CHECK(o.status == 0);
  const JsonDocument document = load_json(out + "/stats.json");
  const Stats stats(document, "emulated");
  CHECK(stats.value("baseline.machine.cycles") < stats.value("machine.cycles"));
  CHECK(pmusim_command("run " + image + " --model spr --policy emulated --baseline nothing").status == 2);
}

TEST_CASE("JSON on standard output is the stats.json of the run, and CSV has a row for each of its values") {
  const std::string out = fresh_folder("formats_of_run");
  const std::string run = "run " + kHello + " --model spr --policy bare-metal,emulated --format ";
  const Output json = pmusim_command(run + "json --out " + out);
  CHECK((json.out == read_file(out + "/stats.json")));
  const Output csv = pmusim_command(run + "csv");
  CHECK(csv.out.rfind("policy,name,value,unit\n", 0) == 0);
  const JsonDocument document = json.json();
  std::size_t values = 0;
  for (const char* policy : {"bare-metal", "emulated"}) {
    const Stats stats(document, policy);
    for (const std::string& name : stats.all().keys()) {
      ++values;
      const JsonView stat = stats.all().at(name);
      CHECK(has(csv.out, std::string("\n") + policy + "," + name + "," + stat.at("value").text() + "," +
                             stat.at("unit").as_string() + "\n"));
    }
    CHECK(has(csv.out, std::string("\n") + policy + ",exit_value,0,\n"));
  }
  CHECK(static_cast<std::size_t>(std::count(csv.out.begin(), csv.out.end(), '\n')) == values + 3);
}

TEST_CASE("with a format for programs the guest's text goes to standard error") {
  for (const char* policies : {"emulated", "bare-metal,emulated"})
    for (const char* format : {"json", "csv"}) {
      CAPTURE(policies);
      CAPTURE(format);
      const Output o = pmusim_command("run " + kHello + " --quiet --model spr --policy " + policies +
                                      " --format " + format);
      CHECK(has(o.err, "hello from Intel"));
      CHECK_FALSE(has(o.out, "hello from Intel"));
    }
}

TEST_CASE(
    "stats.json names the image by its bytes, how it was run, and what the guest wrote to the exit port") {
  const std::string out = fresh_folder("stats_identity");
  CHECK(
      pmusim_command("run " + kHello + " --model spr --policy emulated --kernel 7.0 --out " + out + " -- x y")
          .status == 0);
  const JsonDocument document = load_json(out + "/stats.json");
  const JsonView root = document.root(), run = root.at("run");
  CHECK(root.at("schema").as_u64() == 1);
  CHECK(run.at("image_sha256").as_string() == shell("sha256sum " + kHello).out.substr(0, 64));
  CHECK(run.at("arguments").text() == R"(["x","y"])");
  CHECK(run.at("kernel").as_string() == "7.0");
  CHECK(run.at("timing").as_string() == "interval");
  CHECK(root.at_pointer("/policies/emulated/exit_status").as_u64() == 1);
  CHECK(root.at_pointer("/policies/emulated/exit_value").as_u64() == 0);
  const std::string version = pmusim_command("--version").out;
  CHECK(version == root.at("program").as_string() + " (" + root.at("commit").as_string() + ")\n");
}

// A name is there as it is, or by its last part: `cpuN.guest.COUNT` for cpu0.guest.loads.
TEST_CASE("every key of stats.json stands in its document") {
  const std::string text = read_file(source("docs/stats-format.md"));
  const auto stands = [&text](const std::string& key) {
    const std::string parent = key.substr(0, key.rfind('.') + 1);
    if (has(text, "`" + key + "`")) return true;
    // As `cpuN.guest.COUNT`: the last part a placeholder, of capitals.
    const std::regex placeholder("`" + std::regex_replace(parent, std::regex("[.]"), "[.]") + "[A-Z]+`");
    return !parent.empty() && std::regex_search(text, placeholder);
  };
  const JsonDocument document =
      pmusim_command("run " + kProfiler + " --model spr --timing functional --format json " +
                     "--policy bare-metal,emulated --baseline args= --scenario " +
                     source("scenarios/nmi-watchdog.json"))
          .json();
  for (const std::string& key : document.root().keys()) CHECK_MESSAGE(stands(key), key);
  for (const std::string& key : document.root().at("run").keys()) CHECK_MESSAGE(stands(key), key);
  unsigned names = 0;
  for (const char* policy : {"bare-metal", "emulated"}) {
    for (const std::string& key : document.root().at("policies").at(policy).keys())
      CHECK_MESSAGE(stands(key), key);
    const Stats stats(document, policy);
    for (std::string name : stats.all().keys()) {
      ++names;
      const std::string cause = "cpu0.host_cycles.";
      if (name.rfind(cause, 0) == 0)
        CHECK_MESSAGE(has(text, "| `" + name.substr(cause.size()) + "` |"), name);
      name = std::regex_replace(name, std::regex("^(v?cpu)[0-9]+"), "$1N");
      name = std::regex_replace(name, std::regex("[.](gp|fixed)[0-9]+[.]"), ".COUNTER.");
      name = std::regex_replace(name, std::regex("^cpuN.COUNTER"), "vcpuN.COUNTER");
      CHECK_MESSAGE(stands(name), name);
    }
  }
  CHECK(names > 100);
}

TEST_CASE("a VM that was refused has no values in the table, but the reason") {
  const Output o = pmusim_command("run " + kHello + " --model spr --policy emulated,mediated --scenario " +
                                  source("scenarios/nmi-watchdog.json"));
  CHECK(o.status == 1);
  CHECK(has(o.out,
            "mediated was not run: refused: KVM_CREATE_VCPU: Device or resource busy (this VM would own"));
}

TEST_CASE("a config.json repeats its run with the same image only, unless an image is given beside it") {
  const std::string folder = fresh_folder("image_hash");
  const std::vector<u8> ends = {0x66, 0xba, 0xf4, 0x00, 0x31, 0xc0, 0xee};  // writes 0 to the exit port
  const std::string file = small_image(folder, "guest", ends);
  const std::string config = folder + "/out/config.json";
  REQUIRE(pmusim_command("run " + file + " --model spr --policy emulated --out " + folder + "/out").status ==
          0);
  std::ofstream(file, std::ios::binary | std::ios::app) << "x";
  const Output o = pmusim_command("run --config " + config);
  CHECK(o.status == 2);
  CHECK(has(o.err, "found a file with SHA-256 "));
  CHECK(pmusim_command("run --config " + config + " " + file).status == 0);
}

TEST_CASE("what no device answers is reported alike on bare metal and in VMs, in as few lines as can be") {
  const std::string folder = fresh_folder("unclaimed");
  // mov esi, 0c0000000h; mov ecx, 2000; l: mov al, [esi]; inc esi; loop l; mov dx, 5678h; in al, dx; exit
  const std::string file = small_image(
      folder, "flood", {0xbe, 0,    0,    0,    0xc0, 0xb9, 0xd0, 0x07, 0,    0,    0x8a, 0x06, 0x46, 0xe2,
                        0xfb, 0x66, 0xba, 0x78, 0x56, 0xec, 0x66, 0xba, 0xf4, 0x00, 0x31, 0xc0, 0xee});
  const std::string run = "run " + file + " --model spr --policy bare-metal,emulated,mediated,dedicated ";
  const Output o = pmusim_command(run + "--out " + folder);
  const JsonDocument document = load_json(folder + "/stats.json");
  for (const char* policy : {"bare-metal", "emulated", "mediated", "dedicated"}) {
    CAPTURE(policy);
    CHECK(document.root().at("policies").at(policy).at("not_modelled").text() ==
          R"(["no device answers: port 0x5678: 1 read",)"
          R"("no device answers: addresses 0xc0000000 to 0xc00007cf: 2000 reads"])");
    CHECK(has(o.err, std::string(policy) + ": no device answers: port 0x5678: 1 read\n"));
  }
  CHECK(pmusim_command(run + "--quiet").err.empty());
}

TEST_CASE("guests that skipped everything have no overhead, and a note says so") {
  const Output o =
      pmusim_command("run " + kProfiler +
                     " --model spr --policy bare-metal,emulated --cpuid kvm,version=0 --timing functional");
  CHECK(o.status == 77);
  CHECK_FALSE(has(o.out, "over bare metal"));
  CHECK(has(o.err, "no overhead: the guest did not end as on bare metal, or it skipped everything"));
}
