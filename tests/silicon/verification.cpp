// SPDX-License-Identifier: Apache-2.0
// Every form that the decoder implements, 1,000 random states each, on the host CPU and in the core, in
// shards that CTest can run side by side. Skipped, with the reason, where the host cannot.
#include <doctest/doctest.h>

#include <algorithm>

#include "campaign.h"

namespace pmusim::silicon {
namespace {

constexpr u64 kStates = 1000, kSeed = 20260101;
constexpr unsigned kShards = 4;

const FormSet& all() {
  static const FormSet set = enumerate_forms(core::Features::all());
  return set;
}

// CTest reports a test whose output has this word as skipped.
void verify(Mode mode, unsigned shard) {
  Campaign campaign(kSeed);
  if (const char* reason = campaign.lacks(mode)) {
    MESSAGE("SKIPPED: " << reason);
    return;
  }
  std::vector<std::string> missing;
  u64 states = 0;
  for (std::size_t n = shard; n < all().forms.size(); n += kShards) {
    const Form& form = all().forms[n];
    if (form.mode != mode) continue;
    if (const char* feature = campaign.lacks(form)) {
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
    MESSAGE("left out on this host: forms that need what it lacks: " << feature);
  const SplitLocks& split = campaign.split_locks();
  MESSAGE(states << " states; locked accesses across a cache line: " << split.taken() << ", left out "
                 << split.refused());
}

}  // namespace

#define SHARD(code, mode, n)                                                                                \
  TEST_CASE("the core agrees with the host CPU on 1000 random states of each form of " code ", part " #n) { \
    verify(mode, n);                                                                                        \
  }
#define SHARDS(code, mode) \
  SHARD(code, mode, 0)     \
  SHARD(code, mode, 1)     \
  SHARD(code, mode, 2)     \
  SHARD(code, mode, 3)
SHARDS("64-bit code", Mode::Long)
SHARDS("32-bit code", Mode::Compat32)
SHARDS("16-bit code", Mode::Compat16)
#undef SHARDS
#undef SHARD

TEST_CASE("forms are found for the whole integer instruction set") {
  CHECK(all().forms.size() > 6000);
  for (const char* name :
       {"add m64,r64 /01", "lock cmpxchg16b m128 /0fc7", "rep movsq w64 /a5", "div m64 /f7",
        "sub r8h,r8h /28", "setnbe r8 /0f97", "jrcxz rel8 /e3", "enter i16,i8 /c8", "inc r32 /40 code32",
        "popa w16 /61 code16", "aam i8 /d4 code32", "bound r32,m64 /62 code32", "les r16,m32 /c4 code16",
        "pop ss /17 code32", "jcxz rel8 /e3 code16", "xsavec m4608 /0fc7", "aaa w32 /37 code32"})
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
