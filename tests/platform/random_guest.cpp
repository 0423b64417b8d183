// SPDX-License-Identifier: Apache-2.0
// Registers: r14 is the data area, r15 where the next fault continues; rsp is the stack. Everything else is
// random. Handlers keep all registers. Other CPUs run the same program from one of its units on, with stacks
// and a task of their own; data, variables and log are everybody's. The last to leave user mode ends the
// guest.
#include "random_guest.h"

#include <cstring>

#include "arch/msr.h"
#include "base/bits.h"

namespace pmusim::platform::test {
namespace {

constexpr u32 kBoot = 0x100000, kHandlers = 0x110000, kKernel = 0x120000, kUser = 0x160000;
constexpr u32 kGdt = 0x200000, kGdtPointer = kGdt + 0x80, kIdt = 0x201000, kTss = 0x202000, kTssPerCpu = 0x80,
              kPml4 = 0x203000, kPdpt = 0x204000, kPdLow = 0x205000, kPdApic = 0x206000;
constexpr u32 kInterruptStack = 0x320000, kNmiStack = 0x330000, kKernelStack = 0x310000,
              kUserStack = 0x340000;
constexpr u32 kData = 0x400000, kVariables = 0x408000, kReadOnly = 0xa00000, kUnmapped = 0xe00000,
              kFar = 0x10000;
constexpr u32 kPmiBudget = kVariables + 8, kTimerCount = kVariables + 16, kFaultCount = kVariables + 24;
constexpr u32 kApicPage = 0xfee00000;
constexpr u8 kPmiVector = 0x40, kTimerVector = 0x41, kSoftware = 0x80, kLeaveUser = 0x81;
constexpr u32 kCpusLeft = kVariables + 32;
constexpr u32 kTrampoline = 0x8000, kOtherBoot = 0x150000, kPerCpu = 0x1000, kStackPerCpu = 0x4000;
constexpr unsigned kCodeSelector = 0x08, kDataSelector = 0x10, kUserData = 0x1b, kUserCode = 0x23,
                   kTaskSelector = 0x28, kProtectedCode = 0x68;
constexpr u32 kInit = 0x4500, kStartUp = 0x4600;  // with level asserted

class Asm {
 public:
  explicit Asm(u32 base) : base_(base) {}
  u32 here() const { return base_ + static_cast<u32>(bytes_.size()); }
  Asm& b(std::initializer_list<unsigned> list) {
    for (unsigned v : list) bytes_.push_back(static_cast<u8>(v));
    return *this;
  }
  Asm& d(u32 v) { return b({v & 0xff, v >> 8 & 0xff, v >> 16 & 0xff, v >> 24}); }
  void set32(u32 at, u32 v) { std::memcpy(bytes_.data() + (at - base_), &v, 4); }
  Asm& wrmsr(u32 index, u64 v) {
    return b({0xb9})
        .d(index)
        .b({0xb8})
        .d(static_cast<u32>(v))
        .b({0xba})
        .d(static_cast<u32>(v >> 32))
        .b({0x0f, 0x30});
  }
  // mov dword [address], v
  Asm& store(u32 address, u32 v) { return b({0xc7, 0x04, 0x25}).d(address).d(v); }
  Part part() const { return {base_, bytes_, 0}; }

 private:
  u32 base_;
  std::vector<u8> bytes_;
};

class Generator {
 public:
  Generator(const pmu::Model& model, const GuestPlan& plan)
      : model_(model), plan_(plan), rng_(plan.seed * 4 + 1), intel_(model.vendor == pmu::Vendor::Intel) {
    sampling_ = plan.counters == CounterPlan::Sampling;
    nmi_ = rng_.below(2);
    full_width_ = model.caps.full_width_writes() && rng_.below(2);
  }

  Image image();

 private:
  u64 pick(u64 n) { return rng_.below(n); }
  bool one_in(u64 n) { return rng_.below(n) == 0; }
  unsigned reg() {  // rax, rcx, rdx, rbx, rbp, rsi, rdi, r8 to r13
    static const unsigned list[] = {0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13};
    return list[pick(13)];
  }
  u32 offset() {  // into the data; every eighth far away, behind the variables and the log, for the caches
    const u64 far = one_in(8) ? kFar + pick(kReadOnly - kData - 2 * kFar) : 0;
    return static_cast<u32>((far & ~u64{7}) + pick(0x700) * 8 + (one_in(4) ? pick(8) : 0));
  }

  // PMU programming
  u32 selector_msr(unsigned n) const { return address(pmu::Reg::GpSelector, n); }
  u32 counter_msr(unsigned n) const {
    return address(full_width_ ? pmu::Reg::GpCounterFull : pmu::Reg::GpCounter, n);
  }
  u32 address(pmu::Reg r, unsigned n) const { return pmu::address_of(model_.vendor, r, n); }
  u64 near_overflow(unsigned counter);
  u64 random_selector(unsigned n);
  u64 random_fixed_control();
  bool global() const { return intel_ || model_.caps.version >= 2; }
  u64 all_counters() const { return model_.caps.counter_bits(); }
  void program_pmu(Asm& a);
  void write_counter(Asm& a, unsigned counter, u64 value);

  // Program
  void handlers();
  void exception(u8 vector, bool code);
  void pmi_handler();
  void enter_long_mode(Asm& a);
  void start(Asm& a, unsigned cpu);
  void boot();
  void boot_other(std::vector<Part>& parts, unsigned cpu);
  void simple(Asm& a, bool keep_counter);
  void memory(Asm& a);
  void string(Asm& a, bool user);
  void faulting(Asm& a, bool user);
  void system(Asm& a, bool user);
  void unit(Asm& a, bool user, unsigned depth);
  void tables(std::vector<Part>& parts);
  void gate(u8 vector, u32 target, unsigned dpl, unsigned ist = 0);
  // Emits `body`; a fault in its last instruction goes on behind it.
  template <typename Body>
  void recoverable(Asm& a, Body body) {
    a.b({0x41, 0xbf}).d(0);  // mov r15d, imm
    const u32 at = a.here() - 4;
    body();
    a.set32(at, a.here());
  }

  const pmu::Model& model_;
  const GuestPlan& plan_;
  Rng rng_;
  bool intel_, sampling_, nmi_, full_width_;
  std::vector<u8> idt_ = std::vector<u8>(0x1000);
  std::vector<u32> units_;  // of the kernel
  Asm boot_{kBoot}, handlers_{kHandlers}, kernel_{kKernel}, user_{kUser};
};

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
  a.b({0xfb, 0xe9}).d(units_[pick(units_.size())] - (a.here() + 4));
  parts.push_back(t.part());
  parts.push_back(a.part());
}

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

}  // namespace

std::vector<unsigned> counter_ids(const pmu::Model& model) {
  std::vector<unsigned> ids;
  for (unsigned n = 0; n < model.caps.gp_count; ++n) ids.push_back(n);
  for (unsigned n = 0; n < pmu::kMaxFixed; ++n)
    if (model.caps.fixed_mask >> n & 1) ids.push_back(pmu::kFixedBase + n);
  return ids;
}

Image random_guest(const pmu::Model& model, const GuestPlan& plan) {
  return Generator(model, plan).image();
}

}  // namespace pmusim::platform::test
