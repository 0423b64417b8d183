// SPDX-License-Identifier: Apache-2.0
// ioctls on /dev/kvm (Linux Documentation/virt/kvm/api.rst).
#include "hypervisor/drivers/kernel_kvm.h"

#include <cpuid.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstddef>
#include <cstring>
#include <mutex>
#include <thread>

#include "arch/msr.h"
#include "base/cancel.h"
#include "base/error.h"

namespace pmusim::hv {

static_assert(sizeof(kvm::CpuidEntry2) == sizeof(kvm_cpuid_entry2));
static_assert(sizeof(kvm::MsrEntry) == sizeof(kvm_msr_entry));
static_assert(sizeof(kvm::Regs) == sizeof(kvm_regs) && offsetof(kvm::Regs, rip) == offsetof(kvm_regs, rip));
static_assert(sizeof(kvm::Segment) == sizeof(kvm_segment) &&
              sizeof(kvm::DescriptorTable) == sizeof(kvm_dtable));
static_assert(sizeof(kvm::Sregs) == sizeof(kvm_sregs) &&
              offsetof(kvm::Sregs, efer) == offsetof(kvm_sregs, efer));
static_assert(sizeof(kvm::MemoryRegion) == sizeof(kvm_userspace_memory_region));
static_assert(sizeof(kvm::EnableCap) == sizeof(kvm_enable_cap));

namespace {

int control(int fd, unsigned long request, void* argument) {
  const int result = ::ioctl(fd, request, argument);
  return result < 0 ? -errno : result;
}
int control(int fd, unsigned long request, unsigned long argument = 0) {
  const int result = ::ioctl(fd, request, argument);
  return result < 0 ? -errno : result;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// Headers of ioctls with a flexible array, and their request numbers: in C++ the kernel's own structs are
// larger than in C (an empty struct in their flexible-array macro has size 1), and so are requests made from
// their sizes.
struct CpuidHeader {
  u32 nent, padding;
};
struct MsrsHeader {
  u32 nmsrs, padding;
};
struct FilterHeader {
  u32 action, nevents, fixed_counter_bitmap, flags, pad[4];
};
constexpr unsigned long kGetSupportedCpuid = _IOWR(KVMIO, 0x05, CpuidHeader),
                        kSetCpuid2 = _IOW(KVMIO, 0x90, CpuidHeader),
                        kGetMsrs = _IOWR(KVMIO, 0x88, MsrsHeader), kSetMsrs = _IOW(KVMIO, 0x89, MsrsHeader),
                        kSetPmuEventFilter = _IOW(KVMIO, 0xb2, FilterHeader);

// Header followed by entries, as several ioctls want it.
template <class Header, class Entry>
class Buffer {
 public:
  explicit Buffer(std::size_t entries) : bytes_(sizeof(Header) + entries * sizeof(Entry)) {}
  Header* header() { return reinterpret_cast<Header*>(bytes_.data()); }
  Entry* entries() { return reinterpret_cast<Entry*>(bytes_.data() + sizeof(Header)); }

 private:
  std::vector<u8> bytes_;
};

// Completion of runs of all vCPUs of a VM.
struct Completions {
  std::mutex mutex;
  std::condition_variable changed;
};

class KernelVcpu final : public kvm::Vcpu {
 public:
  KernelVcpu(int fd, std::size_t run_size, unsigned id, Completions& completions)
      : fd_(fd), id_(id), size_(run_size), completions_(completions) {
    void* mapped = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) throw InputError("/dev/kvm", "vCPU", "kvm_run cannot be mapped", "");
    shared_ = static_cast<kvm_run*>(mapped);
  }
  ~KernelVcpu() override {
    stop();
    ::munmap(shared_, size_);
  }

  unsigned id() const override { return id_; }
  int set_cpuid2(const std::vector<kvm::CpuidEntry2>& entries) override {
    Buffer<CpuidHeader, kvm_cpuid_entry2> buffer(entries.size());
    buffer.header()->nent = static_cast<u32>(entries.size());
    std::memcpy(buffer.entries(), entries.data(), entries.size() * sizeof(kvm_cpuid_entry2));
    return control(fd_.get(), kSetCpuid2, buffer.header());
  }
  int set_regs(const kvm::Regs& regs) override {
    return control(fd_.get(), KVM_SET_REGS, const_cast<kvm::Regs*>(&regs));
  }
  int get_sregs(kvm::Sregs& sregs) override { return control(fd_.get(), KVM_GET_SREGS, &sregs); }
  int set_sregs(const kvm::Sregs& sregs) override {
    return control(fd_.get(), KVM_SET_SREGS, const_cast<kvm::Sregs*>(&sregs));
  }
  int get_msrs(std::vector<kvm::MsrEntry>& entries) override {
    Buffer<MsrsHeader, kvm_msr_entry> buffer(entries.size());
    buffer.header()->nmsrs = static_cast<u32>(entries.size());
    std::memcpy(buffer.entries(), entries.data(), entries.size() * sizeof(kvm_msr_entry));
    const int done = control(fd_.get(), kGetMsrs, buffer.header());
    std::memcpy(static_cast<void*>(entries.data()), buffer.entries(), entries.size() * sizeof(kvm_msr_entry));
    return done;
  }
  int set_msrs(const std::vector<kvm::MsrEntry>& entries) override {
    Buffer<MsrsHeader, kvm_msr_entry> buffer(entries.size());
    buffer.header()->nmsrs = static_cast<u32>(entries.size());
    std::memcpy(buffer.entries(), entries.data(), entries.size() * sizeof(kvm_msr_entry));
    return control(fd_.get(), kSetMsrs, buffer.header());
  }
  kvm::Run& run_data() override { return run_; }

  void post_run() override {
    put_answers();
    std::lock_guard<std::mutex> lock(completions_.mutex);
    if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
    state_ = State::Posted;
    posted_.notify_one();
  }
  bool running() const override {
    std::lock_guard<std::mutex> lock(completions_.mutex);
    return state_ != State::Idle;
  }
  int run_result() const override { return result_; }

  // With the completions' mutex held.
  bool completed() const { return state_ == State::Completed; }
  void take() { state_ = State::Idle; }
  void interrupt() {
    if (state_ != State::Posted) return;
    shared_->immediate_exit = 1;
    ::pthread_kill(thread_.native_handle(), SIGUSR1);
  }

 private:
  enum class State : u8 { Idle, Posted, Completed };

  void loop() {
    std::unique_lock<std::mutex> lock(completions_.mutex);
    for (;;) {
      posted_.wait(lock, [this] { return quit_ || state_ == State::Posted; });
      if (quit_) return;
      lock.unlock();
      const int result = control(fd_.get(), KVM_RUN);
      lock.lock();
      result_ = result;
      take_results();
      state_ = State::Completed;
      completions_.changed.notify_all();
    }
  }

  void stop() {
    {
      std::lock_guard<std::mutex> lock(completions_.mutex);
      quit_ = true;
      interrupt();
      posted_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
  }

  void take_results() {
    run_.exit_reason =
        result_ == -EINTR ? kvm::ExitReason::Intr : static_cast<kvm::ExitReason>(shared_->exit_reason);
    run_.if_flag = shared_->if_flag;
    run_.ready_for_interrupt_injection = shared_->ready_for_interrupt_injection;
    switch (run_.exit_reason) {
      case kvm::ExitReason::Io: {
        run_.io.direction = shared_->io.direction;
        run_.io.size = shared_->io.size;
        run_.io.port = shared_->io.port;
        run_.io.count = shared_->io.count;
        const std::size_t bytes = std::size_t{run_.io.size} * run_.io.count;
        if (bytes > sizeof run_.io.data) {  // larger bursts of string I/O are not served
          run_.exit_reason = kvm::ExitReason::InternalError;
          run_.detail = "string I/O of more than 64 bytes in one exit";
          break;
        }
        std::memcpy(run_.io.data, reinterpret_cast<u8*>(shared_) + shared_->io.data_offset, bytes);
        break;
      }
      case kvm::ExitReason::Mmio:
        run_.mmio.phys_addr = shared_->mmio.phys_addr;
        run_.mmio.len = shared_->mmio.len;
        run_.mmio.is_write = shared_->mmio.is_write;
        std::memcpy(run_.mmio.data, shared_->mmio.data, sizeof run_.mmio.data);
        break;
      case kvm::ExitReason::FailEntry:
        run_.hardware_entry_failure_reason = shared_->fail_entry.hardware_entry_failure_reason;
        break;
      case kvm::ExitReason::InternalError:
        run_.internal_suberror = shared_->internal.suberror;
        break;
      default:
        break;
    }
  }

  void put_answers() {
    shared_->immediate_exit = 0;
    if (run_.exit_reason == kvm::ExitReason::Io && run_.io.direction == KVM_EXIT_IO_IN)
      std::memcpy(reinterpret_cast<u8*>(shared_) + shared_->io.data_offset, run_.io.data,
                  std::size_t{run_.io.size} * run_.io.count);
    if (run_.exit_reason == kvm::ExitReason::Mmio && !run_.mmio.is_write)
      std::memcpy(shared_->mmio.data, run_.mmio.data, sizeof run_.mmio.data);
    run_.exit_reason = kvm::ExitReason::Unknown;
  }

  Descriptor fd_;
  unsigned id_;
  std::size_t size_;
  Completions& completions_;
  kvm_run* shared_ = nullptr;
  kvm::Run run_;
  std::thread thread_;
  std::condition_variable posted_;
  State state_ = State::Idle;
  bool quit_ = false;
  int result_ = 0;
};

class KernelVm final : public kvm::Vm {
 public:
  KernelVm(int fd, int system) : fd_(fd), system_(system) {}

  int create_irqchip() override { return control(fd_.get(), KVM_CREATE_IRQCHIP); }
  int create_pit2() override {
    kvm_pit_config config = {};
    config.flags = KVM_PIT_SPEAKER_DUMMY;
    return control(fd_.get(), KVM_CREATE_PIT2, &config);
  }
  int irq_line(u32 gsi, bool level) override {
    kvm_irq_level line = {};
    line.irq = gsi;
    line.level = level;
    return control(fd_.get(), KVM_IRQ_LINE, &line);
  }
  u64 clock() override {
    kvm_clock_data data = {};
    return control(fd_.get(), KVM_GET_CLOCK, &data) < 0 ? 0 : data.clock;
  }
  int create_vcpu(unsigned id, kvm::Vcpu*& vcpu) override {
    vcpu = nullptr;
    const int size = control(system_, KVM_GET_VCPU_MMAP_SIZE);
    if (size < 0) return size;
    const int fd = control(fd_.get(), KVM_CREATE_VCPU, id);
    if (fd < 0) return fd;
    vcpus_.push_back(std::make_unique<KernelVcpu>(fd, static_cast<std::size_t>(size), id, completions_));
    vcpu = vcpus_.back().get();
    return 0;
  }
  int set_user_memory_region(const kvm::MemoryRegion& region) override {
    return control(fd_.get(), KVM_SET_USER_MEMORY_REGION, const_cast<kvm::MemoryRegion*>(&region));
  }
  int check_extension(u32 cap) override { return control(fd_.get(), KVM_CHECK_EXTENSION, cap); }
  int enable_cap(const kvm::EnableCap& cap) override {
    return control(fd_.get(), KVM_ENABLE_CAP, const_cast<kvm::EnableCap*>(&cap));
  }
  int set_pmu_event_filter(const kvm::PmuEventFilter& filter) override {
    Buffer<FilterHeader, u64> buffer(filter.events.size());
    buffer.header()->action = filter.action;
    buffer.header()->nevents = filter.nevents;
    buffer.header()->fixed_counter_bitmap = filter.fixed_counter_bitmap;
    buffer.header()->flags = filter.flags;
    std::memcpy(buffer.entries(), filter.events.data(), filter.events.size() * sizeof(u64));
    return control(fd_.get(), kSetPmuEventFilter, buffer.header());
  }
  kvm::Vcpu* wait(const kvm::TimeLimit& limit) override {
    std::unique_lock<std::mutex> lock(completions_.mutex);
    KernelVcpu* done = nullptr;
    const auto look = [&] {
      for (auto& vcpu : vcpus_)
        if (vcpu->completed()) {
          done = vcpu.get();
          return true;
        }
      return false;
    };
    constexpr u64 kLook = 100;  // milliseconds: a user's interrupt wakes nobody
    for (u64 left = limit.wall_milliseconds;;) {
      const u64 step = std::min(left, kLook);
      if (completions_.changed.wait_for(lock, std::chrono::milliseconds(step), look)) break;
      if (left != kNever) left -= step;
      if (left == 0 || interrupt_signal()) break;
    }
    if (done) done->take();
    return done;
  }
  bool stalled() const override { return false; }  // halted for good cannot be told from waiting

 private:
  Descriptor fd_;
  int system_;
  Completions completions_;
  std::vector<std::unique_ptr<KernelVcpu>> vcpus_;
};

class KernelKvm final : public kvm::Hypervisor {
 public:
  explicit KernelKvm(int fd) : fd_(fd) {
    // A signal only interrupts KVM_RUN.
    struct sigaction action = {};
    action.sa_handler = [](int) {};
    ::sigaction(SIGUSR1, &action, nullptr);
  }

  std::string name() const override { return "/dev/kvm"; }
  int get_supported_cpuid(std::vector<kvm::CpuidEntry2>& entries) override {
    constexpr u32 kMost = 256;
    Buffer<CpuidHeader, kvm_cpuid_entry2> buffer(kMost);
    buffer.header()->nent = kMost;
    if (const int error = control(fd_.get(), kGetSupportedCpuid, buffer.header())) return error;
    entries.resize(buffer.header()->nent);
    std::memcpy(static_cast<void*>(entries.data()), buffer.entries(),
                entries.size() * sizeof(kvm_cpuid_entry2));
    return 0;
  }
  // The supported leaves with the values that CPUID itself returns here.
  int get_host_cpuid(std::vector<kvm::CpuidEntry2>& entries) override {
    if (const int error = get_supported_cpuid(entries)) return error;
    for (kvm::CpuidEntry2& e : entries)
      if ((e.function & 0xf0000000) != 0x40000000)
        __cpuid_count(e.function, e.index, e.eax, e.ebx, e.ecx, e.edx);
    return 0;
  }
  u64 supported_perf_capabilities() override {
    Buffer<MsrsHeader, kvm_msr_entry> buffer(1);
    buffer.header()->nmsrs = 1;
    buffer.entries()->index = msr::kPerfCapabilities;
    return control(fd_.get(), kGetMsrs, buffer.header()) == 1 ? buffer.entries()->data : 0;
  }
  int check_extension(u32 cap) override { return control(fd_.get(), KVM_CHECK_EXTENSION, cap); }
  int create_vm(std::unique_ptr<kvm::Vm>& vm) override {
    const int fd = control(fd_.get(), KVM_CREATE_VM);
    if (fd < 0) return fd;
    control(fd, KVM_SET_TSS_ADDR,
            0xfffbd000ul);  // three pages outside RAM, for VMX without unrestricted guest
    vm = std::make_unique<KernelVm>(fd, fd_.get());
    return 0;
  }

 private:
  Descriptor fd_;
};

}  // namespace

std::unique_ptr<kvm::Hypervisor> open_kernel_kvm() {
  const int fd = ::open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (fd < 0)
    throw InputError("/dev/kvm", "", std::strerror(errno), "a host with KVM, and the right to use it");
  const int version = control(fd, KVM_GET_API_VERSION);
  if (version != KVM_API_VERSION) {
    ::close(fd);
    throw InputError("/dev/kvm", "API version", std::to_string(version), std::to_string(KVM_API_VERSION));
  }
  return std::make_unique<KernelKvm>(fd);
}

}  // namespace pmusim::hv
