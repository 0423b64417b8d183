// SPDX-License-Identifier: Apache-2.0
// CPUID leaves by number in --set, and the assumed values of the shipped models under their names.
#include <doctest/doctest.h>

#include <fmt/format.h>
#include <algorithm>

#include "models/leaf_path.h"
#include "models/models.h"
#include "tests/support/refusal.h"

using namespace pmusim;

namespace {

std::string error_of(const char* id, const std::string& assignment) {
  return pmusim::test::refusal_of([&] { models::load_model(id, {assignment}); });
}

bool has(const std::string& text, const std::string& part) {
  CAPTURE(text);
  CHECK(text.find(part) != std::string::npos);
  return text.find(part) != std::string::npos;
}

bool assumed(const CpuModel& model, const std::string& path) {
  return std::any_of(model.assumed.begin(), model.assumed.end(),
                     [&](const AssumedValue& value) { return value.path == path; });
}

}  // namespace

TEST_CASE("the rule of an assumed CPUID value names the leaf of its path") {
  unsigned leaves = 0;
  for (const std::string& id : models::model_ids()) {
    const JsonDocument document = models::model_document(id);
    for (const AssumedValue& value : models::load_model(id, {}, true).assumed) {
      if (value.path.rfind("/cpuid/", 0) != 0) continue;
      ++leaves;
      CAPTURE(id);
      CAPTURE(value.path);
      const std::string pointer = models::file_pointer(document.root(), value.path, "");
      const JsonView leaf = document.root().at_pointer(pointer.substr(0, pointer.rfind('/')));
      CHECK(has(value.rule, fmt::format("leaf {:X}H", leaf.at("leaf").as_u64())));
      CHECK(value.value == leaf.at(value.path.substr(value.path.rfind('/') + 1)).as_string());
    }
  }
  CHECK(leaves == models::model_ids().size());
}

TEST_CASE("the rule of an assumed cost is the source that stands beside the cost") {
  for (const std::string& id : models::model_ids()) {
    const JsonDocument document = models::model_document(id);
    for (const AssumedValue& value : models::load_model(id, {}, true).assumed) {
      if (value.path.rfind("/costs/", 0) != 0) continue;
      CAPTURE(id);
      CAPTURE(value.path);
      const std::string cost = value.path.substr(0, value.path.rfind('/'));
      CHECK(document.root().at_pointer(cost).at("source").as_string() == value.rule);
    }
  }
}

// SDM Vol. 2, CPUID: 80000008H EAX[7:0] is the number of physical-address bits.
TEST_CASE("an override names a CPUID leaf by its number") {
  const CpuModel model = models::load_model("spr", {"cpuid.0x80000008.eax=0x3034"});
  CHECK(physical_address_bits(model.cpuid) == 0x34);
  CHECK(physical_address_bits(models::load_model("spr", {"cpuid.0x80000008.0.eax=0x3034"}).cpuid) == 0x34);
  CHECK(models::load_model("spr", {"cpuid.0xb.1.ebx=0x3"}).cpuid.read(0xb, 1).ebx == 3);
  CHECK(models::load_model("spr", {"cpuid.0xb.0x0.ebx=0x3"}).cpuid.read(0xb, 0).ebx == 3);
}

TEST_CASE("a wrong name of a CPUID leaf is refused with what there is") {
  has(error_of("spr", "cpuid.leaves.11.eax=0x1"), "--set model.cpuid.leaves.11.eax: found 'leaves'");
  has(error_of("spr", "cpuid.11.eax=0x1"), "expected the number of a CPUID leaf: cpuid.0xa.eax");
  has(error_of("spr", "cpuid.0x99.eax=0x1"), "found leaf 0x99, expected one of the model's leaves: 0x0, 0x1");
  has(error_of("spr", "cpuid.0xb.eax=0x1"), "one of cpuid.0xb.0.eax, cpuid.0xb.1.eax");
  has(error_of("spr", "cpuid.0xb.2.eax=0x1"), "found subleaf '2'");
  has(error_of("spr", "cpuid.0xa.eex=0x1"), "did you mean 'eax'?");
  has(error_of("spr", "cpuid.0xa=0x1"), "a register of the leaf: cpuid.0xa.eax");
}

TEST_CASE("a value that the user has given is not assumed any more, while a group of values still is") {
  const CpuModel all = models::load_model("spr", {}, true);
  for (const char* path : {"/costs/wrmsr/cycles", "/cpuid/0x80000008/eax", "/timing/prefetch"})
    CHECK(assumed(all, path));
  const CpuModel some = models::load_model(
      "spr", {"costs.wrmsr.cycles=60", "cpuid.0x80000008.eax=0x3034", "timing.prefetch.stream_distance=10"},
      true);
  CHECK_FALSE(assumed(some, "/costs/wrmsr/cycles"));
  CHECK_FALSE(assumed(some, "/cpuid/0x80000008/eax"));
  CHECK(assumed(some, "/timing/prefetch"));  // the rest of the group is
  CHECK(some.assumed.size() == all.assumed.size() - 2);
}
