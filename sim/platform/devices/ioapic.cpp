// SPDX-License-Identifier: Apache-2.0
// 82093AA: register select at 00H, window at 10H; ID, version, arbitration, redirection table.
#include "platform/devices/ioapic.h"

#include <algorithm>

#include "base/bits.h"

namespace pmusim::platform {
namespace {

constexpr u64 kSelect = 0x00, kWindow = 0x10;
constexpr u32 kIdRegister = 0, kVersionRegister = 1, kArbitrationRegister = 2, kTable = 0x10;
constexpr u32 kVersion = 0x11 | (kIoApicInputs - 1) << 16;
constexpr u64 kMasked = 1 << 16, kLevel = 1 << 15, kRemoteIrr = 1 << 14, kLogical = 1 << 11;
constexpr u64 kWritable = 0xff00'0000'0001'afff;  // all but remote IRR and delivery status

ApicDelivery delivery_of(u64 entry) {
  return static_cast<ApicDelivery>(entry >> 8 & 7);
}
// Only interrupts with a vector of the entry have a level; the others are edges however they are programmed.
bool is_level(u64 entry) {
  return entry & kLevel &&
         (delivery_of(entry) == ApicDelivery::Fixed || delivery_of(entry) == ApicDelivery::Lowest);
}

}  // namespace

void IoApic::send(unsigned input) {
  const u64 entry = entries_[input];
  if (delivery_of(entry) == ApicDelivery::ExtInt) return;
  ApicMessage m;
  m.vector = static_cast<u8>(entry);
  m.delivery = delivery_of(entry);
  m.logical = entry & kLogical;
  m.level_trigger = is_level(entry);
  m.destination = static_cast<u32>(entry >> 56);
  m.broadcast = m.destination == 0xff;
  m.source = kNoApic;
  bus_->send(m);
}

void IoApic::serve_level(unsigned input) {
  u64& entry = entries_[input];
  if (!lines_[input] || !is_level(entry) || (entry & (kMasked | kRemoteIrr))) return;
  entry |= kRemoteIrr;
  send(input);
}

void IoApic::set_input(unsigned input, bool asserted) {
  const bool rises = asserted && !lines_[input];
  lines_[input] = asserted;
  if (is_level(entries_[input]))
    serve_level(input);
  else if (rises && !(entries_[input] & kMasked))
    send(input);
}

void IoApic::end_of_interrupt(u8 vector) {
  for (unsigned input = 0; input < kIoApicInputs; ++input) {
    u64& entry = entries_[input];
    if (static_cast<u8>(entry) != vector || !(entry & kLevel) || !(entry & kRemoteIrr)) continue;
    entry &= ~kRemoteIrr;
    serve_level(input);
  }
}

u32 IoApic::read_register() const {
  switch (select_) {
    case kIdRegister:
    case kArbitrationRegister:  // loaded with the ID
      return id_;
    case kVersionRegister:
      return kVersion;
    default:
      break;
  }
  if (select_ < kTable || select_ >= kTable + 2 * kIoApicInputs) return ~0u;
  return static_cast<u32>(entries_[(select_ - kTable) / 2] >> (select_ & 1 ? 32 : 0));
}

void IoApic::write_register(u32 value) {
  if (select_ == kIdRegister) id_ = value & 0x0f000000;
  if (select_ < kTable || select_ >= kTable + 2 * kIoApicInputs) return;
  const unsigned input = (select_ - kTable) / 2;
  u64& entry = entries_[input];
  const u64 half = select_ & 1 ? ~mask(32) : mask(32), writable = kWritable & half;
  entry = (entry & ~writable) | ((static_cast<u64>(value) << (select_ & 1 ? 32 : 0)) & writable);
  if (!is_level(entry)) entry &= ~kRemoteIrr;  // undefined for edges
  serve_level(input);
}

u64 IoApic::read(u64 offset, unsigned) {
  if (offset == kSelect) return select_;
  return offset == kWindow ? read_register() : 0;
}

void IoApic::write(u64 offset, u64 value, unsigned) {
  if (offset == kSelect) select_ = static_cast<u32>(value & 0xff);
  if (offset == kWindow) write_register(static_cast<u32>(value));
}

void IoApic::reset() {
  select_ = id_ = 0;
  std::fill(std::begin(entries_), std::end(entries_), kMasked);
  std::fill(std::begin(lines_), std::end(lines_), false);
}

void IoApic::archive(Archive& a) {
  a(select_, id_, entries_, lines_);
}

}  // namespace pmusim::platform
