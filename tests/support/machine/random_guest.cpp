// SPDX-License-Identifier: Apache-2.0
// A random guest's program, unit by unit.
#include "arch/msr.h"
#include "base/bits.h"
#include "tests/support/machine/random_guest_generator.h"

namespace pmusim::platform::test {

// One or two instructions without a branch; keep_counter: rcx stays.
void Generator::simple(Asm& a, bool keep_counter) {
  unsigned to = reg(), from = reg();
  if (keep_counter && to == 1) to = 9;
  const unsigned rex = 0x40 | (one_in(2) ? 8 : 0);
  static const u8 ops[] = {0x01, 0x29, 0x31, 0x21, 0x09, 0x11, 0x19, 0x39, 0x85, 0x89};
  switch (pick(7)) {
    case 0:  // imul
      a.b({rex | (to >> 3 << 2) | from >> 3, 0x0f, 0xaf, 0xc0 | (to & 7) << 3 | (from & 7)});
      return;
    case 1:  // shl, shr, sar, rol by a constant
      a.b({rex | to >> 3, 0xc1, (one_in(2) ? 0xe0u : 0xe8u) | (to & 7), static_cast<unsigned>(pick(64))});
      return;
    case 2:  // mov imm32
      a.b({0x40 | to >> 3, 0xb8 | (to & 7)}).d(static_cast<u32>(rng_.next()));
      return;
    case 3:
      a.b({0x90});
      return;
    default:
      a.b({rex | (from >> 3 << 2) | to >> 3, ops[pick(sizeof ops)], 0xc0 | (from & 7) << 3 | (to & 7)});
  }
}

void Generator::memory(Asm& a) {
  const unsigned r = reg();
  const unsigned rex = 0x41 | (one_in(2) ? 8 : 0) | (r >> 3 << 2);  // base r14
  const unsigned rm = 0x86 | (r & 7) << 3;
  switch (pick(7)) {
    case 0:
    case 1:
      a.b({rex, 0x8b, rm}).d(offset());  // load
      return;
    case 2:
    case 3:
      a.b({rex, 0x89, rm}).d(offset());  // store
      return;
    case 4:
      a.b({rex, one_in(2) ? 0x01u : 0x03u, rm}).d(offset());  // add to or from memory
      return;
    case 5:
      if (one_in(2))
        a.b({0xf0, rex, 0x01, rm}).d(offset());  // lock add
      else
        a.b({rex, 0x87, rm}).d(offset());  // xchg
      return;
    default:
      a.b({0x40 | r >> 3, 0x50 | (r & 7)});  // push, pop
      simple(a, false);
      a.b({0x41, 0x58 | static_cast<unsigned>(pick(4))});
  }
}

void Generator::string(Asm& a, bool user) {
  static const u8 ops[] = {0xa4, 0xa5, 0xaa, 0xab, 0xac, 0xa6, 0xae};
  const u8 op = ops[pick(sizeof ops)];
  const bool faults = one_in(4) && op != 0xac;
  const u32 count = static_cast<u32>(pick(one_in(4) ? 200 : 12));
  // A fault in the middle: RDI runs out of the mapped memory.
  const u32 to = faults ? kUnmapped - static_cast<u32>(pick(40)) : kData + 0x4000 + offset() / 2;
  a.b({0xb9}).d(count).b({0xbe}).d(kData + offset()).b({0xbf}).d(to);
  if (one_in(8) && !user) a.b({0xfd});  // std
  recoverable(a, [&] {
    if (!one_in(6)) a.b({one_in(3) ? 0xf2u : 0xf3u});
    if (op != 0xaa && one_in(2) && op != 0xa4) a.b({0x48});
    a.b({op});
  });
  a.b({0xfc});
}

void Generator::faulting(Asm& a, bool user) {
  recoverable(a, [&] {
    switch (pick(user ? 9 : 6)) {
      case 0:
        a.b({0x31, 0xd2, 0x31, 0xc9, 0xf7, 0xf1});  // xor edx, edx; xor ecx, ecx; div ecx
        break;
      case 1:
        a.b({0x0f, 0x0b});  // ud2
        break;
      case 2:
        a.b({0x8b, 0x04, 0x25}).d(kUnmapped + offset());
        break;
      case 3:
        a.b({0x01, 0x04, 0x25}).d(kReadOnly + offset());  // reads, then may not write
        break;
      case 4:
        a.b({0xb9}).d(0x12345).b({0x0f, 0x32});  // rdmsr
        break;
      case 5:
        a.b({0xb9}).d(0x3f).b({0x0f, 0x33});  // rdpmc
        break;
      case 6:
        a.b({0xf4});  // hlt at CPL 3
        break;
      case 7:
        a.b({0xb9}).d(selector_msr(0)).b({0x0f, 0x30});
        break;
      default:
        a.b({0xfa});  // cli at CPL 3
    }
  });
}

void Generator::system(Asm& a, bool user) {
  const unsigned n = static_cast<unsigned>(pick(model_.caps.gp_count));
  if (!user && plan_.cpus > 1 && one_in(3)) {  // an interrupt or an NMI for another CPU, or for itself
    a.store(kApicPage + apic::kIcrHigh, static_cast<u32>(pick(plan_.cpus)) << 24);
    a.store(kApicPage + apic::kIcr, one_in(4) ? 0x4400 : 0x4000 | kTimerVector);
    return;
  }
  switch (pick(user ? 7 : 15)) {
    case 0:  // what a silent program reads must not depend on where its counters start
      if (!sampling_) break;
      a.b({0xb9}).d(n).b({0x0f, 0x33, 0x41, 0x89, 0x86}).d(offset());  // rdpmc; mov [r14+], eax
      return;
    case 1:
      a.b({0x0f, 0x31, 0x41, 0x89, 0x86}).d(offset());  // rdtsc
      return;
    case 2:
      a.b({0x31, 0xc0, 0x0f, 0xa2});  // cpuid
      return;
    case 3:
      a.b({0xcd, kSoftware});
      return;
    case 4:
      a.b({0xcc});
      return;
    case 5:
      a.b({0x9c, 0x81, 0x0c, 0x24}).d(0x100).b({0x9d});  // TF: one #DB after the next instruction
      simple(a, false);
      return;
    case 6:
      a.b({0xf3, 0x90});
      return;
    case 7:
      if (sampling_) a.wrmsr(counter_msr(n), near_overflow(n));
      return;
    case 8:
      if (sampling_) a.wrmsr(selector_msr(n), random_selector(n));
      return;
    case 9:
      if (!sampling_) break;
      a.b({0xb9}).d(address(pmu::Reg::GpCounter, n)).b({0x0f, 0x32, 0x41, 0x89, 0x86}).d(offset());
      return;
    case 10:
      a.b({0xfa});  // cli; some; sti; one in the shadow
      simple(a, false);
      memory(a);
      a.b({0xfb});
      simple(a, false);
      return;
    case 11:
      a.b({0xfb, 0xf4});  // the timer wakes it
      return;
    case 12:
      a.b({0xb8}).d(kDataSelector).b({0x8e, 0xd0});  // mov ss: its shadow
      simple(a, false);
      return;
    case 13: {
      a.b({0xc7, 0x04, 0x25}).d(a.here() + 8 + 1).d(static_cast<u32>(rng_.next()));
      a.b({0xbb}).d(0);  // mov ebx, imm: the imm is what the store above has written
      return;
    }
    default:
      if (sampling_ && global() && one_in(2)) {
        a.wrmsr(address(pmu::Reg::GlobalCtrl, 0), all_counters() & rng_.next());
        simple(a, false);
        a.wrmsr(address(pmu::Reg::GlobalCtrl, 0), all_counters());
      } else {
        a.b({0x44, 0x0f, 0x20, 0xc0});  // mov rax, cr8
      }
      return;
  }
  a.b({0x90});
}

void Generator::unit(Asm& a, bool user, unsigned depth) {
  switch (pick(depth ? 8 : 13)) {
    case 0:
    case 1:
      for (u64 n = pick(8); n; --n) simple(a, false);
      return;
    case 2:
    case 3:
      memory(a);
      return;
    case 4:
      string(a, user);
      return;
    case 5:
      faulting(a, user);
      return;
    case 6:
      system(a, user);
      return;
    case 7: {  // a long loop of constant steps
      a.b({0xb9}).d(static_cast<u32>(pick(one_in(4) ? 20000 : 400) + 1));
      const u32 top = a.here();
      const unsigned step = static_cast<unsigned>(pick(4));
      if (one_in(2)) a.b({0x48, 0x83, 0xc0, step});  // add rax, step
      if (one_in(2)) a.b({0xf3, 0x90});
      if (one_in(2))
        a.b({0xe2, static_cast<u8>(top - (a.here() + 2))});  // loop
      else
        a.b({0xff, 0xc9, 0x75, static_cast<u8>(top - (a.here() + 4))});  // dec ecx; jnz
      return;
    }
    case 8: {  // forward conditional jump
      a.b({0x0f, 0x80 | static_cast<unsigned>(pick(16))}).d(0);
      const u32 from = a.here();
      for (u64 n = pick(3) + 1; n; --n) unit(a, user, depth + 1);
      a.set32(from - 4, a.here() - from);
      return;
    }
    case 9:
    case 10: {  // a loop without a store to rcx
      a.b({0xb9}).d(static_cast<u32>(pick(one_in(3) ? 300 : 20) + 1));
      const u32 top = a.here();
      for (u64 n = pick(5); n; --n) simple(a, true);
      if (one_in(2)) a.b({0x41, 0x01, 0x86}).d(offset());  // add [r14+], eax
      if (one_in(6)) recoverable(a, [&] { a.b({0x0f, 0x0b}); });
      a.b({0xe2, static_cast<u8>(top - (a.here() + 2))});
      return;
    }
    case 11: {  // call over a jump: call f; jmp end; f: ...; ret; end:
      a.b({0xe8}).d(5).b({0xe9}).d(0);
      const u32 from = a.here();
      unit(a, user, depth + 1);
      a.b({0xc3});
      a.set32(from - 4, a.here() - from);
      return;
    }
    default: {  // indirect jump
      a.b({0xb8}).d(a.here() + 4 + 2 + 1).b({0xff, 0xe0, 0xcc});
      return;
    }
  }
}

std::vector<unsigned> counter_ids(const CpuModel& model) {
  std::vector<unsigned> ids;
  for (unsigned n = 0; n < model.caps.gp_count; ++n) ids.push_back(n);
  for (unsigned n = 0; n < pmu::kMaxFixed; ++n)
    if (model.caps.fixed_mask >> n & 1) ids.push_back(pmu::kFixedBase + n);
  return ids;
}

Image random_guest(const CpuModel& model, const GuestPlan& plan) {
  return Generator(model, plan).image();
}

}  // namespace pmusim::platform::test
