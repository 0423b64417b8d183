// SPDX-License-Identifier: Apache-2.0
// Branches. Near targets are truncated to the operand size outside 64-bit code; far transfers and software
// interrupts are functions of exec.h and set RIP themselves.
#include "base/bits.h"
#include "core/execute/alu.h"
#include "core/execute/execute.h"

namespace pmusim::core::op {
namespace {

void jump(Executor& x, u64 target) {
  check_target(x, target);
  x.s->rip = target;
}

void call_to(Executor& x, const MicroOp& op, u64 target) {
  check_target(x, target);
  if (op.size == 8)
    push<u64>(x, op.next_rip);
  else if (op.size == 4)
    push<u32>(x, static_cast<u32>(op.next_rip));
  else
    push<u16>(x, static_cast<u16>(op.next_rip));
  x.s->rip = target;
}

u64 count_register(const Executor& x, const MicroOp& op) {
  return low_bytes(x.s->gpr[RCX], op.address_size);
}

struct FarPointer {
  u64 offset;
  u16 selector;
};
FarPointer far_pointer(Executor& x, const MicroOp& op) {
  const u64 address = effective_address(x, op);
  const unsigned size = far_pointer_size(x, op);
  const u64 offset = read_sized(x, address, size);
  return {offset, x.mmu->read<u16>(address + size)};
}

}  // namespace

void jcc(Executor& x, const MicroOp& op) {
  x.taken = alu::condition(op.aux, x.s->rflags);
  x.s->rip = x.taken ? op.imm : op.next_rip;
}
void jcc_limited(Executor& x, const MicroOp& op) {
  const bool taken = alu::condition(op.aux, x.s->rflags);
  if (taken) check_target(x, op.imm);
  x.taken = taken;
  x.s->rip = taken ? op.imm : op.next_rip;
}

void jmp(Executor& x, const MicroOp& op) {
  x.s->rip = op.imm;
}
void jmp_limited(Executor& x, const MicroOp& op) {
  jump(x, op.imm);
}
void jmp_reg(Executor& x, const MicroOp& op) {
  jump(x, low_bytes(get<u64>(x, op.dst), op.size));
}
void jmp_mem(Executor& x, const MicroOp& op) {
  jump(x, read_sized(x, effective_address(x, op), op.size));
}

void call(Executor& x, const MicroOp& op) {
  call_to(x, op, op.imm);
}
void call_reg(Executor& x, const MicroOp& op) {
  call_to(x, op, low_bytes(get<u64>(x, op.dst), op.size));
}
void call_mem(Executor& x, const MicroOp& op) {
  call_to(x, op, read_sized(x, effective_address(x, op), op.size));
}

void ret(Executor& x, const MicroOp& op) {
  const u64 target = op.size == 8 ? top<u64>(x) : op.size == 4 ? top<u32>(x) : top<u16>(x);
  check_target(x, target);
  drop(x, op.size + op.imm);
  x.s->rip = target;
}

// aux: 0 LOOPNE, 1 LOOPE, 2 LOOP.
void loop(Executor& x, const MicroOp& op) {
  const u64 count = low_bytes(count_register(x, op) - 1, op.address_size);
  const bool zero = x.s->rflags & kZF;
  const bool taken = count != 0 && (op.aux == 2 || zero == (op.aux == 1));
  if (taken) check_target(x, op.imm);
  put_sized(x, RCX * 8, count, op.address_size);
  x.taken = taken;
  x.s->rip = x.taken ? op.imm : op.next_rip;
}

void jrcxz(Executor& x, const MicroOp& op) {
  const bool taken = count_register(x, op) == 0;
  if (taken) check_target(x, op.imm);
  x.taken = taken;
  x.s->rip = x.taken ? op.imm : op.next_rip;
}

void jmp_far(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  far_jump(x, static_cast<u16>(op.disp), op.imm, op.size);
}
void jmp_far_mem(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  const FarPointer to = far_pointer(x, op);
  far_jump(x, to.selector, to.offset, far_pointer_size(x, op));
}
void call_far(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::far_call(x, static_cast<u16>(op.disp), op.imm, op.size);
}
void call_far_mem(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  const FarPointer to = far_pointer(x, op);
  core::far_call(x, to.selector, to.offset, op.size);
}
void ret_far(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  far_return(x, op.size, static_cast<u16>(op.imm));
}
void iret(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::iret(x, op.size);
}

void int_n(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  software_interrupt(x, static_cast<u8>(op.imm), EventType::SoftwareInterrupt);
}
void int3(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  software_interrupt(x, kBP, EventType::SoftwareException);
}
void int1(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  software_interrupt(x, kDB, EventType::PrivilegedSoftwareException);
}
void into(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  if (x.s->rflags & kOFlag)
    software_interrupt(x, kOF, EventType::SoftwareException);
  else
    x.s->rip = op.next_rip;
}

// Both bounds are signed values of the operand size. Below the lower one, Intel's CPUs do not look at the
// upper one.
void bound(Executor& x, const MicroOp& op) {
  const u64 address = effective_address(x, op);
  const auto value = [&](u64 raw) { return static_cast<s64>(sign_extend(raw, op.size * 8)); };
  const s64 index = value(get<u64>(x, op.dst));
  const bool below = index < value(read_sized(x, address, op.size));
  if (below && !x.config->amd) raise(kBR);
  const bool above = index > value(read_sized(x, address + op.size, op.size));
  if (below || above) raise(kBR);
}

void sysenter(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::sysenter(x);
}
void sysexit(Executor& x, const MicroOp& op) {
  begin_system(x, op);
  core::sysexit(x, op.size);
}

}  // namespace pmusim::core::op
