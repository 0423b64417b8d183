// SPDX-License-Identifier: Apache-2.0
// x87 control instructions: initialization, control and status words, environment, FSAVE, WAIT (SDM Vol. 1,
// "x87 FPU Execution Environment"; Vol. 2, each instruction). Environments have the protected-mode format in
// every mode.
#include <Zydis/Mnemonic.h>

#include <iterator>

#include "core/execute/x87.h"

namespace pmusim::core {
namespace {

// Instructions that do not wait.
void check_no_wait(const Executor& x) {
  if (x.s->cr0 & (kCr0Em | kCr0Ts)) raise(kNM);
}

void fninit(Executor& x, const MicroOp&) {
  check_no_wait(x);
  initialize(x.s->fpu);
}
void fnclex(Executor& x, const MicroOp&) {
  check_no_wait(x);
  x.s->fpu.status &= 0x7f00;
}
// FNENI, FNDISI and FNSETPM: control of the 8087 and the 287, nothing since (SDM Vol. 3, "x87 FPU").
void fnenable(Executor& x, const MicroOp&) {
  check_no_wait(x);
}
void fldcw(Executor& x, const MicroOp& op) {
  check_x87(x);
  set_control(x.s->fpu, load<u16>(x, op));
  update_summary(x.s->fpu);
}
void fnstcw(Executor& x, const MicroOp& op) {
  check_no_wait(x);
  x.mmu->write<u16>(effective_address(x, op), x.s->fpu.control);
}
void fnstsw(Executor& x, const MicroOp& op) {
  check_no_wait(x);
  x.mmu->write<u16>(effective_address(x, op), x.s->fpu.status);
}
void fnstsw_ax(Executor& x, const MicroOp& op) {
  check_no_wait(x);
  put<u16>(x, op.dst, x.s->fpu.status);
}
// WAIT looks at CR0.MP with CR0.TS, not at CR0.EM.
void wait(Executor& x, const MicroOp&) {
  if ((x.s->cr0 & (kCr0Mp | kCr0Ts)) == (kCr0Mp | kCr0Ts)) raise(kNM);
  check_x87_pending(x);
}

// --- Environments: seven words of 2 or 4 bytes; FSAVE adds ST(0) to ST(7).
u16 full_tags(const FpuState& f) {
  unsigned tags = 0;
  for (unsigned i = 0; i < 8; ++i) {
    const X87Register& r = f.r[i];
    const unsigned exponent = r.exponent & 0x7fff;
    unsigned tag = 2;  // special
    if (!(f.tags >> i & 1))
      tag = 3;  // empty
    else if (exponent == 0 && r.significand == 0)
      tag = 1;  // zero
    else if (exponent != 0 && exponent != 0x7fff && r.significand >> 63)
      tag = 0;  // valid
    tags |= tag << 2 * i;
  }
  return static_cast<u16>(tags);
}
template <class T>
constexpr unsigned kEnvironment = 7 * sizeof(T);

// Reserved halves of the 32-bit format are ones in FCW, FSW, FTW and the data pointer's selector.
template <class T>
void put_environment(const FpuState& f, u8* to) {
  T word[7] = {f.control, f.status, full_tags(f), static_cast<T>(f.instruction), 0, static_cast<T>(f.operand),
               0};
  if (sizeof(T) == 4) {
    for (const unsigned i : {0u, 1u, 2u, 6u}) word[i] |= static_cast<T>(0xffff0000);
    word[4] = static_cast<T>(u32{f.opcode} << 16);
  }
  std::memcpy(to, word, sizeof word);
}
template <class T>
void take_environment(FpuState& f, const u8* from) {
  T word[7];
  std::memcpy(word, from, sizeof word);
  set_control(f, static_cast<u16>(word[0]));
  f.status = static_cast<u16>(word[1]);
  f.tags = 0;
  for (unsigned i = 0; i < 8; ++i)
    if ((word[2] >> 2 * i & 3) != 3) f.tags = static_cast<u8>(f.tags | 1 << i);
  f.instruction = word[3];
  f.operand = word[5];
  if (sizeof(T) == 4) f.opcode = static_cast<u16>(word[4] >> 16 & 0x7ff);
  update_summary(f);
}

template <class T>
void fnstenv(Executor& x, const MicroOp& op) {
  check_no_wait(x);
  u8 image[kEnvironment<T>];
  put_environment<T>(x.s->fpu, image);
  write_bytes(x, effective_address(x, op), image, sizeof image, sizeof(T));
  x.s->fpu.control |= kFpExceptions;
  update_summary(x.s->fpu);
}
template <class T>
void fldenv(Executor& x, const MicroOp& op) {
  check_x87(x);
  u8 image[kEnvironment<T>];
  read_bytes(x, effective_address(x, op), image, sizeof image, sizeof(T));
  take_environment<T>(x.s->fpu, image);
}
template <class T>
void fnsave(Executor& x, const MicroOp& op) {
  check_no_wait(x);
  FpuState& f = x.s->fpu;
  u8 image[kEnvironment<T> + 80];
  put_environment<T>(f, image);
  for (unsigned i = 0; i < 8; ++i) {
    std::memcpy(image + kEnvironment<T> + 10 * i, &st(f, i).significand, 8);
    std::memcpy(image + kEnvironment<T> + 10 * i + 8, &st(f, i).exponent, 2);
  }
  write_bytes(x, effective_address(x, op), image, sizeof image, sizeof(T));
  initialize(f);
}
template <class T>
void frstor(Executor& x, const MicroOp& op) {
  check_x87(x);
  FpuState& f = x.s->fpu;
  u8 image[kEnvironment<T> + 80];
  read_bytes(x, effective_address(x, op), image, sizeof image, sizeof(T));
  take_environment<T>(f, image);
  for (unsigned i = 0; i < 8; ++i) {
    st(f, i) = {};
    std::memcpy(&st(f, i).significand, image + kEnvironment<T> + 10 * i, 8);
    std::memcpy(&st(f, i).exponent, image + kEnvironment<T> + 10 * i + 8, 2);
  }
}

constexpr auto None = OperandKind::None, R16 = OperandKind::R16, M16 = OperandKind::Mem16;
constexpr auto Store = MemoryUse::Store;

// clang-format off
#define M(name) ZYDIS_MNEMONIC_##name, Op::name
const VectorRow kRows[] = {
    {M(FNINIT), None, None, fninit}, {M(FNCLEX), None, None, fnclex}, {M(FWAIT), None, None, wait},
    {M(FENI8087_NOP), None, None, fnenable}, {M(FDISI8087_NOP), None, None, fnenable},
    {M(FSETPM287_NOP), None, None, fnenable},
    {M(FLDCW), M16, None, fldcw}, {M(FNSTCW), M16, None, fnstcw, Store},
    {M(FNSTSW), M16, None, fnstsw, Store}, {M(FNSTSW), R16, None, fnstsw_ax},
    {M(FNSTENV), OperandKind::Mem14Bytes, None, fnstenv<u16>, Store},
    {M(FNSTENV), OperandKind::Mem28Bytes, None, fnstenv<u32>, Store},
    {M(FLDENV), OperandKind::Mem14Bytes, None, fldenv<u16>}, {M(FLDENV), OperandKind::Mem28Bytes, None, fldenv<u32>},
    {M(FNSAVE), OperandKind::Mem94Bytes, None, fnsave<u16>, Store},
    {M(FNSAVE), OperandKind::Mem108Bytes, None, fnsave<u32>, Store},
    {M(FRSTOR), OperandKind::Mem94Bytes, None, frstor<u16>}, {M(FRSTOR), OperandKind::Mem108Bytes, None, frstor<u32>},
};
// clang-format on

}  // namespace

VectorRows x87_control_rows() {
  return {std::begin(kRows), std::end(kRows)};
}

}  // namespace pmusim::core
