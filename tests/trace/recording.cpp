// SPDX-License-Identifier: Apache-2.0
// Recordings survive a round trip, wrong ones are refused with their line, and the log prints its groups.
#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>

#include "base/error.h"
#include "tests/support/paths.h"
#include "trace/event_json.h"
#include "trace/reader.h"
#include "trace/sinks.h"

using namespace pmusim;
using namespace pmusim::trace;

namespace {

Event msr_write(u64 cycle, u64 index, u64 value) {
  Event e{};
  e.kind = EventKind::Msr;
  e.vcpu = 0;
  e.write = true;
  e.cycle = cycle;
  e.tsc = cycle * 2;
  e.a = index;
  e.b = value;
  return e;
}

std::string temporary(const char* name) {
  return pmusim::test::build(name);
}

std::string read_error(const std::string& text) {
  const std::string path = temporary("wrong.jsonl");
  std::ofstream(path) << text;
  try {
    read_recording(path, [](const Event&) {});
  } catch (const InputError& error) {
    return error.place() + ": " + error.found();
  }
  return "";
}

}  // namespace

TEST_CASE("every kind of event survives writing and reading with its fields") {
  const std::string path = temporary("kinds.jsonl");
  std::vector<Event> written;
  {
    Recorder recorder(path, {{"model", "spr"}, {"policy", "mediated"}});
    for (unsigned k = 0; k < static_cast<unsigned>(EventKind::Number); ++k) {
      if (static_cast<EventKind>(k) == EventKind::Meta) continue;
      Event e{};
      e.kind = static_cast<EventKind>(k);
      e.cpu = 3;
      e.vcpu = k % 2 ? s8{-1} : s8{2};
      e.cycle = 1000 + k;
      e.tsc = ~u64{0} - k;
      written.push_back(e);
      recorder.on_event(e);
    }
    Event full = msr_write(2000, 0x38f, ~u64{0});
    full.fault = true;
    written.push_back(full);
    recorder.on_event(full);
    recorder.close();
  }
  std::vector<Event> read;
  const Recording recording = read_recording(path, [&](const Event& e) { read.push_back(e); });
  REQUIRE(read.size() == written.size());
  CHECK(recording.events == written.size());
  CHECK(recording.meta ==
        std::vector<std::pair<std::string, std::string>>{{"model", "spr"}, {"policy", "mediated"}});
  for (std::size_t i = 0; i < read.size(); ++i) CHECK(to_json_line(read[i]) == to_json_line(written[i]));
  CHECK(read.back().b == ~u64{0});
  CHECK(read.back().fault);
}

TEST_CASE("an event that is wrong is refused with its line and field") {
  const std::string meta = "{\"event\":\"meta\",\"schema\":2}\n";
  CHECK(read_error(meta) == "");
  CHECK(read_error("") == "line 1: an empty file");
  CHECK(read_error("{\"event\":\"meta\",\"schema\":1}\n") == "line 1, /schema: version 1");
  CHECK(read_error(meta + "{}\n") == "line 2: no 'event'");
  CHECK(read_error(meta + "{\"event\":\"halt\",\"cycle\":5,\"tsc\":5,\"cpu\":0,\"phase\":\"enter\"}\n"
                          "{\"event\":\"hlat\",\"cycle\":5,\"tsc\":5,\"cpu\":0,\"phase\":\"enter\"}\n") ==
        "line 3, /event: 'hlat'");
  CHECK(
      read_error(meta + "{\"event\":\"lvt\",\"cycle\":5,\"tsc\":5,\"cpu\":0,\"value\":\"0x1\",\"x\":1}\n") ==
      "line 2, /x: unknown key 'x'");
}

TEST_CASE("cycles of one CPU may stand still but not go back, other CPUs have their own") {
  const auto lvt = [](const char* cpu, const char* cycle) {
    return std::string("{\"event\":\"lvt\",\"cycle\":") + cycle + ",\"tsc\":0,\"cpu\":" + cpu +
           ",\"value\":\"0x1\"}\n";
  };
  const std::string meta = "{\"event\":\"meta\",\"schema\":2}\n";
  CHECK(read_error(meta + lvt("0", "5") + lvt("0", "5") + lvt("1", "4")) == "");
  CHECK(read_error(meta + lvt("0", "5") + lvt("0", "4")) == "line 3, /cycle: 4");
}

TEST_CASE("a recording that does not exist or cannot be written is an error") {
  CHECK_THROWS_AS(read_recording("/nonexistent.jsonl", [](const Event&) {}), InputError);
  CHECK_THROWS_AS(read_recording("/", [](const Event&) {}), InputError);
  CHECK_THROWS_AS(Recorder("/nonexistent/x.jsonl", {}), InputError);
}

TEST_CASE("the log prints the groups that were asked for, and gaps always") {
  const std::string path = temporary("log.txt");
  std::FILE* out = std::fopen(path.c_str(), "w");
  TextLog log(out, {"msr"});
  log.on_event(msr_write(7, 0x186, 0x4300c0));
  Event exit{};
  exit.kind = EventKind::Exit;
  log.on_event(exit);
  Event gap{};
  gap.kind = EventKind::Gap;
  gap.text = "LBR";
  log.on_event(gap);
  std::fclose(out);
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  CHECK(line == "           7  cpu0 vcpu0   msr      write index 0x186 value 0x4300c0");
  std::getline(in, line);
  CHECK(line.find("gap      LBR") != std::string::npos);
  CHECK_FALSE(std::getline(in, line));
  CHECK_THROWS_AS(TextLog(stderr, {"exits"}), InputError);
}
