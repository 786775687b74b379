#pragma once

// Sleeping on a word of shared memory. A word is 64 bits where it counts steps; the
// kernel looks at its lower half, which changes with every step.

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>
#include <ctime>

namespace xpu_lite::ccl::shm {

static_assert(std::atomic<uint64_t>::is_always_lock_free && sizeof(std::atomic<uint64_t>) == 8);

inline uint32_t* futex_word(std::atomic<uint64_t>& word) {
  return reinterpret_cast<uint32_t*>(&word); // little endian: the lower half comes first
}

// Returns when woken, when the word is no longer `seen`, or after `nanoseconds`
// (below one second); also for no reason. False only where the time was over.
bool futex_wait(uint32_t* word, uint32_t seen, int64_t nanoseconds) noexcept;
void futex_wake_all(uint32_t* word) noexcept;

} // namespace xpu_lite::ccl::shm
