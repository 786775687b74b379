// The system calls of futex.h: the shared kind, as the waiter is another process.

#include "backend/ccl/shm/futex.h"

#include <cerrno>

namespace xpu_lite::ccl::shm {

bool futex_wait(uint32_t* word, uint32_t seen, int64_t nanoseconds) noexcept {
  timespec limit{0, static_cast<long>(nanoseconds)};
  return ::syscall(SYS_futex, word, FUTEX_WAIT, seen, &limit, nullptr, 0) == 0 ||
         errno != ETIMEDOUT;
}

void futex_wake_all(uint32_t* word) noexcept {
  ::syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

} // namespace xpu_lite::ccl::shm
