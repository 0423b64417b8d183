// SPDX-License-Identifier: Apache-2.0
// The suite on the kernel of this machine. It judges this project, not the kernel: what a kernel answers
// otherwise is known, or is told. Without /dev/kvm, or the right to use it, every case skips with that
// reason.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/cli/program.h"

using namespace pmusim::test;

namespace {

using nlohmann::json;
using Answers = std::set<std::string>;  // "case: check: got"

// Why /dev/kvm cannot be used, or "".
std::string refused() {
  const int fd = ::open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (fd < 0) return std::strerror(errno);
  ::close(fd);
  return "";
}

std::string answer(const std::string& id, const std::string& check, const std::string& got) {
  return id + ": " + check + ": " + got;
}

// What is known of this kernel; nullptr: it was never met.
const json* known_kernel(const json& document, const std::string& release) {
  const std::string vendor = __builtin_cpu_is("intel") ? "intel" : "amd";
  for (const json& kernel : document.at("kernels"))
    if (kernel.at("release") == release && kernel.at("vendor") == vendor) return &kernel;
  return nullptr;
}

const json& report() {
  static const json parsed = json::parse(pmusim_command("conform --target kvm --format json").out);
  return parsed;
}

}  // namespace

TEST_CASE("without the right to use /dev/kvm every case skips with that reason") {
  const std::string reason = refused();
  if (reason.empty()) {
    MESSAGE("SKIPPED: /dev/kvm can be used");
    return;
  }
  for (const json& result : report()["results"]) {
    CAPTURE(result["id"]);
    CHECK(result["verdict"] == "skip");
    CHECK(has(result["reason"].get<std::string>(), reason));
  }
}

// The cases about an absent PMU need nothing of the host's CPU: they take the PMU away from the VM.
TEST_CASE("on this machine's kernel cases run, and each passes, fails by its checks, or says why it skips") {
  if (const std::string reason = refused(); !reason.empty()) {
    MESSAGE("SKIPPED: /dev/kvm: " << reason);
    return;
  }
  unsigned absent = 0;
  for (const json& result : report()["results"]) {
    CAPTURE(result["id"]);
    const std::string verdict = result["verdict"], id = result["id"];
    CHECK(verdict != "error");
    if (verdict == "skip") CHECK(result["reason"] != "");
    if (verdict != "skip") CHECK(result["checks"] > 0);
    if (verdict == "fail") CHECK(!result["findings"].empty());
    absent += verdict != "skip" && id.compare(0, 10, "absent-pmu") == 0;
  }
  CHECK(absent >= 6);
}

TEST_CASE("a kernel that was met before answers as it did") {
  if (const std::string reason = refused(); !reason.empty()) {
    MESSAGE("SKIPPED: /dev/kvm: " << reason);
    return;
  }
  Answers got, known;
  for (const json& result : report()["results"])
    for (const json& finding : result["findings"])
      got.insert(answer(result["id"], finding["what"], finding["got"]));
  utsname system{};
  uname(&system);
  std::ifstream file(source("tests/cli/real_kernels.json"));
  const json document = json::parse(file);
  const json* kernel = known_kernel(document, system.release);
  if (!kernel) {
    std::string all;
    for (const std::string& one : got) all += "\n  " + one;
    MESSAGE("SKIPPED: this kernel, " << system.release
                                     << ", is not in real_kernels.json; answers that no case expects: "
                                     << got.size() << all);
    return;
  }
  for (const json& one : kernel->at("answers"))
    known.insert(answer(one.at("case"), one.at("check"), one.at("got")));
  for (const std::string& one : got) CHECK_MESSAGE(known.count(one), "new: " << one);
  for (const std::string& one : known) CHECK_MESSAGE(got.count(one), "no longer: " << one);
}
