#pragma once

// What lies where in the segment of a group.
//
// Note [Segment layout]
//   header     one page: what the segment is, and whether the group is broken
//   controls   two cache lines a rank: its progress, who it is
//   slots      each rank's own part: `slots` fronts of a page, then their bulk data
//   mailbox    see Note [Mailbox layout]
// The header, the controls and the control part of the mailbox are reserved by rank
// 0; a rank reserves its own slots, so that the kernel puts them on its NUMA node.

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "backend/ccl/shm/description.h"

namespace xpu_lite::ccl::shm {

inline constexpr size_t kPage = 4096;
inline constexpr size_t kLine = 64;
constexpr size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

struct Header {
  uint64_t token; // of this group: the file is the one that rank 0 made
  std::atomic<uint32_t> broken;  // 0: works; 1: the reason is being written; 2: it is there
  uint32_t broken_kind;          // enum Failure
  std::atomic<uint64_t> cores[16]; // every core that any rank may run on
  char reason[3072];
};
static_assert(sizeof(Header) <= kPage);

struct Control {
  // Steps of which this rank reads nothing any more (a count, so the next step's number).
  alignas(kLine) std::atomic<uint64_t> done;
  std::atomic<uint32_t> sleepers; // on `done`
  alignas(kLine) std::atomic<uint64_t> entered; // sequence number of its latest call
  uint64_t start_time; // of the process: its pid may be used again
  int32_t pid;
  std::atomic<uint32_t> left; // it has shut the group down
};

// The front of a slot. Its first line carries the flag, what the rank calls, and the
// data itself if that is tiny: one transfer between cores is then a whole message.
struct Slot {
  static constexpr size_t kTiny = 24;
  static constexpr size_t kSmall = kPage - kLine;
  enum Place : uint8_t { Tiny, Small, Bulk };

  alignas(kLine) std::atomic<uint64_t> stamp; // step + 1 once the slot holds that step
  std::atomic<uint32_t> sleepers;             // on `stamp`
  Place place;                                // of the data
  Description description;
  std::byte tiny[kTiny];
  alignas(kLine) std::byte small[kSmall];
};
static_assert(offsetof(Slot, small) == kLine && sizeof(Slot) == kPage);

struct Geometry {
  int size = 1;          // ranks
  uint32_t slots = 4;    // of a rank: how many steps it may be ahead
  size_t bulk_bytes = 0; // of a slot; a multiple of a page
  size_t mailbox_control_bytes = 0;
  size_t mailbox_bytes = 0;

  size_t controls_offset() const { return kPage; }
  size_t rank_offset(int rank) const {
    return round_up(controls_offset() + size * sizeof(Control), kPage) + rank * rank_bytes();
  }
  size_t rank_bytes() const { return slots * (sizeof(Slot) + bulk_bytes); }
  size_t mailbox_offset() const { return rank_offset(size); }
  size_t total_bytes() const { return round_up(mailbox_offset() + mailbox_bytes, kPage); }
};

// What suits a group of this size.
Geometry geometry_for(int size);

} // namespace xpu_lite::ccl::shm
