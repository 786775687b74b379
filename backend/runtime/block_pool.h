#pragma once

// The caching policy, with no device in it: blocks cut from segments of a memory
// source, kept for reuse when they are freed.
//
// An arena holds the free blocks of one stream. A block that is freed goes onto a
// last-in first-out list of its exact size, unmerged: the next request of that
// size takes it in a few nanoseconds. Only when no list serves a request are the
// lists emptied, their blocks merged with free neighbours and kept in a tree by
// size for best fit. Nothing is asked of the source before that has been tried,
// so the lists never make the pool grow.
//
//   small   up to 1 MiB, multiples of 512 bytes, segments of 2 MiB and more
//   large   multiples of 4 KiB; segments of 2 to 20 MiB below 4 MiB, and of
//           exactly the size from there on, so that big tensors waste nothing
//
// Segments that lie free are given back before a new one would take the reserved
// bytes above 1.125 times the most that was ever in use. Each time that this happens the
// factor grows by 1/128, up to 1.25: a loop whose sizes do not fit each other's segments
// would map and touch fresh memory at every turn.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "backend/runtime/allocator.h"
#include "backend/runtime/spin_mutex.h"

namespace xpu_lite {

class BlockPool;
struct Arena;

class MemorySource {
 public:
  virtual ~MemorySource() = default;
  virtual void* allocate_segment(size_t bytes) = 0; // null: no memory
  virtual void free_segment(void* data, size_t bytes) noexcept = 0;
};

struct Segment {
  char* data = nullptr;
  size_t size = 0;
  Arena* arena = nullptr;
  bool large = false;
  uint64_t freed_at = 0; // a clock of slow paths: which free segment is oldest
  struct Block* first = nullptr;
};

struct Block {
  enum State : uint8_t { Allocated, Pending, Cached /* on a list */, Free /* in a tree */ };
  char* data = nullptr;
  size_t size = 0, requested = 0;
  Arena* arena = nullptr;
  Block* list_next = nullptr;
  Block *prev = nullptr, *next = nullptr; // neighbours in the segment
  Segment* segment = nullptr;
  void* uses = nullptr; // of the pool's owner
  State state = Allocated;
  bool large = false;
};

struct BySize {
  using is_transparent = void;
  bool operator()(const Block* a, const Block* b) const {
    return a->size != b->size ? a->size < b->size : a->data < b->data;
  }
  bool operator()(const Block* a, size_t size) const { return a->size < size; }
};
using BlockTree = std::set<Block*, BySize>;

struct Arena {
  static constexpr size_t kUnit = 512, kClasses = (size_t{1} << 20) / kUnit;
  static constexpr size_t kLargeLists = 64;
  BlockPool* pool = nullptr;
  int64_t stream = 0;
  std::array<Block*, kClasses + 1> small{};     // by size / kUnit
  std::array<Block*, kLargeLists> large_lists{}; // each of one size, by its hash
  BlockTree trees[2];                            // small, large
};

class BlockPool {
 public:
  static constexpr size_t kSmallLimit = size_t{1} << 20;

  BlockPool(MemorySource& source, bool caching = true);
  ~BlockPool(); // gives every segment back; nothing may be in use
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  MemorySource& source() { return source_; }
  Arena& arena(int64_t stream); // made on first use; valid as long as the pool

  // `bytes` > 0. Null when the source or the limit refuses, with all that is free
  // already given back. Thread-safe, as all of these are.
  Block* allocate(Arena& arena, size_t bytes) {
    if (bytes <= kSmallLimit) [[likely]] {
      const size_t index = (bytes + Arena::kUnit - 1) / Arena::kUnit;
      std::lock_guard<SpinMutex> lock(mutex_);
      if (Block* block = arena.small[index]) [[likely]] {
        arena.small[index] = block->list_next;
        hand_out(block, bytes);
        return block;
      }
      return allocate_small(arena, bytes, index * Arena::kUnit);
    }
    return allocate_large(arena, bytes);
  }
  void free(Block* block) noexcept {
    std::lock_guard<SpinMutex> lock(mutex_);
    count_free(block);
    keep(block);
  }
  // In two steps: freed by its owner, and later done with by its streams.
  void free_later(Block* block) noexcept;
  void free_pending(Block* block) noexcept;

