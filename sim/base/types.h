// SPDX-License-Identifier: Apache-2.0
// Short names for fixed-width integers, used throughout the simulator.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pmusim {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using s8 = std::int8_t;
using s16 = std::int16_t;
using s32 = std::int32_t;
using s64 = std::int64_t;
__extension__ typedef unsigned __int128 u128;  // exact clock ratios, wide multiply and divide

inline constexpr u64 kNever = ~u64{0};  // a deadline that does not exist

}  // namespace pmusim
