// SPDX-License-Identifier: Apache-2.0
// Exception vectors and event types (Intel SDM Vol. 3, "Interrupt and Exception Handling"; encodings of the
// VM-entry interruption-information field).
#pragma once

#include "base/types.h"

namespace pmusim {

enum Vector : u8 {
  kDE = 0,
  kDB = 1,
  kNMI = 2,
  kBP = 3,
  kOF = 4,
  kBR = 5,
  kUD = 6,
  kNM = 7,
  kDF = 8,
  kTS = 10,
  kNP = 11,
  kSS = 12,
  kGP = 13,
  kPF = 14,
  kMF = 16,
  kAC = 17,
  kMC = 18,
  kXM = 19,
  kCP = 21,
};

enum class EventType : u8 {
  ExternalInterrupt = 0,
  Nmi = 2,
  HardwareException = 3,
  SoftwareInterrupt = 4,
  PrivilegedSoftwareException = 5,
  SoftwareException = 6
};

// An event to deliver through the IDT, or one that could not be delivered because of a VM-exit.
struct PendingEvent {
  bool valid = false;
  u8 vector = 0;
  EventType type = EventType::ExternalInterrupt;
  bool has_error_code = false;
  u32 error_code = 0;
  u8 instruction_length = 0;  // software interrupts and exceptions
};

}  // namespace pmusim
