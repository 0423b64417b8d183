// SPDX-License-Identifier: Apache-2.0
// What a CPU needs from the machine around it, and what may run on a CPU's thread.
#pragma once

#include <exception>

#include "base/event.h"
#include "platform/apic/local_apic.h"

namespace pmusim::platform {

class Cpu;

// Runs on a CPU's own thread. Returning means the CPU is finished until the machine's next reset.
// Machine::reset() and Machine::save() users beware: an Abandoned exception then passes through run(), so
// nothing may swallow unknown exceptions (`catch (...)` must rethrow).
class CpuProgram {
 public:
  virtual ~CpuProgram() = default;
  virtual void run(Cpu& cpu) = 0;
};

struct Abandoned {};  // thrown out of a suspended CPU to unwind its program

class CpuFabric {
 public:
  virtual ~CpuFabric() = default;
  virtual void send_ipi(Cpu& from, const ApicMessage& message) = 0;
  virtual void broadcast_eoi(u8 vector) = 0;  // from the CPU that runs
  // The CPU that runs has stored to the line `to` monitors: the cycle at which `to` notices.
  virtual u64 store_seen(const Cpu& to) = 0;
  virtual void reconsider() = 0;  // another CPU may act earlier than the running CPU's bound assumes
  // The machine's devices act on the bootstrap CPU's time: when next, and whatever is due. acknowledge: the
  // INTA cycles to the 8259As.
  virtual u64 device_deadline() const = 0;
  virtual void update_devices() = 0;
  virtual u8 acknowledge_external() = 0;
  // The CPU has reached its bound, is idle until its next event, or is finished; returns when it may go on,
  // with a new bound set. The only place where a CPU's thread is suspended.
  virtual void yield(Cpu& cpu) = 0;
  virtual EventSink* sink() = 0;
  // Ends the current run; the CPU is suspended at its next yield.
  virtual void triple_fault(Cpu& cpu) = 0;
  virtual void failed(Cpu& cpu, std::exception_ptr error) = 0;
  virtual void pause(Cpu& cpu) = 0;
};

}  // namespace pmusim::platform
