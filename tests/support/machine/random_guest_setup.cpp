// SPDX-License-Identifier: Apache-2.0
// A random guest's way to its program: tables, handlers, start of each CPU, programming of its counters.
#include <cstring>

#include "arch/evtsel.h"
#include "arch/msr.h"
#include "base/bits.h"
#include "tests/support/machine/random_guest_generator.h"

namespace pmusim::platform::test {

using namespace pmusim::test;

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
  u64 s = (e.code & 0xff) | u64{e.umask} << 8 | u64{static_cast<unsigned>(e.code) >> 8} << 32 | evtsel::kEn;
  s |= (pick(3) + 1) << 16;
  if (e.per_cycle && one_in(3)) {
    s |= (pick(model_.width) + 1) << 24;
    s |= pick(2) * evtsel::kInv;
    s |= pick(2) * evtsel::kEdge;
  }
  if (sampling_ && !one_in(4)) s |= evtsel::kInt;
  return s;
}

u64 Generator::random_fixed_control() {
  u64 control = 0;
  for (unsigned n = 0; n < pmu::kMaxFixed; ++n)
    if (model_.caps.fixed_mask >> n & 1) control |= (pick(4) | (sampling_ ? pick(2) << 3 : 0)) << 4 * n;
  return control;
}

void Generator::write_counter(Assembler& a, unsigned counter, u64 value) {
  if (counter >= pmu::kFixedBase)
    a.wrmsr(address(pmu::Reg::FixedCounter, counter - pmu::kFixedBase), value);
  else
    a.wrmsr(counter_msr(counter), value);
}

