// SPDX-License-Identifier: Apache-2.0
// A local APIC: xAPIC page and x2APIC MSRs, interrupt acceptance, inter-processor interrupts, local vector
// table and timer (Intel SDM Vol. 3, "Advanced Programmable Interrupt Controller"; AMD APM Vol. 2, 16).
// The xAPIC ID can be written, as on AMD's parts and KVM's; on Intel's that differs by model ("Local APIC
// ID"). Serves as the physical CPU's APIC and as a hypervisor's virtual one; it knows its owner only as
// ApicBus and ApicClock, and time only when asked. ExtINT: the level of an 8259A's output, passed through
// LINT0 or, while the APIC is off, past it; the vector comes from the 8259A. Not modelled: CMCI entry, AMD's
// extended LVT, focus checking, level-triggered local sources, SMI delivery (dropped), EOI broadcast
// suppression (not offered in the version register).
#pragma once

#include "base/archive.h"
#include "base/types.h"

namespace pmusim::platform {

// Offsets of the xAPIC page; the x2APIC MSR is 800h + offset / 16.
namespace apic {
inline constexpr u32 kId = 0x20, kVersion = 0x30, kTpr = 0x80, kApr = 0x90, kPpr = 0xa0, kEoi = 0xb0,
                     kRrd = 0xc0, kLdr = 0xd0, kDfr = 0xe0, kSvr = 0xf0, kIsr = 0x100, kTmr = 0x180,
                     kIrr = 0x200, kEsr = 0x280, kIcr = 0x300, kIcrHigh = 0x310, kLvtTimer = 0x320,
                     kLvtThermal = 0x330, kLvtPc = 0x340, kLvtLint0 = 0x350, kLvtLint1 = 0x360,
                     kLvtError = 0x370, kInitialCount = 0x380, kCurrentCount = 0x390, kDivide = 0x3e0,
                     kSelfIpi = 0x3f0;
inline constexpr u32 kMasked = 1 << 16;
inline constexpr u64 kBaseDefault = 0xfee00000, kBaseBsp = 1 << 8, kBaseExtd = 1 << 10, kBaseEnable = 1 << 11;
}  // namespace apic

enum class ApicDelivery : u8 { Fixed = 0, Lowest = 1, Smi = 2, Nmi = 4, Init = 5, Sipi = 6, ExtInt = 7 };
inline constexpr u32 kNoApic = 0xffffffff;  // a message's source: an I/O APIC or 8259A
enum class ApicShorthand : u8 { None = 0, Self = 1, All = 2, AllButSelf = 3 };

struct ApicMessage {
  ApicDelivery delivery = ApicDelivery::Fixed;
  ApicShorthand shorthand = ApicShorthand::None;
  u8 vector = 0;
  bool logical = false;
  bool level_trigger = false;
  bool deassert = false;   // INIT level de-assert: accepted and without effect. ExtINT: the line fell
  bool broadcast = false;  // destination is the sender's "all" pattern
  u32 destination = 0;
  u32 source = 0;  // APIC ID of the sender, or kNoApic
};

class ApicBus {
 public:
  virtual ~ApicBus() = default;
  virtual void send(const ApicMessage& message) = 0;  // everything except Self, which the APIC keeps
  virtual void broadcast_eoi(u8) {}                   // of a level-triggered vector, to I/O APICs
};

// The owner's clocks. Timer ticks come from the undivided timer clock.
class ApicClock {
 public:
  virtual ~ApicClock() = default;
  virtual u64 cycle() const = 0;
  virtual u64 tsc() const = 0;
  virtual u64 cycle_at_tsc(u64 tsc) const = 0;  // first cycle at which tsc() has reached it
  virtual u64 timer_ticks() const = 0;
  virtual u64 cycle_at_timer_ticks(u64 ticks) const = 0;
};

struct ApicFeatures {
  bool x2apic = true;
  bool tsc_deadline = true;
  bool masks_lvtpc_on_pmi = true;  // Intel sets the mask bit when it handles a PMI; AMD does not
  unsigned physical_bits = 46;
  u64 least_period = 0;  // of the periodic timer, in timer ticks; shorter ones are lengthened to it
};

class LocalApic {
 public:
  LocalApic(ApicBus& bus, const ApicClock& clock) : bus_(&bus), clock_(&clock) {}

  void power_on(u32 id, bool bootstrap, const ApicFeatures& features);
  void init();  // after an INIT: as power-on except ID and IA32_APIC_BASE

