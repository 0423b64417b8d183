// SPDX-License-Identifier: Apache-2.0
// Whether x87, MMX and SSE instructions may execute.
#include "core/vector.h"

namespace pmusim::core {

// #UD comes before #NM.
void sse_unavailable(const CpuState& s) {
  raise(s.cr0 & kCr0Em || !(s.cr4 & kCr4Osfxsr) ? kUD : kNM);
}

namespace {

// CR0.NE clear: the error is reported through FERR# and an external interrupt, which this machine does not
// have.
void check_pending(const Executor& x) {
  if (!(x.s->fpu.status & kFswSummary)) return;
  if (!(x.s->cr0 & kCr0Ne))
    throw Unimplemented(x.op->rip(), "x87 error reported through FERR# (CR0.NE is clear)");
  raise(kMF);
}

}  // namespace

void check_x87(const Executor& x) {
  if (x.s->cr0 & (kCr0Em | kCr0Ts)) raise(kNM);
  check_pending(x);
}

void check_mmx(const Executor& x) {
  if (x.s->cr0 & kCr0Em) raise(kUD);
  if (x.s->cr0 & kCr0Ts) raise(kNM);
  check_pending(x);
}

}  // namespace pmusim::core
