// SPDX-License-Identifier: Apache-2.0
// Shared by the platform tests: the process's one machine, and hand-assembled 32-bit guests in an ELF32
// multiboot container.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "base/event.h"
#include "models/models.h"
#include "platform/machine/machine.h"

namespace pmusim::platform::test {

inline constexpr unsigned kMaxCpus = 4;
Machine& machine();                       // elaborated once; see support.cpp for what is mapped on its bus
inline constexpr u16 kAdderPort = 0x300;  // a device of the tests' own: reads the sum of what was written

const CpuModel& model(const std::string& id);
const CpuModel& interval_model(const std::string& id);  // loaded for interval timing
MachineConfig config(const std::string& model_id, unsigned cpus = 1);

// Machine code, 32-bit protected mode unless said otherwise.
class Code {
 public:
  explicit Code(u32 base) : base_(base) {}
  Code& raw(std::initializer_list<int> bytes) {
    for (int b : bytes) bytes_.push_back(static_cast<u8>(b));
    return *this;
  }
  Code& imm32(u32 v) { return raw({int(v & 0xff), int(v >> 8 & 0xff), int(v >> 16 & 0xff), int(v >> 24)}); }
  Code& imm16(u32 v) { return raw({int(v & 0xff), int(v >> 8 & 0xff)}); }
  Code& store(u32 address, u32 v) { return raw({0xc7, 0x05}).imm32(address).imm32(v); }
  Code& wrmsr(u32 msr, u64 v) {
    return raw({0xb9}).imm32(msr).raw({0xb8}).imm32(u32(v)).raw({0xba}).imm32(u32(v >> 32)).raw({0x0f, 0x30});
  }
  Code& print(char c) { return raw({0x66, 0xba}).imm16(0x3f8).raw({0xb0, c, 0xee}); }
  Code& out32(u16 port, u32 v) { return raw({0xb8}).imm32(v).raw({0x66, 0xba}).imm16(port).raw({0xef}); }
  Code& in32(u16 port) { return raw({0x66, 0xba}).imm16(port).raw({0xed}); }
  Code& exit(u32 v) { return out32(0xf4, v).halt(); }
  Code& exit_with_eax() { return raw({0x66, 0xba}).imm16(0xf4).raw({0xef}).halt(); }
  Code& halt() { return raw({0xf4, 0xeb, 0xfd}); }
  Code& spin() { return raw({0xeb, 0xfe}); }
  Code& loop(u32 count) { return raw({0xb9}).imm32(count).raw({0xe2, 0xfe}); }  // count LOOP instructions
  // GDT and IDT of tables(), flat segments, a stack.
  Code& load_tables();
  u32 here() const { return base_ + u32(bytes_.size()); }
  u32 base() const { return base_; }
  const std::vector<u8>& bytes() const { return bytes_; }

 private:
  u32 base_;
  std::vector<u8> bytes_;
};

inline constexpr u32 kTables = 0x200000, kStack = 0x300000;

struct Part {
  u32 address;
  std::vector<u8> bytes;
  u32 size = 0;  // in memory; 0: as many as bytes
};
// GDT (08h code, 10h data), and an IDT that sends `vector` to `handler` (both in 32-bit protected mode).
Part tables(u8 vector, u32 handler);
std::vector<u8> make_elf(u32 entry, const std::vector<Part>& parts);
Image make_image(const Code& main, std::vector<Part> more = {});
inline Part part(const Code& code) {
  return {code.base(), code.bytes(), 0};
}

class Recorder final : public EventSink {
 public:
  std::vector<Event> events;
  void on_event(const Event& e) override { events.push_back(e); }
  std::vector<Event> of(EventKind kind) const {
    std::vector<Event> list;
    for (const Event& e : events)
      if (e.kind == kind) list.push_back(e);
    return list;
  }
};

}  // namespace pmusim::platform::test
