// SPDX-License-Identifier: Apache-2.0
// Execution of micro-ops: the context that handlers share, operand access, and the selection of handlers by
// operation, operand form and size (used by the decoder only). A handler changes state only after its last
// access that can fault.
#pragma once

#include <cstring>
#include <exception>

#include "core/state/op.h"
#include "core/state/uop.h"
#include "core/system/exec.h"

namespace pmusim::core {

struct Executor : Exec {
  const MicroOp* op = nullptr;   // current instruction; nullptr outside instructions
  const MicroOp* end = nullptr;  // where the current run of the block ends; lowered to stop early
  bool taken = false;            // outcome of the last conditional branch
  bool slice = false;            // the caller must look at the machine again: Stop::SliceEnd
  bool recheck = false;          // time or decoded code changed: leave the fast loop
  bool code64 = false;
  void (*commit)(void* core) = nullptr;  // retires the instructions before the current one
  struct {
    Fault fault{};
    VmExit exit;
    std::exception_ptr error;
  } kept;  // what try_execute() caught, by its outcome

  void stop_after_this() { end = op + 1; }
};

// --- Registers. Offsets as in MicroOp; the host is little-endian.
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "register offsets assume a little-endian host");

template <class T>
inline T get(const Executor& x, u8 offset) {
  T value;
  std::memcpy(&value, reinterpret_cast<const u8*>(x.s->gpr) + offset, sizeof(T));
  return value;
}
template <class T>
inline void put(Executor& x, u8 offset, T value) {
  if (sizeof(T) == 4) {
    const u64 wide = value;
    std::memcpy(reinterpret_cast<u8*>(x.s->gpr) + offset, &wide, 8);
  } else {
    std::memcpy(reinterpret_cast<u8*>(x.s->gpr) + offset, &value, sizeof(T));
  }
}
inline void put_sized(Executor& x, u8 offset, u64 value, unsigned size) {
  switch (size) {
    case 1:
      put<u8>(x, offset, static_cast<u8>(value));
      break;
    case 2:
      put<u16>(x, offset, static_cast<u16>(value));
      break;
    case 4:
      put<u32>(x, offset, static_cast<u32>(value));
      break;
    default:
      put<u64>(x, offset, value);
      break;
  }
}
inline u64 low_bytes(u64 value, unsigned size) {
  return size >= 8 ? value : value & ((u64{1} << size * 8) - 1);
}

// --- Memory operands.
inline u64 effective_offset(const Executor& x, const MicroOp& op) {
  u64 a = op.disp;
  a += x.s->gpr[op.base] & -static_cast<u64>(op.address & kAddrBase);
  a += (x.s->gpr[op.index] & -static_cast<u64>((op.address & kAddrIndex) >> 1)) << op.scale;
  return a;
}
// Adds a segment's base. In 64-bit code only FS and GS have one, and there are no limits.
inline u64 segmented(const Executor& x, u8 seg, u64 offset, unsigned size, bool store) {
  if (x.code64) return seg >= FS ? offset + x.s->seg[seg].base : offset;
  return data_linear(*x.s, seg, offset, size, store);
}
inline u64 operand_linear(const Executor& x, const MicroOp& op, u64 a) {
  if (__builtin_expect(op.address & kAddrFlat, 1)) return a;
  return segmented(x, op.seg, low_bytes(a, op.address_size), kOperandBytes[op.address >> kAddrSizeShift],
                   op.address & kAddrStore);
}
inline u64 effective_address(const Executor& x, const MicroOp& op) {
  return operand_linear(x, op, effective_offset(x, op));
}
// Was a data access of the current instruction to `linear` relative to SS? In 64-bit code; what an
// instruction that uses the stack accesses outside its memory operand is the stack.
inline bool refers_to_stack(const Executor& x, const MicroOp& op, u64 linear) {
  const unsigned operand = kOperandBytes[op.address >> kAddrSizeShift];
  if (!(op.access & kAccessStack) || (operand && linear - effective_address(x, op) < operand))
    return op.seg == SS;
  return true;
}
template <class T>
inline T load(Executor& x, const MicroOp& op) {
  return x.mmu->read<T>(effective_address(x, op));
}

