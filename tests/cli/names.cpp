// SPDX-License-Identifier: Apache-2.0
// Names and wrong use: what is listed, and how a mistake is answered.
#include <doctest/doctest.h>

#include <map>
#include <set>

#include "base/json.h"
#include "tests/support/program.h"

using pmusim::JsonDocument;
using pmusim::JsonView;
using pmusim::test::has;
using pmusim::test::pmusim_command;

namespace {

std::set<std::string> listed(const std::string& what) {
  const auto output = pmusim_command("list " + what + " --json");
  REQUIRE(output.status == 0);
  std::set<std::string> ids;
  const JsonDocument rows = output.json();
  for (const JsonView& row : rows.root().items()) CHECK(ids.insert(row.at("id").as_string()).second);
  return ids;
}

}  // namespace

TEST_CASE("list prints one array of objects with distinct ids") {
  CHECK(listed("models").count("spr") == 1);
  CHECK(listed("models").count("zen4") == 1);
  const auto policies = listed("policies");
  for (const char* id : {"emulated", "mediated", "dedicated"}) CHECK(policies.count(id) == 1);
  CHECK_FALSE(listed("cases").empty());
  CHECK_FALSE(listed("bugs").empty());
  CHECK_FALSE(listed("events").empty());
  CHECK(listed("features").count("x2apic") == 1);
}

// Mediated needs PerfMonV2 of AMD's CPUs (Linux 7.0): Zen 3 has none.
TEST_CASE("list policies names the models that refuse each, and the reason") {
  const auto refusing = [](const std::string& options) {
    std::set<std::string> models;
    const JsonDocument rows = pmusim_command("list policies --json" + options).json();
    for (const JsonView& row : rows.root().items())
      if (row.at("id").as_string() == "mediated")
        for (const JsonView& r : row.at("refused").items()) {
          CHECK(has(r.at("reason").as_string(), "PerfMonV2"));
          models.insert(r.at("model").as_string());
        }
    return models;
  };
  CHECK(refusing("") == std::set<std::string>{"zen3"});
  CHECK(refusing(" --model zen3,spr") == std::set<std::string>{"zen3"});
  CHECK(refusing(" --model spr").empty());
  CHECK(has(pmusim_command("list policies --model zen3").out, "not on zen3: "));
  CHECK(pmusim_command("list models --model zen3").status == 2);
}

TEST_CASE("list policies tells which policy another extends") {
  std::map<std::string, std::string> extends;  // as JSON
  const JsonDocument rows = pmusim_command("list policies --json").json();
  for (const JsonView& row : rows.root().items())
    extends[row.at("id").as_string()] = row.at("extends").text();
  CHECK(extends.at("mediated") == "null");
  CHECK(extends.at("freeze-guest") == "\"mediated\"");
  CHECK(has(pmusim_command("list policies").out, "  extends mediated\n"));
}

TEST_CASE("a misspelt name ends with status 2 and the nearest valid name") {
  const struct {
    const char* arguments;
    const char* answer;
  } wrong[] = {
      {"lst", "'list'"},
      {"list modles", "'models'"},
      {"list models --jsno", "'--json'"},
      {"conform --modle spr", "'--model'"},
      {"conform --model sprr --policy all", "'spr'"},
      {"conform --model spr --policy mediatd", "'mediated'"},
      {"conform --model spr --policy all --kernel 7.1", "'7."},
      {"conform --model spr --policy all --format jsn", "'json'"},
      {"conform --model spr --policy all --target kwm", "'kvm'"},
      {"conform --model spr --policy all --color sometimes", "auto"},
      {"conform --model spr --policy all --bug nothing-like-it", "'pmusim list bugs'"},
      {"conform no-such-case* --model spr --policy all", "no-such-case*"},
      {"conform --model spr --policy all --set modle.x=1", "'model'"},
      {"run image.elf --model spr --policy bare-mettal", "'bare-metal'"},
      {"bugs check no-such-bug", "no-such-bug"},
      {"bugs chek", "unknown verb 'chek', expected one of --help, check; did you mean 'check'?"},
      {"trace viwe x", "did you mean 'view'?"},
  };
  for (const auto& w : wrong) {
    CAPTURE(w.arguments);
    const auto output = pmusim_command(w.arguments);
    CHECK(output.status == 2);
    CAPTURE(output.err);
    CHECK(has(output.err, w.answer));
    CHECK(output.out.empty());
  }
}

TEST_CASE("a timing model that does not exist yet is refused") {
  const auto output = pmusim_command("run image.elf --model spr --policy bare-metal --timing cycle");
  CHECK(output.status == 2);
  CHECK(has(output.err, "functional"));
}

TEST_CASE("help and version end with status 0") {
  CHECK(pmusim_command("--help").status == 0);
  CHECK(has(pmusim_command("run --help").out, "--policy"));
  for (const char* verb : {"run", "conform"})
    CHECK(has(pmusim_command(verb + std::string(" --help | tr -s ' \\n' ' '")).out, "pmusim list features"));
  CHECK(has(pmusim_command("--version").out, "pmusim "));
  CHECK(pmusim_command("").status == 2);
}
