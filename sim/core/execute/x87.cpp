// SPDX-License-Identifier: Apache-2.0
// x87 arithmetic, loads and stores: the host's x87 unit executes the guest's own opcode on the guest's
// registers, status and control word, so that results, flags, stack faults and condition codes are those of
// silicon. An unmasked exception stays pending in the saved status (no waiting instruction follows on the
// host) and is #MF at the guest's next waiting instruction. Not modelled: transcendental instructions, whose
// results differ between vendors (reported as not implemented), FERR# (CR0.NE clear), code and data segment
// selectors of the last instruction (they are saved as 0, as on CPUs that deprecate them).
#include "core/execute/x87.h"

#include <Zydis/Mnemonic.h>

#include <iterator>

#include "core/execute/alu.h"

// A function for each opcode: u32 (image in RDI, memory operand in RSI, flags to load into AH in EDX), flags
// from AH on return. 72 for each escape byte D8 to DF: eight with the memory operand (RSI), 64 with
// registers.
asm(R"(
  .pushsection .text
  .balign 16
  .local pmusim_x87_functions
pmusim_x87_functions:
  .set escape, 0xd8
  .rept 8
    .set modrm, 0x06
    .rept 72
      .balign 16
      mov %edx, %eax
      sahf
      frstor (%rdi)
      .byte escape, modrm
      fnsave (%rdi)
      lahf
      ret
      .if modrm == 0x3e
        .set modrm, 0xc0
      .elseif modrm < 0x3e
        .set modrm, modrm + 8
      .else
        .set modrm, modrm + 1
      .endif
    .endr
    .set escape, escape + 1
  .endr
  .popsection
)");
extern "C" const pmusim::u8 pmusim_x87_functions[];

