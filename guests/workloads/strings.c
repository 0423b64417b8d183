/* SPDX-License-Identifier: Apache-2.0
   Strings and memory: byte-wise search and comparison, short REP MOVSQ copies and REP STOSQ fills. */
#include "workload.h"

enum { kBytes = 4096, kRounds = 12000 };

static void copy(void* to, const void* from, u64 words) {
  __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}
static void fill(void* to, u64 value, u64 words) {
  __asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(value) : "memory");
}
static u64 length(const volatile u8* text) {
  u64 n = 0;
  while (text[n]) ++n;
  return n;
}
static u64 equal(const volatile u8* a, const volatile u8* b, u64 bytes) {
  u64 n = 0;
  while (n < bytes && a[n] == b[n]) ++n;
  return n;
}

u64 workload(void) {
  u8 *a = WORKLOAD_MEMORY, *b = WORKLOAD_MEMORY + 2 * kBytes;
  u64 sum = 0;
  for (u32 round = 0; round < kRounds; ++round) {
    fill(a, 0x0101010101010101u + round % 7, kBytes / 8);
    a[kBytes - 1 - round % 64] = 0;
    for (u32 at = 0; at < kBytes; at += 64) copy(b + at, a + at, 8);
    sum += length(a) + equal(a, b, kBytes);
  }
  return sum;
}
