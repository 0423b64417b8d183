// SPDX-License-Identifier: Apache-2.0
// A random guest's way to its program: tables, handlers, start of each CPU, programming of its counters.
#include "arch/msr.h"
#include "base/bits.h"
#include "tests/support/machine/random_guest_generator.h"

namespace pmusim::platform::test {

void Generator::gate(u8 vector, u32 target, unsigned dpl, unsigned ist) {
  u8* g = idt_.data() + vector * 16;
  const u16 low = static_cast<u16>(target), high = static_cast<u16>(target >> 16), selector = kCodeSelector;
  std::memcpy(g, &low, 2);
  std::memcpy(g + 2, &selector, 2);
  g[4] = static_cast<u8>(ist);
  g[5] = static_cast<u8>(0x8e | dpl << 5);
  std::memcpy(g + 6, &high, 2);
}

u64 Generator::near_overflow(unsigned counter) {
  const u64 top = mask(model_.caps.width_of(counter));
  // One below the top, at the top, and (as it wraps) at 0 are the places where a counter can go wrong.
  const u64 distance = one_in(4) ? pick(3) : pick(one_in(3) ? 4000 : 300);
  return (top + 1 - distance) & top;
}

u64 Generator::random_selector(unsigned n) {
  std::vector<const pmu::EventInfo*> usable;
  for (const pmu::EventInfo& e : model_.events)
    if (e.kinds && e.fixed < 0 && !e.cmask && e.unit.empty() && (e.counters >> n & 1)) usable.push_back(&e);
  const pmu::EventInfo& e = *usable[pick(usable.size())];
  u64 s = (e.code & 0xff) | u64{e.umask} << 8 | u64{static_cast<unsigned>(e.code) >> 8} << 32 | 1u << 22;
  s |= (pick(3) + 1) << 16;
  if (e.per_cycle && one_in(3)) s |= (pick(model_.width) + 1) << 24 | pick(2) << 23 | pick(2) << 18;
  if (sampling_ && !one_in(4)) s |= 1u << 20;
  return s;
}

u64 Generator::random_fixed_control() {
  u64 control = 0;
  for (unsigned n = 0; n < pmu::kMaxFixed; ++n)
    if (model_.caps.fixed_mask >> n & 1) control |= (pick(4) | (sampling_ ? pick(2) << 3 : 0)) << 4 * n;
  return control;
}

void Generator::write_counter(Asm& a, unsigned counter, u64 value) {
  if (counter >= pmu::kFixedBase)
    a.wrmsr(address(pmu::Reg::FixedCounter, counter - pmu::kFixedBase), value);
  else
    a.wrmsr(counter_msr(counter), value);
}

void Generator::program_pmu(Asm& a) {
  if (global()) a.wrmsr(address(pmu::Reg::GlobalCtrl, 0), 0);
  // Freeze on PMI, where DEBUGCTL has it.
  if (sampling_ && intel_ && one_in(3)) recoverable(a, [&] { a.wrmsr(msr::kDebugCtl, 1 << 12); });
  const std::vector<unsigned> ids = counter_ids(model_);
  for (std::size_t i = 0; i < ids.size(); ++i)
    write_counter(a, ids[i],
                  sampling_                  ? near_overflow(ids[i])
                  : i < plan_.initial.size() ? plan_.initial[i]
                                             : 0);
  if (intel_) a.wrmsr(address(pmu::Reg::FixedCtrl, 0), random_fixed_control());
  for (unsigned n = 0; n < model_.caps.gp_count; ++n) a.wrmsr(selector_msr(n), random_selector(n));
  if (global()) a.wrmsr(address(pmu::Reg::GlobalCtrl, 0), all_counters());
}

// push rax, rcx, rdx, rbx; log RIP, TSC and status; clear the status; give counters new values while the
// budget lasts, so that a program whose handler overflows them at once ends as well.
void Generator::pmi_handler() {
  Asm& a = handlers_;
  const bool disables = global() && one_in(2);
  a.b({0x50, 0x51, 0x52, 0x53});
  if (disables) a.wrmsr(address(pmu::Reg::GlobalCtrl, 0), 0);
  a.b({0x8b, 0x1c, 0x25}).d(kLogPointer);         // mov ebx, [pointer]
  a.b({0x48, 0x8b, 0x44, 0x24, 32, 0x89, 0x03});  // mov rax, [rsp+32]; mov [rbx], eax
  a.b({0x0f, 0x31, 0x89, 0x43, 4});               // rdtsc; mov [rbx+4], eax
  if (global()) {
    a.b({0xb9}).d(address(pmu::Reg::GlobalStatus, 0)).b({0x0f, 0x32, 0x89, 0x43, 8, 0x89, 0x53, 12});
    a.b({0xb9}).d(address(pmu::Reg::GlobalStatusReset, 0)).b({0x0f, 0x30});  // clears what it has read
  }
  a.b({0x83, 0xc3, 16, 0x81, 0xfb}).d(kLogEnd).b({0x72, 5, 0xbb}).d(kLog);  // wraps around
  a.b({0x89, 0x1c, 0x25}).d(kLogPointer);
  a.b({0xff, 0x0c, 0x25}).d(kPmiBudget).b({0x0f, 0x88}).d(0);  // dec dword [budget]; js
  const u32 patch = a.here();
  for (unsigned id : counter_ids(model_))
    if (one_in(2)) write_counter(a, id, near_overflow(id) & ~u64{0x3f});
  a.set32(patch - 4, a.here() - patch);
  if (disables) a.wrmsr(address(pmu::Reg::GlobalCtrl, 0), all_counters());
  if (!nmi_) a.store(kApicPage + apic::kEoi, 0);
  a.store(kApicPage + apic::kLvtPc, nmi_ ? 0x400 : kPmiVector);
  a.b({0x5b, 0x5a, 0x59, 0x58, 0x48, 0xcf});
}

void Generator::exception(u8 vector, bool code) {
  Asm& a = handlers_;
  gate(vector, a.here(), 0);
  if (code) a.b({0x48, 0x83, 0xc4, 8});  // add rsp, 8
  a.b({0x4c, 0x89, 0x3c, 0x24});         // mov [rsp], r15
  a.b({0xff, 0x04, 0x25}).d(kFaultCount).b({0x48, 0xcf});
}

void Generator::handlers() {
  Asm& a = handlers_;
  for (u8 v : {0, 6}) exception(static_cast<u8>(v), false);
  for (u8 v : {10, 11, 12, 13, 14}) exception(static_cast<u8>(v), true);
  gate(1, a.here(), 0);  // #DB: clears the saved TF
  a.b({0x48, 0x81, 0x64, 0x24, 16}).d(~0x100u).b({0xff, 0x04, 0x25}).d(kFaultCount).b({0x48, 0xcf});
  gate(3, a.here(), 3);
  gate(kSoftware, a.here(), 3);
  a.b({0x48, 0xcf});
  gate(kTimerVector, a.here(), 0);
  a.store(kApicPage + apic::kEoi, 0).b({0xff, 0x04, 0x25}).d(kTimerCount).b({0x48, 0xcf});
  gate(kPmiVector, a.here(), 0);
  gate(2, a.here(), 0, 1);
  pmi_handler();
  gate(kLeaveUser, a.here(), 3);  // the end
  if (global()) a.wrmsr(address(pmu::Reg::GlobalCtrl, 0), 0);
  for (unsigned n = 0; n < model_.caps.gp_count && !global(); ++n) a.wrmsr(selector_msr(n), 0);
  a.b({0xf0, 0xff, 0x0c, 0x25}).d(kCpusLeft).b({0x75, 7});  // lock dec dword; jnz
  a.b({0x31, 0xc0, 0x66, 0xba, 0xf4, 0x00, 0xef});
  a.b({0xfa, 0xf4, 0xeb, 0xfc});
}

// From 32-bit code with this GDT, everything mapped for both privilege levels.
void Generator::enter_long_mode(Asm& a) {
  a.b({0x0f, 0x01, 0x1d}).d(kGdt + 0x88);                                           // lidt
  a.b({0xb8}).d(kPml4).b({0x0f, 0x22, 0xd8, 0xb8}).d(0x120).b({0x0f, 0x22, 0xe0});  // cr3; cr4 = PAE | PCE
  a.b({0xb9}).d(msr::kEfer).b({0x31, 0xd2, 0xb8}).d(0x100).b({0x0f, 0x30});         // LME
  a.b({0x0f, 0x20, 0xc0, 0x0d}).d(0x80010000).b({0x0f, 0x22, 0xc0});                // cr0 |= PG | WP
  a.b({0xea}).d(a.here() + 6).b({kCodeSelector, 0});
}

void Generator::start(Asm& a, unsigned cpu) {
  a.b({0x66, 0xb8, kDataSelector, 0, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0, 0xbc});
  a.d(kKernelStack - cpu * kStackPerCpu);
  a.b({0x66, 0xb8, kTaskSelector + cpu * 16, 0, 0x0f, 0x00, 0xd8, 0x41, 0xbe}).d(kData);  // ltr; mov r14d
  if (!cpu) a.store(kLogPointer, kLog).store(kPmiBudget, 60).store(kCpusLeft, plan_.cpus);
  a.store(kApicPage + apic::kSvr, 0x1ff).store(kApicPage + apic::kDivide, 0xb);
  a.store(kApicPage + apic::kLvtTimer, 0x20000 | kTimerVector);
  a.store(kApicPage + apic::kInitialCount, static_cast<u32>(2000 + pick(6000)) * plan_.timer_scale);
  a.store(kApicPage + apic::kLvtPc, nmi_ ? 0x400 : kPmiVector);
  program_pmu(a);
}

void Generator::boot() {
  Asm& a = boot_;
  a.b({0x0f, 0x01, 0x15}).d(kGdtPointer);  // lgdt
  enter_long_mode(a);
  start(a, 0);
  for (unsigned cpu = 1; cpu < plan_.cpus; ++cpu)
    for (const u32 message : {kInit, kStartUp | (kTrampoline + cpu * kPerCpu) >> 12})
      a.store(kApicPage + apic::kIcrHigh, cpu << 24).store(kApicPage + apic::kIcr, message);
  // Until they have all started: an NMI that comes before there is a stack and long mode ends the guest.
  const u32 wait = a.here();
  a.b({0xf3, 0x90, 0x83, 0x3c, 0x25}).d(kStarted).b({plan_.cpus - 1});  // pause; cmp dword [started], n; jne
  a.b({0x75, static_cast<u8>(wait - (a.here() + 2))});
  a.b({0xfb});
  a.b({0xe9}).d(kKernel - (a.here() + 4));
}

// Real mode at the start-up IPI's page.
void Generator::boot_other(std::vector<Part>& parts, unsigned cpu) {
  const u32 page = kTrampoline + cpu * kPerCpu, pointer = page + 0x80;
  Asm t(page), a(kOtherBoot + cpu * kPerCpu);
  t.b({0x66, 0x0f, 0x01, 0x16, pointer & 0xff, pointer >> 8});  // lgdt
  t.b({0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0});        // cr0 |= PE
  t.b({0x66, 0xea}).d(a.here()).b({kProtectedCode, 0});
  while (t.here() < pointer) t.b({0});
  t.b({0x7f, 0}).d(kGdt);
  a.b({0x66, 0xb8, kDataSelector, 0, 0x8e, 0xd8});
  enter_long_mode(a);
  start(a, cpu);
  a.b({0xf0, 0xff, 0x04, 0x25}).d(kStarted);  // lock inc dword
  a.b({0xfb, 0xe9}).d(units_[pick(units_.size())] - (a.here() + 4));
  parts.push_back(t.part());
  parts.push_back(a.part());
}

void Generator::tables(std::vector<Part>& parts) {
  auto put = [](Part& p, size_t at, u64 v, size_t n = 8) { std::memcpy(p.bytes.data() + at, &v, n); };
  Part gdt{kGdt, std::vector<u8>(0x100), 0}, tss{kTss, std::vector<u8>(kMaxCpus * kTssPerCpu), 0};
  put(gdt, kCodeSelector, 0x00af9a000000ffff);
  put(gdt, kDataSelector, 0x00cf92000000ffff);
  put(gdt, kUserData & ~3u, 0x00cff2000000ffff);
  put(gdt, kUserCode & ~3u, 0x00affa000000ffff);
  put(gdt, kProtectedCode, 0x00cf9a000000ffff);
  put(gdt, 0x80, 0x7f, 2);
  put(gdt, 0x82, kGdt, 4);
  put(gdt, 0x88, 0xfff, 2);
  put(gdt, 0x8a, kIdt, 4);
  for (unsigned cpu = 0; cpu < kMaxCpus; ++cpu) {
    const u32 at = cpu * kTssPerCpu;
    put(gdt, kTaskSelector + cpu * 16, 0x67 | u64{(kTss + at) & 0xffffff} << 16 | u64{0x89} << 40);
    put(tss, at + 4, kInterruptStack - cpu * kStackPerCpu);
    put(tss, at + 0x24, kNmiStack - cpu * kStackPerCpu);
    put(tss, at + 0x66, 0x68, 2);
  }
  Part pml4{kPml4, std::vector<u8>(0x1000), 0}, pdpt{kPdpt, std::vector<u8>(0x1000), 0},
      low{kPdLow, std::vector<u8>(0x1000), 0}, apic{kPdApic, std::vector<u8>(0x1000), 0};
  put(pml4, 0, kPdpt | 7);
  put(pdpt, 0, kPdLow | 7);
  put(pml4, 511 * 8, kPdpt | 7);  // the APIC page at the sign-extended address that disp32 gives
  put(pdpt, 511 * 8, kPdApic | 7);
  for (u64 n = 0; n < 7; ++n) put(low, n * 8, n << 21 | (n << 21 == kReadOnly ? 0x85 : 0x87));
  put(apic, 503 * 8, u64{kApicPage & ~0x1fffffu} | 0x93);  // 0xfee00000, uncached, kernel only
  for (Part& p : std::vector<Part>{gdt, {kIdt, idt_, 0}, tss, pml4, pdpt, low, apic})
    parts.push_back(std::move(p));
}

Image Generator::image() {
  handlers();
  boot();
  for (unsigned n = 0; n < plan_.units; ++n) {
    units_.push_back(kernel_.here());
    unit(kernel_, false, 0);
  }
  kernel_.b({0x48, 0x8d, 0x84, 0x24}).d(kUserStack - kKernelStack);  // lea rax, [rsp + ...]
  kernel_.b({0x6a, kUserData, 0x50, 0x68}).d(0x202).b({0x6a, kUserCode, 0x68}).d(kUser);
  kernel_.b({0x48, 0xcf});  // iretq
  for (unsigned n = 0; n < plan_.units; ++n) unit(user_, true, 0);
  user_.b({0xcd, kLeaveUser});
  std::vector<Part> parts{boot_.part(), handlers_.part(), kernel_.part(), user_.part()};
  for (unsigned cpu = 1; cpu < plan_.cpus; ++cpu) boot_other(parts, cpu);
  tables(parts);
  return load_image(make_elf(kBoot, parts), "random guest");
}

}  // namespace pmusim::platform::test
