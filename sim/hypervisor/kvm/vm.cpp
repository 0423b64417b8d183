// SPDX-License-Identifier: Apache-2.0
// VM ioctls and the fabric between virtual APICs.
#include "hypervisor/kvm/vm.h"

#include <cerrno>

#include "base/bits.h"
#include "hypervisor/kvm/host.h"
#include "hypervisor/kvm/host_kernel.h"
#include "hypervisor/kvm/vcpu.h"
#include "hypervisor/perf/host_perf.h"
#include "hypervisor/vpmu/event_filter.h"
#include "hypervisor/vpmu/vpmu.h"
#include "platform/devices/places.h"

namespace pmusim::hv {

Vm::Vm(Host& host) : host_(host), acting_(&host.cpu(0)), tsc_offset_(-static_cast<s64>(host.cpu(0).tsc())) {
  controllers_.reset();
}

Vm::~Vm() {
  for (auto& vcpu : vcpus_) host_.kernel(vcpu->placed_on()).remove_thread(*vcpu);
  vcpus_.clear();
  for (const MemoryMap::Slot& slot : memory_.slots()) host_.ram().remove(slot.host_physical);
  if (owns_pmu_) host_.perf().release_mediated_vm(pmu_denied_);
}

int Vm::create_irqchip() {
  if (irqchip_) return -EEXIST;
  if (!vcpus_.empty()) return -EINVAL;
  irqchip_ = true;
  return 0;
}

int Vm::create_pit2() {
  if (!irqchip_) return -ENOENT;
  if (pit_) return -EEXIST;
  pit_ = true;
  return 0;
}

// Whether a policy takes the PMU away from host perf is one of its axes; the first vCPU decides (kvm-x86:
// "all or nothing", and an in-kernel irqchip is required or the VM's PMU is silently gone).
int Vm::create_vcpu(unsigned id, Vcpu*& vcpu) {
  vcpu = nullptr;
  if (id > 254) return -EINVAL;
  for (const auto& v : vcpus_)
    if (v->id() == id) return -EEXIST;
  const Policy& policy = host_.config().policy;
  if (policy.host_perf != HostPerfUse::Shared && !pmu_disabled_ && !owns_pmu_) {
    if (!irqchip_) {
      pmu_disabled_ = true;
    } else {
      pmu_denied_ = policy.host_perf == HostPerfUse::Denied;
      if (const int error = host_.perf().create_mediated_vm(pmu_denied_)) return error;
      owns_pmu_ = true;
    }
  }
  const unsigned cpu = id % host_.cpu_count();
  vcpus_.push_back(std::make_unique<Vcpu>(*this, id, cpu));
  vcpu = vcpus_.back().get();
  host_.kernel(cpu).add_thread(*vcpu);
  return 0;
}

std::string Vm::why_busy() const {
  return "this VM would own the PMU, which the host uses: " + host_.perf().users(pmu_denied_);
}

int Vm::set_memory(const kvm::MemoryRegion& region) {
  constexpr u64 page = core::kPageSize;
  if (region.guest_phys_addr % page || region.memory_size % page || region.userspace_addr % page)
    return -EINVAL;
  if (region.flags) return -EINVAL;  // dirty logging, read-only
  const MemoryMap::Slot* old = memory_.find_id(region.slot);
  if (!region.memory_size) {
    if (!old) return -EINVAL;
    host_.ram().remove(old->host_physical);
    memory_.remove(region.slot);
    return 0;
  }
  if (old) return -EINVAL;  // moving or resizing a slot: delete it first
  if (memory_.overlaps(region.guest_phys_addr, region.memory_size, region.slot)) return -EEXIST;
  const u64 physical = host_.allocate_physical(region.memory_size);
  host_.ram().add(physical, region.memory_size, reinterpret_cast<u8*>(region.userspace_addr));
  memory_.add({region.slot, region.guest_phys_addr, region.memory_size, physical, region.userspace_addr});
  return 0;
}

int Vm::enable_cap(const kvm::EnableCap& cap) {
  if (cap.cap != kvm::kCapPmuCapability) return -EINVAL;
  if (cap.args[0] & ~kvm::kPmuCapDisable) return -EINVAL;
  if (!vcpus_.empty() || owns_pmu_) return -EINVAL;
  pmu_disabled_ = cap.args[0] & kvm::kPmuCapDisable;
  return 0;
}

int Vm::set_filter(const kvm::PmuEventFilter& filter) {
  EventFilterRequest request;
  request.action = filter.action;
  request.nevents = filter.nevents;
  request.fixed_counter_bitmap = filter.fixed_counter_bitmap;
  request.flags = filter.flags;
  request.events = filter.events;
  if (const int error = make_event_filter(request, host_.model().vendor, filter_)) return error;
  for (auto& vcpu : vcpus_) vcpu->vpmu().set_filter(filter_);
  return 0;
}

Vcpu* Vm::by_apic_id(u32 id) {
  for (auto& vcpu : vcpus_)
    if (vcpu->apic().id() == id) return vcpu.get();
  return nullptr;
}

void Vm::post(const platform::ApicMessage& message, Vcpu& target) {
  Vcpu* sender = message.source == platform::kNoApic ? nullptr : by_apic_id(message.source);
  const platform::PhysicalCpu* cpu = sender ? sender->cpu() : acting_;
  target.post_message(message, cpu ? cpu->tsc() : host_.cpu(0).tsc());
  if (cpu && &target != sender && target.placed_on() != cpu->id())
    host_.kernel(cpu->id()).kick(target.placed_on());
}

void Vm::send(const platform::ApicMessage& message) {
  if (message.delivery != platform::ApicDelivery::Lowest) {
    for (auto& target : vcpus_)
      if (target->apic().accepts(message)) post(message, *target);
    return;
  }
  Vcpu* best = nullptr;  // of equal priority the lowest id
  for (auto& target : vcpus_)
    if (target->apic().accepts(message) &&
        (!best || target->apic().processor_priority() < best->apic().processor_priority()))
      best = target.get();
  if (best) post(message, *best);
}

unsigned Vm::send_to(u64 word, u32 first, const platform::ApicMessage& message) {
  unsigned accepted = 0;
  platform::ApicMessage to = message;
  for (const unsigned n : set_bits(word)) {
    to.destination = first + n;
    if (to.destination < first) break;  // no APIC has an ID beyond 32 bits
    for (auto& target : vcpus_) {
      if (!target->apic().accepts(to)) continue;
      post(message, *target);
      ++accepted;
    }
  }
  return accepted;
}

void Vm::broadcast_eoi(u8 vector) {
  controllers_.end_of_interrupt(vector);
}

u64 Vm::nanoseconds(const platform::PhysicalCpu& cpu) const {
  return host_.model().nanoseconds_per_tick().floor(cpu.tsc() + static_cast<u64>(tsc_offset_));
}

u64 Vm::device_deadline() const {
  const u64 at = pit_ ? controllers_.next_deadline() : kNever;
  if (at == kNever) return kNever;
  return host_.model().nanoseconds_per_tick().inverse().ceil(at) - static_cast<u64>(tsc_offset_);
}

void Vm::update_devices(const platform::PhysicalCpu& cpu) {
  acting_ = &cpu;
  if (pit_) controllers_.update();
}

bool Vm::port_access(const platform::PhysicalCpu& cpu, u16 port, unsigned size, bool write, u64& value) {
  if (!irqchip_) return false;
  u64 offset = 0;
  platform::RegisterModel* model = platform::find_model(controllers_.ports(), port, size, offset);
  if (!model || (!pit_ && (model == &controllers_.pit || model == &controllers_.system_control)))
    return false;
  acting_ = &cpu;
  if (write)
    model->write(offset, value, size);
  else
    value = model->read(offset, size);
  return true;
}

bool Vm::mmio_access(const platform::PhysicalCpu& cpu, u64 physical, unsigned size, bool write, u64& value) {
  u64 offset = 0;
  platform::RegisterModel* model =
      irqchip_ ? platform::find_model(controllers_.memory(), physical, size, offset) : nullptr;
  if (!model) return false;
  acting_ = &cpu;
  if (write)
    model->write(offset, value, size);
  else
    value = model->read(offset, size);
  return true;
}

void Vm::irq_line(const platform::PhysicalCpu& cpu, unsigned gsi, bool level) {
  acting_ = &cpu;
  if (irqchip_) controllers_.set_line(gsi, level);
}

u8 Vm::acknowledge_external(const platform::PhysicalCpu& cpu) {
  acting_ = &cpu;
  return controllers_.acknowledge();
}

}  // namespace pmusim::hv
