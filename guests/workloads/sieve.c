/* SPDX-License-Identifier: Apache-2.0
   The sieve of Eratosthenes over four million bytes, repeated: short loops of byte stores with a stride. */
#include "workload.h"

enum { kLimit = 4000000, kRepeats = 12 };

u64 workload(void) {
  u8* composite = WORKLOAD_MEMORY;
  u64 primes = 0;
  for (u32 repeat = 0; repeat < kRepeats; ++repeat) {
    for (u32 i = 0; i < kLimit; ++i) composite[i] = 0;
    for (u32 i = 2; i < kLimit; ++i) {
      if (composite[i]) continue;
      ++primes;
      for (u64 k = (u64)i * i; k < kLimit; k += i) composite[k] = 1;
    }
  }
  return primes;
}