  // Gives back every segment with no block in use. Returns the bytes.
  size_t release_free();
  void set_limit(size_t bytes);

  AllocatorStats stats();
  std::pair<int64_t, int64_t> allocated_and_reserved();
  void reset_peaks();
  void reset_totals();
  void count_oom();
  void count_sync();
  std::vector<SegmentSnapshot> snapshot(int device);
  bool in_use(const void* ptr); // does a block that is handed out contain it

 private:
  struct Usage {
    int64_t count = 0, bytes = 0, requested = 0;
  };

  void hand_out(Block* block, size_t bytes) {
    count_inactive(block, -1);
    block->state = Block::Allocated;
    block->requested = bytes;
    Usage& live = live_[block->large];
    live.count += 1;
    live.bytes += block->size;
    live.requested += bytes;
    Usage& total = total_[block->large];
    total.count += 1;
    total.bytes += block->size;
    total.requested += bytes;
    rising_ = true;
  }
  void count_free(Block* block) {
    // A peak is reached just before something is freed, and only then is looked at.
    if (rising_) raise_peaks();
    Usage& live = live_[block->large];
    live.count -= 1;
    live.bytes -= block->size;
    live.requested -= block->requested;
  }
  void keep(Block* block) noexcept {
    if (block->large || !caching_) [[unlikely]] {
      keep_slow(block);
      return;
    }
    block->state = Block::Cached;
    Block*& list = block->arena->small[block->size / Arena::kUnit];
    block->list_next = list;
    list = block;
    count_inactive(block, +1);
  }
  // Free parts of segments that are not wholly free.
  void count_inactive(const Block* block, int sign) {
    if (!block->prev && !block->next) return;
    Usage& inactive = inactive_[block->large];
    inactive.count += sign;
    inactive.bytes += sign * static_cast<int64_t>(block->size);
    if (sign > 0) {
      inactive_total_[block->large].count += 1;
      inactive_total_[block->large].bytes += block->size;
      rising_ = true;
    }
  }

  void raise_peaks();
  void keep_slow(Block* block) noexcept;
  Block* allocate_small(Arena& arena, size_t bytes, size_t size);
  Block* allocate_large(Arena& arena, size_t bytes);
  enum class Fit { Exact, Fair, Any };
  Block* take_fit(Arena& arena, bool large, size_t size, Fit fit);
  Block* split(Block* block, size_t size);
  void flush(Arena& arena, bool large) noexcept;
  void flush_list(Block*& list) noexcept;
  void merge(Block* block) noexcept;
  Block* absorb(Block* left, Block* right, Block* in_tree) noexcept;
  Block* grow(Arena& arena, bool large, size_t size);
  size_t segment_size(bool large, size_t size) const;
  // Gives free segments back, oldest first, until `enough` bytes are; 0 for all.
  size_t release_oldest(size_t enough) noexcept;
  void release_segment(Block* whole) noexcept;
  Block* new_block();
  void drop_block(Block* block) noexcept;

  MemorySource& source_;
  const bool caching_;
  bool rising_ = false;
  SpinMutex mutex_;
  // Index 0 small, 1 large; the sum of both is computed when asked for.
  Usage live_[2], pending_[2], inactive_[2], total_[2], inactive_total_[2];
  // Peaks: index as in StatType, the sum first.
  struct Peaks {
    Usage live, active, inactive;
  } peaks_[kStatTypes];
  // What the totals were when they were last reset.
  Usage total_base_[2], inactive_base_[2], freed_base_[2], active_freed_base_[2],
      inactive_freed_base_[2];
  StatArray segments_{}, reserved_{};
  int64_t retries_ = 0, ooms_ = 0, syncs_ = 0, source_allocs_ = 0, source_frees_ = 0;
  int64_t high_water_ = 0; // most bytes ever in use
  double slack_ = 1.125;   // reserved may be so many times as much; see above
  size_t limit_ = SIZE_MAX;
  uint64_t clock_ = 0;
  std::map<int64_t, std::unique_ptr<Arena>> arenas_;
  std::map<char*, Segment*> by_address_;
  std::vector<std::unique_ptr<Block[]>> slabs_;
  Block* spare_ = nullptr;
};

} // namespace xpu_lite
