// SPDX-License-Identifier: Apache-2.0
// System instructions, hints, fences and cache control.
#include "core/decode/lowering.h"

namespace pmusim::core {

// clang-format off
void Lowering::system_table() {
  integer_ = false;
  switch (i_.mnemonic) {
    case ZYDIS_MNEMONIC_NOP:
      // PREFETCHW's opcode with a register: #UD on AMD.
      if (amd_ && i_.opcode_map == ZYDIS_OPCODE_MAP_0F && i_.opcode == 0x0d) return system(Op::UNDEFINED, op::undefined);
      return use(Op::NOP, op::nop);
    case ZYDIS_MNEMONIC_ENDBR64: case ZYDIS_MNEMONIC_ENDBR32: return use(Op::NOP, op::nop);
    case ZYDIS_MNEMONIC_PREFETCH: case ZYDIS_MNEMONIC_PREFETCHNTA: case ZYDIS_MNEMONIC_PREFETCHT0:
    case ZYDIS_MNEMONIC_PREFETCHT1: case ZYDIS_MNEMONIC_PREFETCHT2: case ZYDIS_MNEMONIC_PREFETCHW:
      memory(0, 0, 0);  // for timing
      return use(Op::NOP, op::nop);
    case ZYDIS_MNEMONIC_CLDEMOTE:
      return use(Op::NOP, op::nop);
    case ZYDIS_MNEMONIC_PAUSE:
      if (amd_ && mode_ == 8 && i_.raw.rex.B) {  // XCHG R8, RAX with an idle F3 prefix
        op_.dst = R8 * 8;
        return use(Op::XCHG, select_exchange(false, op_.size));
      }
      return exact(Op::PAUSE, op::pause);
    case ZYDIS_MNEMONIC_MFENCE: case ZYDIS_MNEMONIC_LFENCE: case ZYDIS_MNEMONIC_SFENCE: return system(Op::FENCE, op::fence);
    case ZYDIS_MNEMONIC_CLFLUSH: if (lacks(Feature::Clflush)) return; memory(0, 0, 0); checked_as_byte(); return system(Op::CLFLUSH, op::clflush);
    case ZYDIS_MNEMONIC_CLFLUSHOPT: if (lacks(Feature::Clflushopt)) return; memory(0, 0, 0); checked_as_byte(); return system(Op::CLFLUSH, op::clflush);
    case ZYDIS_MNEMONIC_CLWB: if (lacks(Feature::Clwb)) return; memory(0, 0, 0); checked_as_byte(); return system(Op::CLFLUSH, op::clflush);
    case ZYDIS_MNEMONIC_UD0: case ZYDIS_MNEMONIC_UD1: case ZYDIS_MNEMONIC_UD2: return system(Op::UNDEFINED, op::undefined);

    case ZYDIS_MNEMONIC_RDMSR: return system(Op::RDMSR, op::rdmsr);
    case ZYDIS_MNEMONIC_WRMSR: return system(Op::WRMSR, op::wrmsr);
    case ZYDIS_MNEMONIC_RDPMC: return system(Op::RDPMC, op::rdpmc);
    case ZYDIS_MNEMONIC_RDTSC: return system(Op::RDTSC, op::rdtsc);
    case ZYDIS_MNEMONIC_RDTSCP: if (lacks(Feature::Rdtscp)) return; return system(Op::RDTSCP, op::rdtscp);
    case ZYDIS_MNEMONIC_CPUID: return system(Op::CPUID, op::cpuid);
    case ZYDIS_MNEMONIC_HLT: return system(Op::HLT, op::hlt);
    case ZYDIS_MNEMONIC_CLI: return system(Op::CLI, op::cli);
    case ZYDIS_MNEMONIC_STI: return system(Op::STI, op::sti);
    case ZYDIS_MNEMONIC_CLTS: return system(Op::CLTS, op::clts);
    case ZYDIS_MNEMONIC_LMSW: return either(Op::LMSW, op::lmsw_reg, op::lmsw_mem, 1, 0, true);
    case ZYDIS_MNEMONIC_SMSW: return either(Op::SMSW, op::smsw_reg, op::smsw_mem, 0, 1, false);
    case ZYDIS_MNEMONIC_LGDT: case ZYDIS_MNEMONIC_LIDT: case ZYDIS_MNEMONIC_SGDT: case ZYDIS_MNEMONIC_SIDT: {
      const bool loads = i_.mnemonic == ZYDIS_MNEMONIC_LGDT || i_.mnemonic == ZYDIS_MNEMONIC_LIDT;
      op_.aux = i_.mnemonic == ZYDIS_MNEMONIC_LIDT || i_.mnemonic == ZYDIS_MNEMONIC_SIDT;
      if (mode_ == 8) op_.size = 8;
      memory(0, loads ? 2 : 0, loads ? 0 : 2);
      return loads ? system(Op::LOAD_TABLE, op::load_table) : system(Op::STORE_TABLE, op::store_table);
    }
    case ZYDIS_MNEMONIC_LLDT: case ZYDIS_MNEMONIC_LTR:
      op_.aux = i_.mnemonic == ZYDIS_MNEMONIC_LTR;
      return either(Op::LOAD_SYSTEM_SEGMENT, op::load_system_segment_reg, op::load_system_segment_mem, 1, 0, true);
    case ZYDIS_MNEMONIC_SLDT: case ZYDIS_MNEMONIC_STR:
      op_.aux = i_.mnemonic == ZYDIS_MNEMONIC_STR;
      return either(Op::STORE_SYSTEM_SEGMENT, op::store_system_segment_reg, op::store_system_segment_mem, 0, 1, false);
    case ZYDIS_MNEMONIC_LDS: case ZYDIS_MNEMONIC_LES: case ZYDIS_MNEMONIC_LFS: case ZYDIS_MNEMONIC_LGS:
    case ZYDIS_MNEMONIC_LSS:
      op_.aux = i_.mnemonic == ZYDIS_MNEMONIC_LDS ? DS : i_.mnemonic == ZYDIS_MNEMONIC_LES ? ES
              : i_.mnemonic == ZYDIS_MNEMONIC_LFS ? FS : i_.mnemonic == ZYDIS_MNEMONIC_LGS ? GS : SS;
      op_.dst = reg(o_[0]);
      op_.size = static_cast<u8>(bytes(0));
      memory(1, 2, 0);
      return system(Op::LOAD_FAR_POINTER, op::load_far_pointer);
    case ZYDIS_MNEMONIC_INVLPG: memory(0, 0, 0); return system(Op::INVLPG, op::invlpg);
    case ZYDIS_MNEMONIC_INVD: case ZYDIS_MNEMONIC_WBINVD:
      op_.aux = i_.mnemonic == ZYDIS_MNEMONIC_WBINVD;
      return system(Op::INVALIDATE_CACHES, op::invalidate_caches);
    case ZYDIS_MNEMONIC_IN: case ZYDIS_MNEMONIC_OUT: {
      const bool in = i_.mnemonic == ZYDIS_MNEMONIC_IN;
      const unsigned port = in ? 1 : 0;
      op_.size = static_cast<u8>(bytes(1 - port));
      op_.aux = is_reg(port);
      if (is_imm(port)) op_.imm = o_[port].imm.value.u & 0xff;
      return in ? system(Op::IN, op::in) : system(Op::OUT, op::out);
    }
    case ZYDIS_MNEMONIC_SWAPGS: return system(Op::SWAPGS, op::swapgs);
    case ZYDIS_MNEMONIC_RDFSBASE: case ZYDIS_MNEMONIC_RDGSBASE: case ZYDIS_MNEMONIC_WRFSBASE:
    case ZYDIS_MNEMONIC_WRGSBASE: {
      if (lacks(Feature::Fsgsbase)) return;
      const bool fs = i_.mnemonic == ZYDIS_MNEMONIC_RDFSBASE || i_.mnemonic == ZYDIS_MNEMONIC_WRFSBASE;
      const bool writes = i_.mnemonic == ZYDIS_MNEMONIC_WRFSBASE || i_.mnemonic == ZYDIS_MNEMONIC_WRGSBASE;
      op_.size = static_cast<u8>(bytes(0));
      op_.dst = reg(o_[0]);
      op_.seg = fs ? FS : GS;
      return writes ? exact(Op::WRITE_SEGMENT_BASE, op::write_segment_base)
                    : exact(Op::READ_SEGMENT_BASE, op::read_segment_base);
    }
    case ZYDIS_MNEMONIC_STAC: case ZYDIS_MNEMONIC_CLAC:
      if (lacks(Feature::Smap)) return;
      op_.aux = i_.mnemonic == ZYDIS_MNEMONIC_STAC;
      return exact(Op::CHANGE_AC, op::change_ac);
    case ZYDIS_MNEMONIC_INVPCID:
      if (lacks(Feature::Invpcid)) return;
      op_.dst = reg(o_[0]);
      memory(1, 1, 0);
      op_.size = mode_ == 8 ? 8 : 4;
      return system(Op::INVPCID, op::invpcid);
    case ZYDIS_MNEMONIC_RDRAND: case ZYDIS_MNEMONIC_RDSEED:
      if (lacks(i_.mnemonic == ZYDIS_MNEMONIC_RDRAND ? Feature::Rdrand : Feature::Rdseed)) return;
      op_.dst = reg(o_[0]);
      op_.size = static_cast<u8>(bytes(0));
      return exact(Op::RANDOM, op::random);
    case ZYDIS_MNEMONIC_LAR: case ZYDIS_MNEMONIC_LSL:
      op_.aux = i_.mnemonic == ZYDIS_MNEMONIC_LSL;
      op_.size = static_cast<u8>(bytes(0));
      op_.dst = reg(o_[0]);
      if (is_mem(1)) memory(1, 1, 0); else op_.src = reg(o_[1]);
      return exact(Op::LOAD_ACCESS_RIGHTS, is_mem(1) ? op::load_access_rights_mem : op::load_access_rights_reg);
    case ZYDIS_MNEMONIC_VERR: case ZYDIS_MNEMONIC_VERW:
      op_.aux = i_.mnemonic == ZYDIS_MNEMONIC_VERW;
      return either(Op::VERIFY_SEGMENT, op::verify_segment_reg, op::verify_segment_mem, 1, 0, false);
    case ZYDIS_MNEMONIC_ARPL:
      op_.src = reg(o_[1]);
      return either(Op::ADJUST_RPL, op::adjust_rpl_reg, op::adjust_rpl_mem, 1, 1, false);
    case ZYDIS_MNEMONIC_VMCALL: return system(Op::VMCALL, op::vmcall);
    case ZYDIS_MNEMONIC_VMMCALL: op_.aux = 1; return system(Op::VMCALL, op::vmcall);
    case ZYDIS_MNEMONIC_RDPID: if (lacks(Feature::Rdpid)) return; op_.dst = reg(o_[0]); return system(Op::RDPID, op::rdpid);
    case ZYDIS_MNEMONIC_MONITOR:
      op_.base = RAX;
      op_.address = kAddrBase | 1 << kAddrSizeShift;
      op_.seg = segment_override();
      if (mode_ == 8 && op_.address_size == 8 && op_.seg < FS) op_.address |= kAddrFlat;
      return system(Op::MONITOR, op::monitor);
    case ZYDIS_MNEMONIC_MWAIT: return system(Op::MWAIT, op::mwait);
    // Features that no CPU model here enumerates: undefined on such CPUs.
    case ZYDIS_MNEMONIC_VMXON: case ZYDIS_MNEMONIC_VMXOFF: case ZYDIS_MNEMONIC_VMCLEAR: case ZYDIS_MNEMONIC_VMPTRLD:
    case ZYDIS_MNEMONIC_VMPTRST: case ZYDIS_MNEMONIC_VMREAD: case ZYDIS_MNEMONIC_VMWRITE:
    case ZYDIS_MNEMONIC_VMLAUNCH: case ZYDIS_MNEMONIC_VMRESUME: case ZYDIS_MNEMONIC_VMFUNC:
    case ZYDIS_MNEMONIC_INVEPT: case ZYDIS_MNEMONIC_INVVPID: case ZYDIS_MNEMONIC_VMRUN: case ZYDIS_MNEMONIC_VMLOAD:
    case ZYDIS_MNEMONIC_VMSAVE: case ZYDIS_MNEMONIC_STGI: case ZYDIS_MNEMONIC_CLGI: case ZYDIS_MNEMONIC_SKINIT:
    case ZYDIS_MNEMONIC_INVLPGA: case ZYDIS_MNEMONIC_XBEGIN: case ZYDIS_MNEMONIC_XEND: case ZYDIS_MNEMONIC_XABORT:
    case ZYDIS_MNEMONIC_XTEST: case ZYDIS_MNEMONIC_RDPKRU: case ZYDIS_MNEMONIC_WRPKRU:
      return system(Op::UNDEFINED, op::undefined);
    default: break;
  }
  vector_table();
}
// clang-format on

}  // namespace pmusim::core
