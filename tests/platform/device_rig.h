// SPDX-License-Identifier: Apache-2.0
// For tests of single devices: a clock to set, and a bus that records messages.
#pragma once

#include <vector>

#include "platform/apic/local_apic.h"
#include "platform/devices/device_clock.h"

namespace pmusim::platform::test {

struct SetClock final : DeviceClock {
  u64 now = 0;
  u64 nanoseconds() const override { return now; }
};

struct RecordingBus final : ApicBus {
  std::vector<ApicMessage> sent;
  void send(const ApicMessage& m) override { sent.push_back(m); }
};

// What a device reads after being saved and restored into another.
template <class Device>
void copy_state(Device& from, Device& to) {
  Archive save;
  from.archive(save);
  const std::vector<u8> bytes = save.take();
  Archive load(bytes);
  to.archive(load);
}

}  // namespace pmusim::platform::test