u64 read_sized(Executor& x, u64 linear, unsigned size);
void write_sized(Executor& x, u64 linear, u64 value, unsigned size);

// --- Stack. RSP changes only when the access has succeeded.
inline u64 stack_mask(const Executor& x) {
  return x.code64 ? ~u64{0} : x.s->seg[SS].big() ? 0xffffffffu : 0xffffu;
}
inline u64 stack_linear(const Executor& x, u64 sp, unsigned size, bool store) {
  return x.code64 ? sp : data_linear(*x.s, SS, sp, size, store);
}
inline void set_sp(Executor& x, u64 mask, u64 sp) {
  x.s->gpr[RSP] = mask == 0xffff ? (x.s->gpr[RSP] & ~mask) | (sp & mask) : sp & mask;
}
template <class T>
inline void push(Executor& x, T value) {
  const u64 mask = stack_mask(x), sp = (x.s->gpr[RSP] - sizeof(T)) & mask;
  x.mmu->write<T>(stack_linear(x, sp, sizeof(T), true), value);
  set_sp(x, mask, sp);
}
template <class T>
inline T top(Executor& x, u64 offset = 0) {
  return x.mmu->read<T>(stack_linear(x, (x.s->gpr[RSP] + offset) & stack_mask(x), sizeof(T), false));
}
inline void drop(Executor& x, u64 bytes) {
  const u64 mask = stack_mask(x);
  set_sp(x, mask, x.s->gpr[RSP] + bytes);
}

// Near branch: #GP(0) if the target is not canonical or beyond the limit of CS; the branch has then not
// happened.
inline void check_target(const Executor& x, u64 target) {
  if (x.code64 ? static_cast<u64>(static_cast<s64>(target << 16) >> 16) != target
               : target > x.s->seg[CS].limit)
    raise_gp();
}

// Before a system instruction: earlier instructions retire, RIP and next_rip are set for the functions of
// exec.h.
inline void begin_system(Executor& x, const MicroOp& op) {
  x.commit(x.core);
  x.s->rip = op.rip();
  x.next_rip = op.next_rip;
  x.slice = true;
}

// Operand size of far pointers in memory: AMD has none of 64 bits (APM Vol. 3, "JMP (Far)", "LSS").
inline unsigned far_pointer_size(const Executor& x, const MicroOp& op) {
  return x.config->amd && op.size == 8 ? 4 : op.size;
}

// --- Selection. `precise` keeps flags exact; `fast` may leave them stale (only where they are dead).
struct Handlers {
  Handler precise = nullptr;
  Handler fast = nullptr;  // nullptr: the same
};
enum class Binary : u8 { Add, Or, Adc, Sbb, And, Sub, Xor, Cmp, Test };
enum class Unary : u8 { Inc, Dec, Neg, Not };
enum class Shift : u8 { Rol, Ror, Rcl, Rcr, Shl, Shr, Sar };
enum class BitOp : u8 { Test, Set, Reset, Complement };
enum class Scan : u8 { Bsf, Bsr, Tzcnt, Lzcnt, Popcnt };
enum class Multiply : u8 { Mul, Imul, Div, Idiv };  // of the accumulator
// The first three write flags.
enum class Bmi : u8 { Andn, Bextr, Bzhi, Pdep, Pext, Sarx, Shlx, Shrx, Rorx, Mulx };
enum class LowestBit : u8 { Isolate, Mask, Reset };  // BLSI, BLSMSK, BLSR

