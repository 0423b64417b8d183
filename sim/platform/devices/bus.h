// SPDX-License-Identifier: Apache-2.0
// TLM-2.0 router from the CPUs to port and memory-mapped devices, by b_transport. Addresses that no device
// claims read all ones and drop writes; both are counted.
#pragma once

#include <tlm_utils/multi_passthrough_target_socket.h>
#include <tlm_utils/simple_initiator_socket.h>
#include <memory>
#include <systemc>
#include <tlm>
#include <vector>

#include "platform/devices/device.h"
#include "platform/devices/unclaimed.h"

namespace pmusim::platform {

class Bus : public sc_core::sc_module {
 public:
  tlm_utils::multi_passthrough_target_socket<Bus> ports;   // the CPUs' I/O space
  tlm_utils::multi_passthrough_target_socket<Bus> memory;  // addresses outside RAM and APIC page
  explicit Bus(sc_core::sc_module_name name);

  // Before the first run. Overlapping an earlier mapping throws std::invalid_argument.
  void map(Space space, u64 base, u64 size, Device& device);
  void map(Space space, u64 base, u64 size, tlm::tlm_target_socket<>& socket);

  const UnclaimedAccesses& unclaimed() const { return unclaimed_; }  // since reset

  void reset();
  void archive(Archive& a);

 private:
  // A socket belongs to a module, and only modules can be created after the bus itself.
  struct Link final : sc_core::sc_module {
    tlm_utils::simple_initiator_socket<Link> out;
    explicit Link(sc_core::sc_module_name name) : sc_module(name), out("out") {}
  };
  struct Mapping {
    Space space;
    u64 base, size;
    std::unique_ptr<Link> link;
    Device* device;
  };
  void add(Space space, u64 base, u64 size, tlm::tlm_target_socket<>& socket, Device* device);
  void from_ports(int, tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  void from_memory(int, tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  void route(Space space, tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);

  std::vector<Mapping> mappings_;
  UnclaimedAccesses unclaimed_;
};

// One access of up to 8 bytes through an initiator socket.
u64 bus_read(tlm::tlm_initiator_socket<>& socket, u64 address, unsigned size);
void bus_write(tlm::tlm_initiator_socket<>& socket, u64 address, u64 value, unsigned size);

}  // namespace pmusim::platform
