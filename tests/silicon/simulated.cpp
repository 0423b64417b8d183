// SPDX-License-Identifier: Apache-2.0
// Tables, gates and state of the bare core.
#include "simulated.h"

#include "instruction.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <cstring>
#include <utility>
#include <vector>

namespace pmusim::silicon {
namespace {

using namespace core;

constexpr u64 kPhysicalSize = 64 * kPage;
constexpr u64 kTables = 0x1000, kGdt = 0x10000, kTss = 0x11000, kLdt = 0x11800, kIdt = 0x12000,
              kStackTop = 0x15000;
constexpr u64 kCodeAt = 0x20000, kLandingAt = kCodeAt + kCodeSize, kDataAt = 0x30000,
              kReadOnlyAt = kDataAt + kDataSize;
constexpr u64 kKernel = 0xffff800000000000;  // where physical memory is mapped for the kernel
constexpr u64 kHandlers = kKernel + 0x16000, kHandlerSize = 16;

// Linux's selectors (arch/x86/include/asm/segment.h), so that selector errors agree.
constexpr u16 kKernelCode = 0x10;
constexpr u64 kP = 1, kW = 2, kU = 4, kA = 0x20, kD = 0x40, kNx = u64{1} << 63;

struct NoDevices final : CoreEnv {
  bool rdmsr(u32, u64&) override { return false; }
  bool wrmsr(u32, u64) override { return false; }
  bool rdpmc(u32, u64&) override { return false; }
  u64 rdtsc() override { return 0; }
  CpuidRegs cpuid(u32, u32) override { return {}; }
  u64 io_read(u16, unsigned) override { return 0; }
  void io_write(u16, u64, unsigned) override {}
  u64 mmio_read(u64, unsigned) override { return 0; }
  void mmio_write(u64, u64, unsigned) override {}
  u64 read_cr8() override { return 0; }
  bool write_cr8(u64) override { return true; }
  u64 random() override { return 0; }
};

constexpr Segment flat(u16 selector, u32 access) {
  Segment s;
  s.limit = 0xffffffff;
  s.access = access;
  s.selector = selector;
  return s;
}

Segment segment_of(u16 selector) {
  const UserSegment* u = find_segment(selector);
  if (!u) return flat(selector, 0x10000);
  return {u->base, u->limit, access_of(*u), selector};
}

bool has_error_code(unsigned vector) {
  return vector == kDF || (vector >= kTS && vector <= kPF) || vector == kAC;
}

}  // namespace

struct SimulatedCpu::Machine {
  std::vector<u8> memory = std::vector<u8>(kPhysicalSize);
  Ram ram;
  NoDevices env;
  FunctionalTiming timing{4};
  Core core{ram, env, timing};
  CpuState s, user;
  u64 next_table = kTables + kPage;

  void put(u64 at, u64 value) { std::memcpy(&memory[at], &value, 8); }
  u64 get(u64 at) const {
    u64 value;
    std::memcpy(&value, &memory[at], 8);
    return value;
  }

  void map(u64 linear, u64 physical, u64 flags) {
    u64 table = kTables;
    for (int level = 3; level > 0; --level) {
      const u64 at = table + (linear >> (12 + 9 * level) & 511) * 8;
      if (!get(at)) {
        put(at, next_table | kP | kW | kU | kA);
        next_table += kPage;
      }
      table = get(at) & ~u64{0xfff};
    }
    put(table + (linear >> 12 & 511) * 8, physical | flags | kP | kA | kD);
  }

  Machine() {
    ram.add(0, kPhysicalSize, memory.data());
    for (u64 p = 0; p < kPhysicalSize; p += kPage) map(kKernel + p, p, kW);
    for (u64 p = 0; p < kCodeSize; p += kPage) map(kCode + p, kCodeAt + p, kU);
    map(kLanding, kLandingAt, kU);
    for (u64 p = 0; p < kDataSize; p += kPage) map(kData + p, kDataAt + p, kU | kW | kNx);
    map(kReadOnly, kReadOnlyAt, kU | kNx);
    std::memset(&memory[kLandingAt], 0xcc, kPage);

    put(kGdt + kKernelCode, 0x00af9b000000ffff);
    put(kGdt + 0x18, 0x00cf93000000ffff);
    put(kGdt + (kUserCode & ~7), 0x00affb000000ffff);
    for (const UserSegment& u : user_segments())
      put((u.local() ? kLdt : kGdt) + (u.selector & ~7u), descriptor_of(u));
    put(kGdt + 0x78, 0x0040f50000000000);  // the per-CPU segment: read-only data
    put(kTss + 4, kKernel + kStackTop);
    put(kTss + 0x60, u64{0x68} << 48);  // I/O map base: no map
    for (unsigned v = 0; v < 256; ++v) {
      const u64 handler = kHandlers + v * kHandlerSize;
      const u64 dpl = v == kBP || v == 4 /* #OF */ ? 3 : 0;
      put(kIdt + v * 16, (handler & 0xffff) | u64{kKernelCode} << 16 | (0x8e | dpl << 5) << 40 |
                             (handler >> 16 & 0xffff) << 48);
      put(kIdt + v * 16 + 8, handler >> 32);
    }

    reset(user);
    user.cr0 = kCr0Pe | kCr0Mp | kCr0Et | kCr0Ne | kCr0Wp | kCr0Am | kCr0Pg;
    user.cr3 = kTables;
    user.cr4 = kCr4Pae | kCr4Pge | kCr4Osfxsr | kCr4Osxmmexcpt | kCr4Umip | kCr4Fsgsbase | kCr4Osxsave;
    user.fpu.xcr0 = kXcr0X87 | kXcr0Sse;
    user.efer = kEferSce | kEferLme | kEferLma | kEferNxe;
    user.seg[CS] = flat(kUserCode, 0xa0fb);
    user.seg[SS] = flat(kUserData, 0xc0f3);
    for (const Seg i : {DS, ES, FS, GS}) user.seg[i] = flat(0, 0x10000);
    user.gdtr = {kKernel + kGdt, 0x7f};
    user.idtr = {kKernel + kIdt, 0xfff};
    user.tr = {kKernel + kTss, 0x67, 0x8b, 0x40};
    user.ldtr = {kKernel + kLdt, local_segments() * 8 - 1, 0x82, 0x50};
    user.cpl = 3;
    user.activity = Activity::Running;
    s = user;
    core.configure(host_like());
    core.set_state(&s);
  }

