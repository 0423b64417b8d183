// SPDX-License-Identifier: Apache-2.0
// Checks of guest state at VM-entry: SDM Vol. 3, "Checks on the Guest State Area"; APM Vol. 2,
// "Canonicalization and Consistency Checks". Only those that a simulated guest or its VMM can violate.
#include "hypervisor/hw/control_block.h"

namespace pmusim::hv {

u32 encode_interruption(const PendingEvent& event) {
  if (!event.valid) return 0;
  return 1u << 31 | (event.has_error_code ? 1u << 11 : 0) | static_cast<u32>(event.type) << 8 | event.vector;
}

PendingEvent decode_interruption(u32 info, u32 error_code, u32 instruction_length) {
  PendingEvent event;
  event.valid = info >> 31;
  if (!event.valid) return event;
  event.vector = info & 0xff;
  event.type = static_cast<EventType>(info >> 8 & 7);
  event.has_error_code = info >> 11 & 1;
  event.error_code = event.has_error_code ? error_code : 0;
  const bool software = event.type >= EventType::SoftwareInterrupt;
  event.instruction_length = static_cast<u8>(software ? instruction_length : 0);
  return event;
}

std::string check_guest_state(const core::CpuState& s) {
  if (s.paging() && !s.protected_mode()) return "guest CR0.PG is set without CR0.PE";
  if (!(s.cr0 & core::kCr0Cd) && (s.cr0 & core::kCr0Nw)) return "guest CR0.NW is set without CR0.CD";
  if (s.cr0 >> 32) return "guest CR0 bits 63:32 are not zero";
  if ((s.efer & core::kEferLme) && s.paging() && !(s.cr4 & core::kCr4Pae))
    return "guest is in long mode without CR4.PAE";
  if (s.long_mode() != ((s.efer & core::kEferLme) && s.paging()))
    return "guest EFER.LMA differs from LME and CR0.PG";
  if (!(s.rflags & core::kFixed1)) return "guest RFLAGS bit 1 is clear";
  if (s.rflags >> 22) return "guest RFLAGS bits 63:22 are not zero";
  if (s.virtual_8086() && (s.long_mode() || !s.protected_mode()))
    return "guest RFLAGS.VM is set in IA-32e mode or without CR0.PE";
  const core::Segment& cs = s.seg[core::CS];
  if (s.long_mode() && cs.long_mode() && cs.big()) return "guest CS has both L and D";
  if (!s.code64() && s.rip >> 32) return "guest RIP bits 63:32 are not zero outside 64-bit mode";
  return {};
}

}  // namespace pmusim::hv