  // IA32_APIC_BASE. write: false = #GP (reserved bits, illegal transition).
  u64 base() const { return base_; }
  bool write_base(u64 value);
  bool enabled() const { return base_ & apic::kBaseEnable; }
  bool x2apic() const { return base_ & apic::kBaseExtd; }
  u64 page() const { return base_ & ~u64{0xfff}; }
  bool claims(u64 physical) const { return enabled() && !x2apic() && physical >> 12 == base_ >> 12; }

  // xAPIC page. Offsets that are not a multiple of 16 read as their register's bytes do on real parts:
  // undefined; here 0. Reserved registers read 0 and set "illegal register address".
  u32 read(u32 offset);
  void write(u32 offset, u32 value);
  // x2APIC MSRs 800h-8FFh. false: #GP, always so outside x2APIC mode.
  bool read_msr(u32 index, u64& value);
  bool write_msr(u32 index, u64 value);
  // IA32_TSC_DEADLINE; the owner has checked that it exists.
  u64 tsc_deadline() const;
  void write_tsc_deadline(u64 value);

  u64 cr8() const { return tpr_ >> 4; }
  void write_cr8(u64 value) { tpr_ = static_cast<u32>(value & 15) << 4; }

  // Acceptance. accepts() is the destination match; receive() takes the message in.
  bool accepts(const ApicMessage& message) const;
  void receive(const ApicMessage& message);
  u8 processor_priority() const;

  // Local sources. The result says what happened, for event streams.
  enum class Local : u8 { Masked, Fixed, Nmi, Other };
  Local pmi();
  Local deliver_local(u32 lvt_offset);
  void raise_nmi() { nmi_pending_ = true; }  // at most one is latched

  // Timer: fires what is due; the next cycle at which something will be, or kNever.
  void update();
  u64 next_deadline() const;

  // Maskable interrupts. pending(): -1 or the vector that would be delivered now.
  int pending() const;
  void acknowledge(u8 vector);  // IRR to ISR
  // An 8259A asks and may interrupt; its vector is read from it, and nothing changes here.
  bool external_pending() const;
  bool interrupt_pending() const { return external_pending() || pending() >= 0; }
  // As PC firmware leaves the bootstrap processor (virtual wire mode): LINT0 is ExtINT, LINT1 is NMI.
  void connect_virtual_wire();
  bool nmi_pending() const { return nmi_pending_; }
  void take_nmi() { nmi_pending_ = false; }
  bool init_pending() const { return init_pending_; }
  void take_init() { init_pending_ = false; }
  int sipi_vector() const { return sipi_vector_; }
  void take_sipi() { sipi_vector_ = -1; }

  u32 id() const { return id_; }
  u32 lvt(u32 offset) const { return lvt_[(offset - apic::kLvtTimer) / 16]; }
  bool in_service(u8 vector) const { return isr_[vector / 32] >> (vector % 32) & 1; }

  void archive(Archive& a);

 private:
  enum : u32 { kTimerOneShot = 0, kTimerPeriodic = 1, kTimerTscDeadline = 2 };
  bool software_enabled() const { return svr_ & 0x100; }
  u32 timer_mode() const { return lvt_[0] >> 17 & 3; }
  u32 divisor_shift() const;
  u64 ticks_left() const;
  u32 current_count() const;
  u64 period() const;  // timer ticks from start to expiry, with the mode as it is
  void start_timer();
  void rebase_timer(u32 remaining);
  void reset_registers();
  void write_lvt(u32 offset, u32 value);
  void write_icr(u64 value);
  void request(u8 vector, bool level);
  void error(u32 bit);
  void end_of_interrupt();
  u32 read_register(u32 offset, bool& known);
  u32 logical_id() const;

  ApicBus* bus_;
  const ApicClock* clock_;
  ApicFeatures features_;
  u64 base_ = apic::kBaseDefault;
  u32 id_ = 0;        // initial and x2APIC ID
  u32 xapic_id_ = 0;  // of the xAPIC page
  u32 tpr_ = 0, ldr_ = 0, dfr_ = 0, svr_ = 0, esr_ = 0, esr_pending_ = 0, divide_ = 0;
  u64 icr_ = 0;
  u32 isr_[8] = {}, tmr_[8] = {}, irr_[8] = {};
  u32 lvt_[6] = {};
  u32 initial_count_ = 0;
  bool timer_running_ = false;
  u64 timer_end_ticks_ = 0;  // timer clock at which the count reaches 0
  u64 tsc_deadline_ = 0;     // 0: not armed
  bool nmi_pending_ = false, init_pending_ = false;
  bool external_ = false;  // level of the 8259A's output; no reset of the APIC changes it
  s32 sipi_vector_ = -1;
};

}  // namespace pmusim::platform
