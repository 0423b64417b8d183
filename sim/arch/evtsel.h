// SPDX-License-Identifier: Apache-2.0
// Fields of an event selector, for C++ and for the guests' C: IA32_PERFEVTSELx (SDM Vol. 3, "Architectural
// Performance Monitoring") and PERF_CTLx (APM Vol. 2, "Performance Monitoring Counters"). Not named: what is
// on none of the models (PREC_RET, UMASK2, EQ).
#ifndef PMUSIM_ARCH_EVTSEL_H
#define PMUSIM_ARCH_EVTSEL_H

// X(name, lowest bit, bits): evtsel::kName in C++, EVTSEL_Name in guests.
#define EVTSEL_FIELDS_OF_BOTH(X) \
  X(Event, 0, 8)                 \
  X(Umask, 8, 8)                 \
  X(Usr, 16, 1)                  \
  X(Os, 17, 1)                   \
  X(Edge, 18, 1)                 \
  X(PinControl, 19, 1)           \
  X(Int, 20, 1)                  \
  X(En, 22, 1)                   \
  X(Inv, 23, 1)                  \
  X(Cmask, 24, 8)
#define EVTSEL_FIELDS_OF_INTEL(X) \
  X(Any, 21, 1)                   \
  X(InTx, 32, 1)                  \
  X(InTxCp, 33, 1)                \
  X(Adaptive, 34, 1)
#define EVTSEL_FIELDS_OF_AMD(X) \
  X(EventHigh, 32, 4)           \
  X(GuestOnly, 40, 1)           \
  X(HostOnly, 41, 1)

#ifdef __cplusplus

#include "base/bits.h"

namespace pmusim::evtsel {

#define EVTSEL_FIELD(name, low, bits) inline constexpr u64 k##name = mask(bits) << low;
EVTSEL_FIELDS_OF_BOTH(EVTSEL_FIELD)
EVTSEL_FIELDS_OF_INTEL(EVTSEL_FIELD)
EVTSEL_FIELDS_OF_AMD(EVTSEL_FIELD)
#undef EVTSEL_FIELD

}  // namespace pmusim::evtsel

#endif

#endif
