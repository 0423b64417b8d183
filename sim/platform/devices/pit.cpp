// SPDX-License-Identifier: Apache-2.0
// 8254 and port 61H.
#include "platform/devices/pit.h"

#include <algorithm>

namespace pmusim::platform {

void Pit::Channel::archive(Archive& a) {
  a(mode, access, control, reload, running, loaded, gate, start, elapsed, high_next, write_high_next,
    written_low, latched_bytes, latched, status_latched, status);
}

u64 Pit::elapsed(const Channel& c) const {
  const bool holds = (c.mode == 0 || c.mode == 4) && !c.gate;
  // A CPU that runs later in the same window may still be before the cycle at which another loaded the count.
  const u64 n = now();
  return c.elapsed + (holds || n < c.start ? 0 : n - c.start);
}

// The counting element: it goes on from 0 to FFFFH where the mode does not reload it.
u16 Pit::count(const Channel& c) const {
  if (!c.running) return c.reload;
  const u64 n = period(c), t = elapsed(c);
  switch (c.mode) {
    case 2:
      return static_cast<u16>(n - t % n);
    case 3:
      return static_cast<u16>(n - 2 * t % n);  // counts by two
    default:
      return static_cast<u16>(n - t);
  }
}

bool Pit::output(const Channel& c) const {
  if (!c.running) return c.mode != 0;  // in mode 0 low from the control word on
  const u64 n = period(c), t = elapsed(c);
  switch (c.mode) {
    case 0:
    case 1:
      return t >= n;
    case 2:
      return !c.gate || t % n != n - 1;
    case 3:
      return !c.gate || t % n < (n + 1) / 2;
    default:
      return t != n;  // strobe
  }
}

bool Pit::output(unsigned channel) const {
  return output(channels_[channel]);
}

void Pit::drive(bool level) {
  if (level == line_) return;
  line_ = level;
  if (on_interrupt) on_interrupt(level);
}

// Channel 0's next rising edge after now.
void Pit::schedule() {
  const Channel& c = channels_[0];
  next_expiry_ = kNever;
  if (!c.running) return;
  const u64 n = period(c), t = elapsed(c);
  switch (c.mode) {
    case 0:
    case 1:
      if (t < n) next_expiry_ = c.start + n;
      break;
    case 2:
    case 3:
      next_expiry_ = c.start + (t / n + 1) * n;
      break;
    default:
      if (t <= n) next_expiry_ = c.start + n + 1;
      break;
  }
}

void Pit::update() {
  if (next_expiry_ == kNever || now() < next_expiry_) return;
  drive(false);
  drive(true);
  schedule();
}

u64 Pit::next_deadline() const {
  return next_expiry_ == kNever ? kNever : nanoseconds_at(next_expiry_, kPitHz);
}

void Pit::load(unsigned index, u16 value) {
  Channel& c = channels_[index];
  c.reload = value;
  c.loaded = true;
  c.elapsed = 0;
  c.start = now();
  c.running = c.mode != 1 && c.mode != 5;  // those wait for the gate
  if (index != 0) return;
  if (c.mode == 0) drive(false);
  schedule();
}

void Pit::set_gate(unsigned channel, bool level) {
  Channel& c = channels_[channel];
  if (level == c.gate) return;
  if (c.mode == 0 || c.mode == 4) {
    if (!level) c.elapsed = elapsed(c);
    c.gate = level;
    c.start = now();
    return;
  }
  c.gate = level;
  if (!level || !c.loaded) return;
  c.running = true;
  c.elapsed = 0;
  c.start = now();
}

void Pit::latch_count(Channel& c) {
  if (c.latched_bytes) return;  // a second latch command is ignored until the first was read
  c.latched = count(c);
  c.latched_bytes = c.access == 3 ? 2 : 1;
}

void Pit::command(u8 value) {
  const unsigned select = value >> 6;
  if (select == 3) {  // read-back
    for (unsigned i = 0; i < 3; ++i) {
      Channel& c = channels_[i];
      if (!(value >> (i + 1) & 1)) continue;
      if (!(value & 0x20)) latch_count(c);
      if (!(value & 0x10) && !c.status_latched) {
        c.status_latched = true;
        c.status = static_cast<u8>((output(c) ? 0x80 : 0) | (c.loaded ? 0 : 0x40) | c.control);
      }
    }
    return;
  }
  Channel& c = channels_[select];
  const u8 access = value >> 4 & 3;
  if (access == 0) return latch_count(c);
  c.control = value & 0x3f;
  c.access = access;
  c.mode = value >> 1 & 7;
  if (c.mode > 5) c.mode &= 3;  // 6 and 7 are 2 and 3
  c.running = c.loaded = c.high_next = c.write_high_next = c.status_latched = false;
  c.latched_bytes = 0;
  if (select != 0) return;
  drive(c.mode != 0);
  schedule();
}

void Pit::write_byte(u64 offset, u8 value) {
  update();
  if (offset == 3) return command(value);
  Channel& c = channels_[offset];
  const unsigned index = static_cast<unsigned>(offset);
  if (c.access == 1) return load(index, value);
  if (c.access == 2) return load(index, static_cast<u16>(value << 8));
  if (!c.write_high_next)
    c.written_low = value;
  else
    load(index, static_cast<u16>(value << 8 | c.written_low));
  c.write_high_next = !c.write_high_next;
}

u8 Pit::read_byte(u64 offset) {
  update();
  if (offset == 3) return 0xff;  // write-only
  Channel& c = channels_[offset];
  if (c.status_latched) {
    c.status_latched = false;
    return c.status;
  }
  const bool latched = c.latched_bytes != 0;
  const u16 value = latched ? c.latched : count(c);
  if (latched) --c.latched_bytes;
  bool high = c.access == 2;
  if (c.access == 3) {
    high = c.high_next;
    c.high_next = !c.high_next;
  }
  return static_cast<u8>(high ? value >> 8 : value);
}

void Pit::reset() {
  std::fill(std::begin(channels_), std::end(channels_), Channel{});
  channels_[2].gate = false;  // port 61H
  next_expiry_ = kNever;
  line_ = true;  // outputs are high between power-on and the first control word
}

void Pit::archive(Archive& a) {
  for (Channel& c : channels_) c.archive(a);
  a(next_expiry_, line_);
}

// Bit 4 toggles with the memory refresh of old, every 15.085 us; bit 5 is channel 2's output.
u8 SystemControl::read_byte(u64) {
  const u64 refresh = clock_.nanoseconds() / 15085 & 1;
  return static_cast<u8>((pit_.gate(2) ? 1 : 0) | (speaker_ ? 2 : 0) | refresh << 4 |
                         (pit_.output(2) ? 0x20 : 0));
}

void SystemControl::write_byte(u64, u8 value) {
  pit_.set_gate(2, value & 1);
  speaker_ = value & 2;
}

}  // namespace pmusim::platform
