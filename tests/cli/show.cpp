// SPDX-License-Identifier: Apache-2.0
// What list and show tell: costs, CPUID, kernels, guests; a model, a policy on a host, a case.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/data.h"
#include "base/json.h"
#include "tests/support/program.h"

using pmusim::JsonDocument;
using pmusim::JsonView;
using namespace pmusim::test;

namespace {

// Objects of a table by id.
std::map<std::string, JsonView> by_id(const JsonView& rows) {
  std::map<std::string, JsonView> found;
  for (const JsonView& row : rows.items()) CHECK(found.emplace(row.at("id").as_string(), row).second);
  return found;
}

std::size_t widest(const std::string& text) {
  std::size_t most = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    most = std::max(most, end - begin);
    begin = end + 1;
  }
  return most;
}

}  // namespace

TEST_CASE("show model prints the assumed values with value, unit and rule, under the names of --set") {
  const Output output = pmusim_command("show model spr --json");
  REQUIRE(output.status == 0);
  const JsonDocument document = output.json();
  const auto assumed = by_id(document.root().at("assumed"));
  const JsonView wrmsr = assumed.at("model.costs.wrmsr.cycles");
  CHECK(wrmsr.at("unit").as_string() == "cycles");
  CHECK(has(wrmsr.at("rule").as_string(), "b0b6a8d3be16"));
  CHECK(has(assumed.at("model.cpuid.0x80000008.eax").at("rule").as_string(), "80000008H"));
  for (const auto& [name, row] : assumed) {
    CAPTURE(name);
    CHECK_FALSE(row.at("value").as_string().empty());
    CHECK_FALSE(row.at("rule").as_string().empty());
  }
  // Each name is one that --set takes: given its own value, it is no longer assumed.
  const std::string set = " --set model.costs.wrmsr.cycles=60 --json";
  const JsonDocument changed = pmusim_command("show model spr" + set).json();
  CHECK(by_id(changed.root().at("assumed")).count("model.costs.wrmsr.cycles") == 0);
  CHECK(by_id(changed.root().at("costs")).at("model.costs.wrmsr.cycles").at("mark").as_string() == "given");
  CHECK(has(pmusim_command("show model spr").out, "version 5, 8 general and 4 fixed counters of 48 bits"));
}

// vmx_recalc_pmu_msr_intercepts: global control is the guest's only if it has all of the host's counters; KVM
// shows three of Sapphire Rapids' four fixed ones and all of Skylake's.
TEST_CASE("show policy tells which MSR accesses exit on a host, and what decided") {
  const auto row = [](const std::string& options, const std::string& id) {
    const Output output = pmusim_command("show policy mediated --json " + options);
    CAPTURE(output.err);
    REQUIRE(output.status == 0);
    const JsonDocument document = output.json();
    const JsonView found = by_id(document.root().at("registers")).at(id);
    return std::make_pair(found.at("exits").as_bool(), found.at("decided_by").as_string());
  };
  const auto on_spr = row("--model spr", "IA32_PERF_GLOBAL_CTRL");
  CHECK(on_spr.first);
  CHECK(has(on_spr.second, "counts-match does not hold"));
  CHECK_FALSE(row("--model skx", "IA32_PERF_GLOBAL_CTRL").first);
  CHECK(row("--model skx --cpuid kvm,gp=3", "IA32_PERF_GLOBAL_CTRL").first);
  CHECK_FALSE(row("--model spr --set model.pmu.fixed.mask=0x7", "IA32_PERF_GLOBAL_CTRL").first);
  CHECK_FALSE(row("--model spr", "IA32_PERFCTR0-7").first);
  CHECK(row("--model spr", "RDPMC").first);
  CHECK_FALSE(row("--model zen4", "PerfCntrGlobalCtl").first);
}

TEST_CASE("show policy refuses a host that cannot run the policy, with the reason") {
  const Output zen3 = pmusim_command("show policy mediated --model zen3");
  CHECK(zen3.status == 2);
  CHECK(has(zen3.err, "PerfMonV2"));
  const Output old = pmusim_command("show policy mediated --model spr --kernel 6.12");
  CHECK(old.status == 2);
  CHECK(has(old.err, "7.0"));
  CHECK(pmusim_command("show policy bare-metal --model spr").status == 2);
}

TEST_CASE("show case tells requirements, checks and divergences with their reasons") {
  const JsonDocument document = pmusim_command("show case absent-pmu-legacy-msrs --json").json();
  const JsonView root = document.root();
  CHECK(root.at("area").as_string() == "absent PMU");
  CHECK_FALSE(root.at("requires").at("pmu").as_bool());
  CHECK(root.at("divergences").size() == 4);
  const JsonView first = root.at("divergences").at(0);
  CHECK(first.at("value").as_string() == "no_fault");
  CHECK(has(first.at("reason").as_string(), "old kernels"));
  CHECK(first.at("shipped_policies").size() > 3);  // of "*" every one
  const Output text = pmusim_command("show case absent-pmu-legacy-msrs");
  CHECK(has(text.out, "a read of a legacy counter raises #GP"));
  CHECK(widest(text.out) <= 120);
}

