#pragma once

// The caching allocator: one per device, over the engine's raw memory.
//
// Contract
//   * allocate() rounds the request up to a size class, takes the best fitting
//     free block of the same stream, splits it if the rest is worth keeping, and
//     else asks the engine for a segment. Blocks of one segment merge again when
//     they are free.
//   * A freed block goes back to the pool of the stream it was allocated on;
//     reuse on that stream needs no synchronisation, because a stream is
//     ordered. Memory used by other streams must be announced by
//     record_stream(); its block returns to the pool when they are past that use.
//   * When the engine has no memory, or a limit would be exceeded: wait for queued
//     work, which owns memory, and for recorded streams, release cached blocks that
//     are large enough, then all cached segments, retry, and at last throw
//     OutOfMemoryError with what was asked, allocated, reserved, free and limited.
//   * No callback runs and no lock of another subsystem is taken under the
//     allocator's lock. release() may be called with the GIL held.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "backend/runtime/stream.h"

namespace xpu_lite {

struct Stat {
  int64_t current = 0, peak = 0, allocated = 0, freed = 0;
};
// Index into every stat array: all blocks, those of the small pool, of the large.
enum StatType { kAggregate = 0, kSmallPool = 1, kLargePool = 2, kStatTypes = 3 };
using StatArray = std::array<Stat, kStatTypes>;

struct AllocatorStats {
  StatArray allocation, segment, active, inactive_split;                  // counts
  StatArray allocated_bytes, reserved_bytes, active_bytes,
      inactive_split_bytes, requested_bytes;                              // bytes
  int64_t num_alloc_retries = 0, num_ooms = 0, num_sync_all_streams = 0;
  int64_t num_device_alloc = 0, num_device_free = 0;
  Stat oversize_allocations, oversize_segments;
  int64_t max_split_size = -1;
};

struct BlockSnapshot {
  size_t address, size, requested_size;
  enum State { Allocated, PendingFree, Free } state;
};
struct SegmentSnapshot {
  int device;
  size_t address, total_size, allocated_size, active_size;
  StreamId stream;
  bool is_large;
  std::vector<BlockSnapshot> blocks;
};

struct Allocation {
  void* data = nullptr;    // null for zero bytes
  void* context = nullptr; // opaque block; give it to release(); null for zero bytes
};

// Throws OutOfMemoryError; ValueError for a device that does not exist.
Allocation allocate(int device, size_t bytes, Stream& stream);
void release(void* context) noexcept;              // null is allowed
void record_stream(void* context, Stream& stream); // see the contract
// The context of the allocation that starts at `data`; null if there is none.
void* allocation_context(const void* data) noexcept;
int allocation_device(void* context) noexcept;
size_t allocation_size(void* context) noexcept;    // usable bytes of the block
// The device whose live block contains `ptr`, or -1. Slow: for DLPack and checks.
int device_of_pointer(const void* ptr);

void empty_cache(int device = -1); // -1: all devices
AllocatorStats memory_stats(int device);
// Bytes now allocated and reserved; cheap.
std::pair<int64_t, int64_t> allocated_and_reserved(int device);
void reset_peak_stats(int device);
void reset_accumulated_stats(int device);
std::vector<SegmentSnapshot> memory_snapshot(int device);
// {free, total}; free counts what the limit leaves and what the machine has.
std::pair<size_t, size_t> memory_info(int device);

// Bytes this process may reserve on the device. fraction in [0, 1] of total.
// The smaller of this and XPU_LITE_MEMORY_LIMIT applies.
void set_memory_fraction(int device, double fraction);
double memory_fraction(int device);
size_t memory_limit(int device);

} // namespace xpu_lite