namespace pmusim::core {
namespace {

// The 32-bit protected-mode format of FNSAVE; registers in stack order.
struct __attribute__((packed)) HostImage {
  u32 control, status, tags, pointers[4];
  u8 st[8][10];
};
static_assert(sizeof(HostImage) == 108, "the architecture's layout");

void to_host(const FpuState& f, HostImage& image) {
  image = {};
  image.control = f.control;
  image.status = f.status;
  for (unsigned i = 0; i < 8; ++i) {
    if (!(f.tags >> i & 1)) image.tags |= 3u << 2 * i;
    const X87Register& r = f.r[(f.top() + i) & 7];
    std::memcpy(image.st[i], &r.significand, 8);
    std::memcpy(image.st[i] + 8, &r.exponent, 2);
  }
}
void from_host(FpuState& f, const HostImage& image) {
  f.status = static_cast<u16>(image.status);
  f.tags = 0;
  for (unsigned i = 0; i < 8; ++i) {
    if ((image.tags >> 2 * i & 3) != 3) f.tags = static_cast<u8>(f.tags | 1 << i);
    X87Register& r = f.r[(f.top() + i) & 7];
    std::memcpy(&r.significand, image.st[i], 8);
    r.exponent = 0;
    std::memcpy(&r.exponent, image.st[i] + 8, 2);
  }
}

// imm: the first byte's low three bits and ModRM, as FOP holds them.
u32 execute_on_host(Executor& x, const MicroOp& op, FpuState& f, void* memory) {
  using Function = u32 (*)(HostImage*, void*, u32);
  const unsigned escape = op.imm >> 8 & 7, modrm = op.imm & 0xff;
  const unsigned index = escape * 72 + (modrm >= 0xc0 ? 8 + (modrm & 63) : modrm >> 3 & 7);
  const auto function =
      reinterpret_cast<Function>(reinterpret_cast<std::uintptr_t>(pmusim_x87_functions) + 16 * index);
  HostImage image;
  to_host(f, image);
  const u32 flags = function(&image, memory, (x.s->rflags & 0xff) << 8);
  from_host(f, image);
  f.opcode = op.imm & 0x7ff;
  f.instruction = op.rip();
  return flags >> 8 & 0xff;
}
bool raised(const FpuState& f, u32 exceptions) {
  return f.status & ~f.control & exceptions;
}

void on_registers(Executor& x, const MicroOp& op) {
  check_x87(x);
  execute_on_host(x, op, x.s->fpu, nullptr);
}

// FCOMI and its kin: ZF, PF, CF; OF, SF and AF are cleared. SDM Vol. 2, "FCOMI", says that an unmasked #IA
// leaves the flags; CPUs of both vendors set them to unordered all the same.
void compare_to_flags(Executor& x, const MicroOp& op) {
  check_x87(x);
  const u64 flags = execute_on_host(x, op, x.s->fpu, nullptr);
  alu::replace(x.s->rflags, kArithmeticFlags, flags & (kZF | kPFlag | kCF));
}

template <unsigned Bytes>
void from_memory(Executor& x, const MicroOp& op) {
  check_x87(x);
  const u64 address = effective_address(x, op);
  u64 memory[2] = {};
  memory[0] = read_sized(x, address, Bytes > 8 ? 8 : Bytes);
  if (Bytes > 8) memory[1] = x.mmu->read<u16>(address + 8);
  execute_on_host(x, op, x.s->fpu, memory);
  x.s->fpu.operand = effective_offset(x, op);
}

// Nothing is stored, and nothing popped, on an unmasked exception other than precision. AMD's CPUs look at
// the operand first, and all of it; Intel's look at it where something is stored, and store an operand of 10
// bytes as one of 8 and one of 2.
template <unsigned Bytes>
void to_memory(Executor& x, const MicroOp& op) {
  check_x87(x);
  constexpr unsigned kFirst = Bytes > 8 ? 8 : Bytes;
  u64 memory[2] = {};
  FpuState after = x.s->fpu;
  execute_on_host(x, op, after, memory);
  after.operand = effective_offset(x, op);
  const bool stores = !raised(after, kFpInvalid | kFpOverflow | kFpUnderflow);
  if (x.config->amd) {
    const u64 address = effective_address(x, op);
    probe_store(x, address, Bytes);
    check_alignment(x, x.s->rflags, address, kFirst);
  }
  if (stores) {
    const u64 address = effective_address(x, op);
    write_sized(x, address, memory[0], kFirst);
    if (Bytes > 8) x.mmu->write<u16>(address + 8, static_cast<u16>(memory[1]));
  }
  x.s->fpu = after;
}

constexpr auto None = OperandKind::None, St = OperandKind::St, M16 = OperandKind::Mem16,
               M32 = OperandKind::Mem32, M64 = OperandKind::Mem64, M80 = OperandKind::Mem80;
constexpr auto Store = MemoryUse::Store;

// clang-format off
#define M(name) ZYDIS_MNEMONIC_##name, Op::name
#define REGISTERS(name) {M(name), St, St, on_registers}
#define ONE(name) {M(name), St, None, on_registers}
#define IMPLICIT(name) {M(name), None, None, on_registers}
#define FLAGS(name) {M(name), St, St, compare_to_flags}
#define REAL(name) {M(name), M32, None, from_memory<4>}, {M(name), M64, None, from_memory<8>}
#define INTEGER(name) {M(name), M16, None, from_memory<2>}, {M(name), M32, None, from_memory<4>}
const VectorRow kRows[] = {
    REGISTERS(FADD), REGISTERS(FADDP), REGISTERS(FSUB), REGISTERS(FSUBP), REGISTERS(FSUBR), REGISTERS(FSUBRP),
    REGISTERS(FMUL), REGISTERS(FMULP), REGISTERS(FDIV), REGISTERS(FDIVP), REGISTERS(FDIVR), REGISTERS(FDIVRP),
    REAL(FADD), REAL(FSUB), REAL(FSUBR), REAL(FMUL), REAL(FDIV), REAL(FDIVR), REAL(FCOM), REAL(FCOMP),
    INTEGER(FIADD), INTEGER(FISUB), INTEGER(FISUBR), INTEGER(FIMUL), INTEGER(FIDIV), INTEGER(FIDIVR),
    INTEGER(FICOM), INTEGER(FICOMP),
    ONE(FCOM), ONE(FCOMP), ONE(FUCOM), REGISTERS(FUCOMP), IMPLICIT(FCOMPP), IMPLICIT(FUCOMPP),
    FLAGS(FCOMI), FLAGS(FCOMIP), FLAGS(FUCOMI), FLAGS(FUCOMIP),
    REGISTERS(FCMOVB), REGISTERS(FCMOVE), REGISTERS(FCMOVBE), REGISTERS(FCMOVU),
    REGISTERS(FCMOVNB), REGISTERS(FCMOVNE), REGISTERS(FCMOVNBE), REGISTERS(FCMOVNU),
    REAL(FLD), {M(FLD), M80, None, from_memory<10>}, ONE(FLD), {M(FBLD), M80, None, from_memory<10>},
    INTEGER(FILD), {M(FILD), M64, None, from_memory<8>},
    {M(FST), M32, None, to_memory<4>, Store}, {M(FST), M64, None, to_memory<8>, Store}, ONE(FST),
    {M(FSTP), M32, None, to_memory<4>, Store}, {M(FSTP), M64, None, to_memory<8>, Store},
    {M(FSTP), M80, None, to_memory<10>, Store}, ONE(FSTP), {M(FBSTP), M80, None, to_memory<10>, Store},
    {M(FIST), M16, None, to_memory<2>, Store}, {M(FIST), M32, None, to_memory<4>, Store},
    {M(FISTP), M16, None, to_memory<2>, Store}, {M(FISTP), M32, None, to_memory<4>, Store},
    {M(FISTP), M64, None, to_memory<8>, Store},
    ONE(FXCH), ONE(FFREE), ONE(FFREEP), ONE(FSTPNCE), IMPLICIT(FINCSTP), IMPLICIT(FDECSTP), IMPLICIT(FNOP),
    IMPLICIT(FLD1), IMPLICIT(FLDL2T), IMPLICIT(FLDL2E), IMPLICIT(FLDPI), IMPLICIT(FLDLG2), IMPLICIT(FLDLN2),
    IMPLICIT(FLDZ), IMPLICIT(FCHS), IMPLICIT(FABS), IMPLICIT(FTST), IMPLICIT(FXAM), IMPLICIT(FSQRT),
    IMPLICIT(FRNDINT), IMPLICIT(FSCALE), IMPLICIT(FXTRACT), IMPLICIT(FPREM), IMPLICIT(FPREM1),
};
// clang-format on

}  // namespace

VectorRows x87_rows() {
  return {std::begin(kRows), std::end(kRows)};
}

}  // namespace pmusim::core
