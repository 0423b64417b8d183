// SPDX-License-Identifier: Apache-2.0
// The public side of the core: what callers change between runs.
#include "core/run/core.h"

#include <algorithm>

#include "core/run/core_impl.h"

namespace pmusim::core {

Core::Core(Ram& ram, CoreEnv& env, Timing& timing)
    : impl_(std::make_unique<Impl>(*this, ram, env, timing)), state_(nullptr) {
  ram.watch(*this);
  impl_->bind_state(&impl_->initial);
}

Core::~Core() {
  impl_->ram.unwatch(*this);
}

void Core::configure(const CoreConfig& config) {
  impl_->config = config;
  impl_->mmu.set_physical_bits(config.physical_bits);
  impl_->mmu.set_features(config.features);
  impl_->cache.set_dialect({config.features, config.amd});
  impl_->cache.drop_all();
}

void Core::set_step(bool step) {
  impl_->step_ = step;
  impl_->waiting_.seen = 0;
}

void Core::set_state(CpuState* state) {
  impl_->bind_state(state);
}

void Core::set_world(World world, const SecondStage* second, const Intercepts* intercepts, u16 tag) {
  account_time();
  world_ = world;
  impl_->second_ = second;
  impl_->x.intercepts = intercepts;
  impl_->tag_ = tag;
  impl_->mmu.set_world(second, intercepts, tag);
  impl_->timing.set_space(tag, second != nullptr);
  impl_->fresh_ = true;
}

Stop Core::run(const Limit& limit) {
  return impl_->run(limit);
}
Stop Core::deliver(const PendingEvent& event) {
  return impl_->deliver(event);
}
Stop Core::switch_task(const TaskSwitch& t) {
  return impl_->switch_task(t);
}

// Inside a call to the environment the current instruction's context is the one in which it began.
void Core::sync() {
  if (!impl_->block_) impl_->context_ = static_cast<u8>(context());
  impl_->synchronize();
}

void Core::set_clocks(Ratio ref, Ratio bus) {
  account_time();
  impl_->ref_clock_ = ref;
  impl_->bus_clock_ = bus;
}

void Core::account_time() {
  impl_->flush_time();
  impl_->account_time(impl_->block_ ? impl_->context_ : context());
}
void Core::discard_time() {
  impl_->discard_time();
}

void Core::attach(Observer& observer) {
  impl_->observers_.push_back(&observer);
  impl_->update_levels();
}
void Core::detach(Observer& observer) {
  auto& list = impl_->observers_;
  list.erase(std::remove(list.begin(), list.end(), &observer), list.end());
  impl_->update_levels();
}

void Core::flush_tlb() {
  impl_->mmu.flush_all();
}
void Core::flush_tlb(u16 tag) {
  impl_->mmu.flush_tag(tag);
}
void Core::code_written(u64 page) {
  impl_->code_written(page);
}

bool Core::translate_linear(u64 address, u64& physical) {
  return impl_->mmu.translate_quietly(address, physical);
}

bool Core::read_linear(u64 address, void* to, u64 size) {
  u8* out = static_cast<u8*>(to);
  while (size) {
    u64 physical;
    if (!translate_linear(address, physical)) return false;
    if (impl_->second_) {
      const SecondStage::Result r = impl_->second_->translate(physical & ~kPageMask);
      if (!r.present) return false;
      physical = (r.address & ~kPageMask) | (physical & kPageMask);
    }
    const u64 part = std::min(size, kPageSize - (address & kPageMask));
    if (!impl_->ram.read(physical, out, part)) return false;
    address += part;
    out += part;
    size -= part;
  }
  return true;
}

std::vector<Core::BranchRecord> Core::last_branches() const {
  std::vector<BranchRecord> records;
  const u64 last = impl_->branch_count_,
            first = last > Impl::kBranchRecords ? last - Impl::kBranchRecords : 0;
  for (u64 i = first; i < last; ++i) records.push_back(impl_->branches_[i % Impl::kBranchRecords]);
  return records;
}

}  // namespace pmusim::core
