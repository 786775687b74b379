#pragma once

// Copies what peers will read into a slot, through the cache or past it.
//
// Note [Writing to shared lines]
// A slot's lines are in the caches of the peers that read them last, and to write them
// a core must first have those copies dropped. Between cores that share an L3 that
// costs little: one core wrote 9 GB/s. Between cores of two dies it wrote 2 GB/s, and
// stores past the cache, which drop the copies on their way to memory, 24 to 44 GB/s;
// peers then read from memory, at 30 GB/s. An all_reduce of 64 MiB by two ranks took 43 ms
// through the cache and 7 past it there, and 7 and 11 where the L3 is shared. A virtual
// machine may be moved from one case to the other, so the copies themselves find out
// which case it is, all the time.
//
// No slot at all was tried too, by process_vm_readv out of the peers' own buffers: it
// copied 64 MiB in 7 ms in pieces of 256 KiB and in 15 ms in pieces of 64 KiB (6 us a
// call), where a plain copy took 6 ms. An all_reduce of 64 MiB made of it took 12 ms, the
// slots 8 in the same runs: the buffers' own lines are then the shared ones.

#include <cstddef>

namespace xpu_lite::ccl::shm {

class SlotWriter {
 public:
  void copy(void* slot, const void* from, size_t bytes) {
    if (bytes < kSmall) return cached(slot, from, bytes);
    large(slot, from, bytes);
  }

 private:
  static constexpr size_t kSmall = 4096; // below, the way hardly matters
  void large(void* slot, const void* from, size_t bytes);
  static void cached(void* slot, const void* from, size_t bytes);
  // Whether a copy through the cache, timed, was fast enough.
  static bool fast(void* slot, const void* from, size_t bytes);

  bool past_cache_ = true;
  int until_probe_ = 1; // copies past the cache until one tries the other way
  int slow_copies_ = 0; // through the cache, in a row
};

} // namespace xpu_lite::ccl::shm
