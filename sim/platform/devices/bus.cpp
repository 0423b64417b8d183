// SPDX-License-Identifier: Apache-2.0
// Bus and the TLM side of devices. Little-endian hosts only, as everywhere in the simulator.
#include "platform/devices/bus.h"

#include <cstring>
#include <stdexcept>

namespace pmusim::platform {
namespace {

void all_ones(tlm::tlm_generic_payload& payload) {
  if (payload.is_read()) std::memset(payload.get_data_ptr(), 0xff, payload.get_data_length());
  payload.set_response_status(tlm::TLM_OK_RESPONSE);
}

void transport(tlm::tlm_initiator_socket<>& socket, tlm::tlm_command command, u64 address, u64& value,
               unsigned size) {
  tlm::tlm_generic_payload payload;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  payload.set_command(command);
  payload.set_address(address);
  payload.set_data_ptr(reinterpret_cast<unsigned char*>(&value));
  payload.set_data_length(size);
  payload.set_streaming_width(size);
  payload.set_byte_enable_ptr(nullptr);
  payload.set_dmi_allowed(false);
  payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
  socket->b_transport(payload, delay);
  if (payload.is_response_error() && command == tlm::TLM_READ_COMMAND) value = ~u64{0};
}

}  // namespace

Device::Device(sc_core::sc_module_name name) : sc_module(name), socket("socket") {
  socket.register_b_transport(this, &Device::b_transport);
}

void Device::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time&) {
  const unsigned size = payload.get_data_length();
  if (size > 8) {
    payload.set_response_status(tlm::TLM_BURST_ERROR_RESPONSE);
    return;
  }
  u64 value = 0;
  if (payload.is_read()) {
    value = read(payload.get_address(), size);
    std::memcpy(payload.get_data_ptr(), &value, size);
  } else if (payload.is_write()) {
    std::memcpy(&value, payload.get_data_ptr(), size);
    write(payload.get_address(), value, size);
  }
  payload.set_response_status(tlm::TLM_OK_RESPONSE);
}

Bus::Bus(sc_core::sc_module_name name) : sc_module(name), ports("ports"), memory("memory") {
  ports.register_b_transport(this, &Bus::from_ports);
  memory.register_b_transport(this, &Bus::from_memory);
}

void Bus::map(Space space, u64 base, u64 size, Device& device) {
  add(space, base, size, device.socket, &device);
}
void Bus::map(Space space, u64 base, u64 size, tlm::tlm_target_socket<>& socket) {
  add(space, base, size, socket, nullptr);
}

void Bus::add(Space space, u64 base, u64 size, tlm::tlm_target_socket<>& socket, Device* device) {
  for (const Mapping& m : mappings_)
    if (m.space == space && base < m.base + m.size && m.base < base + size)
      throw std::invalid_argument("bus mapping overlaps another");
  const std::string name = "link" + std::to_string(mappings_.size());
  auto link = std::make_unique<Link>(name.c_str());
  link->out.bind(socket);
  mappings_.push_back({space, base, size, std::move(link), device});
}

void Bus::from_ports(int, tlm::tlm_generic_payload& p, sc_core::sc_time& d) {
  route(Space::Port, p, d);
}
void Bus::from_memory(int, tlm::tlm_generic_payload& p, sc_core::sc_time& d) {
  route(Space::Memory, p, d);
}

void Bus::route(Space space, tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  const u64 address = payload.get_address();
  for (Mapping& m : mappings_) {
    if (m.space != space || address < m.base || address - m.base >= m.size) continue;
    if (payload.get_data_length() > m.size - (address - m.base)) break;
    payload.set_address(address - m.base);
    m.link->out->b_transport(payload, delay);
    payload.set_address(address);
    return;
  }
  unclaimed_.add(space, address, payload.get_data_length(), payload.is_write());
  all_ones(payload);
}

void Bus::reset() {
  unclaimed_.clear();
  for (Mapping& m : mappings_)
    if (m.device) m.device->reset();
}

void Bus::archive(Archive& a) {
  for (Mapping& m : mappings_)
    if (m.device) m.device->archive(a);
}

u64 bus_read(tlm::tlm_initiator_socket<>& socket, u64 address, unsigned size) {
  u64 value = 0;
  transport(socket, tlm::TLM_READ_COMMAND, address, value, size);
  return size == 8 ? value : value & ((u64{1} << (8 * size)) - 1);
}

void bus_write(tlm::tlm_initiator_socket<>& socket, u64 address, u64 value, unsigned size) {
  transport(socket, tlm::TLM_WRITE_COMMAND, address, value, size);
}

}  // namespace pmusim::platform
