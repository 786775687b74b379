#pragma once

// The shared memory of the mailbox: see Note [Mailbox layout]. Counters only grow;
// the place in the ring is the counter modulo the ring's size.

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace xpu_lite::ccl::shm {

// What a rank sleeps on. A poster that finds `sleeping` set clears it, changes `rings`
// and wakes; so one wake answers one sleep, however much is posted meanwhile.
struct alignas(128) Doorbell {
  std::atomic<uint32_t> rings;
  std::atomic<uint32_t> sleeping;
};

// Each counter has a pair of cache lines of its own: the processor fetches pairs.
struct Channel {
  alignas(128) std::atomic<uint64_t> written; // by the sender: bytes put into the ring
  alignas(128) std::atomic<uint64_t> read;    // by the receiver: bytes taken out
};

// Begins every message, at a multiple of kFrame; the data follows at once.
struct MessageHeader {
  int64_t tag;
  uint64_t bytes;
  uint64_t sequence; // of the send call
};
inline constexpr size_t kFrame = 64;
static_assert(sizeof(MessageHeader) <= kFrame);

// Where things lie in the area.
struct MailboxLayout {
  int size;

  static constexpr size_t kAreaGoal = size_t{16} << 20;
  static constexpr size_t kLargestRing = size_t{1} << 20;
  static constexpr size_t kSmallestRing = 4096;

  // A power of two; 0 for a single rank.
  size_t ring_bytes() const {
    const size_t channels = static_cast<size_t>(size) * (size - 1);
    if (channels == 0) return 0;
    const size_t share = std::bit_floor(kAreaGoal / channels);
    return share > kLargestRing ? kLargestRing : share < kSmallestRing ? kSmallestRing : share;
  }
  size_t control_bytes() const {
    const size_t ranks = static_cast<size_t>(size);
    const size_t bytes = ranks * sizeof(Doorbell) + ranks * ranks * sizeof(Channel);
    return (bytes + 4095) / 4096 * 4096;
  }
  size_t area_bytes() const {
    return control_bytes() + static_cast<size_t>(size) * (size - 1) * ring_bytes();
  }

  Doorbell& doorbell(std::byte* area, int rank) const {
    return reinterpret_cast<Doorbell*>(area)[rank];
  }
  Channel& channel(std::byte* area, int from, int to) const {
    return reinterpret_cast<Channel*>(area + size * sizeof(Doorbell))[to * size + from];
  }
  // The rings towards one rank lie side by side. A rank has none to itself.
  size_t ring_offset(int to, int from) const {
    const size_t index = static_cast<size_t>(to) * (size - 1) + (from < to ? from : from - 1);
    return control_bytes() + index * ring_bytes();
  }
};

} // namespace xpu_lite::ccl::shm
