// SPDX-License-Identifier: Apache-2.0
// Random values with a bias to where instructions change their behaviour: sign boundaries, selectors,
// floating-point specials, exceptions unmasked.
#pragma once

#include "arena.h"
#include "base/rng.h"

namespace pmusim::silicon {

class Values {
 public:
  explicit Values(Rng& rng) : rng_(rng) {}

  u64 integer();
  u16 selector();
  // One of the kinds that instructions tell apart, in every element width.
  void vector(u8* to);
  void extended(u8* to);
  void fx(FxImage& to);

 private:
  Rng& rng_;
};

}  // namespace pmusim::silicon
