/* SPDX-License-Identifier: Apache-2.0
   Calls and returns: a doubly recursive function, and an indirect call per leaf. */
#include "workload.h"

static u64 one(u64 n) {
  return n;
}
static u64 two(u64 n) {
  return n + 1;
}
static u64 (*volatile const leaves[2])(u64) = {one, two};

static __attribute__((noinline)) u64 walk(u64 n) {
  if (n < 2) return leaves[n](n);
  return walk(n - 1) + walk(n - 2);
}

u64 workload(void) {
  return walk(35);
}
