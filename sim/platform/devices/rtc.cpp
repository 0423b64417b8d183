// SPDX-License-Identifier: Apache-2.0
// MC146818.
#include "platform/devices/rtc.h"

#include <algorithm>

namespace pmusim::platform {
namespace {

constexpr u8 kSeconds = 0, kMinutes = 2, kHours = 4, kWeekday = 6, kDay = 7, kMonth = 8, kYear = 9;
constexpr u8 kRegisterA = 0xa, kRegisterB = 0xb, kRegisterC = 0xc, kRegisterD = 0xd, kCentury = 0x32;
constexpr u8 kUpdateInProgress = 0x80, k24Hours = 2, kBinary = 4, kValid = 0x80;
constexpr u64 kUpdateNotice = 244'000;  // nanoseconds before an update (data sheet, "Update Cycle")

struct Date {
  u64 year, month, day;
};

// Proleptic Gregorian calendar, days since 1970-01-01; years of 366 days every 4, 100, 400 years.
Date date_of(u64 days) {
  const auto leap = [](u64 y) { return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0; };
  u64 year = 1970;
  while (days >= (leap(year) ? 366u : 365u)) days -= leap(year++) ? 366 : 365;
  static constexpr u8 kLength[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  u64 month = 0;
  for (;; ++month) {
    const u64 length = kLength[month] + (month == 1 && leap(year));
    if (days < length) break;
    days -= length;
  }
  return {year, month + 1, days + 1};
}

}  // namespace

u8 Rtc::number(u64 value) const {
  return static_cast<u8>(memory_[kRegisterB] & kBinary ? value : value / 10 << 4 | value % 10);
}

u8 Rtc::hours(u64 hour) const {
  if (memory_[kRegisterB] & k24Hours) return number(hour);
  return static_cast<u8>(number(hour % 12 ? hour % 12 : 12) | (hour >= 12 ? 0x80 : 0));
}

u8 Rtc::time_register(u8 index) const {
  const u64 now = start_time + clock_.nanoseconds() / kNanosecondsPerSecond;
  const u64 days = now / 86400, second = now % 86400;
  switch (index) {
    case kSeconds:
      return number(second % 60);
    case kMinutes:
      return number(second / 60 % 60);
    case kHours:
      return hours(second / 3600);
    case kWeekday:
      return number((days + 4) % 7 + 1);  // 1970-01-01 was a Thursday; Sunday is 1
    case kDay:
      return number(date_of(days).day);
    case kMonth:
      return number(date_of(days).month);
    case kYear:
      return number(date_of(days).year % 100);
    default:
      return number(date_of(days).year / 100);
  }
}

u8 Rtc::read_byte(u64 offset) {
  if (offset == 0) return 0xff;  // the index is write-only
  switch (index_) {
    case kSeconds:
    case kMinutes:
    case kHours:
    case kWeekday:
    case kDay:
    case kMonth:
    case kYear:
    case kCentury:
      return time_register(index_);
    case kRegisterA: {
      const u64 within = clock_.nanoseconds() % kNanosecondsPerSecond;
      const bool soon = within >= kNanosecondsPerSecond - kUpdateNotice;
      return static_cast<u8>((memory_[kRegisterA] & 0x7f) | (soon ? kUpdateInProgress : 0));
    }
    case kRegisterC:
      return 0;
    case kRegisterD:
      return kValid;
    default:
      return memory_[index_];
  }
}

void Rtc::write_byte(u64 offset, u8 value) {
  if (offset == 0)
    index_ = value & 0x7f;
  else
    memory_[index_] = value;
}

void Rtc::reset() {
  index_ = 0;
  std::fill(std::begin(memory_), std::end(memory_), 0);
  memory_[kRegisterA] = 0x26;  // 32768 Hz time base, 1024 Hz rate
  memory_[kRegisterB] = k24Hours;
}

}  // namespace pmusim::platform
