// SPDX-License-Identifier: Apache-2.0
// SHA-256 against NIST's example messages (FIPS 180-4; csrc.nist.gov, "Examples with Intermediate Values",
// SHA256).
#include "base/sha256.h"

#include <doctest/doctest.h>

using namespace pmusim;

namespace {
std::string of(const std::string& text) {
  return sha256(std::vector<u8>(text.begin(), text.end()));
}
}  // namespace

TEST_CASE("SHA-256 of the standard's example messages is what the standard prints") {
  CHECK(of("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(of(std::string(1000000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
