// SPDX-License-Identifier: Apache-2.0
// 8254 interval timer at 40H-43H and the system control port 61H that gates channel 2 and shows its output.
// Counts are computed from the device clock at 1193182 Hz, after the 8254 data sheet: six modes, latch and
// read-back commands, gates. Channel 0 drives IRQ 0, once per expiry however many were missed.
// Not modelled: BCD counting (the bit is stored, counts are binary), the half cycles of mode 3's reload; in
// modes 2 and 3 a new count begins at once (the part ends the period first), and a low gate holds the output,
// not the count.
#pragma once

#include <functional>

#include "platform/devices/device_clock.h"
#include "platform/devices/register_model.h"

namespace pmusim::platform {

inline constexpr u64 kPitHz = 1193182;
inline constexpr u16 kPitPort = 0x40, kPitPorts = 4, kSystemControlPort = 0x61, kSystemControlPorts = 1;
inline constexpr unsigned kPitIrq = 0;

class Pit final : public ByteRegisters {
 public:
  explicit Pit(const DeviceClock& clock) : clock_(clock) {}
  std::function<void(bool)> on_interrupt;  // channel 0's output where it changes

  u8 read_byte(u64 offset) override;
  void write_byte(u64 offset, u8 value) override;
  void reset() override;
  void archive(Archive& a) override;

  void set_gate(unsigned channel, bool level);
  bool gate(unsigned channel) const { return channels_[channel].gate; }
  bool output(unsigned channel) const;

  void update();              // raises what is due
  u64 next_deadline() const;  // nanoseconds, or kNever

 private:
  struct Channel {
    u8 mode = 0, access = 3, control = 0;
    u16 reload = 0;        // 0: 65536
    bool running = false;  // a count was written (and, in modes 1 and 5, triggered)
    bool loaded = false;   // a count was written
    bool gate = true;
    u64 start = 0;    // tick at which the count was loaded
    u64 elapsed = 0;  // ticks counted before the gate closed (modes 0 and 4)
    bool high_next = false, write_high_next = false;
    u8 written_low = 0;
    u8 latched_bytes = 0;  // of the latched count, still to be read
    u16 latched = 0;
    bool status_latched = false;
    u8 status = 0;
    void archive(Archive& a);
  };
  u64 now() const { return ticks_at(clock_.nanoseconds(), kPitHz); }
  static u64 period(const Channel& c) { return c.reload ? c.reload : 65536; }
  u64 elapsed(const Channel& c) const;
  u16 count(const Channel& c) const;
  bool output(const Channel& c) const;
  void command(u8 value);
  void latch_count(Channel& c);
  void load(unsigned index, u16 value);
  void schedule();
  void drive(bool level);

  const DeviceClock& clock_;
  Channel channels_[3];
  u64 next_expiry_ = kNever;  // tick of channel 0's next rising edge
  bool line_ = true;
};

class SystemControl final : public ByteRegisters {
 public:
  SystemControl(Pit& pit, const DeviceClock& clock) : pit_(pit), clock_(clock) {}
  u8 read_byte(u64 offset) override;
  void write_byte(u64 offset, u8 value) override;
  void reset() override { speaker_ = false; }
  void archive(Archive& a) override { a(speaker_); }

 private:
  Pit& pit_;
  const DeviceClock& clock_;
  bool speaker_ = false;
};

}  // namespace pmusim::platform
