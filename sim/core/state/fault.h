// SPDX-License-Identifier: Apache-2.0
// What interrupts an instruction, thrown as C++ exceptions from anywhere inside it: the instruction then has
// changed nothing (REP: it has completed whole iterations) and does not retire.
#pragma once

#include "arch/vector.h"
#include "core/state/intercepts.h"

namespace pmusim::core {

struct Fault {
  u8 vector;
  bool has_error_code = false;
  u32 error_code = 0;
  bool sets_cr2 = false;
  u64 cr2 = 0;  // with non_canonical, too, the linear address
  bool non_canonical = false;
};

// A VM-exit instead of (the rest of) the current instruction. instruction_length is filled by the run loop.
struct ExitRequest {
  VmExit exit;
};

[[noreturn]] inline void raise(u8 vector) {
  throw Fault{vector};
}
[[noreturn]] inline void raise(u8 vector, u32 error_code) {
  throw Fault{vector, true, error_code};
}
[[noreturn]] inline void raise_gp(u32 error_code = 0) {
  throw Fault{kGP, true, error_code};
}
[[noreturn]] inline void raise_page_fault(u32 error_code, u64 address) {
  throw Fault{kPF, true, error_code, true, address};
}

}  // namespace pmusim::core