  void selectors(State& to) const {
    for (const Seg i : {ES, CS, SS, DS, GS}) to.selectors[i] = s.seg[i].selector;
  }

  void put_fx(const FxImage& from) {
    FpuState& f = s.fpu;
    f.control = from.fcw;
    f.status = from.fsw;
    f.tags = from.ftw;
    f.mxcsr = from.mxcsr;
    f.opcode = 0;
    f.instruction = f.operand = 0;
    for (unsigned i = 0; i < 8; ++i) {
      X87Register& r = f.r[(f.top() + i) & 7];
      r.exponent = 0;
      std::memcpy(&r.significand, from.st[i], 8);
      std::memcpy(&r.exponent, from.st[i] + 8, 2);
    }
    std::memcpy(f.xmm, from.xmm, sizeof f.xmm);
  }
  void get_fx(FxImage& to) const {
    const FpuState& f = s.fpu;
    to.fcw = f.control;
    to.fsw = f.status;
    to.ftw = f.tags;
    to.mxcsr = f.mxcsr;
    for (unsigned i = 0; i < 8; ++i) {
      const X87Register& r = f.r[(f.top() + i) & 7];
      std::memcpy(to.st[i], &r.significand, 8);
      std::memcpy(to.st[i] + 8, &r.exponent, 2);
    }
    std::memcpy(to.xmm, f.xmm, sizeof f.xmm);
  }

  void read_trap(Outcome& out) {
    const unsigned vector = static_cast<unsigned>((s.rip - kHandlers) / kHandlerSize);
    u64 frame = s.gpr[RSP] - kKernel;
    out.trap = static_cast<u8>(vector);
    if (has_error_code(vector)) {
      out.error_code = static_cast<u32>(get(frame));
      frame += 8;
    }
    if (vector == kPF) out.cr2 = s.cr2;
    std::memcpy(out.state.gpr, s.gpr, sizeof s.gpr);
    out.state.rip = get(frame);
    selectors(out.state);
    out.state.selectors[1] = static_cast<u16>(get(frame + 8));
    out.state.selectors[2] = static_cast<u16>(get(frame + 32));
    out.state.rflags = get(frame + 16);
    out.state.gpr[RSP] = get(frame + 24);
  }
};

SimulatedCpu::SimulatedCpu() : m_(std::make_unique<Machine>()) {}
SimulatedCpu::~SimulatedCpu() = default;

const CoreConfig& SimulatedCpu::host_like() {
  static const CoreConfig config = [] {
    CoreConfig made;
    made.physical_bits = 46;
    CpuidTable table;
#if defined(__x86_64__)
    for (const auto& [leaf, subleaf] : {std::pair{1u, 0u}, {7u, 0u}, {0xdu, 1u}, {0x80000001u, 0u}}) {
      CpuidRegs r;
      if (__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx)) table.set(leaf, subleaf, r);
    }
#endif
    made.amd = host_is_amd();
    made.features = features_of(table);
    return made;
  }();
  return config;
}

void SimulatedCpu::load(const Batch& batch) {
  Machine& m = *m_;
  m.ram.write(kCodeAt, batch.code, kCodeSize);
  std::memcpy(&m.memory[kDataAt], batch.data, kDataSize);
  std::memcpy(&m.memory[kReadOnlyAt], batch.read_only, kPage);
  m.user.seg[FS].base = batch.fs_base;
  m.user.seg[GS].base = batch.gs_base;
}

void SimulatedCpu::execute(const Batch& batch, const Input& in, bool branches, Outcome& out) {
  Machine& m = *m_;
  u8* data = &m.memory[kDataAt];
  for (const Patch& p : in.patches) apply(p, data);
  m.s = m.user;
  std::memcpy(m.s.gpr, in.state.gpr, sizeof m.s.gpr);
  if (batch.mode != Mode::Long)
    for (const Seg i : {ES, CS, SS, DS, GS}) m.s.seg[i] = segment_of(in.state.selectors[i]);
  if (batch.uses_fx) m.put_fx(in.state.fx);
  m.s.rip = in.state.rip;
  m.s.rflags = in.state.rflags;
  out.trap = kNoTrap;
  out.error_code = 0;
  out.cr2 = 0;
  Limit limit;
  limit.instructions = 1;
  // A repeated string instruction is a limit's worth per iteration; a branch runs into what stands there.
  for (unsigned steps = 0; steps < 256; ++steps) {
    m.core.run(limit);
    if (m.s.cpl != 3 || (!branches && m.s.rip != in.state.rip)) break;
  }
  if (m.s.cpl != 3) {
    m.read_trap(out);
  } else {
    std::memcpy(out.state.gpr, m.s.gpr, sizeof m.s.gpr);
    out.state.rip = m.s.rip;
    out.state.rflags = m.s.rflags;
    m.selectors(out.state);
  }
  if (batch.uses_fx) m.get_fx(out.state.fx);
  take_changes(out, data, batch.data);
}

}  // namespace pmusim::silicon