TEST_CASE("show refuses unknown names with the nearest and the list") {
  const struct {
    const char* arguments;
    const char* near;
    const char* list;
  } wrong[] = {
      {"show model sprr", "'spr'", "skx"},
      {"show policy mediatd --model spr", "'mediated'", "dedicated"},
      {"show policy mediated --model spr --kernel 8.0", "6.12", "7.2"},
      {"show case branches-exat", "'branches-exact'", "pmusim list cases"},
      {"show modle spr", "'model'", "policy"},
      {"list costs --model sprr", "'spr'", "zen4"},
  };
  for (const auto& w : wrong) {
    CAPTURE(w.arguments);
    const Output output = pmusim_command(w.arguments);
    CAPTURE(output.err);
    CHECK(output.status == 2);
    CHECK(has(output.err, w.near));
    CHECK(has(output.err, w.list));
  }
}

TEST_CASE("list cpuid prints a file that --cpuid reads to the same CPUID") {
  const std::string file = fresh_folder("list_cpuid") + "/cpuid.json";
  for (const char* model : {"spr", "zen4"}) {
    const std::string of = std::string("list cpuid --json --model ") + model + " --cpuid ";
    const Output kvm = pmusim_command(of + "kvm,gp=4");
    REQUIRE(kvm.status == 0);
    REQUIRE(pmusim_command(of + "kvm,gp=4 > " + file).status == 0);
    CHECK(pmusim_command(of + file).out == kvm.out);
    CHECK(pmusim_command(of + "host").out != kvm.out);
  }
  const Output run = pmusim_command("run " + build("guests/hello.elf") +
                                    " --model zen4 --policy emulated --quiet --cpuid " + file);
  CHECK(run.status == 0);
  CHECK(pmusim_command("list cpuid").status == 2);
  CHECK(pmusim_command("list models --cpuid kvm").status == 2);
}

TEST_CASE("list costs names the hypervisor's paths and a model's operations as --set takes them") {
  const JsonDocument document = pmusim_command("list costs --model spr --json").json();
  const auto costs = by_id(document.root());
  CHECK(costs.at("host.vmm").at("mark").as_string() == "assumed");
  CHECK(costs.at("host.vmm").at("cycles").as_u64() > 0);
  CHECK(costs.count("model.costs.wrmsr.cycles") == 1);
  const JsonDocument host = pmusim_command("list costs --json").json();
  CHECK(by_id(host.root()).count("model.costs.wrmsr.cycles") == 0);
}

TEST_CASE("list kernels tells the default and the policies that a release is the first for") {
  const JsonDocument document = pmusim_command("list kernels --json").json();
  const auto kernels = by_id(document.root());
  CHECK(kernels.size() == 3);
  CHECK(kernels.at("7.2").at("default").as_bool());
  CHECK(has(kernels.at("7.0").at("title").as_string(), "mediated"));
}

TEST_CASE("every guest image that is built has a title and is listed with its file") {
  const JsonDocument document = pmusim_command("list guests --json").json();
  const auto guests = by_id(document.root());
  unsigned images = 0;
  for (const std::string& file : pmusim::list_files(build("guests"), ".elf")) {
    if (file.find('/') != std::string::npos || file == "case_runtime.elf") continue;
    ++images;
    CAPTURE(file);
    const auto row = guests.find(file.substr(0, file.size() - 4));
    REQUIRE(row != guests.end());
    CHECK_FALSE(row->second.at("title").as_string().empty());
    CHECK(std::filesystem::exists(row->second.at("file").as_string()));
  }
  CHECK(images == guests.size());
  CHECK(images > 10);
}

TEST_CASE("a list is limited by a pattern and not wider than a page") {
  const Output cases = pmusim_command("list cases 'lvtpc*'");
  CHECK(cases.status == 0);
  CHECK(has(cases.out, "lvtpc-starts-masked"));
  CHECK_FALSE(has(cases.out, "branches-exact"));
  CHECK(widest(pmusim_command("list cases").out) <= 100);
  for (const char* verb : {"run", "conform", "list", "show policy"})
    CHECK(widest(pmusim_command(std::string(verb) + " --help").out) <= 110);
  const Output none = pmusim_command("list cases 'lvtcp-starts-masked'");
  CHECK(none.status == 2);
  CHECK(has(none.err, "'lvtpc-starts-masked'"));
}

// perfmon SPR: BR_INST_RETIRED.COND_TAKEN is C4H with unit mask 01H, on any of eight counters.
TEST_CASE("list events shows encodings and the counters that can count") {
  const JsonDocument document = pmusim_command("list events --model spr --json").json();
  const auto events = by_id(document.root());
  const JsonView taken = events.at("BR_INST_RETIRED.COND_TAKEN").at("encodings").at(0);
  CHECK(taken.at("event").as_string() == "0xc4");
  CHECK(taken.at("umask").as_string() == "0x1");
  CHECK(taken.at("counters").as_string() == "0xff");
  CHECK(events.at("INST_RETIRED.ANY").at("encodings").at(0).at("counters").as_string() == "fixed0");
  CHECK(events.at("BR_INST_RETIRED.COND_TAKEN").at("title").as_string() == "counted on spr");
}
