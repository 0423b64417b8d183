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
#include <optional>
#include <set>

#include "arch/host_cpu.h"
#include "base/json.h"
#include "tests/support/program.h"

using namespace pmusim::test;

namespace {

using pmusim::JsonDocument;
using pmusim::JsonView;
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

// What is known of this kernel; nothing: it was never met.
std::optional<JsonView> known_kernel(const JsonDocument& document, const std::string& release) {
  for (const JsonView& kernel : document.root().at("kernels").items()) {
    bool same = kernel.at("release").as_string() == release &&
                kernel.at("vendor").as_string() == pmusim::host_vendor();
    const JsonView parameters = kernel.at("parameters");
    for (const std::string& name : parameters.keys())
      same = same && parameter(name) == parameters.at(name).as_string();
    if (same) return kernel;
  }
  return std::nullopt;
}

Answers unexpected(const JsonView& report) {
  Answers got;
  for (const JsonView& result : report.at("results").items()) {
    const std::string id = result.at("id").as_string();
    for (const JsonView& finding : result.at("findings").items())
      got.insert(id + ": " + finding.at("what").as_string() + ": " + finding.at("got").as_string());
    if (result.at("verdict").as_string() == "error") got.insert(id + ": " + result.at("reason").as_string());
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
  CHECK(output.status == 77);
  const JsonDocument report = output.json();
  const std::vector<JsonView> results = report.root().at("results").items();
  CHECK(results.size() > 100);
  for (const JsonView& result : results) {
    CAPTURE(result.at("id").as_string());
    CHECK(result.at("verdict").as_string() == "skip");
    CHECK(has(result.at("reason").as_string(), reason));
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
  const JsonDocument document = output.json();
  const JsonView report = document.root();
  const std::vector<JsonView> results = report.at("results").items();
  CHECK(results.size() > 100);
  CHECK(output.status == (report.at("failed").as_u64() == 0 ? 0 : 1));
  unsigned absent = 0;
  for (const JsonView& result : results) {
    const std::string verdict = result.at("verdict").as_string(), id = result.at("id").as_string();
    CAPTURE(id);
    if (verdict == "skip") CHECK(result.at("reason").as_string() != "");
    if (verdict == "pass" || verdict == "fail") CHECK(result.at("checks").as_u64() > 0);
    if (verdict == "fail") CHECK(result.at("findings").size() > 0);
    absent += (verdict == "pass" || verdict == "fail") && id.compare(0, 10, "absent-pmu") == 0;
  }
  CHECK(absent >= 6);
  utsname system{};
  uname(&system);
  const JsonDocument kernels = pmusim::load_json(source("tests/cli/real_kernels.json"));
  const std::optional<JsonView> kernel = known_kernel(kernels, system.release);
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
  for (const JsonView& one : kernel->at("answers").items())
    known.insert(one.at("case").as_string() + ": " + one.at("check").as_string() + ": " +
                 one.at("got").as_string());
  for (const std::string& one : got) CHECK_MESSAGE(known.count(one), "new: " << one);
  for (const std::string& one : known) CHECK_MESSAGE(got.count(one), "no longer: " << one);
}
