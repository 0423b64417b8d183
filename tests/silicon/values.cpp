// SPDX-License-Identifier: Apache-2.0
// Integers at every boundary, floating-point specials, selectors.
#include "values.h"

#include <cstring>

namespace pmusim::silicon {
namespace {

void put_bytes(u8* at, u64 v, unsigned bytes) {
  std::memcpy(at, &v, bytes);
}

}  // namespace

u64 Values::integer() {
  static const u64 special[] = {0,
                                1,
                                2,
                                ~u64{0},
                                0x7f,
                                0x80,
                                0xff,
                                0x7fff,
                                0x8000,
                                0xffff,
                                0x7fffffff,
                                0x80000000,
                                0xffffffff,
                                ~u64{0} >> 1,
                                u64{1} << 63,
                                0x00ff00ff00ff00ff,
                                0x8000000080008080,
                                0x2b,
                                0x33,
                                0x23,
                                0x7b,
                                0x10};
  switch (rng_.below(9)) {
    case 0:
    case 1:
      return special[rng_.below(sizeof special / sizeof special[0])];
    case 2:
      return special[rng_.below(sizeof special / sizeof special[0])] + rng_.below(5) - 2;
    case 3:
      return rng_.below(256);
    case 4:
      return rng_.next() >> rng_.below(64);
    case 5:
      return rng_.below(local_segments() + 1) << 3 | 4 | rng_.below(4);
    default:
      return rng_.next();
  }
}

u16 Values::selector() {
  static const u16 user[] = {0x33, 0x33, 0x33, 0x2b, 0x2b, 0x23,   0x23, 0x30,
                             0x28, 0x7b, 0x10, 0,    3,    0xfff3, 0x37};
  if (rng_.below(4) == 0) return static_cast<u16>(rng_.below(local_segments() + 1) << 3 | 7);
  return user[rng_.below(sizeof user / sizeof user[0])];
}

void Values::vector(u8* to) {
  static const u32 single[] = {0,          0x80000000, 0x3f800000, 0xbf800000, 0x7f800000,
                               0xff800000, 0x7fc00001, 0x7f800001, 0xffc12345, 0x00000001,
                               0x807fffff, 0x00800000, 0x7f7fffff, 0x4f000000, 0xcf000000,
                               0x5f000000, 0x3fc00000, 0x3effffff, 0x4b000001, 0x33800000};
  static const u64 twice[] = {0,
                              u64{1} << 63,
                              0x3ff0000000000000,
                              0xbff0000000000000,
                              0x7ff0000000000000,
                              0xfff0000000000000,
                              0x7ff8000000000001,
                              0x7ff0000000000001,
                              0xfff8123456789abc,
                              1,
                              0x800fffffffffffff,
                              0x0010000000000000,
                              0x7fefffffffffffff,
                              0x41e0000000000000,
                              0xc1e0000000200000,
                              0x43e0000000000000,
                              0x3fe0000000000000,
                              0x3ff8000000000000,
                              0x380fffffffffffff,
                              0x47efffffe0000000,
                              0x36a0000000000000};
  switch (rng_.below(6)) {
    case 0:
      for (unsigned n = 0; n < 16; n += 4) put_bytes(to + n, single[rng_.below(sizeof single / 4)], 4);
      break;
    case 1:
      for (unsigned n = 0; n < 16; n += 8) put_bytes(to + n, twice[rng_.below(sizeof twice / 8)], 8);
      break;
    case 2:  // singles of similar size
      for (unsigned n = 0; n < 16; n += 4)
        put_bytes(to + n, (rng_.next() & 0x807fffff) | (120 + rng_.below(16)) << 23, 4);
      break;
    case 3:  // doubles of similar size
      for (unsigned n = 0; n < 16; n += 8)
        put_bytes(to + n, (rng_.next() & 0x800fffffffffffff) | (1015 + rng_.below(80)) << 52, 8);
      break;
    default:
      for (unsigned n = 0; n < 16; n += 8) put_bytes(to + n, integer(), 8);
      break;
  }
}

void Values::extended(u8* to) {
  u64 significand = rng_.next() | u64{1} << 63, exponent = 16383;
  switch (rng_.below(8)) {
    case 0:
      significand = exponent = 0;
      break;
    case 1:
      significand = rng_.below(2) ? u64{1} << 63 : rng_.next();  // infinity, NaN, and what is neither
      exponent = 0x7fff;
      break;
    case 2:
      significand = rng_.next() >> rng_.below(64);  // denormal, or not normal
      exponent = rng_.below(3);
      break;
    case 3:
      significand = (1 + rng_.below(1000)) << 54;
      exponent += rng_.below(64);
      break;
    case 4:
      exponent = rng_.below(0x7fff);
      break;
    default:
      exponent = exponent - 40 + rng_.below(110);
      break;
  }
  put_bytes(to, significand, 8);
  put_bytes(to + 8, exponent | rng_.below(2) << 15, 2);
}

void Values::fx(FxImage& to) {
  to = {};
  const auto rarely = [&](u64 bits) { return rng_.below(4) ? 0 : rng_.next() & bits; };
  // Mostly everything masked; x87: any precision but the reserved one.
  static const u16 precisions[] = {0x300, 0x300, 0x200, 0};
  to.fcw = static_cast<u16>(0x40 | (0x3f & ~rarely(0x3f)) | precisions[rng_.below(4)] | rng_.below(4) << 10);
  to.fsw = static_cast<u16>((rng_.next() & 0x7f00) | rarely(0x3f));
  if (to.fsw & 1) to.fsw = static_cast<u16>(to.fsw | rarely(0x40));
  if (to.fsw & ~to.fcw & 0x3f) to.fsw |= 0x8080;
  to.ftw = static_cast<u8>(rng_.below(3) ? 0xff & ~rarely(0xff) : rng_.next());
  to.mxcsr = static_cast<u32>(rarely(0x3f) | (rng_.below(4) ? 0 : 0x40) | (0x1f80 & ~rarely(0x1f80)) |
                              rng_.below(4) << 13 | (rng_.below(8) ? 0 : 0x8000));
  for (auto& r : to.st) extended(r);
  for (auto& r : to.xmm) vector(r);
}

}  // namespace pmusim::silicon
