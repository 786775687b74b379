// The stages of a wait. How long the waits of late took decides how long the next one
// spins: peers that are busy for longer than spinning is worth are slept for at once.

#include "backend/ccl/shm/waiter.h"

#include <immintrin.h>
#include <sched.h>

#include <algorithm>

#include "backend/ccl/shm/futex.h"

namespace xpu_lite::ccl::shm {
namespace {

constexpr int64_t kShortest = 2000; // ns
constexpr int64_t kLongest = 100000;
constexpr int kYields = 8;
constexpr int64_t kSlice = 100000000;

int64_t nanoseconds(Clock::duration duration) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

} // namespace

void Waiter::slow(std::atomic<uint64_t>& word, std::atomic<uint32_t>& sleepers, uint64_t value,
                  Deadline deadline, Patience& patience) {
  const auto start = may_spin_ ? Clock::now() : Clock::time_point();
  const auto ready = [&] { return word.load(std::memory_order_acquire) >= value; };
  if (may_spin_) {
    for (int i = 0; i < 64; ++i) {
      _mm_pause();
      if (ready()) return;
    }
    int64_t spent = 0;
    while (spent < spin_ns_) {
      for (int i = 0; i < 32; ++i) {
        _mm_pause();
        if (ready()) {
          spin_ns_ = std::clamp(2 * spent, spin_ns_, kLongest);
          return;
        }
      }
      ::sched_yield(); // whom it waits for may want this very core
      patience.check(false);
      spent = nanoseconds(Clock::now() - start);
    }
  } else {
    for (int i = 0; i < kYields; ++i) {
      ::sched_yield();
      if (ready()) return;
    }
  }
  for (bool slept = false;;) {
    patience.check(slept);
    const int64_t left =
        deadline == Deadline::max() ? kSlice : nanoseconds(deadline - Clock::now());
    sleepers.fetch_add(1);
    const uint64_t seen = word.load();
    if (seen < value)
      slept = !futex_wait(futex_word(word), static_cast<uint32_t>(seen),
                          std::clamp<int64_t>(left, 0, kSlice));
    sleepers.fetch_sub(1);
    if (ready()) break;
  }
  if (may_spin_) {
    const int64_t took = nanoseconds(Clock::now() - start);
    spin_ns_ = took < kLongest ? std::max(spin_ns_, took) : std::max(spin_ns_ / 2, kShortest);
  }
}

void advance(std::atomic<uint64_t>& word, std::atomic<uint32_t>& sleepers,
             uint64_t value) noexcept {
  // Sequentially consistent, against the waiter's increment before its last look.
  word.store(value);
  if (sleepers.load() != 0) futex_wake_all(futex_word(word));
}

} // namespace xpu_lite::ccl::shm
