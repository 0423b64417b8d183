// SPDX-License-Identifier: Apache-2.0
// x87, MMX, SSE and extended-state instructions.
#include "core/decode_translator.h"

namespace pmusim::core {

void Translator::vector_table() {
  switch (i_.mnemonic) {
    case ZYDIS_MNEMONIC_XGETBV:
    case ZYDIS_MNEMONIC_XSETBV:
    case ZYDIS_MNEMONIC_XSAVE:
    case ZYDIS_MNEMONIC_XRSTOR:
      return system(op::undefined);  // no model enumerates XSAVE
    default:
      return system(op::unimplemented);
  }
}

}  // namespace pmusim::core
