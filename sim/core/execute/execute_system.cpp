// SPDX-License-Identifier: Apache-2.0
// System instructions: operand plumbing around the functions of exec.h. Each first retires the instructions
// before it, so that what they ask sees counts and time as of this instruction's start.
#include "base/bits.h"
#include "core/execute/alu.h"
#include "core/execute/execute.h"

namespace pmusim::core::op {
namespace {

u16 system_selector(const Executor& x, const MicroOp& op) {
  return op.aux ? x.s->tr.selector : x.s->ldtr.selector;
}
void load_system_segment(Executor& x, const MicroOp& op, u16 selector) {
  if (op.aux)
    load_tr(x, selector);
  else
    load_ldtr(x, selector);
}
void load_data_segment(Executor& x, const MicroOp& op, u16 selector) {
  load_segment(x, static_cast<Seg>(op.dst), selector);
  if (op.dst == SS) x.s->interrupt_shadow = x.s->debug_shadow = true;
}
void check_umip(const Executor& x) {
  if ((x.s->cr4 & kCr4Umip) && x.s->cpl > 0) raise_gp();
}
void check_not_real(const Executor& x) {
  if (x.s->real_segments()) raise(kUD);
}

}  // namespace

void undefined(Executor&, const MicroOp&) {
  raise(kUD);
}
void too_long(Executor&, const MicroOp&) {
  raise_gp();
}
void unimplemented(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  throw Unimplemented(op.rip(), "instruction not implemented");
}

void mov_from_segment_reg(Executor& x, const MicroOp& op) {
  put_sized(x, op.dst, x.s->seg[op.src].selector, op.size);
}
void mov_from_segment_mem(Executor& x, const MicroOp& op) {
  x.mmu->write<u16>(effective_address(x, op), x.s->seg[op.src].selector);
}
void mov_to_segment_reg(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  load_data_segment(x, op, get<u16>(x, op.src));
}
void mov_to_segment_mem(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  load_data_segment(x, op, load<u16>(x, op));
}
void load_far_pointer(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  const unsigned size = far_pointer_size(x, op);
  const u64 address = effective_address(x, op), offset = read_sized(x, address, size);
  load_segment(x, static_cast<Seg>(op.aux), x.mmu->read<u16>(address + size));
  put_sized(x, op.dst, offset, size);
}

void rdmsr(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::rdmsr(x);
}
void wrmsr(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::wrmsr(x);
}
void rdpmc(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::rdpmc(x);
}
void rdtsc(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::rdtsc(x, false);
}
void rdtscp(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::rdtsc(x, true);
}
void cpuid(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::cpuid(x);
}
void hlt(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::hlt(x);
}
void monitor(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::monitor(x, op.seg, low_bytes(effective_offset(x, op), op.address_size));
}
void mwait(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::mwait(x);
}
void cli(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::cli(x);
}
void sti(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::sti(x);
}

void mov_from_cr(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  put_sized(x, op.dst, core::mov_from_cr(x, op.src, op.dst / 8), op.size);
}
void mov_to_cr(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::mov_to_cr(x, op.dst, low_bytes(get<u64>(x, op.src), op.size), op.src / 8);
}
void mov_from_dr(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  put_sized(x, op.dst, core::mov_from_dr(x, op.src, op.dst / 8), op.size);
}
void mov_to_dr(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::mov_to_dr(x, op.dst, low_bytes(get<u64>(x, op.src), op.size), op.src / 8);
}
void clts(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::clts(x);
}
void lmsw_reg(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::lmsw(x, get<u16>(x, op.dst));
}
void lmsw_mem(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  if (x.s->cpl != 0) raise_gp();  // before the operand is read
  core::lmsw(x, load<u16>(x, op));
}
void smsw_reg(Executor& x, const MicroOp& op) {
  check_umip(x);
  put_sized(x, op.dst, x.s->cr0, op.size);
}
void smsw_mem(Executor& x, const MicroOp& op) {
  check_umip(x);
  x.mmu->write<u16>(effective_address(x, op), static_cast<u16>(x.s->cr0));
}

void load_table(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  if (x.s->cpl != 0) raise_gp();  // before the operand's segment
  load_descriptor_table(x, op.aux, effective_address(x, op), op.size);
}
void store_table(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  check_umip(x);  // before the operand's segment
  store_descriptor_table(x, op.aux, effective_address(x, op), op.size);
}
void load_system_segment_reg(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  load_system_segment(x, op, get<u16>(x, op.dst));
}
void load_system_segment_mem(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  check_not_real(x);
  if (x.s->cpl != 0) raise_gp();  // before the operand is read
  load_system_segment(x, op, load<u16>(x, op));
}
void store_system_segment_reg(Executor& x, const MicroOp& op) {
  check_not_real(x);
  check_umip(x);
  put_sized(x, op.dst, system_selector(x, op), op.size);
}
void store_system_segment_mem(Executor& x, const MicroOp& op) {
  check_not_real(x);
  check_umip(x);
  x.mmu->write<u16>(effective_address(x, op), system_selector(x, op));
}

void invlpg(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::invlpg(x, effective_address(x, op));
}
void invalidate_caches(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::invalidate_caches(x, op.aux);
}
void clflush(Executor& x, const MicroOp& op) {
  x.commit(x.core);
  x.recheck = true;
  core::clflush(x, effective_address(x, op));
}
void fence(Executor& x, const MicroOp&) {
  x.commit(x.core);
  x.recheck = true;
  x.stall(Cost::Fence);
}
void pause(Executor& x, const MicroOp&) {
  check_intercept(x, ExitKind::Pause);
}

// imm is the port unless aux says DX.
void in(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  const u16 port = op.aux ? get<u16>(x, RDX * 8) : static_cast<u16>(op.imm);
  put_sized(x, RAX * 8, core::in(x, port, op.size), op.size);
}
void out(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  const u16 port = op.aux ? get<u16>(x, RDX * 8) : static_cast<u16>(op.imm);
  core::out(x, port, low_bytes(x.s->gpr[RAX], op.size), op.size);
}

void swapgs(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::swapgs(x);
}
void read_segment_base(Executor& x, const MicroOp& op) {
  if (!(x.s->cr4 & kCr4Fsgsbase)) raise(kUD);
  put_sized(x, op.dst, x.s->seg[op.seg].base, op.size);
}
void write_segment_base(Executor& x, const MicroOp& op) {
  if (!(x.s->cr4 & kCr4Fsgsbase)) raise(kUD);
  const u64 base = low_bytes(get<u64>(x, op.dst), op.size);
  check_target(x, base);
  x.s->seg[op.seg].base = base;
}
void change_ac(Executor& x, const MicroOp& op) {
  if (x.s->cpl != 0) raise(kUD);
  x.s->rflags = op.aux ? x.s->rflags | kACFlag : x.s->rflags & ~kACFlag;
  x.mmu->access_changed();
}
void invpcid(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  if (x.s->cpl != 0) raise_gp();  // before the operand's segment
  core::invpcid(x, low_bytes(get<u64>(x, op.dst), op.size), effective_address(x, op));
}
// Never out of entropy: CF is always set.
void random(Executor& x, const MicroOp& op) {
  put_sized(x, op.dst, x.env->random(), op.size);
  alu::replace(x.s->rflags, kArithmeticFlags, kCF);
}
void syscall(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::syscall(x);
}
void sysret(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::sysret(x, op.size);
}
void vmcall(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::vmcall(x, op.aux);
}
void rdpid(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  put<u64>(x, op.dst, core::rdpid(x));
}

}  // namespace pmusim::core::op
