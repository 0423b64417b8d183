// SPDX-License-Identifier: Apache-2.0
// A device on the machine's bus: a SystemC module with a TLM-2.0 target socket. Derive from Device, implement
// read() and write(), and map it: machine.bus().map(Space::Port, 0x300, 4, device), before the first run. Any
// other module with a TLM target socket can be mapped too, but then keeps its own state across reset and
// save.
#pragma once

#include <tlm_utils/simple_target_socket.h>
#include <systemc>
#include <tlm>

#include "platform/devices/register_model.h"

namespace pmusim::platform {

class Device : public sc_core::sc_module, public RegisterModel {
 public:
  tlm_utils::simple_target_socket<Device> socket;
  explicit Device(sc_core::sc_module_name name);

 private:
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
};

// Attaches a register model that lives elsewhere.
class ModelDevice final : public Device {
 public:
  ModelDevice(sc_core::sc_module_name name, RegisterModel& model) : Device(name), model_(model) {}
  u64 read(u64 offset, unsigned size) override { return model_.read(offset, size); }
  void write(u64 offset, u64 value, unsigned size) override { model_.write(offset, value, size); }
  void reset() override { model_.reset(); }
  void archive(Archive& a) override { model_.archive(a); }

 private:
  RegisterModel& model_;
};

}  // namespace pmusim::platform
