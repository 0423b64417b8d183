/* SPDX-License-Identifier: Apache-2.0
   Integer arithmetic in registers: shifts, additions, multiplications, conditional moves. */
#include "workload.h"

u64 workload(void) {
  u64 a = 88172645463325252u, b = 1, sum = 0;
  for (u32 i = 0; i < 25000000; ++i) {
    a ^= a << 13;
    a ^= a >> 7;
    a ^= a << 17;
    b = b * 6364136223846793005u + 1442695040888963407u;
    sum += a > b ? a - b : b ^ i;
  }
  return sum;
}
