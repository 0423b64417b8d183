// SPDX-License-Identifier: Apache-2.0
// Whether x87, MMX and SSE instructions may execute; memory operands of any size.
#include "core/execute/vector.h"

namespace pmusim::core {

// #UD comes before #NM.
void sse_unavailable(const CpuState& s) {
  raise(s.cr0 & kCr0Em || !(s.cr4 & kCr4Osfxsr) ? kUD : kNM);
}

// CR0.NE clear: the error is reported through FERR# and an external interrupt, which this machine does not
// have.
void check_x87_pending(const Executor& x) {
  if (!(x.s->fpu.status & kFswSummary)) return;
  if (!(x.s->cr0 & kCr0Ne))
    throw Unimplemented(x.op->rip(), "x87 error reported through FERR# (CR0.NE is clear)");
  raise(kMF);
}

void check_x87(const Executor& x) {
  if (x.s->cr0 & (kCr0Em | kCr0Ts)) raise(kNM);
  check_x87_pending(x);
}

void check_mmx(const Executor& x) {
  if (x.s->cr0 & kCr0Em) raise(kUD);
  if (x.s->cr0 & kCr0Ts) raise(kNM);
  check_x87_pending(x);
}

void read_bytes(Executor& x, u64 linear, u8* to, unsigned size, unsigned part) {
  for (unsigned i = 0; i < size;) {
    if (size - i < part) part = 1;
    const u64 value = read_sized(x, linear + i, part);
    std::memcpy(to + i, &value, part);
    i += part;
  }
}
void write_bytes(Executor& x, u64 linear, const u8* from, unsigned size, unsigned part) {
  probe_store(x, linear, size);
  for (unsigned i = 0; i < size;) {
    if (size - i < part) part = 1;
    u64 value = 0;
    std::memcpy(&value, from + i, part);
    write_sized(x, linear + i, value, part);
    i += part;
  }
}

}  // namespace pmusim::core
