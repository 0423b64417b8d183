// SPDX-License-Identifier: Apache-2.0
// Doorbell of conformance cases: a 32-bit write asks the host to perform a step; a read returns that step's
// result. Nobody there: all ones.
#pragma once

#include <functional>

#include "platform/devices/register_model.h"

namespace pmusim::platform {

inline constexpr u16 kDoorbellPort = 0xd0b0, kDoorbellPorts = 4;

class Doorbell final : public RegisterModel {
 public:
  std::function<u32(u32 step)> on_ring;
  u64 read(u64, unsigned) override { return on_ring ? result_ : ~u64{0}; }
  void write(u64, u64 value, unsigned) override {
    if (on_ring) result_ = on_ring(static_cast<u32>(value));
  }
  void reset() override { result_ = ~0u; }
  void archive(Archive& a) override { a(result_); }

 private:
  u32 result_ = ~0u;
};

}  // namespace pmusim::platform
