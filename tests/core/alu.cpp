// SPDX-License-Identifier: Apache-2.0
// Results and defined flags of integer instructions against the host CPU: the same bytes run natively and in
// the core on the same random operands. Which flags are defined is from the SDM's instruction pages.
#if defined(__x86_64__) && defined(__linux__)
#include <doctest/doctest.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "base/rng.h"
#include "program.h"

namespace pmusim::core::test {
namespace {

struct Registers {
  u64 rax, rbx, rcx, rdx, flags;
  u64* memory;
};
constexpr u64 kAll = kArithmeticFlags;

class HostCpu {
 public:
  HostCpu()
      : page_(static_cast<u8*>(
            mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {}
  ~HostCpu() { munmap(page_, 4096); }
  HostCpu(const HostCpu&) = delete;
  bool usable() const { return page_ != MAP_FAILED; }

  void load(const std::vector<u8>& instruction) {
    // push rbx; push rdi; rsi, flags, rax, rbx, rcx, rdx from the structure at rdi; popfq
    std::vector<u8> c = {0x53, 0x57, 0x48, 0x8b, 0x77, 0x28, 0xff, 0x77, 0x20, 0x48, 0x8b, 0x07, 0x48,
                         0x8b, 0x5f, 0x08, 0x48, 0x8b, 0x4f, 0x10, 0x48, 0x8b, 0x57, 0x18, 0x9d};
    c.insert(c.end(), instruction.begin(), instruction.end());
    // pushfq; pop r8; pop rdi; cld; store rax, rbx, rcx, rdx, r8; pop rbx; ret
    const u8 tail[] = {0x9c, 0x41, 0x58, 0x5f, 0xfc, 0x48, 0x89, 0x07, 0x48, 0x89, 0x5f, 0x08, 0x48,
                       0x89, 0x4f, 0x10, 0x48, 0x89, 0x57, 0x18, 0x4c, 0x89, 0x47, 0x20, 0x5b, 0xc3};
    c.insert(c.end(), std::begin(tail), std::end(tail));
    std::memcpy(page_, c.data(), c.size());
  }
  void run(Registers& r) {
    void (*function)(Registers*);
    std::memcpy(&function, &page_, sizeof(function));
    function(&r);
  }

 private:
  u8* page_;
};

u64 operand(Rng& rng) {
  static const u64 special[] = {0,          1,          ~u64{0},      0x7f,         0x80, 0x7fff, 0x8000,
                                0x7fffffff, 0x80000000, ~u64{0} >> 1, u64{1} << 63, 0xff, 0xffff, 0xffffffff};
  return rng.below(3) ? rng.next() : special[rng.below(sizeof(special) / sizeof(special[0]))];
}

struct Compare {
  HostCpu host;
  Program p;
  Rng rng{1};

  // div: operands are chosen so that most divisions do not overflow; those that do are left out by `safe`.
  template <class Prepare>
  void check(const std::vector<u8>& bytes, u64 defined, Prepare prepare, int rounds = 150) {
    host.load(bytes);
    std::vector<u8> code = bytes;
    code.push_back(0xf4);
    for (int round = 0; round < rounds; ++round) {
      u64 memory[4], guest[4];
      for (u64& m : memory) m = operand(rng);
      Registers r{operand(rng), operand(rng), operand(rng), operand(rng), (rng.next() & kAll) | kFixed1,
                  memory + 1};
      prepare(r);
      p.code(code);
      for (int i = 0; i < 4; ++i) p.put(Program::kDataAt + 8 * i, memory[i]);
      p.s.gpr[RAX] = r.rax;
      p.s.gpr[RBX] = r.rbx;
      p.s.gpr[RCX] = r.rcx;
      p.s.gpr[RDX] = r.rdx;
      p.s.gpr[RSI] = Program::kDataAt + 8;
      p.s.rflags = r.flags;
      p.s.rip = Program::kCode;
      p.s.activity = Activity::Running;
      const Registers before = r;
      host.run(r);
      p.run_to_halt();
      for (int i = 0; i < 4; ++i) guest[i] = p.get(Program::kDataAt + 8 * i);
      bool same = p.s.gpr[RAX] == r.rax && p.s.gpr[RBX] == r.rbx && p.s.gpr[RCX] == r.rcx &&
                  p.s.gpr[RDX] == r.rdx && ((p.s.rflags ^ r.flags) & defined) == 0 &&
                  std::memcmp(memory, guest, sizeof(memory)) == 0;
      if (same) continue;
      std::string text = "bytes";
      for (u8 b : bytes) text += " " + std::to_string(b);
      INFO(text);
      CAPTURE(before.rax);
      CAPTURE(before.rbx);
      CAPTURE(before.rcx);
      CAPTURE(before.rdx);
      CAPTURE(before.flags);
      CHECK(p.s.gpr[RAX] == r.rax);
      CHECK(p.s.gpr[RBX] == r.rbx);
      CHECK(p.s.gpr[RCX] == r.rcx);
      CHECK(p.s.gpr[RDX] == r.rdx);
      CHECK((p.s.rflags & defined) == (r.flags & defined));
      CHECK(std::memcmp(memory, guest, sizeof(memory)) == 0);
      return;
    }
    CHECK(true);
  }
  void check(const std::vector<u8>& bytes, u64 defined) {
    check(bytes, defined, [](Registers&) {});
  }
};

std::vector<u8> join(const std::vector<u8>& a, const std::vector<u8>& b) {
  std::vector<u8> r = a;
  r.insert(r.end(), b.begin(), b.end());
  return r;
}

const std::vector<std::vector<u8>> kSizes = {{}, {0x66}, {0x48}};  // 32, 16, 64 bits
constexpr u8 kRaxRbx = 0xd8, kMemRbx = 0x1e, kAhBl = 0xdc;         // ModRM: rm, reg; [rsi], rbx; ah, bl

}  // namespace

TEST_CASE("arithmetic and logic give the host CPU's results and flags in every size and operand form") {
  Compare c;
  REQUIRE(c.host.usable());
  for (u8 op = 0; op < 0x40; op += 8) {
    const u64 defined = op == 0x08 || op == 0x20 || op == 0x30 ? kAll & ~kAF : kAll;
    for (const u8 modrm : {kRaxRbx, kMemRbx}) {
      for (const auto& prefix : kSizes) {
        c.check(join(prefix, {static_cast<u8>(op + 1), modrm}), defined);
        c.check(join(prefix, {static_cast<u8>(op + 3), modrm}), defined);
      }
      c.check({op, modrm}, defined);
      c.check({static_cast<u8>(op + 2), modrm}, defined);
    }
    c.check({op, kAhBl}, defined);
    c.check({0x80, static_cast<u8>(0xc0 + op), 0x9c}, defined);
    for (const auto& prefix : kSizes)
      c.check(join(prefix, {0x83, static_cast<u8>(0xc0 + op), 0x9c}), defined);
  }
  for (const auto& prefix : kSizes) {
    c.check(join(prefix, {0x85, kRaxRbx}), kAll & ~kAF);
    c.check(join(prefix, {0x85, kMemRbx}), kAll & ~kAF);
  }
}

TEST_CASE("INC, DEC, NEG and NOT give the host CPU's results and flags") {
  Compare c;
  for (const auto& prefix : kSizes)
    for (const u8 base : {0x00, 0xc0}) {
      const u8 rm = base ? 0xc0 : 0x06;  // rax or [rsi]
      c.check(join(prefix, {0xff, rm}), kAll);
      c.check(join(prefix, {0xff, static_cast<u8>(rm | 8)}), kAll);
      c.check(join(prefix, {0xf7, static_cast<u8>(rm | 0x18)}), kAll);
      c.check(join(prefix, {0xf7, static_cast<u8>(rm | 0x10)}), kAll);
    }
  c.check({0xfe, 0xc4}, kAll);  // inc ah
  c.check({0xfe, 0xc8}, kAll);  // dec al
}

TEST_CASE("shifts and rotates give the host CPU's results and defined flags") {
  Compare c;
  for (u8 op = 0; op < 8; ++op) {
    if (op == 6) continue;  // an alias of SHL
    const bool rotate = op < 4;
    const u8 rm = static_cast<u8>(0xc0 | op << 3), mem = static_cast<u8>(0x06 | op << 3);
    const u64 one = rotate ? kAll : kAll & ~kAF;
    for (const auto& prefix : kSizes) {
      const unsigned width = prefix.empty() ? 32 : prefix[0] == 0x66 ? 16 : 64;
      c.check(join(prefix, {0xd1, rm}), one);
      c.check(join(prefix, {0xd1, mem}), one);
      for (u8 n : {0, 2, 7, 15, 31, 33, 63}) {
        // OF is undefined for counts other than 1 (and 0 leaves it); CF of SHL and SHR beyond the width too.
        const unsigned masked = n & (width == 64 ? 63 : 31);
        u64 defined = masked ? one & ~kOFlag : kAll;
        if (!rotate && masked > width) defined &= ~kCF;
        c.check(join(prefix, {0xc1, rm, n}), defined);
      }
      c.check(join(prefix, {0xd3, rm}), one & ~kOFlag, [&](Registers& r) {
        r.rcx &= 0xff;
        if (!rotate && (r.rcx & (width == 64 ? 63 : 31)) == 0) r.rcx = 1;
        if (!rotate && width == 16) r.rcx = 1 + r.rcx % 16;
      });
    }
    c.check({0xd0, rm}, one);
    c.check({0xc0, static_cast<u8>(rm | 4), 3}, one & ~kOFlag);  // on AH
  }
}

TEST_CASE("double shifts give the host CPU's results and defined flags") {
  Compare c;
  for (const u8 op : {0xa4, 0xac})
    for (const auto& prefix : kSizes) {
      c.check(join(prefix, {0x0f, op, kRaxRbx, 1}), kAll & ~kAF);
      c.check(join(prefix, {0x0f, op, kMemRbx, 13}), kAll & ~(kAF | kOFlag));
      c.check(join(prefix, {0x0f, static_cast<u8>(op + 1), kRaxRbx}), kAll & ~(kAF | kOFlag),
              [](Registers& r) { r.rcx = 1 + r.rcx % 15; });
    }
}

TEST_CASE("multiplications give the host CPU's results, CF and OF") {
  Compare c;
  const u64 defined = kCF | kOFlag;
  for (const auto& prefix : kSizes) {
    for (const u8 rm : {0xe3, 0xeb, 0x26, 0x2e}) c.check(join(prefix, {0xf7, rm}), defined);
    c.check(join(prefix, {0x0f, 0xaf, 0xc3}), defined);
    c.check(join(prefix, {0x0f, 0xaf, 0x06}), defined);
    c.check(join(prefix, {0x6b, 0xc3, 0xf1}), defined);
  }
  for (const u8 rm : {0xe3, 0xeb, 0xe7}) c.check({0xf6, rm}, defined);  // by bl, by bh
}

TEST_CASE("divisions that do not fault give the host CPU's quotient and remainder") {
  Compare c;
  for (const u8 rm : {0xf3, 0xfb})  // by rbx
    for (const auto& prefix : kSizes) {
      const unsigned width = prefix.empty() ? 32 : prefix[0] == 0x66 ? 16 : 64;
      c.check(join(prefix, {0xf7, rm}), 0, [&](Registers& r) {
        const u64 sign = u64{1} << (width - 1);
        if (!(r.rbx & mask(width))) r.rbx = 3;
        // The high half is the sign extension (or zero), and the divisor is not -1.
        r.rdx = rm == 0xfb && (r.rax & sign) ? ~u64{0} : 0;
        if (rm == 0xfb && (r.rbx & mask(width)) == mask(width)) r.rbx = 5;
      });
      // High halves below the divisor's magnitude: quotients of full width.
      c.check(join(prefix, {0xf7, 0xf3}), 0, [&](Registers& r) {
        if (!(r.rbx & mask(width))) r.rbx = 3;
        r.rdx = (r.rdx & mask(width)) % (r.rbx & mask(width));
      });
    }
  c.check({0xf6, 0xf3}, 0, [](Registers& r) {
    if (!(r.rbx & 0xff)) r.rbx = 7;
    r.rax = (r.rax & 0xff) | ((r.rax >> 8 & 0xff) % (r.rbx & 0xff)) << 8;
  });
}

TEST_CASE("bit instructions, with offsets beyond the operand, act as on the host CPU") {
  Compare c;
  for (const u8 op : {0xa3, 0xab, 0xb3, 0xbb})
    for (const auto& prefix : kSizes) {
      c.check(join(prefix, {0x0f, op, kRaxRbx}), kCF);
      c.check(join(prefix, {0x0f, op, kMemRbx}), kCF, [](Registers& r) {
        r.rbx = r.rbx % 192 - 64;  // one word before to two after
      });
    }
  for (u8 op = 0xe0; op != 0; op = static_cast<u8>(op + 8))
    for (const auto& prefix : kSizes) c.check(join(prefix, {0x0f, 0xba, op, 0x2d}), kCF);
}

TEST_CASE("bit scans and POPCNT give the host CPU's results and defined flags") {
  Compare c;
  const auto nonzero = [](Registers& r) { r.rbx |= 0x10; };
  for (const auto& prefix : kSizes) {
    c.check(join(prefix, {0x0f, 0xbc, 0xc3}), kZF, nonzero);
    c.check(join(prefix, {0x0f, 0xbd, 0xc3}), kZF, nonzero);
  }
  c.check({0x48, 0x0f, 0xbc, 0xc3}, kZF, [](Registers& r) { r.rbx = 0; });
  c.check({0xf3, 0x0f, 0xb8, 0xc3}, kAll);
  c.check({0xf3, 0x48, 0x0f, 0xb8, 0xc3}, kAll);
}

TEST_CASE("moves, extensions, conversions and exchanges act as on the host CPU") {
  Compare c;
  for (const auto& prefix : kSizes) {
    c.check(join(prefix, {0x89, kRaxRbx}), kAll);
    c.check(join(prefix, {0x8b, 0x06}), kAll);
    c.check(join(prefix, {0x89, 0x1e}), kAll);
    c.check(join(prefix, {0x87, 0x1e}), kAll);
    c.check(join(prefix, {0x87, kRaxRbx}), kAll);
    c.check(join(prefix, {0x93}), kAll);  // xchg rax, rbx
    c.check(join(prefix, {0x0f, 0xb6, 0xc3}), kAll);
    c.check(join(prefix, {0x0f, 0xbe, 0x06}), kAll);
    c.check(join(prefix, {0x0f, 0xbf, 0xc3}), kAll);
    c.check(join(prefix, {0x98}), kAll);
    c.check(join(prefix, {0x99}), kAll);
    c.check(join(prefix, {0x0f, 0xb1, 0x1e}), kAll);        // cmpxchg [rsi], rbx
    c.check(join(prefix, {0x0f, 0xb1, 0xd9}), kAll);        // cmpxchg rcx, rbx
    c.check(join(prefix, {0x0f, 0xc1, 0x1e}), kAll);        // xadd [rsi], rbx
    c.check(join(prefix, {0x0f, 0xc1, kRaxRbx}), kAll);     // xadd rax, rbx
    c.check(join(prefix, {0x8d, 0x44, 0x8b, 0x85}), kAll);  // lea rax, [rbx + rcx*4 - 0x7b]
  }
  c.check({0x48, 0x63, 0xc3}, kAll);  // movsxd
  c.check({0x0f, 0xb6, 0xc7}, kAll);  // movzx eax, bh
  c.check({0x0f, 0xc8}, kAll);
  c.check({0x48, 0x0f, 0xc8}, kAll);
  c.check({0x0f, 0xc7, 0x0e}, kAll);        // cmpxchg8b [rsi]
  c.check({0x67, 0x8d, 0x04, 0x8b}, kAll);  // lea eax, [ebx + ecx*4]
  c.check({0x9f}, kAll);
  c.check({0x9e}, kAll);
  c.check({0xf5}, kAll);
  c.check({0xf8}, kAll);
  c.check({0xf9}, kAll);
  c.check({0x88, 0xfc}, kAll);  // mov ah, bh
}

TEST_CASE("every condition code selects as on the host CPU") {
  Compare c;
  for (u8 cc = 0; cc < 16; ++cc) {
    c.check({0x0f, static_cast<u8>(0x90 + cc), 0xc0}, kAll);
    c.check({0x0f, static_cast<u8>(0x90 + cc), 0x06}, kAll);
    c.check({0x48, 0x0f, static_cast<u8>(0x40 + cc), 0xc3}, kAll);
    c.check({0x0f, static_cast<u8>(0x40 + cc), 0xc3}, kAll);
    c.check({static_cast<u8>(0x70 + cc), 0x03, 0x48, 0xff, 0xc0}, kAll);  // jcc over inc rax
  }
}

TEST_CASE("BMI, ADX, MOVBE and POPCNT give the host CPU's results and flags") {
  if (!__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("bmi2") || !__builtin_cpu_supports("adx")) {
    MESSAGE("not compared: the host CPU has no BMI1, BMI2 or ADX");
    return;
  }
  struct Form {
    std::vector<u8> bytes;
    u64 defined;
  };
  const Form forms[] = {
      {{0xc4, 0xe2, 0xe0, 0xf2, 0xc1}, kAll & ~(kAF | kPFlag)},  // andn   rax,rbx,rcx
      {{0xc4, 0xe2, 0x60, 0xf2, 0x06}, kAll & ~(kAF | kPFlag)},  // andn   eax,ebx,DWORD PTR [rsi]
      {{0xc4, 0xe2, 0xf0, 0xf7, 0xc3}, kZF | kCF | kOFlag},      // bextr  rax,rbx,rcx
      {{0xc4, 0xe2, 0x70, 0xf7, 0x06}, kZF | kCF | kOFlag},      // bextr  eax,DWORD PTR [rsi],ecx
      {{0xc4, 0xe2, 0xf0, 0xf5, 0xc3}, kAll & ~(kAF | kPFlag)},  // bzhi   rax,rbx,rcx
      {{0xc4, 0xe2, 0x70, 0xf5, 0x06}, kAll & ~(kAF | kPFlag)},  // bzhi   eax,DWORD PTR [rsi],ecx
      {{0xc4, 0xe2, 0xf8, 0xf3, 0xdb}, kAll & ~(kAF | kPFlag)},  // blsi   rax,rbx
      {{0xc4, 0xe2, 0x78, 0xf3, 0x1e}, kAll & ~(kAF | kPFlag)},  // blsi   eax,DWORD PTR [rsi]
      {{0xc4, 0xe2, 0xf8, 0xf3, 0xd3}, kAll & ~(kAF | kPFlag)},  // blsmsk rax,rbx
      {{0xc4, 0xe2, 0x78, 0xf3, 0x16}, kAll & ~(kAF | kPFlag)},  // blsmsk eax,DWORD PTR [rsi]
      {{0xc4, 0xe2, 0xf8, 0xf3, 0xcb}, kAll & ~(kAF | kPFlag)},  // blsr   rax,rbx
      {{0xc4, 0xe2, 0x78, 0xf3, 0x0e}, kAll & ~(kAF | kPFlag)},  // blsr   eax,DWORD PTR [rsi]
      {{0xc4, 0xe2, 0xe3, 0xf5, 0xc1}, kAll},                    // pdep   rax,rbx,rcx
      {{0xc4, 0xe2, 0x63, 0xf5, 0x06}, kAll},                    // pdep   eax,ebx,DWORD PTR [rsi]
      {{0xc4, 0xe2, 0xe2, 0xf5, 0xc1}, kAll},                    // pext   rax,rbx,rcx
      {{0xc4, 0xe2, 0x62, 0xf5, 0x06}, kAll},                    // pext   eax,ebx,DWORD PTR [rsi]
      {{0xc4, 0xe2, 0xf2, 0xf7, 0xc3}, kAll},                    // sarx   rax,rbx,rcx
      {{0xc4, 0xe2, 0x72, 0xf7, 0x06}, kAll},                    // sarx   eax,DWORD PTR [rsi],ecx
      {{0xc4, 0xe2, 0xf1, 0xf7, 0xc3}, kAll},                    // shlx   rax,rbx,rcx
      {{0xc4, 0xe2, 0x71, 0xf7, 0x06}, kAll},                    // shlx   eax,DWORD PTR [rsi],ecx
      {{0xc4, 0xe2, 0xf3, 0xf7, 0xc3}, kAll},                    // shrx   rax,rbx,rcx
      {{0xc4, 0xe2, 0x73, 0xf7, 0x06}, kAll},                    // shrx   eax,DWORD PTR [rsi],ecx
      {{0xc4, 0xe3, 0xfb, 0xf0, 0xc3, 0x0d}, kAll},              // rorx   rax,rbx,0xd
      {{0xc4, 0xe3, 0x7b, 0xf0, 0x06, 0x28}, kAll},              // rorx   eax,DWORD PTR [rsi],0x28
      {{0xc4, 0xe2, 0xe3, 0xf6, 0xc1}, kAll},                    // mulx   rax,rbx,rcx
      {{0xc4, 0xe2, 0x63, 0xf6, 0x06}, kAll},                    // mulx   eax,ebx,DWORD PTR [rsi]
      {{0xc4, 0xe2, 0xfb, 0xf6, 0xc1}, kAll},                    // mulx   rax,rax,rcx
      {{0x66, 0x48, 0x0f, 0x38, 0xf6, 0xc3}, kAll},              // adcx   rax,rbx
      {{0x66, 0x0f, 0x38, 0xf6, 0x06}, kAll},                    // adcx   eax,DWORD PTR [rsi]
      {{0xf3, 0x48, 0x0f, 0x38, 0xf6, 0xc3}, kAll},              // adox   rax,rbx
      {{0xf3, 0x0f, 0x38, 0xf6, 0x06}, kAll},                    // adox   eax,DWORD PTR [rsi]
      {{0x48, 0x0f, 0x38, 0xf0, 0x06}, kAll},                    // movbe  rax,QWORD PTR [rsi]
      {{0x66, 0x0f, 0x38, 0xf0, 0x06}, kAll},                    // movbe  ax,WORD PTR [rsi]
      {{0x0f, 0x38, 0xf1, 0x06}, kAll},                          // movbe  DWORD PTR [rsi],eax
      {{0xf3, 0x48, 0x0f, 0xb8, 0xc3}, kAll},                    // popcnt rax,rbx
      {{0x66, 0xf3, 0x0f, 0xbc, 0xc3}, kCF | kZF},               // tzcnt  ax,bx
      {{0xf3, 0x48, 0x0f, 0xbc, 0x06}, kCF | kZF},               // tzcnt  rax,QWORD PTR [rsi]
      {{0xf3, 0x0f, 0xbd, 0xc3}, kCF | kZF},                     // lzcnt  eax,ebx
      {{0x66, 0xf3, 0x0f, 0xbd, 0x06}, kCF | kZF},               // lzcnt  ax,WORD PTR [rsi]
  };
  Compare c;
  for (const Form& f : forms) c.check(f.bytes, f.defined);
}

}  // namespace pmusim::core::test
#endif
