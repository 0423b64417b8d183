// SPDX-License-Identifier: Apache-2.0
// What code generated for blocks would stand on: the TLB's layout, instructions without exceptions, its seat
// in a block. No code is generated.
#include <doctest/doctest.h>

#include "core/decode/decode.h"
#include "core/execute/try_execute.h"
#include "core/run/block_cache.h"
#include "machine.h"

namespace pmusim::core::test {
namespace {

constexpr u64 kCode = 0x100000, kDataAt = 0x200000;

// The access as generated code would make it; nullptr: the slow path.
u8* look_up(const Mmu& mmu, u64 linear, unsigned size, u64 TlbEntry::*tag) {
  const TlbView view = mmu.tlb();
  const TlbEntry& e = view.entries[tlb_index(linear)];
  const u64 offset = linear % kPageSize;
  return e.*tag == tlb_tag(linear, *view.space) && offset <= kPageSize - size ? e.host + offset : nullptr;
}

struct Tried : Machine {
  Executor ex;
  MicroOp op;
  FakeIntercepts intercepts;

  Tried() {
    long_mode();
    static_cast<Exec&>(ex) = x;
    ex.commit = [](void*) {};
    ex.code64 = true;
  }
  Outcome execute(const std::vector<u8>& code) {
    DecodedInstruction d;
    REQUIRE(decode(code.data(), static_cast<unsigned>(code.size()), kCode, 8, {Features::all(), false}, d));
    op = d.op;
    return try_execute(ex, op, op.run);
  }
};

struct Seat : BlockCode {
  explicit Seat(std::vector<char>& what) : said(&what) {}
  ~Seat() override { said->push_back('~'); }
  void unlink() override { said->push_back('u'); }
  std::vector<char>* said;
};

}  // namespace

TEST_CASE("the published entry leads to the bytes that the last access had, until it is dropped") {
  Machine m;
  m.long_mode();
  m.map(kDataAt, 0x6000, Machine::kP | Machine::kW | Machine::kU);
  CHECK(look_up(m.mmu, kDataAt, 1, &TlbEntry::read_tag) == nullptr);
  m.mmu.read<u8>(kDataAt + 1);
  CHECK(look_up(m.mmu, kDataAt, 8, &TlbEntry::read_tag) == &m.memory[0x6000]);
  CHECK(look_up(m.mmu, kDataAt + 4088, 8, &TlbEntry::read_tag) == &m.memory[0x6ff8]);
  CHECK(look_up(m.mmu, kDataAt + 4089, 8, &TlbEntry::read_tag) == nullptr);  // crosses the page
  CHECK(look_up(m.mmu, kDataAt + kPageSize, 1, &TlbEntry::read_tag) == nullptr);
  CHECK(look_up(m.mmu, kDataAt, 8, &TlbEntry::write_tag) == nullptr);  // clean
  m.mmu.write<u8>(kDataAt, 1);
  CHECK(look_up(m.mmu, kDataAt, 8, &TlbEntry::write_tag) == &m.memory[0x6000]);
  m.mmu.page_marked(0x6000);
  CHECK(look_up(m.mmu, kDataAt, 8, &TlbEntry::write_tag) == nullptr);
  CHECK(look_up(m.mmu, kDataAt, 8, &TlbEntry::read_tag) == &m.memory[0x6000]);
  m.mmu.flush_page(kDataAt);
  CHECK(look_up(m.mmu, kDataAt, 8, &TlbEntry::read_tag) == nullptr);
}

TEST_CASE("no published entry matches with other rights, or while breakpoints are on") {
  Machine m;
  m.long_mode();
  m.mmu.read<u8>(kDataAt);
  CHECK(look_up(m.mmu, kDataAt, 1, &TlbEntry::read_tag));
  m.s.cpl = 3;
  m.mmu.access_changed();
  CHECK_FALSE(look_up(m.mmu, kDataAt, 1, &TlbEntry::read_tag));
  m.mmu.read<u8>(kDataAt);
  CHECK(look_up(m.mmu, kDataAt, 1, &TlbEntry::read_tag));
  m.s.dr[7] = 1;
  m.mmu.access_changed();
  CHECK_FALSE(look_up(m.mmu, kDataAt, 1, &TlbEntry::read_tag));
}

TEST_CASE("an instruction that is tried executes as any other") {
  Tried t;
  t.s.gpr[RAX] = 41;
  CHECK(t.execute({0x48, 0xff, 0xc0}) == Outcome::Done);  // inc rax
  CHECK(t.s.gpr[RAX] == 42);
  CHECK(t.ex.op == &t.op);
}

TEST_CASE("a fault of an instruction that is tried is kept, and can be raised later") {
  Tried t;
  t.s.gpr[RAX] = 7;
  CHECK(t.execute({0x31, 0xc9}) == Outcome::Done);         // xor ecx, ecx
  CHECK(t.execute({0x48, 0xf7, 0xf1}) == Outcome::Fault);  // div rcx
  CHECK(t.ex.kept.fault.vector == kDE);
  CHECK(t.s.gpr[RAX] == 7);
  t.s.gpr[RSI] = Machine::kSize;                           // not mapped
  CHECK(t.execute({0x48, 0x8b, 0x06}) == Outcome::Fault);  // mov rax, [rsi]
  CHECK(t.ex.kept.fault.vector == kPF);
  CHECK(t.ex.kept.fault.cr2 == Machine::kSize);
  CHECK(t.s.gpr[RAX] == 7);
  try {
    raise_kept(t.ex, Outcome::Fault);
    FAIL("nothing was raised");
  } catch (const Fault& fault) {
    CHECK(fault.vector == kPF);
    CHECK(fault.cr2 == Machine::kSize);
  }
}

TEST_CASE("a VM-exit of an instruction that is tried is kept, and can be raised later") {
  Tried t;
  t.intercepts.all = true;
  t.ex.intercepts = &t.intercepts;
  CHECK(t.execute({0x0f, 0xa2}) == Outcome::Exit);  // cpuid
  CHECK(t.ex.kept.exit.kind == ExitKind::Cpuid);
  try {
    raise_kept(t.ex, Outcome::Exit);
    FAIL("nothing was raised");
  } catch (const ExitRequest& request) {
    CHECK(request.exit.kind == ExitKind::Cpuid);
  }
}

TEST_CASE("whatever else an instruction that is tried throws is kept once, and can be raised later") {
  Tried t;
  CHECK(t.execute({0xd9, 0xfe}) == Outcome::Error);  // fsin
  CHECK_THROWS_AS(raise_kept(t.ex, Outcome::Error), Unimplemented);
  CHECK_FALSE(t.ex.kept.error);
  CHECK_THROWS_AS(raise_kept(t.ex, Outcome::Done), std::logic_error);
}

TEST_CASE("the code of a block is unlinked when the block is dropped, and freed once no block executes") {
  for (const bool page : {true, false}) {
    CAPTURE(page);
    Machine m;
    m.long_mode();
    EventCounts counts;
    BlockCache cache(m.ram, m.mmu, counts);
    cache.enter(8, 0, 0, 0, kNever);
    m.put(kCode, 0xf490, 2);  // nop; hlt
    std::vector<char> said;
    cache.find_slow(kCode)->code = std::make_unique<Seat>(said);
    if (page) cache.drop_page(kCode + kPageSize);
    CHECK(said.empty());
    CHECK(cache.find(kCode));
    page ? cache.drop_page(kCode) : cache.drop_all();
    CHECK(said == std::vector<char>{'u'});
    cache.collect();
    CHECK(said == std::vector<char>{'u', '~'});
  }
}

}  // namespace pmusim::core::test
