// SPDX-License-Identifier: Apache-2.0
// The tests' machine, with a device that a user could have written: neither its class nor its mapping is in
// sim/.
#include "tests/support/machine/machine.h"

#include <cstring>
#include <map>

namespace pmusim::platform::test {
namespace {

class Adder final : public Device {
 public:
  explicit Adder(sc_core::sc_module_name name) : Device(name) {}
  u64 read(u64, unsigned) override { return sum_; }
  void write(u64, u64 value, unsigned) override { sum_ += value; }
  void reset() override { sum_ = 0; }
  void archive(Archive& a) override { a(sum_); }

 private:
  u64 sum_ = 0;
};

void put32(std::vector<u8>& out, size_t at, u32 v) {
  std::memcpy(out.data() + at, &v, 4);
}
void put16(std::vector<u8>& out, size_t at, u16 v) {
  std::memcpy(out.data() + at, &v, 2);
}

const CpuModel& loaded(std::map<std::string, CpuModel>& models, const std::string& id, bool interval) {
  auto it = models.find(id);
  if (it == models.end()) it = models.emplace(id, pmusim::models::load_model(id, {}, interval)).first;
  return it->second;
}

}  // namespace

Machine& machine() {
  static Machine* m = [] {
    Machine* created = new Machine(kMaxCpus);
    Adder* adder = new Adder("adder");
    created->bus().map(Space::Port, kAdderPort, 4, *adder);
    return created;
  }();
  return *m;
}

const CpuModel& model(const std::string& id) {
  static std::map<std::string, CpuModel> models;
  return loaded(models, id, false);
}
const CpuModel& interval_model(const std::string& id) {
  static std::map<std::string, CpuModel> models;
  return loaded(models, id, true);
}

MachineConfig config(const std::string& model_id, unsigned cpus) {
  MachineConfig c;
  c.model = &model(model_id);
  c.cpus = cpus;
  c.memory = u64{16} << 20;
  return c;
}

Code& Code::load_tables() {
  raw({0x0f, 0x01, 0x15}).imm32(kTables + 0xff0);                     // lgdt
  raw({0x0f, 0x01, 0x1d}).imm32(kTables + 0xff8);                     // lidt
  raw({0x66, 0xb8, 0x10, 0x00, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0});  // mov ax,10h; mov ds/es/ss,ax
  raw({0xbc}).imm32(kStack);                                          // mov esp
  return raw({0xea}).imm32(here() + 6).imm16(8);                      // jmp 8:next
}

Part tables(u8 vector, u32 handler) {
  Part p{kTables, std::vector<u8>(0x1000), 0};
  const u32 gdt[] = {0, 0, 0x0000ffff, 0x00cf9a00, 0x0000ffff, 0x00cf9200};
  std::memcpy(p.bytes.data(), gdt, sizeof gdt);
  const size_t gate = 0x100 + vector * 8u;
  put16(p.bytes, gate, static_cast<u16>(handler));
  put16(p.bytes, gate + 2, 8);
  put16(p.bytes, gate + 4, 0x8e00);
  put16(p.bytes, gate + 6, static_cast<u16>(handler >> 16));
  put16(p.bytes, 0xff0, sizeof gdt - 1);
  put32(p.bytes, 0xff2, kTables);
  put16(p.bytes, 0xff8, 0x7ff);
  put32(p.bytes, 0xffa, kTables + 0x100);
  return p;
}

std::vector<u8> make_elf(u32 entry, const std::vector<Part>& parts) {
  std::vector<u8> out(0x1000);
  const u8 ident[16] = {0x7f, 'E', 'L', 'F', 1, 1, 1};
  std::memcpy(out.data(), ident, sizeof ident);
  put16(out, 16, 2);
  put16(out, 18, 3);
  put32(out, 20, 1);
  put32(out, 24, entry);
  put32(out, 28, 52);
  put16(out, 40, 52);
  put16(out, 42, 32);
  put16(out, 44, static_cast<u16>(parts.size()));
  put32(out, 0xf00, 0x1badb002);
  put32(out, 0xf08, 0u - 0x1badb002);
  size_t header = 52;
  for (const Part& p : parts) {
    put32(out, header, 1);
    put32(out, header + 4, static_cast<u32>(out.size()));
    put32(out, header + 8, p.address);
    put32(out, header + 12, p.address);
    put32(out, header + 16, static_cast<u32>(p.bytes.size()));
    put32(out, header + 20, p.size ? p.size : static_cast<u32>(p.bytes.size()));
    out.insert(out.end(), p.bytes.begin(), p.bytes.end());
    header += 32;
  }
  return out;
}

Image make_image(const Code& main, std::vector<Part> more) {
  more.push_back(part(main));
  return load_image(make_elf(main.base(), more), "test image");
}

}  // namespace pmusim::platform::test
