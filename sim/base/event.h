// SPDX-License-Identifier: Apache-2.0
// The one typed event stream: everything observable that happens in a run, in order. Log, recordings,
// timelines and order assertions in tests are sinks of it. The set follows the neutral trace format
// described in docs/architecture.md; readers and writers are in sim/trace/.
#pragma once

#include <string>

#include "base/types.h"

namespace pmusim {

enum class EventKind : u8 {
  Meta,      // text = "key=value"
  Entry,     // VM-entry; a = guest RIP
  Exit,      // VM-exit; a = vendor's exit reason, b = qualification, text = reason's name
  Msr,       // guest MSR access as the guest sees it; a = index, b = value, write, fault
  Rdpmc,     // guest RDPMC; a = ECX, b = value, fault
  Cpuid,     // guest CPUID; a = leaf, b = subleaf
  Pmi,       // a = vector, text = "raise" (physical) | "queue" | "inject" | "eoi" | "drop"
  Lvt,       // guest LVTPC write; a = value
  Sched,     // a = physical CPU, text = "in" | "out"
  Halt,      // text = "enter" | "leave"
  HostMsr,   // physical MSR access by hypervisor code; a = index, b = value, write; text = "rdmsr", ...
  HostStep,  // a step of a conformance case performed by the host; a = step
  Overflow,  // a physical counter wrapped; a = counter (GP n, fixed 32+n)
  Gap,       // something not modelled or lost; text = reason
  Number
};

struct Event {
  EventKind kind;
  u8 cpu = 0;          // physical CPU
  s8 vcpu = -1;        // -1: none
  bool write = false;  // Msr, HostMsr
  bool fault = false;  // the access raised #GP
  u64 cycle = 0;       // core cycles of that physical CPU
  u64 tsc = 0;
  u64 a = 0;
  u64 b = 0;
  std::string text;
};

class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void on_event(const Event& event) = 0;
};

}  // namespace pmusim
