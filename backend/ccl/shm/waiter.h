#pragma once

// Waiting for a counter in shared memory to reach a value: for a moment on the core,
// if every rank has one; then a few turns for others; then asleep.

#include <atomic>
#include <cstdint>

#include "backend/ccl/types.h"

namespace xpu_lite::ccl::shm {

// Asked between the slices of a wait.
class Patience {
 public:
  virtual ~Patience() = default;
  // Throws where waiting has become pointless. `slept`: a whole slice has passed, so
  // that looks which cost a system call are due.
  virtual void check(bool slept) = 0;
};

class Waiter {
 public:
  explicit Waiter(bool may_spin) : may_spin_(may_spin) {}

  // Until word >= value. `sleepers` tells who changes the word that it must wake.
  void until(std::atomic<uint64_t>& word, std::atomic<uint32_t>& sleepers, uint64_t value,
             Deadline deadline, Patience& patience) {
    if (word.load(std::memory_order_acquire) >= value) return;
    slow(word, sleepers, value, deadline, patience);
  }

 private:
  void slow(std::atomic<uint64_t>& word, std::atomic<uint32_t>& sleepers, uint64_t value,
            Deadline deadline, Patience& patience);

  bool may_spin_;
  // How long it spins before it sleeps; grows while that pays and shrinks else.
  int64_t spin_ns_ = 20000;
};

// Advances a counter that others wait for.
void advance(std::atomic<uint64_t>& word, std::atomic<uint32_t>& sleepers, uint64_t value) noexcept;

} // namespace xpu_lite::ccl::shm
