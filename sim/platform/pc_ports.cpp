// SPDX-License-Identifier: Apache-2.0
// The set of port devices, and fw_cfg's data.
#include "platform/pc_ports.h"

#include "base/bits.h"

namespace pmusim::platform {

void FwCfg::write(u64 offset, u64 value, unsigned) {
  if (offset != 0) return;
  key_ = static_cast<u16>(value);
  position_ = 0;
}

u64 FwCfg::read(u64 offset, unsigned size) {
  if (offset != 1) return 0;
  const u64 item = key_ == 5 ? cpus : key_ == 0x11 ? memory_limit : 0;
  u64 value = 0;
  for (unsigned i = 0; i < size; ++i, ++position_)
    if (position_ < 8) value |= (item >> (8 * position_) & 0xff) << (8 * i);
  return value;
}

std::vector<PcPorts::Place> PcPorts::places() {
  return {{"serial", kSerialPort, kSerialPorts, &serial},
          {"debug_exit", kExitPort, kExitPorts, &debug_exit},
          {"doorbell", kDoorbellPort, kDoorbellPorts, &doorbell},
          {"fw_cfg", kFwCfgPort, kFwCfgPorts, &fw_cfg},
          {"pic0", kPicPort0, kPicPorts, &pic[0]},
          {"pic1", kPicPort1, kPicPorts, &pic[1]}};
}

RegisterModel* PcPorts::find(u16 port, unsigned size, u64& offset) {
  for (const Place& p : places()) {
    if (port < p.port || port - p.port + size > p.count) continue;
    offset = static_cast<u64>(port - p.port);
    return p.model;
  }
  return nullptr;
}

bool PcPorts::read(u16 port, unsigned size, u64& value) {
  u64 offset = 0;
  RegisterModel* model = find(port, size, offset);
  value = (model ? model->read(offset, size) : ~u64{0}) & mask(8 * size);
  return model;
}

bool PcPorts::write(u16 port, unsigned size, u64 value) {
  u64 offset = 0;
  RegisterModel* model = find(port, size, offset);
  if (model) model->write(offset, value & mask(8 * size), size);
  return model;
}

void PcPorts::reset() {
  for (const Place& p : places()) p.model->reset();
}

void PcPorts::archive(Archive& a) {
  for (const Place& p : places()) p.model->archive(a);
}

}  // namespace pmusim::platform