Handlers select_binary(Binary op, Form form, unsigned size);
Handlers select_unary(Unary op, bool memory, unsigned size);
Handlers select_shift(Shift op, bool memory, bool by_cl, unsigned size);
Handler select_double_shift(bool left, bool memory, bool by_cl, unsigned size);
Handler select_bit(BitOp op, bool memory, bool immediate, unsigned size);
Handler select_scan(Scan op, bool memory, unsigned size);
Handler select_multiply(Multiply op, bool memory, unsigned size);
Handler select_imul(bool memory, bool immediate, unsigned size);  // two and three operands
Handler select_cmpxchg(bool memory, unsigned size);
Handler select_xadd(bool memory, unsigned size);
Handler select_bmi(Bmi op, bool memory, unsigned size);
Handler select_lowest_bit(LowestBit op, bool memory, unsigned size);
Handler select_add_flag(bool overflow, bool memory, unsigned size);  // ADOX, ADCX
Handler select_movbe(bool store, unsigned size);

Handler select_move(Form form, unsigned size);
Handler select_extend(bool sign, bool memory, unsigned from, unsigned to);
Handler select_exchange(bool memory, unsigned size);
Handler select_cmov(bool memory, unsigned size);
Handler select_push(bool memory, bool immediate, unsigned size);
Handler select_pop(bool memory, unsigned size);

