// SPDX-License-Identifier: Apache-2.0
// Bits of an event selector: IA32_PERFEVTSELx (SDM Vol. 3, "Architectural Performance Monitoring") and
// PERF_CTLx (APM Vol. 2, "Performance Monitoring Counters"). Up to bit 31 they are common to both vendors.
// Not named: what is on none of the models (PREC_RET, UMASK2, EQ).
#pragma once

#include "base/bits.h"

namespace pmusim::evtsel {

inline constexpr u64 kEvent = 0xff, kUmask = 0xff00, kUsr = bit(16), kOs = bit(17), kEdge = bit(18),
                     kPinControl = bit(19), kInt = bit(20), kEn = bit(22), kInv = bit(23),
                     kCmask = u64{0xff} << 24;
// Intel
inline constexpr u64 kAny = bit(21), kInTx = bit(32), kInTxCp = bit(33), kAdaptive = bit(34);
// AMD
inline constexpr u64 kEventHigh = u64{0xf} << 32, kGuestOnly = bit(40), kHostOnly = bit(41);

}  // namespace pmusim::evtsel
