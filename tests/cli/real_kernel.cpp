// SPDX-License-Identifier: Apache-2.0
// The suite on the kernel of this machine. It judges this project, not the kernel: what a kernel answers
// otherwise than the cases want is known, or is told. Without /dev/kvm, or the right to use it, every case
// skips with that reason.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "arch/host_cpu.h"
#include "tests/support/program.h"

using namespace pmusim::test;

namespace {

using nlohmann::json;
using Answers = std::set<std::string>;  // "case: check: got", "case: the reason of an error"

// Why /dev/kvm cannot be used, or "".
std::string refused() {
  const int fd = ::open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (fd < 0) return std::strerror(errno);
  ::close(fd);
  return "";
}

std::string parameter(const std::string& name) {
  std::ifstream file("/sys/module/kvm/parameters/" + name);
  std::string value;
  std::getline(file, value);
  return value;
}

// What is known of this kernel; nullptr: it was never met.
const json* known_kernel(const json& document, const std::string& release) {
  for (const json& kernel : document.at("kernels")) {
    bool same = kernel.at("release") == release && kernel.at("vendor") == pmusim::host_vendor();
    for (const auto& [name, value] : kernel.at("parameters").items()) same = same && parameter(name) == value;
    if (same) return &kernel;
  }
  return nullptr;
}

Answers unexpected(const json& report) {
  Answers got;
  for (const json& result : report["results"]) {
    const std::string id = result["id"];
    for (const json& finding : result["findings"])
      got.insert(id + ": " + finding["what"].get<std::string>() + ": " + finding["got"].get<std::string>());
    if (result["verdict"] == "error") got.insert(id + ": " + result["reason"].get<std::string>());
  }
  return got;
}

}  // namespace

TEST_CASE("without the right to use /dev/kvm every case skips with that reason") {
  const std::string reason = refused();
  if (reason.empty()) {
    MESSAGE("SKIPPED: /dev/kvm can be used");
    return;
  }
  const Output output = pmusim_command("conform --target kvm --format json");
  CHECK(output.status == 0);
  const json report = json::parse(output.out);
  CHECK(report["results"].size() > 100);
  for (const json& result : report["results"]) {
    CAPTURE(result["id"]);
    CHECK(result["verdict"] == "skip");
    CHECK(has(result["reason"].get<std::string>(), reason));
  }
}

// The cases about an absent PMU need nothing of the host's CPU: they take the PMU away from the VM.
TEST_CASE(
    "on this machine's kernel the cases of an absent PMU run, and a kernel that is known answers as it did") {
  if (const std::string reason = refused(); !reason.empty()) {
    MESSAGE("SKIPPED: /dev/kvm: " << reason);
    return;
  }
  const Output output = pmusim_command("conform --target kvm --format json --max-seconds 100");
  const json report = json::parse(output.out);
  CHECK(report["results"].size() > 100);
  CHECK(output.status == (report["failed"] == 0 ? 0 : 1));
  unsigned absent = 0;
  for (const json& result : report["results"]) {
    CAPTURE(result["id"]);
    const std::string verdict = result["verdict"], id = result["id"];
    if (verdict == "skip") CHECK(result["reason"] != "");
    if (verdict == "pass" || verdict == "fail") CHECK(result["checks"] > 0);
    if (verdict == "fail") CHECK(!result["findings"].empty());
    absent += (verdict == "pass" || verdict == "fail") && id.compare(0, 10, "absent-pmu") == 0;
  }
  CHECK(absent >= 6);
  utsname system{};
  uname(&system);
  std::ifstream file(source("tests/cli/real_kernels.json"));
  const json document = json::parse(file);
  const json* kernel = known_kernel(document, system.release);
  const Answers got = unexpected(report);
  if (!kernel) {
    std::ofstream told(build("real_kernel_answers.txt"));
    told << "kernel " << system.release
         << ", not in tests/cli/real_kernels.json; answers that no case expects:\n";
    for (const std::string& one : got) told << one << "\n";
    MESSAGE("this kernel is not known; its answers are in real_kernel_answers.txt");
    return;
  }
  Answers known;
  for (const json& one : kernel->at("answers"))
    known.insert(one.at("case").get<std::string>() + ": " + one.at("check").get<std::string>() + ": " +
                 one.at("got").get<std::string>());
  for (const std::string& one : got) CHECK_MESSAGE(known.count(one), "new: " << one);
  for (const std::string& one : known) CHECK_MESSAGE(got.count(one), "no longer: " << one);
}
