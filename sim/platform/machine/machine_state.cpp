// SPDX-License-Identifier: Apache-2.0
// Save, restore and hash.
#include <stdexcept>

#include "platform/machine/machine.h"

namespace pmusim::platform {

void Machine::archive(Archive& a) {
  u64 cpus = config_.cpus;
  a(cpus);
  if (cpus != config_.cpus) throw std::logic_error("machine state restored into another number of CPUs");
  for (unsigned id = 0; id < config_.cpus; ++id) cpus_[id]->archive(a);
  bus_->archive(a);
  ports_.archive_lines(a);
  controllers_.archive_lines(a);
}

std::vector<u8> Machine::save() {
  Archive a;
  archive(a);
  memory_.archive(a);
  for (auto& cpu : cpus_) cpu->core().flush_tlb();
  return a.take();
}

void Machine::restore(const std::vector<u8>& state) {
  // Decoded code of the old memory must go: the slots are taken out and put back, which drops it.
  map_memory(false);
  Archive a(state);
  archive(a);
  memory_.archive(a);
  map_memory(true);
  for (auto& cpu : cpus_) cpu->core().flush_tlb();
  next_poll_ = 0;
}

u64 Machine::hash() {
  Archive a;
  archive(a);
  const std::vector<u8> bytes = a.take();
  Hash h;
  h.add(bytes.data(), bytes.size());
  memory_.hash(h);
  return h.value();
}

}  // namespace pmusim::platform