void Generator::program_pmu(Assembler& a) {
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

// Logs RIP, TSC and status; clears the status; gives counters new values while the budget lasts, so that a
// program whose handler overflows them at once ends as well.
void Generator::pmi_handler() {
  Assembler& a = handlers_;
  const bool disables = global() && one_in(2);
  a.push(rax).push(rcx).push(rdx).push(rbx);
  if (disables) a.wrmsr(address(pmu::Reg::GlobalCtrl, 0), 0);
  a.mov(ebx, dword(kLogPointer));
  a.mov(rax, qword(rsp, 32)).mov(dword(rbx), eax);
  a.rdtsc().mov(dword(rbx, 4), eax);
  if (global()) {
    a.rdmsr(address(pmu::Reg::GlobalStatus, 0)).mov(dword(rbx, 8), eax).mov(dword(rbx, 12), edx);
    a.mov(ecx, address(pmu::Reg::GlobalStatusReset, 0)).wrmsr();  // clears what it has read
  }
  const Label room = a.label(), spent = a.label();
  a.add(ebx, 16).cmp(ebx, kLogEnd).jb(room).mov(ebx, kLog).bind(room);
  a.mov(dword(kLogPointer), ebx);
  a.dec(dword(kPmiBudget)).js(spent);
  for (unsigned id : counter_ids(model_))
    if (one_in(2)) write_counter(a, id, near_overflow(id) & ~u64{0x3f});
  a.bind(spent);
  if (disables) a.wrmsr(address(pmu::Reg::GlobalCtrl, 0), all_counters());
  if (!nmi_) a.store(kApicPage + apic::kEoi, 0);
  a.store(kApicPage + apic::kLvtPc, nmi_ ? 0x400 : kPmiVector);
  a.pop(rbx).pop(rdx).pop(rcx).pop(rax).iretq();
}

void Generator::exception(u8 vector, bool code) {
  Assembler& a = handlers_;
  gate(vector, a.here(), 0);
  if (code) a.add(rsp, 8);
  a.mov(qword(rsp), r15).inc(dword(kFaultCount)).iretq();
}

void Generator::handlers() {
  Assembler& a = handlers_;
  for (u8 v : {0, 6}) exception(static_cast<u8>(v), false);
  for (u8 v : {10, 11, 12, 13, 14}) exception(static_cast<u8>(v), true);
  gate(1, a.here(), 0);
  a.and_(qword(rsp, 16), ~s64{0x100}).inc(dword(kFaultCount)).iretq();  // #DB: clears the saved TF
  gate(3, a.here(), 3);
  gate(kSoftware, a.here(), 3);
  a.iretq();
  gate(kTimerVector, a.here(), 0);
  a.store(kApicPage + apic::kEoi, 0).inc(dword(kTimerCount)).iretq();
  gate(kPmiVector, a.here(), 0);
  gate(2, a.here(), 0, 1);
  pmi_handler();
  gate(kLeaveUser, a.here(), 3);  // the end
  if (global()) a.wrmsr(address(pmu::Reg::GlobalCtrl, 0), 0);
  for (unsigned n = 0; n < model_.caps.gp_count && !global(); ++n) a.wrmsr(selector_msr(n), 0);
  const Label others = a.label();
  a.lock().dec(dword(kCpusLeft)).jnz(others).out32(0xf4, 0).bind(others).cli().halt();
}

// From 32-bit code with this GDT, everything mapped for both privilege levels.
void Generator::enter_long_mode(Assembler& a) {
  a.lidt(kGdt + 0x88).mov(eax, kPml4).mov(cr3, eax).mov(eax, 0x120).mov(cr4, eax);  // PAE, PCE
  a.wrmsr(msr::kEfer, 0x100);                                                       // LME
  a.mov(eax, cr0).or_(eax, 0x80010000).mov(cr0, eax);                               // PG, WP
  a.jmp_far(kCodeSelector, a.here() + 7).mode(Assembler::Mode::Long);
}

void Generator::start(Assembler& a, unsigned cpu) {
  a.mov(ax, kDataSelector).mov(ds, ax).mov(es, ax).mov(ss, ax).mov(esp, kKernelStack - cpu * kStackPerCpu);
  a.mov(ax, kTaskSelector + cpu * 16).ltr(ax).mov(r14d, kData);
  if (!cpu) a.store(kLogPointer, kLog).store(kPmiBudget, 60).store(kCpusLeft, plan_.cpus);
  a.store(kApicPage + apic::kSvr, 0x1ff).store(kApicPage + apic::kDivide, 0xb);
  a.store(kApicPage + apic::kLvtTimer, 0x20000 | kTimerVector);
  a.store(kApicPage + apic::kInitialCount, static_cast<u32>(2000 + pick(6000)) * plan_.timer_scale);
  a.store(kApicPage + apic::kLvtPc, nmi_ ? 0x400 : kPmiVector);
  program_pmu(a);
}

void Generator::boot() {
  Assembler& a = boot_;
  a.lgdt(kGdtPointer);
  enter_long_mode(a);
  start(a, 0);
  for (unsigned cpu = 1; cpu < plan_.cpus; ++cpu)
    for (const u32 message : {kInit, kStartUp | (kTrampoline + cpu * kPerCpu) >> 12})
      a.store(kApicPage + apic::kIcrHigh, cpu << 24).store(kApicPage + apic::kIcr, message);
  // Until they have all started: an NMI that comes before there is a stack and long mode ends the guest.
  a.wait_for(kStarted, static_cast<u8>(plan_.cpus - 1)).sti().jmp(kKernel);
}

// Real mode at the start-up IPI's page.
void Generator::boot_other(std::vector<Part>& parts, unsigned cpu) {
  const u32 page = kTrampoline + cpu * kPerCpu, pointer = page + 0x80;
  Assembler t(page, Assembler::Mode::Real), a(kOtherBoot + cpu * kPerCpu);
  t.raw({0x66}).lgdt(pointer);  // with all bits of the base
  t.mov(eax, cr0).or_(al, 1).mov(cr0, eax).jmp_far(kProtectedCode, a.here());
  t.data(0, pointer - t.here()).data(0x7f, 2).data(kGdt, 4);
  a.mov(ax, kDataSelector).mov(ds, ax);
  enter_long_mode(a);
  start(a, cpu);
  a.lock().inc(dword(kStarted)).sti().jmp(units_[pick(units_.size())]);
  parts.push_back(part(t));
  parts.push_back(part(a));
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
  kernel_.lea(rax, qword(rsp, kUserStack - kKernelStack));
  kernel_.push(kUserData).push(rax).push(0x202).push(kUserCode).push(kUser).iretq();
  for (unsigned n = 0; n < plan_.units; ++n) unit(user_, true, 0);
  user_.int_(kLeaveUser);
  std::vector<Part> parts{part(boot_), part(handlers_), part(kernel_), part(user_)};
  for (unsigned cpu = 1; cpu < plan_.cpus; ++cpu) boot_other(parts, cpu);
  tables(parts);
  return load_image(make_elf(kBoot, parts), "random guest");
}

}  // namespace pmusim::platform::test