namespace op {
// Anything with the plain signature. Grouped by file.
#define PMUSIM_HANDLER(name) void name(Executor& x, const MicroOp& op)
// execute_move.cpp
PMUSIM_HANDLER(nop);
PMUSIM_HANDLER(lea);
PMUSIM_HANDLER(setcc_reg);
PMUSIM_HANDLER(setcc_mem);
PMUSIM_HANDLER(convert_accumulator);  // CBW, CWDE, CDQE
PMUSIM_HANDLER(convert_double);       // CWD, CDQ, CQO
PMUSIM_HANDLER(bswap);
PMUSIM_HANDLER(xlat);
PMUSIM_HANDLER(ascii_adjust);    // AAA, AAS
PMUSIM_HANDLER(decimal_adjust);  // DAA, DAS
PMUSIM_HANDLER(ascii_multiply);  // AAM
PMUSIM_HANDLER(ascii_divide);    // AAD
PMUSIM_HANDLER(lahf);
PMUSIM_HANDLER(sahf);
PMUSIM_HANDLER(clc);
PMUSIM_HANDLER(stc);
PMUSIM_HANDLER(cmc);
PMUSIM_HANDLER(cld);
PMUSIM_HANDLER(std_);
// execute_stack.cpp
PMUSIM_HANDLER(push_segment);
PMUSIM_HANDLER(pop_segment);
PMUSIM_HANDLER(pushf);
PMUSIM_HANDLER(popf);
PMUSIM_HANDLER(pusha);
PMUSIM_HANDLER(popa);
PMUSIM_HANDLER(enter);
PMUSIM_HANDLER(leave);
// execute_branch.cpp
PMUSIM_HANDLER(jcc);
PMUSIM_HANDLER(jmp);
PMUSIM_HANDLER(jcc_limited);  // outside 64-bit code
PMUSIM_HANDLER(jmp_limited);
PMUSIM_HANDLER(jmp_reg);
PMUSIM_HANDLER(jmp_mem);
PMUSIM_HANDLER(call);
PMUSIM_HANDLER(call_reg);
PMUSIM_HANDLER(call_mem);
PMUSIM_HANDLER(ret);
PMUSIM_HANDLER(loop);
PMUSIM_HANDLER(jrcxz);
PMUSIM_HANDLER(jmp_far);
PMUSIM_HANDLER(jmp_far_mem);
PMUSIM_HANDLER(call_far);
PMUSIM_HANDLER(call_far_mem);
PMUSIM_HANDLER(ret_far);
PMUSIM_HANDLER(iret);
PMUSIM_HANDLER(int_n);
PMUSIM_HANDLER(int3);
PMUSIM_HANDLER(int1);
PMUSIM_HANDLER(into);
PMUSIM_HANDLER(bound);
// execute_wide.cpp
PMUSIM_HANDLER(cmpxchg8b);
PMUSIM_HANDLER(cmpxchg16b);
// execute_system.cpp
PMUSIM_HANDLER(undefined);
PMUSIM_HANDLER(too_long);
PMUSIM_HANDLER(unimplemented);
PMUSIM_HANDLER(mov_from_segment_reg);
PMUSIM_HANDLER(mov_from_segment_mem);
PMUSIM_HANDLER(mov_to_segment_reg);
PMUSIM_HANDLER(mov_to_segment_mem);
PMUSIM_HANDLER(load_far_pointer);  // LDS, LES, LFS, LGS, LSS
PMUSIM_HANDLER(rdmsr);
PMUSIM_HANDLER(wrmsr);
PMUSIM_HANDLER(rdpmc);
PMUSIM_HANDLER(rdtsc);
PMUSIM_HANDLER(rdtscp);
PMUSIM_HANDLER(cpuid);
PMUSIM_HANDLER(hlt);
PMUSIM_HANDLER(monitor);
PMUSIM_HANDLER(mwait);
PMUSIM_HANDLER(cli);
PMUSIM_HANDLER(sti);
PMUSIM_HANDLER(mov_from_cr);
PMUSIM_HANDLER(mov_to_cr);
PMUSIM_HANDLER(mov_from_dr);
PMUSIM_HANDLER(mov_to_dr);
PMUSIM_HANDLER(clts);
PMUSIM_HANDLER(lmsw_reg);
PMUSIM_HANDLER(lmsw_mem);
PMUSIM_HANDLER(smsw_reg);
PMUSIM_HANDLER(smsw_mem);
PMUSIM_HANDLER(load_table);
PMUSIM_HANDLER(store_table);
PMUSIM_HANDLER(load_system_segment_reg);  // LLDT, LTR
PMUSIM_HANDLER(load_system_segment_mem);
PMUSIM_HANDLER(store_system_segment_reg);  // SLDT, STR
PMUSIM_HANDLER(store_system_segment_mem);
PMUSIM_HANDLER(invlpg);
PMUSIM_HANDLER(invalidate_caches);
PMUSIM_HANDLER(clflush);
PMUSIM_HANDLER(fence);
PMUSIM_HANDLER(pause);
PMUSIM_HANDLER(in);
PMUSIM_HANDLER(out);
PMUSIM_HANDLER(swapgs);
PMUSIM_HANDLER(read_segment_base);  // RDFSBASE, RDGSBASE
PMUSIM_HANDLER(write_segment_base);
PMUSIM_HANDLER(change_ac);  // STAC, CLAC
PMUSIM_HANDLER(invpcid);
PMUSIM_HANDLER(random);                  // RDRAND, RDSEED
PMUSIM_HANDLER(load_access_rights_reg);  // LAR, LSL
PMUSIM_HANDLER(load_access_rights_mem);
PMUSIM_HANDLER(verify_segment_reg);  // VERR, VERW
PMUSIM_HANDLER(verify_segment_mem);
PMUSIM_HANDLER(adjust_rpl_reg);  // ARPL
PMUSIM_HANDLER(adjust_rpl_mem);
PMUSIM_HANDLER(sysenter);
PMUSIM_HANDLER(sysexit);
PMUSIM_HANDLER(syscall);
PMUSIM_HANDLER(sysret);
PMUSIM_HANDLER(vmcall);
PMUSIM_HANDLER(rdpid);
#undef PMUSIM_HANDLER
}  // namespace op

// Handler template of all operand sizes: H has `template <class T> static void run(Executor&, const
// MicroOp&)`.
template <class H>
inline Handler sized(unsigned size) {
  switch (size) {
    case 1:
      return &H::template run<u8>;
    case 2:
      return &H::template run<u16>;
    case 4:
      return &H::template run<u32>;
    default:
      return &H::template run<u64>;
  }
}

}  // namespace pmusim::core
