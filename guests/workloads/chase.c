/* SPDX-License-Identifier: Apache-2.0
   Pointer chase in random order through 16 MiB, one pointer per cache line. */
#include "workload.h"

enum { kLines = 1 << 18, kLine = 64, kSteps = 20000000 };

struct line {
  struct line* next;
  u64 rest[kLine / 8 - 1];
};

/* One cycle through all lines: Sattolo's shuffle, made in the lines' second words. */
static struct line* build(void) {
  struct line* lines = (struct line*)WORKLOAD_MEMORY;
  for (u64 i = 0; i < kLines; ++i) lines[i].rest[0] = i;
  u64 random = 88172645463325252u;
  for (u64 i = kLines - 1; i > 0; --i) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    const u64 j = random % i, other = lines[j].rest[0];
    lines[j].rest[0] = lines[i].rest[0];
    lines[i].rest[0] = other;
  }
  for (u64 i = 0; i < kLines; ++i) lines[i].next = &lines[lines[i].rest[0]];
  return lines;
}

u64 workload(void) {
  struct line* at = build();
  u64 sum = 0;
  for (u32 i = 0; i < kSteps; ++i) {
    sum += (u64)at;
    at = at->next;
  }
  return sum;
}
