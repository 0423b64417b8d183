// SPDX-License-Identifier: Apache-2.0
// Local APIC registers: the xAPIC page, the x2APIC MSRs with their #GP rules, and IA32_APIC_BASE.
#include "platform/apic/local_apic.h"

#include <algorithm>

#include "arch/msr.h"
#include "base/bits.h"

namespace pmusim::platform {
using namespace apic;

namespace {

// Writable bits of the six entries timer, thermal, performance, LINT0, LINT1, error.
constexpr u32 kLvtWritable[6] = {0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff};
constexpr u32 kVersionValue = 0x14 | 5u << 16;  // integrated APIC, six LVT entries
constexpr u32 kEsrIllegalRegister = 1 << 7;

}  // namespace

void LocalApic::power_on(u32 id, bool bootstrap, const ApicFeatures& features) {
  features_ = features;
  id_ = xapic_id_ = id;
  base_ = kBaseDefault | kBaseEnable | (bootstrap ? kBaseBsp : 0);
  external_ = false;
  reset_registers();
}

void LocalApic::init() {
  reset_registers();
}

void LocalApic::reset_registers() {
  tpr_ = ldr_ = esr_ = esr_pending_ = divide_ = initial_count_ = 0;
  icr_ = 0;
  dfr_ = ~0u;
  svr_ = 0xff;
  std::fill(std::begin(isr_), std::end(isr_), 0);
  std::fill(std::begin(tmr_), std::end(tmr_), 0);
  std::fill(std::begin(irr_), std::end(irr_), 0);
  std::fill(std::begin(lvt_), std::end(lvt_), kMasked);
  timer_running_ = false;
  tsc_deadline_ = 0;
  nmi_pending_ = init_pending_ = false;
  sipi_vector_ = -1;
}

void LocalApic::connect_virtual_wire() {
  const auto entry = [this](u32 offset) -> u32& { return lvt_[(offset - kLvtTimer) / 16]; };
  entry(kLvtLint0) = static_cast<u32>(ApicDelivery::ExtInt) << 8;
  entry(kLvtLint1) = static_cast<u32>(ApicDelivery::Nmi) << 8;
}

// SDM, "x2APIC State Transitions": disabled to x2APIC, and x2APIC back to xAPIC, are illegal.
bool LocalApic::write_base(u64 value) {
  const u64 reserved = 0xff | bit(9) | ~mask(features_.physical_bits) | (features_.x2apic ? 0 : kBaseExtd);
  if (value & reserved) return false;
  const bool new_enable = value & kBaseEnable, new_extd = value & kBaseExtd;
  if (new_extd && !new_enable) return false;
  if (x2apic() && new_enable && !new_extd) return false;
  if (!enabled() && new_extd) return false;
  const bool was_enabled = enabled();
  base_ = value;
  // Leaving a mode for "disabled" loses the registers; the initial ID is back when it is enabled again.
  if (was_enabled && !new_enable) reset_registers();
  if (!was_enabled && new_enable) xapic_id_ = id_;
  return true;
}

u32 LocalApic::logical_id() const {
  return x2apic() ? (id_ >> 4) << 16 | 1u << (id_ & 15) : ldr_;
}

u32 LocalApic::read_register(u32 offset, bool& known) {
  known = true;
  if (offset >= kIsr && offset < kTmr) return isr_[(offset - kIsr) / 16];
  if (offset >= kTmr && offset < kIrr) return tmr_[(offset - kTmr) / 16];
  if (offset >= kIrr && offset < kEsr) return irr_[(offset - kIrr) / 16];
  if (offset >= kLvtTimer && offset <= kLvtError) return lvt(offset);
  switch (offset) {
    case kId:
      return x2apic() ? id_ : xapic_id_ << 24;
    case kVersion:
      return kVersionValue;
    case kTpr:
      return tpr_;
    case kPpr:
      return processor_priority();
    case kLdr:
      return logical_id();
    case kSvr:
      return svr_;
    case kEsr:
      return esr_;
    case kInitialCount:
      return initial_count_;
    case kCurrentCount:
      return current_count();
    case kDivide:
      return divide_;
    default:
      break;
  }
  known = false;
  return 0;
}

u32 LocalApic::read(u32 offset) {
  if (offset & 15) return 0;
  update();
  switch (offset) {
    case kApr:
      return 0;
    case kEoi:
      return 0;
    case kDfr:
      return dfr_;
    case kIcr:
      return static_cast<u32>(icr_);
    case kIcrHigh:
      return static_cast<u32>(icr_ >> 32);
    default:
      break;
  }
  bool known;
  const u32 value = read_register(offset, known);
  if (!known) error(kEsrIllegalRegister);
  return value;
}

void LocalApic::write(u32 offset, u32 value) {
  if (offset & 15) return;
  update();
  if (offset >= kLvtTimer && offset <= kLvtError) return write_lvt(offset, value);
  switch (offset) {
    case kTpr:
      tpr_ = value & 0xff;
      return;
    case kEoi:
      end_of_interrupt();
      return;
    case kLdr:
      ldr_ = value & 0xff000000;
      return;
    case kDfr:
      dfr_ = value | 0x0fffffff;
      return;
    case kSvr:
      svr_ = value & 0x3ff;
      if (!software_enabled())
        for (u32& entry : lvt_) entry |= kMasked;
      return;
    case kEsr:
      esr_ = esr_pending_;
      esr_pending_ = 0;
      return;
    case kIcr:
      write_icr((icr_ & ~mask(32)) | value);
      return;
    case kIcrHigh:
      icr_ = (icr_ & mask(32)) | static_cast<u64>(value & 0xff000000) << 32;
      return;
    case kInitialCount:
      if (timer_mode() == kTimerTscDeadline) return;
      initial_count_ = value;
      start_timer();
      return;
    case kDivide: {
      const u32 remaining = current_count();
      divide_ = value & 0xb;
      if (timer_running_) rebase_timer(remaining);
      return;
    }
    case kId:
      xapic_id_ = value >> 24;
      return;
    case kVersion:
    case kApr:
    case kPpr:
    case kRrd:
    case kCurrentCount:
      return;  // read-only
    default:
      break;
  }
  if (offset >= kIsr && offset < kEsr) return;
  error(kEsrIllegalRegister);
}

void LocalApic::write_lvt(u32 offset, u32 value) {
  const u32 index = (offset - kLvtTimer) / 16;
  u32 writable = kLvtWritable[index];
  if (index == 0 && !features_.tsc_deadline) writable &= ~(1u << 18);
  value &= writable;
  if (!software_enabled()) value |= kMasked;
  const u32 old_mode = timer_mode();
  lvt_[index] = value;
  // Moving between TSC-deadline and the counting modes disarms the timer (SDM, "TSC-Deadline Mode").
  if (index == 0 && (old_mode == kTimerTscDeadline) != (timer_mode() == kTimerTscDeadline)) {
    timer_running_ = false;
    tsc_deadline_ = 0;
    initial_count_ = 0;
  }
}

bool LocalApic::read_msr(u32 index, u64& value) {
  if (!x2apic() || index < msr::kX2ApicFirst || index > msr::kX2ApicLast) return false;
  update();
  const u32 offset = (index - msr::kX2ApicFirst) * 16;
  if (offset == kIcr) {
    value = icr_;
    return true;
  }
  bool known;
  value = read_register(offset, known);
  return known;
}

bool LocalApic::write_msr(u32 index, u64 value) {
  if (!x2apic() || index < msr::kX2ApicFirst || index > msr::kX2ApicLast) return false;
  const u32 offset = (index - msr::kX2ApicFirst) * 16;
  if (offset == kIcr) {
    // Reserved in x2APIC mode: bits 31:20, 17:16, 13 and the delivery status, 12.
    if (value & 0xfff33000) return false;
    update();
    write_icr(value);
    return true;
  }
  if (value >> 32) return false;
  const u32 low = static_cast<u32>(value);
  if (offset >= kLvtTimer && offset <= kLvtError) {
    // Delivery status and remote IRR are read-only, not reserved.
    if (low & ~(kLvtWritable[(offset - kLvtTimer) / 16] | 0x5000)) return false;
    write(offset, low);
    return true;
  }
  u32 allowed;
  switch (offset) {
    case kTpr:
      allowed = 0xff;
      break;
    case kEoi:
    case kEsr:
      allowed = 0;
      break;
    case kSvr:
      allowed = 0x3ff;
      break;
    case kInitialCount:
      allowed = ~0u;
      break;
    case kDivide:
      allowed = 0xb;
      break;
    case kSelfIpi:
      if (low & ~0xffu) return false;
      update();
      write_icr(low | static_cast<u64>(ApicShorthand::Self) << 18);
      icr_ = 0;
      return true;
    default:
      return false;  // read-only or reserved
  }
  if (low & ~allowed) return false;
  write(offset, low);
  return true;
}

void LocalApic::archive(Archive& a) {
  a(base_, id_, xapic_id_, tpr_, ldr_, dfr_, svr_, esr_, esr_pending_, divide_, icr_, isr_, tmr_, irr_, lvt_,
    initial_count_, timer_running_, timer_end_ticks_, tsc_deadline_, nmi_pending_, init_pending_,
    sipi_vector_, external_);
}

}  // namespace pmusim::platform
