// SPDX-License-Identifier: Apache-2.0
// Batches of states on both CPUs, their comparison, and the text of a difference.
#include "campaign.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/state/state.h"
#include "generator.h"
#include "undefined.h"

namespace pmusim::silicon {
namespace {

const char* const kNames[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

std::string text_of(const Instruction& i) {
  ZydisFormatter f;
  ZydisFormatterInit(&f, ZYDIS_FORMATTER_STYLE_INTEL);
  char buffer[128] = "?";
  ZydisFormatterFormatInstruction(&f, &i.info, i.operands, i.info.operand_count_visible, buffer,
                                  sizeof buffer, i.offset(), nullptr);
  std::string text = buffer;
  text += "  [";
  for (unsigned n = 0; n < i.length(); ++n) text += fmt::format("{}{:02x}", n ? " " : "", i.bytes[n]);
  return text + "]";
}

std::string hex(const u8* bytes, unsigned size) {
  std::string text;
  for (unsigned n = 0; n < size; ++n) text += fmt::format("{:02x}", bytes[n]);
  return text;
}

bool same_memory(const Outcome& a, const Outcome& b) {
  if (a.changed != b.changed) return false;
  const unsigned n = std::min<unsigned>(a.changed, kMaxChangedLines);
  return std::memcmp(a.line, b.line, n) == 0 && std::memcmp(a.bytes, b.bytes, n * kLine) == 0;
}

bool same_fx(const FxImage& a, const FxImage& b) {
  if (a.fcw != b.fcw || a.fsw != b.fsw || a.ftw != b.ftw || a.mxcsr != b.mxcsr) return false;
  for (unsigned i = 0; i < 8; ++i)
    if (std::memcmp(a.st[i], b.st[i], 10) != 0) return false;
  return std::memcmp(a.xmm, b.xmm, sizeof a.xmm) == 0;
}

struct Comparison {
  u64 flags;  // compared
  bool fx;
  Mode mode;
};

// In 16- and 32-bit code there are eight registers of 32 bits.
bool same_registers(const State& a, const State& b, Mode mode) {
  if (mode == Mode::Long) return std::memcmp(a.gpr, b.gpr, sizeof a.gpr) == 0;
  for (unsigned r = 0; r < 8; ++r)
    if (static_cast<u32>(a.gpr[r]) != static_cast<u32>(b.gpr[r])) return false;
  return true;
}

bool same(const Outcome& host, const Outcome& core, const Comparison& c) {
  return host.trap == core.trap && host.error_code == core.error_code && host.cr2 == core.cr2 &&
         same_registers(host.state, core.state, c.mode) && host.state.rip == core.state.rip &&
         ((host.state.rflags ^ core.state.rflags) & c.flags) == 0 &&
         std::memcmp(host.state.selectors, core.state.selectors, sizeof host.state.selectors) == 0 &&
         (!c.fx || same_fx(host.state.fx, core.state.fx)) && same_memory(host, core);
}

std::string describe(const Outcome& host, const Outcome& core, const Input& in, const Comparison& c) {
  std::string text;
  const auto line = [&](const char* what, u64 before, u64 h, u64 s) {
    if (h != s) text += fmt::format("    {:6} before {:#x}, host {:#x}, core {:#x}\n", what, before, h, s);
  };
  line("trap", kNoTrap, host.trap, core.trap);
  line("error", 0, host.error_code, core.error_code);
  line("cr2", 0, host.cr2, core.cr2);
  for (unsigned r = 0; r < 16; ++r) line(kNames[r], in.state.gpr[r], host.state.gpr[r], core.state.gpr[r]);
  line("rip", in.state.rip, host.state.rip, core.state.rip);
  line("rflags", in.state.rflags, host.state.rflags & c.flags, core.state.rflags & c.flags);
  static const char* const selectors[] = {"es", "cs", "ss", "ds", "fs", "gs"};
  for (unsigned n = 0; n < 6; ++n)
    line(selectors[n], in.state.selectors[n], host.state.selectors[n], core.state.selectors[n]);
  if (c.fx) {
    const FxImage &b = in.state.fx, &h = host.state.fx, &s = core.state.fx;
    line("fcw", b.fcw, h.fcw, s.fcw);
    line("fsw", b.fsw, h.fsw, s.fsw);
    line("ftw", b.ftw, h.ftw, s.ftw);
    line("mxcsr", b.mxcsr, h.mxcsr, s.mxcsr);
    for (unsigned i = 0; i < 8; ++i)
      if (std::memcmp(h.st[i], s.st[i], 10) != 0)
        text += fmt::format("    st{} before {}, host {}, core {}\n", i, hex(b.st[i], 10), hex(h.st[i], 10),
                            hex(s.st[i], 10));
    for (unsigned i = 0; i < 16; ++i)
      if (std::memcmp(h.xmm[i], s.xmm[i], 16) != 0)
        text += fmt::format("    xmm{} before {}, host {}, core {}\n", i, hex(b.xmm[i], 16),
                            hex(h.xmm[i], 16), hex(s.xmm[i], 16));
  }
  if (!same_memory(host, core)) {
    for (const auto& [name, o] : {std::pair{"host", &host}, std::pair{"core", &core}})
      for (unsigned n = 0; n < std::min<unsigned>(o->changed, kMaxChangedLines); ++n)
        text += fmt::format("    memory {} {:#x}: {}\n", name, kData + o->line[n] * kLine,
                            hex(o->bytes[n], kLine));
  }
  if (host.trap == core.trap && host.trap != kNoTrap)
    text += fmt::format("    both end in vector {} with error code {:#x}\n", host.trap, host.error_code);
  text += "    before:";
  for (unsigned r = 0; r < 16; ++r) text += fmt::format(" {} {:#x}", kNames[r], in.state.gpr[r]);
  text += fmt::format(" rflags {:#x}", in.state.rflags);
  for (unsigned n = 0; n < 6; ++n) text += fmt::format(" {} {:#x}", selectors[n], in.state.selectors[n]);
  if (c.fx) {
    const FxImage& b = in.state.fx;
    text += fmt::format("\n    fcw {:#x} fsw {:#x} ftw {:#x} mxcsr {:#x}", b.fcw, b.fsw, b.ftw, b.mxcsr);
    for (unsigned i = 0; i < 8; ++i) text += fmt::format(" st{} {}", i, hex(b.st[i], 10));
    for (unsigned i = 0; i < 16; ++i) text += fmt::format(" xmm{} {}", i, hex(b.xmm[i], 16));
  }
  for (const Patch& p : in.patches)
    if (p.size) text += fmt::format("\n    memory {:#x}: {}", kData + p.offset, hex(p.bytes, p.size));
  return text + "\n";
}

u64 hash(const std::string& text) {
  u64 h = 0xcbf29ce484222325;
  for (const char c : text) h = (h ^ static_cast<u8>(c)) * 0x100000001b3;
  return h;
}

constexpr u64 kComparedFlags = core::kArithmeticFlags | core::kTF | core::kIF | core::kDFlag | core::kIopl |
                               core::kNT | core::kRF | core::kACFlag | core::kID;

}  // namespace

const char* Campaign::lacks(const Form& form) const {
  const char* mode = host_.lacks(form.mode);
  return mode ? mode : missing_on_host(form);
}

Tally Campaign::run(const Form& form, u64 states) {
  Tally tally;
  Generator generator(seed_ ^ hash(form.name), HostCpu::fs_base(), kData + 0x123, split_locks_);
  split_locks_.begin_form();
  Batch& batch = host_.batch();
  std::vector<Instruction> instructions;
  std::vector<Outcome> results(kBatch);
  while (tally.states < states) {
    batch.mode = form.mode;
    batch.count = 0;
    batch.uses_fx = form.uses_fx;
    batch.loads_segments = form.loads_segments;
    batch.fs_base = HostCpu::fs_base();
    batch.gs_base = kData + 0x123;
    generator.fill_memory(batch);
    std::memset(batch.code, 0xcc, kCodeSize);
    instructions.clear();
    const u16 cs = generator.code_segment(form.mode);
    unsigned failures = 0;
    const unsigned wanted = static_cast<unsigned>(std::min<u64>(kBatch, states - tally.states));
    const unsigned per = std::max(1u, wanted / kSlots);
    while (batch.count < wanted) {
      Instruction i;
      const unsigned slot = static_cast<unsigned>(instructions.size());
      if (slot == kSlots) break;
      if (failures > 20000) {
        tally.first = "no instruction of this form could be generated";
        ++tally.differences;
        return tally;
      }
      if (!draw(form, cs, slot_address(slot), generator.rng(), i) || !generator.aim(i)) {
        ++failures;
        continue;
      }
      const unsigned before = batch.count;
      for (unsigned n = 0; n < 2 * per && batch.count < wanted && batch.count - before < per; ++n) {
        Input& in = batch.inputs[batch.count];
        if (!generator.state(form, i, in)) continue;
        in.instruction = static_cast<u16>(slot);
        in.length = static_cast<u8>(i.length());
        ++batch.count;
      }
      if (batch.count == before) {
        ++failures;
        continue;
      }
      u8* at = batch.code + (i.address - kCode);
      std::memcpy(at, i.bytes, i.length());
      if (!form.branches) HostCpu::put_exit(at + i.length(), i.address + i.length(), form.mode);
      instructions.push_back(i);
    }
    host_.start();
    simulated_.load(batch);
    std::string trouble;
    unsigned done = 0;
    try {
      for (; done < batch.count; ++done)
        simulated_.execute(batch, batch.inputs[done], form.branches, results[done]);
    } catch (const std::exception& e) {
      trouble = fmt::format("the core: {}", e.what());
    }
    const std::string death = host_.wait();
    if (!death.empty()) trouble = death;
    if (!trouble.empty()) {
      ++tally.differences;
      tally.first =
          fmt::format("  {}: {}\n    {}\n", form.name, trouble,
                      text_of(instructions[batch.inputs[std::min(done, batch.count - 1)].instruction]));
      return tally;
    }
    for (unsigned n = 0; n < batch.count; ++n) {
      const Input& in = batch.inputs[n];
      const Instruction& i = instructions[in.instruction];
      const Outcome& host = host_.outcome(n);
      Outcome& core = results[n];
      Undefined undefined;
      if (core.trap == kNoTrap) undefined = undefined_after(i, in);
      ++tally.states;
      tally.faults += host.trap != kNoTrap;
      if (undefined.result) {
        ++tally.undefined;
        continue;
      }
      const Comparison c{kComparedFlags & ~undefined.flags, form.uses_fx, form.mode};
      if (same(host, core, c)) continue;
      take_over_unpromised(i, in, host, core);
      if (same(host, core, c)) {
        ++tally.unpromised;
        continue;
      }
      if (!tally.differences++)
        tally.first = fmt::format("  {}: {}\n{}", form.name, text_of(i), describe(host, core, in, c));
    }
  }
  return tally;
}

}  // namespace pmusim::silicon
