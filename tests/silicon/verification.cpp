// SPDX-License-Identifier: Apache-2.0
// Every form that the decoder implements, 1,000 random states each, on the host CPU and in the core, in
// shards that CTest can run side by side. Skipped, with a line that says so, where the host is no x86-64
// Linux machine or lacks a feature.
#include <doctest/doctest.h>

#include <algorithm>

#include "campaign.h"

namespace pmusim::silicon {
namespace {

constexpr u64 kStates = 1000, kSeed = 20260101;
constexpr unsigned kShards = 8;

const FormSet& all() {
  static const FormSet set = enumerate_forms(core::Features::all());
  return set;
}

void verify(unsigned shard) {
#if defined(__SANITIZE_ADDRESS__)
  MESSAGE("SKIP: the child leaves its signal handlers by a jump, which AddressSanitizer does not follow");
  (void)shard;
#else
  Campaign campaign(kSeed);
  std::vector<std::string> missing;
  u64 states = 0;
  for (std::size_t n = shard; n < all().forms.size(); n += kShards) {
    const Form& form = all().forms[n];
    if (const char* feature = missing_on_host(form)) {
      if (std::find(missing.begin(), missing.end(), feature) == missing.end()) missing.push_back(feature);
      continue;
    }
    const Tally t = campaign.run(form, kStates);
    states += t.states;
    INFO(t.first);
    CHECK_MESSAGE(t.differences == 0, form.name);
    CHECK_MESSAGE(t.states == kStates, form.name);
  }
  for (const std::string& feature : missing)
    MESSAGE("SKIP: forms that need " << feature << ", which this host lacks");
  MESSAGE(states << " states");
#endif
}

}  // namespace

#define SHARD(n)                                                                                \
  TEST_CASE("the core agrees with the host CPU on 1000 random states of each form, part " #n) { \
    verify(n);                                                                                  \
  }
SHARD(0)
SHARD(1)
SHARD(2)
SHARD(3)
SHARD(4)
SHARD(5)
SHARD(6)
SHARD(7)
#undef SHARD

TEST_CASE("forms are found for the whole integer instruction set") {
  CHECK(all().forms.size() > 1200);
  for (const char* name :
       {"add m64,r64 /01", "lock cmpxchg16b m128 /0fc7", "rep movsq w64 /a5", "div m64 /f7",
        "sub r8h,r8h /28", "setnbe r8 /0f97", "jrcxz rel8 /e3", "enter i16,i8 /c8"})
    CHECK_MESSAGE(
        std::any_of(all().forms.begin(), all().forms.end(), [&](const Form& f) { return f.name == name; }),
        name);
}

TEST_CASE("what is left out has a reason and is no form") {
  CHECK(!all().left_out.empty());
  for (const ZydisMnemonic m : all().left_out) {
    CHECK_MESSAGE(std::string(excluded(m)) != "", std::string(ZydisMnemonicGetString(m)));
    CHECK(
        std::none_of(all().forms.begin(), all().forms.end(), [&](const Form& f) { return f.mnemonic == m; }));
  }
}

}  // namespace pmusim::silicon
