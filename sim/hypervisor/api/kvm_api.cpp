// SPDX-License-Identifier: Apache-2.0
// What is common to both implementations of the API.
#include "hypervisor/api/kvm_api.h"

#include <cerrno>

namespace pmusim::kvm {

const char* exit_reason_name(ExitReason reason) {
  switch (reason) {
    case ExitReason::Unknown:
      return "KVM_EXIT_UNKNOWN";
    case ExitReason::Exception:
      return "KVM_EXIT_EXCEPTION";
    case ExitReason::Io:
      return "KVM_EXIT_IO";
    case ExitReason::Hypercall:
      return "KVM_EXIT_HYPERCALL";
    case ExitReason::Debug:
      return "KVM_EXIT_DEBUG";
    case ExitReason::Hlt:
      return "KVM_EXIT_HLT";
    case ExitReason::Mmio:
      return "KVM_EXIT_MMIO";
    case ExitReason::IrqWindowOpen:
      return "KVM_EXIT_IRQ_WINDOW_OPEN";
    case ExitReason::Shutdown:
      return "KVM_EXIT_SHUTDOWN";
    case ExitReason::FailEntry:
      return "KVM_EXIT_FAIL_ENTRY";
    case ExitReason::Intr:
      return "KVM_EXIT_INTR";
    case ExitReason::SetTpr:
      return "KVM_EXIT_SET_TPR";
    case ExitReason::InternalError:
      return "KVM_EXIT_INTERNAL_ERROR";
  }
  return "KVM_EXIT (other)";
}

int Vm::run(Vcpu& vcpu, const TimeLimit& limit) {
  vcpu.post_run();
  while (vcpu.running())
    if (!wait(limit)) return -ETIME;
  return vcpu.run_result();
}

}  // namespace pmusim::kvm
