// SPDX-License-Identifier: Apache-2.0
// LAR, LSL, VERR, VERW and ARPL: what a program may learn of a selector.
#include "core/execute/alu.h"
#include "core/execute/execute.h"

namespace pmusim::core::op {
namespace {

void examine(Executor& x, const MicroOp& op, u16 selector) {
  u64 value;
  const bool allowed = examine_segment(x, op.aux ? Examine::Limit : Examine::Rights, selector, value);
  alu::replace(x.s->rflags, kZF, allowed ? kZF : 0);
  if (allowed) put_sized(x, op.dst, low_bytes(value, op.size), op.size);
}
void verify(Executor& x, const MicroOp& op, u16 selector) {
  u64 value;
  const bool allowed = examine_segment(x, op.aux ? Examine::Writable : Examine::Readable, selector, value);
  alu::replace(x.s->rflags, kZF, allowed ? kZF : 0);
}
// The selector with an RPL not below the source's; ZF tells whether it had to change.
bool adjust_rpl(Executor& x, u16& selector, u16 source) {
  if (x.s->real_segments()) raise(kUD);
  const bool change = (selector & 3) < (source & 3);
  if (change) selector = static_cast<u16>((selector & ~3) | (source & 3));
  return change;
}

}  // namespace

void load_access_rights_reg(Executor& x, const MicroOp& op) {
  examine(x, op, get<u16>(x, op.src));
}
void load_access_rights_mem(Executor& x, const MicroOp& op) {
  if (x.s->real_segments()) raise(kUD);
  examine(x, op, load<u16>(x, op));
}
void verify_segment_reg(Executor& x, const MicroOp& op) {
  verify(x, op, get<u16>(x, op.dst));
}
void verify_segment_mem(Executor& x, const MicroOp& op) {
  if (x.s->real_segments()) raise(kUD);
  verify(x, op, load<u16>(x, op));
}
void adjust_rpl_reg(Executor& x, const MicroOp& op) {
  u16 selector = get<u16>(x, op.dst);
  const bool change = adjust_rpl(x, selector, get<u16>(x, op.src));
  put<u16>(x, op.dst, selector);
  alu::replace(x.s->rflags, kZF, change ? kZF : 0);
}
void adjust_rpl_mem(Executor& x, const MicroOp& op) {
  if (x.s->real_segments()) raise(kUD);
  const u64 offset = low_bytes(effective_offset(x, op), op.address_size);
  u16 selector = x.mmu->read<u16>(segmented(x, op.seg, offset, 2, false));
  const bool change = adjust_rpl(x, selector, get<u16>(x, op.src));
  if (change) x.mmu->write<u16>(segmented(x, op.seg, offset, 2, true), selector);
  alu::replace(x.s->rflags, kZF, change ? kZF : 0);
}

}  // namespace pmusim::core::op
