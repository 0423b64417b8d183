// SPDX-License-Identifier: Apache-2.0
// The programs guests/programs/privileged: each prints one line per probe, which holds everything that is
// visible of an exception, an interrupt or a transfer, and judges it by the manual. Here all of them have to
// pass, whatever the timing, stepped or not, on bare metal and in a VM; and where QEMU's TCG implements what
// is probed, the same image has to print the same lines there. Where TCG departs from the manual, qemu.json
// names the line, what TCG prints and the manual's section.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "base/data.h"
#include "base/json.h"
#include "tests/support/program.h"

using namespace pmusim;
using namespace pmusim::test;

namespace {

std::vector<std::string> programs() {
  std::vector<std::string> names;
  for (std::string file : list_files(source("guests/programs/privileged"), ".c"))
    names.push_back(file.substr(0, file.size() - 2));
  return names;
}
std::string image(const std::string& program) {
  return build("guests/privileged_" + program + ".elf");
}
Output simulate(const std::string& program, const std::string& options) {
  return pmusim_command("run " + image(program) + " --quiet --format serial " + options);
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> all;
  for (std::size_t at = 0, end; at < text.size(); at = end + 1) {
    end = std::min(text.find('\n', at), text.size());
    all.push_back(text.substr(at, end - at));
  }
  return all;
}

// What is seen, without the verdict.
std::string outcome(const std::string& line) {
  const std::size_t pass = line.rfind(" PASS"), expected = line.find(" | expected: ");
  return line.substr(0, std::min(pass, expected));
}
std::string name(const std::string& line) {
  return line.substr(0, line.find(": "));
}

void replace(std::string& text, const std::string& part, const std::string& by) {
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += by.size())
    text.replace(at, part.size(), by);
}

// Addresses inside the image, also at the probes' alias for user mode, differ from compiler to compiler.
std::string without_addresses(const std::string& line) {
  static const std::regex address("\\b(c0)?[4-7][0-9a-f]{5}\\b");
  return std::regex_replace(line, address, "IMAGE");
}

// The lines of a program under TCG; empty: it is not installed.
std::vector<std::string> emulate(const std::string& program, const std::string& vendor) {
  const std::string serial = build("test_privileged_" + program + vendor + ".serial");
  shell("timeout 900 qemu-system-x86_64 -accel tcg -cpu max,vendor=" + vendor +
        " -display none -no-reboot -m 128 -device isa-debug-exit,iobase=0xf4,iosize=4 -serial file:" +
        serial + " -kernel " + image(program));
  std::string text = read_file(serial);
  text.erase(std::remove(text.begin(), text.end(), '\r'), text.end());
  return lines(text);
}

void all_pass(const std::string& text) {
  for (const std::string& line : lines(text)) {
    const bool failed = line.find(" FAIL") != std::string::npos;
    CHECK_MESSAGE(!failed, line);
  }
}

const std::string kModels[] = {"spr", "zen4"};

}  // namespace

TEST_CASE("every probe of privileged semantics finds what the manual says, in both timings and stepped") {
  for (const std::string& program : programs())
    for (const std::string& model : kModels) {
      CAPTURE(program);
      CAPTURE(model);
      const std::string on = std::string("--policy bare-metal --model ") + model + " --timing ";
      const Output first = simulate(program, on + "functional");
      CHECK(first.status == 0);
      all_pass(first.out);
      CHECK(lines(first.out).size() > 1);
      std::set<std::string> names;
      for (const std::string& line : lines(first.out)) CHECK_MESSAGE(names.insert(name(line)).second, line);
      for (const char* timing : {"functional --step", "interval", "interval --step"}) {
        CAPTURE(timing);
        const Output again = simulate(program, on + timing);
        CHECK(again.status == 0);
        CHECK(again.out == first.out);
      }
    }
}

TEST_CASE("every probe of privileged semantics finds the same in a VM") {
  for (const std::string& program : programs())
    for (const std::string& model : kModels)
      for (const std::string policy : {"emulated", "mediated"}) {
        CAPTURE(program);
        CAPTURE(model);
        CAPTURE(policy);
        const std::string with =
            std::string(" --cpuid kvm --timing functional --model ") + model + " --policy ";
        const Output bare = simulate(program, with + "bare-metal"), vm = simulate(program, with + policy);
        CHECK(vm.status == 0);
        all_pass(vm.out);
        CHECK(vm.out == bare.out);
      }
}

TEST_CASE(
    "every probe of privileged semantics finds the same under QEMU, but for what TCG is known not to do") {
  if (shell("command -v qemu-system-x86_64").status != 0) {
    MESSAGE("SKIPPED: qemu-system-x86_64 is not installed");
    return;
  }
  const auto table = nlohmann::json::parse(read_file(source("tests/privileged/qemu.json")));
  const bool known =
      shell("qemu-system-x86_64 --version").out.find("version " + table.at("qemu").get<std::string>()) !=
      std::string::npos;
  // By program, vendor and line: what TCG prints instead.
  std::map<std::string, std::string> departures;
  std::set<std::string> unused;
  const auto key = [](const std::string& program, const std::string& vendor, const std::string& line) {
    return program + ", " + vendor + ": " + line;
  };
  for (const auto& d : table.at("departures")) {
    CHECK(d.at("manual").get<std::string>() != "");
    for (const char* vendor : {"GenuineIntel", "AuthenticAMD"}) {
      if (d.value("vendor", vendor) != vendor) continue;
      for (const auto& [line, text] : d.at("lines").items()) {
        departures[key(d.at("program"), vendor, line)] = text;
        unused.insert(key(d.at("program"), vendor, line));
      }
    }
  }
  std::set<std::string> lost;  // programs that TCG does not survive
  for (const auto& entry : table.at("not_run")) lost.insert(entry.at("program").get<std::string>());
  for (const auto& rule : table.at("substitutions")) unused.insert(rule.at("here").get<std::string>());

  for (const std::string& program : programs())
    for (const std::string& model : kModels) {
      const std::string vendor = model[0] == 's' ? "GenuineIntel" : "AuthenticAMD";
      CAPTURE(program);
      CAPTURE(vendor);
      if (lost.count(program)) {
        MESSAGE("not run under QEMU, see qemu.json: ", program);
        continue;
      }
      const auto here = lines(
          simulate(program, std::string("--policy bare-metal --timing functional --model ") + model).out);
      const auto there = emulate(program, vendor);
      REQUIRE(here.size() == there.size());
      for (std::size_t i = 0; i + 1 < here.size(); ++i) {  // the last line counts failures
        std::string ours = outcome(here[i]), theirs = outcome(there[i]);
        for (const auto& rule : table.at("substitutions")) {
          const std::string part = rule.at("here");
          if (ours == theirs || rule.value("program", program) != program ||
              ours.find(part) == std::string::npos)
            continue;
          replace(ours, part, rule.at("there"));
          unused.erase(part);
        }
        const auto departure = departures.find(key(program, vendor, name(ours)));
        if (departure == departures.end()) {
          CHECK(theirs == ours);
          continue;
        }
        CHECK(without_addresses(theirs) == name(ours) + ": " + departure->second);
        if (theirs != ours) unused.erase(departure->first);
      }
    }
  for (const std::string& entry : unused) {
    if (known)
      CHECK_MESSAGE(false, "no longer differs: " << entry);
    else
      MESSAGE("does not differ in this version of QEMU: ", entry);
  }
}
