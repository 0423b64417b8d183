// SPDX-License-Identifier: Apache-2.0
// By OpenSSL's libcrypto.
#include "base/sha256.h"

#include <openssl/sha.h>

namespace pmusim {

std::string sha256(const std::vector<u8>& bytes) {
  u8 digest[SHA256_DIGEST_LENGTH];
  ::SHA256(bytes.data(), bytes.size(), digest);
  std::string text;
  for (const u8 byte : digest) {
    constexpr const char* kDigits = "0123456789abcdef";
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace pmusim
