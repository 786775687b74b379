#pragma once

// A mutex of one word for critical sections of tens of nanoseconds, where the
// two calls of std::mutex would cost as much as the work. A holder that is slow
// (it maps memory) makes others sleep, not burn a core.

#include <atomic>
#include <chrono>
#include <thread>

namespace xpu_lite {

class SpinMutex {
 public:
  void lock() noexcept {
    if (!held_.exchange(true, std::memory_order_acquire)) [[likely]]
      return;
    lock_contended();
  }
  void unlock() noexcept { held_.store(false, std::memory_order_release); }

 private:
  __attribute__((noinline)) void lock_contended() noexcept {
    for (int round = 0;; ++round) {
      for (int i = 0; i < 64 && held_.load(std::memory_order_relaxed); ++i) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
      }
      if (!held_.exchange(true, std::memory_order_acquire)) return;
      if (round < 8) std::this_thread::yield();
      else std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  }
  std::atomic<bool> held_{false};
};

} // namespace xpu_lite
