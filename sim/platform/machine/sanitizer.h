// SPDX-License-Identifier: Apache-2.0
// AddressSanitizer and SystemC's coroutines. SystemC 2.3.4 tells the sanitizer of its stack switches, but
// when it returns to the caller's stack it names an empty one; exceptions caught there later would leave
// locals marked as dead, and the next use of that stack would be reported. To be called after each return
// from the kernel.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#include <pthread.h>
#include <sanitizer/common_interface_defs.h>

#include <cstddef>
#endif

namespace pmusim::platform {

#if defined(__SANITIZE_ADDRESS__)
inline void returned_from_kernel() {
  struct Bounds {
    void* bottom = nullptr;
    std::size_t size = 0;
    Bounds() {
      pthread_attr_t attributes;
      if (pthread_getattr_np(pthread_self(), &attributes) != 0) return;
      pthread_attr_getstack(&attributes, &bottom, &size);
      pthread_attr_destroy(&attributes);
    }
  };
  static thread_local const Bounds bounds;
  if (!bounds.bottom) return;
  __sanitizer_start_switch_fiber(nullptr, bounds.bottom, bounds.size);
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
}
#else
inline void returned_from_kernel() {}
#endif

}  // namespace pmusim::platform
