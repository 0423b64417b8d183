// SPDX-License-Identifier: Apache-2.0
// Memory that decides what happens: stack frames, far pointers, bounds, XSAVE areas.
#include <algorithm>

#include "core/state/state.h"
#include "generator.h"

namespace pmusim::silicon {

// Writes into whatever patches cover these bytes (they may overlap); false if one is covered by none.
bool put_memory(Input& in, u64 address, u64 v, unsigned size) {
  bool all = true;
  for (unsigned n = 0; n < size; ++n) {
    bool covered = false;
    for (Patch& p : in.patches) {
      const u64 offset = address + n - kData - p.offset;
      if (!p.size || offset >= p.size) continue;
      p.bytes[offset] = static_cast<u8>(v >> 8 * n);
      covered = true;
    }
    all &= covered;
  }
  return all;
}

bool Generator::special_memory(const Form& form, const Instruction& i, Input& in) {
  State& s = in.state;
  const ZydisDecodedOperand& first = i.operands[0];
  const unsigned size = i.info.operand_width / 8;
  const bool long_mode = i.mode == Mode::Long;
  // A branch to what is there by chance could reach anything.
  const auto put = [&](u64 address, u64 v, unsigned bytes) {
    return put_memory(in, address, v, bytes) || !is_readable(address);
  };
  const auto offset_in = [&](u16 code) {
    const UserSegment* segment = find_segment(code);
    return destination_ - (segment ? segment->base : 0);
  };
  const u64 stack = addressing_.stack(i, s).linear, flags = rng_.next() & ~core::kTF;
  const u64 operand = count_ ? accesses_[0].address.linear : 0;
  const u16 selector = values_.selector();
  // A target of 16 bits may be this very instruction, or another of the batch.
  const u64 near = offset_in(i.cs) & (size == 2 ? 0xffff : ~u64{0}),
            code = kCode - destination_ + offset_in(i.cs);
  if (form.branches && !form.far && !long_mode && near - code < kCodeSize) return false;
  // What an XSAVE area holds (SDM Vol. 1, "XSAVE Area"): mostly a legal header and MXCSR.
  if (is_xsave(form.mnemonic) || is_xrstor(form.mnemonic)) {
    Patch& header = in.patches[1];
    const u64 from = operand + 512 - kData;
    if (from > kDataSize - 64) return true;  // nor below the pages
    header.offset = static_cast<u32>(from);
    header.size = sizeof header.bytes;
    std::fill(std::begin(header.bytes), std::end(header.bytes), u8{0});
    const u64 present = rng_.below(4), compacted = u64{1} << 63;
    // No component that the host has and the core has not.
    const u64 odd = rng_.below(8) ? 0 : u64{1} << (19 + rng_.below(40));
    put_memory(in, operand + 512, present | odd, 8);
    if (rng_.below(2))
      put_memory(in, operand + 520, compacted | present | rng_.below(4) | (odd & rng_.next()), 8);
    if (rng_.below(8) == 0) put_memory(in, operand + 528 + rng_.below(32), 1 + rng_.below(255), 1);
    const u32 mxcsr = static_cast<u32>(rng_.next()) & (rng_.below(8) ? 0xffbf : 0x4ffff);
    put_memory(in, operand + 24, mxcsr, 4);
    return true;
  }
  switch (form.mnemonic) {
    case ZYDIS_MNEMONIC_POPF:
    case ZYDIS_MNEMONIC_POPFD:
    case ZYDIS_MNEMONIC_POPFQ:
      return put(stack, flags, 8);
    case ZYDIS_MNEMONIC_RET:
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ: {
      // RIP, CS, RFLAGS, RSP, SS of the operand size.
      if (!form.far) return put(stack, offset_in(i.cs), long_mode ? 8 : size);
      const u64 frame[] = {offset_in(selector), selector, flags, kData + rng_.below(kDataSize),
                           values_.selector()};
      // On Intel the popped AC is in force for what is popped after it. Linux takes #AC with AC clear for a
      // split lock, puts the process to sleep and tries again, forever: IRET then never ends.
      if (!host_is_amd() && form.mnemonic != ZYDIS_MNEMONIC_RET && flags & core::kACFlag &&
          stack & (size - 1))
        return false;
      bool all = true;
      for (unsigned n = 0; n < 5; ++n) all &= put(stack + n * size, frame[n], size);
      return all;
    }
    case ZYDIS_MNEMONIC_JMP:
    case ZYDIS_MNEMONIC_CALL:
      if (first.type == ZYDIS_OPERAND_TYPE_REGISTER && !(pinned_ >> number_of(first.reg.value) & 1))
        s.gpr[number_of(first.reg.value)] = long_mode ? destination_ : offset_in(i.cs) & 0xffffffff;
      if (first.type != ZYDIS_OPERAND_TYPE_MEMORY) return true;
      if (!form.far) return put(operand, offset_in(i.cs), 8);
      return put(operand, offset_in(selector), 8) &&
             put(operand + std::min(size, long_mode && !host_is_amd() ? 8u : 4u), selector, 2);
    case ZYDIS_MNEMONIC_LES:
    case ZYDIS_MNEMONIC_LDS:
    case ZYDIS_MNEMONIC_LSS:
      if (rng_.below(2))
        put_memory(in, operand + std::min(size, long_mode && !host_is_amd() ? 8u : 4u), selector, 2);
      return true;
    case ZYDIS_MNEMONIC_BOUND: {
      const u64 index = value_of(first.reg.value, s);
      if (rng_.below(4)) {
        put_memory(in, operand, index - rng_.below(3), size);
        put_memory(in, operand + size, index + rng_.below(4) - 1, size);
      }
      return true;
    }
    default:
      return true;
  }
}

}  // namespace pmusim::silicon
