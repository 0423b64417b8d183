// SPDX-License-Identifier: Apache-2.0
// A random guest's program, unit by unit.
#include <iterator>

#include "arch/msr.h"
#include "base/bits.h"
#include "tests/support/machine/random_guest_generator.h"

namespace pmusim::platform::test {

namespace {

using namespace pmusim::test;

constexpr ZydisMnemonic kTwoRegisters[] = {
    ZYDIS_MNEMONIC_ADD, ZYDIS_MNEMONIC_SUB, ZYDIS_MNEMONIC_XOR, ZYDIS_MNEMONIC_AND,  ZYDIS_MNEMONIC_OR,
    ZYDIS_MNEMONIC_ADC, ZYDIS_MNEMONIC_SBB, ZYDIS_MNEMONIC_CMP, ZYDIS_MNEMONIC_TEST, ZYDIS_MNEMONIC_MOV};
struct String {
  ZydisMnemonic mnemonic;
  bool writes_or_compares;  // at RDI, so that it can fault there
};
constexpr String kStrings[] = {{ZYDIS_MNEMONIC_MOVSB, true},  {ZYDIS_MNEMONIC_MOVSD, true},
                               {ZYDIS_MNEMONIC_STOSB, true},  {ZYDIS_MNEMONIC_STOSD, true},
                               {ZYDIS_MNEMONIC_LODSB, false}, {ZYDIS_MNEMONIC_CMPSB, true},
                               {ZYDIS_MNEMONIC_SCASB, true}};

}  // namespace

// One or two instructions without a branch; keep_counter: rcx stays.
void Generator::simple(Assembler& a, bool keep_counter) {
  unsigned to = reg(), from = reg();
  if (keep_counter && to == 1) to = 9;
  const unsigned bits = one_in(2) ? 64 : 32;
  switch (pick(7)) {
    case 0:
      a.imul(general(to, bits), general(from, bits));
      return;
    case 1:
      a.emit(one_in(2) ? ZYDIS_MNEMONIC_SHL : ZYDIS_MNEMONIC_SHR, {general(to, bits), pick(64)});
      return;
    case 2:
      a.mov(general(to, 32), rng_.next());
      return;
    case 3:
      a.nop();
      return;
    default:
      a.emit(kTwoRegisters[pick(std::size(kTwoRegisters))], {general(to, bits), general(from, bits)});
  }
}

void Generator::memory(Assembler& a) {
  const unsigned r = reg(), bits = one_in(2) ? 64 : 32;
  const ZydisRegister value = general(r, bits);
  const auto data = [&] { return Operand(bits / 8, r14, offset()); };
  switch (pick(7)) {
    case 0:
    case 1:
      a.mov(value, data());
      return;
    case 2:
    case 3:
      a.mov(data(), value);
      return;
    case 4:
      if (one_in(2))
        a.add(data(), value);
      else
        a.add(value, data());
      return;
    case 5:
      if (one_in(2))
        a.lock().add(data(), value);
      else
        a.xchg(data(), value);
      return;
    default:
      a.push(general(r, 64));
      simple(a, false);
      a.pop(general(8 + static_cast<unsigned>(pick(4)), 64));
  }
}

void Generator::string(Assembler& a, bool user) {
  const String& s = kStrings[pick(std::size(kStrings))];
  const bool faults = one_in(4) && s.writes_or_compares;
  const u32 count = static_cast<u32>(pick(one_in(4) ? 200 : 12));
  // A fault in the middle: RDI runs out of the mapped memory.
  const u32 to = faults ? kUnmapped - static_cast<u32>(pick(40)) : kData + 0x4000 + offset() / 2;
  a.mov(ecx, count).mov(esi, kData + offset()).mov(edi, to);
  if (one_in(8) && !user) a.std();
  recoverable(a, [&] {
    if (!one_in(6)) one_in(3) ? a.repne() : a.rep();
    if (one_in(2)) a.raw({0x48});  // REX.W, which instructions of bytes ignore
    a.emit(s.mnemonic, {});
  });
  a.cld();
}

void Generator::faulting(Assembler& a, bool user) {
  recoverable(a, [&] {
    switch (pick(user ? 9 : 6)) {
      case 0:
        a.xor_(edx, edx).xor_(ecx, ecx).div(ecx);
        break;
      case 1:
        a.ud2();
        break;
      case 2:
        a.mov(eax, dword(kUnmapped + offset()));
        break;
      case 3:
        a.add(dword(kReadOnly + offset()), eax);  // reads, then may not write
        break;
      case 4:
        a.rdmsr(0x12345);
        break;
      case 5:
        a.rdpmc(0x3f);
        break;
      case 6:
        a.hlt();  // at CPL 3
        break;
      case 7:
        a.mov(ecx, selector_msr(0)).wrmsr();
        break;
      default:
        a.cli();  // at CPL 3
    }
  });
}

void Generator::system(Assembler& a, bool user) {
  const unsigned n = static_cast<unsigned>(pick(model_.caps.gp_count));
  if (!user && plan_.cpus > 1 && one_in(3)) {  // an interrupt or an NMI for another CPU, or for itself
    a.store(kApicPage + apic::kIcrHigh, static_cast<u32>(pick(plan_.cpus)) << 24);
    a.store(kApicPage + apic::kIcr, one_in(4) ? 0x4400 : 0x4000 | kTimerVector);
    return;
  }
  switch (pick(user ? 7 : 15)) {
    case 0:  // what a silent program reads must not depend on where its counters start
      if (!sampling_) break;
      a.rdpmc(n).mov(dword(r14, offset()), eax);
      return;
    case 1:
      a.rdtsc().mov(dword(r14, offset()), eax);
      return;
    case 2:
      a.cpuid(0);
      return;
    case 3:
      a.int_(kSoftware);
      return;
    case 4:
      a.int3();
      return;
    case 5:
      a.pushfq().or_(dword(rsp), 0x100).popfq();  // TF: one #DB after the next instruction
      simple(a, false);
      return;
    case 6:
      a.pause();
      return;
    case 7:
      if (sampling_) a.wrmsr(counter_msr(n), near_overflow(n));
      return;
    case 8:
      if (sampling_) a.wrmsr(selector_msr(n), random_selector(n));
      return;
    case 9:
      if (!sampling_) break;
      a.rdmsr(address(pmu::Reg::GpCounter, n)).mov(dword(r14, offset()), eax);
      return;
    case 10:
      a.cli();
      simple(a, false);
      memory(a);
      a.sti();
      simple(a, false);  // in the shadow
      return;
    case 11:
      a.sti().hlt();  // the timer wakes it
      return;
    case 12:
      a.mov(eax, kDataSelector).mov(ss, ax);  // its shadow
      simple(a, false);
      return;
    case 13:
      a.store(a.here() + 11 + 1,
              static_cast<u32>(rng_.next()));  // of 11 bytes; behind it MOV's opcode is one
      a.mov(ebx, 0);                           // the number is what the store has written
      return;
    default:
      if (sampling_ && global() && one_in(2)) {
        a.wrmsr(address(pmu::Reg::GlobalCtrl, 0), all_counters() & rng_.next());
        simple(a, false);
        a.wrmsr(address(pmu::Reg::GlobalCtrl, 0), all_counters());
      } else {
        a.mov(rax, cr8);
      }
      return;
  }
  a.nop();
}

void Generator::unit(Assembler& a, bool user, unsigned depth) {
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
      a.mov(ecx, pick(one_in(4) ? 20000 : 400) + 1);
      const u32 top = a.here();
      const u64 step = pick(4);
      if (one_in(2)) a.add(rax, step);
      if (one_in(2)) a.pause();
      if (one_in(2))
        a.loop(top);
      else
        a.dec(ecx).jnz(top);
      return;
    }
    case 8: {  // forward conditional jump
      const Label over = a.label();
      a.jcc(static_cast<unsigned>(pick(16)), over);
      for (u64 n = pick(3) + 1; n; --n) unit(a, user, depth + 1);
      a.bind(over);
      return;
    }
    case 9:
    case 10: {  // a loop without a store to rcx
      a.mov(ecx, pick(one_in(3) ? 300 : 20) + 1);
      const u32 top = a.here();
      for (u64 n = pick(5); n; --n) simple(a, true);
      if (one_in(2)) a.add(dword(r14, offset()), eax);
      if (one_in(6)) recoverable(a, [&] { a.ud2(); });
      a.loop(top);
      return;
    }
    case 11: {  // a call of what stands behind a jump over it
      const Label function = a.label(), end = a.label();
      a.call(function).jmp(end).bind(function);
      unit(a, user, depth + 1);
      a.ret().bind(end);
      return;
    }
    default: {  // indirect jump
      const Label target = a.label();
      a.mov(eax, target).jmp(rax).int3().bind(target);
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
