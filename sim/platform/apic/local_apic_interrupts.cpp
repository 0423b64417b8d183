// SPDX-License-Identifier: Apache-2.0
// Acceptance and priority of interrupts, inter-processor interrupts, and the local vector table's deliveries.
#include "platform/apic/local_apic.h"

namespace pmusim::platform {
using namespace apic;

namespace {

constexpr u32 kEsrSendIllegal = 1 << 5, kEsrReceiveIllegal = 1 << 6;

int highest(const u32 (&set)[8]) {
  for (int word = 7; word >= 0; --word)
    if (set[word]) return word * 32 + 31 - __builtin_clz(set[word]);
  return -1;
}

}  // namespace

void LocalApic::error(u32 bit) {
  esr_pending_ |= bit;
  // Delivering the error interrupt cannot itself report an illegal vector: that would recurse.
  if ((lvt(kLvtError) & 0xff) >= 16) deliver_local(kLvtError);
}

void LocalApic::request(u8 vector, bool level) {
  if (vector < 16) return error(kEsrReceiveIllegal);
  if (!software_enabled()) return;
  irr_[vector / 32] |= 1u << (vector % 32);
  if (level)
    tmr_[vector / 32] |= 1u << (vector % 32);
  else
    tmr_[vector / 32] &= ~(1u << (vector % 32));
}

u8 LocalApic::processor_priority() const {
  const int service = highest(isr_);
  const u32 isr_class = service < 0 ? 0 : static_cast<u32>(service) & 0xf0;
  return static_cast<u8>((tpr_ & 0xf0) >= isr_class ? tpr_ : isr_class);
}

int LocalApic::pending() const {
  if (!enabled()) return -1;
  const int vector = highest(irr_);
  if (vector < 0 || (vector & 0xf0) <= (processor_priority() & 0xf0)) return -1;
  return vector;
}

// With the APIC globally disabled its LINT0 pin is the processor's INTR (SDM, "Enabling or Disabling the
// Local APIC").
bool LocalApic::external_pending() const {
  if (!external_) return false;
  const u32 entry = lvt(kLvtLint0);
  return !enabled() ||
         (!(entry & kMasked) && static_cast<ApicDelivery>(entry >> 8 & 7) == ApicDelivery::ExtInt);
}

void LocalApic::acknowledge(u8 vector) {
  irr_[vector / 32] &= ~(1u << (vector % 32));
  isr_[vector / 32] |= 1u << (vector % 32);
}

void LocalApic::end_of_interrupt() {
  const int vector = highest(isr_);
  if (vector < 0) return;
  const u32 bit = 1u << (vector % 32);
  isr_[vector / 32] &= ~bit;
  if (tmr_[vector / 32] & bit) bus_->broadcast_eoi(static_cast<u8>(vector));
}

LocalApic::Local LocalApic::deliver_local(u32 lvt_offset) {
  const u32 entry = lvt(lvt_offset);
  if (!enabled() || (entry & kMasked)) return Local::Masked;
  // Timer and error entries have no delivery mode: always fixed.
  const u32 mode = lvt_offset == kLvtTimer || lvt_offset == kLvtError ? 0 : entry >> 8 & 7;
  switch (static_cast<ApicDelivery>(mode)) {
    case ApicDelivery::Fixed:
      request(static_cast<u8>(entry), false);
      return Local::Fixed;
    case ApicDelivery::Nmi:
      nmi_pending_ = true;
      return Local::Nmi;
    default:
      return Local::Other;
  }
}

LocalApic::Local LocalApic::pmi() {
  const Local result = deliver_local(kLvtPc);
  if (result != Local::Masked && features_.masks_lvtpc_on_pmi) lvt_[(kLvtPc - kLvtTimer) / 16] |= kMasked;
  return result;
}

void LocalApic::write_icr(u64 value) {
  icr_ = value & ~u64{1 << 12};  // the delivery status never stays busy, whether or not anybody accepts
  if (!enabled()) return;
  ApicMessage m;
  m.vector = static_cast<u8>(value);
  m.delivery = static_cast<ApicDelivery>(value >> 8 & 7);
  m.logical = value >> 11 & 1;
  m.deassert = m.delivery == ApicDelivery::Init && (value >> 15 & 1) && !(value >> 14 & 1);
  m.level_trigger = false;  // trigger mode is ignored for all but the INIT de-assert
  m.shorthand = static_cast<ApicShorthand>(value >> 18 & 3);
  m.destination = static_cast<u32>(x2apic() ? value >> 32 : value >> 56);
  m.broadcast = m.destination == (x2apic() ? 0xffffffffu : 0xffu);
  m.source = id_;
  const bool fixed = m.delivery == ApicDelivery::Fixed || m.delivery == ApicDelivery::Lowest;
  if (fixed && m.vector < 16) return error(kEsrSendIllegal);
  if (m.shorthand == ApicShorthand::Self) {
    if (m.delivery == ApicDelivery::Fixed) request(m.vector, false);
    return;  // other modes are illegal with "self" (SDM, "Valid Combinations")
  }
  bus_->send(m);
}

bool LocalApic::accepts(const ApicMessage& m) const {
  if (!enabled() && m.delivery != ApicDelivery::Init && m.delivery != ApicDelivery::Sipi &&
      m.delivery != ApicDelivery::ExtInt)
    return false;
  switch (m.shorthand) {
    case ApicShorthand::Self:
      return m.source == id_;
    case ApicShorthand::All:
      return true;
    case ApicShorthand::AllButSelf:
      return m.source != id_;
    case ApicShorthand::None:
      break;
  }
  if (m.broadcast) return true;
  if (!m.logical) return m.destination == (x2apic() ? id_ : xapic_id_);
  if (x2apic()) {
    const u32 mine = logical_id();
    return m.destination >> 16 == mine >> 16 && (m.destination & mine & 0xffff);
  }
  const u32 mine = ldr_ >> 24, dest = m.destination & 0xff;
  if (dfr_ >> 28 == 0xf) return mine & dest;
  if (dfr_ >> 28 == 0) return (dest >> 4 == mine >> 4 || dest >> 4 == 0xf) && (mine & dest & 0xf);
  return false;
}

void LocalApic::receive(const ApicMessage& m) {
  switch (m.delivery) {
    case ApicDelivery::Fixed:
    case ApicDelivery::Lowest:
      request(m.vector, m.level_trigger);
      break;
    case ApicDelivery::Nmi:
      nmi_pending_ = true;
      break;
    case ApicDelivery::Init:
      if (!m.deassert) init_pending_ = true;
      break;
    case ApicDelivery::Sipi:
      sipi_vector_ = m.vector;
      break;
    case ApicDelivery::ExtInt:
      external_ = !m.deassert;
      break;
    case ApicDelivery::Smi:
      break;
  }
}

}  // namespace pmusim::platform
