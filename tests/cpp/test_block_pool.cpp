// The caching policy over a source that only counts.

#include "backend/runtime/block_pool.h"

#include <cmath>
#include <cstring>
#include <deque>
#include <random>
#include <thread>

#include "tests/cpp/support.h"

using namespace xpu_lite;

namespace {

constexpr size_t kMiB = size_t{1} << 20;

class FakeSource : public MemorySource {
 public:
  explicit FakeSource(size_t most = SIZE_MAX, bool real = false) : most_(most), real_(real) {}
  ~FakeSource() override { EXPECT_EQ(held, 0u); }
  void* allocate_segment(size_t bytes) override {
    if (held + bytes > most_) return nullptr;
    held += bytes;
    peak = std::max(peak, held);
    ++calls;
    if (real_) return std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    next_ += (bytes + kMiB) / 4096 * 4096;
    return reinterpret_cast<void*>(next_ - bytes / 4096 * 4096);
  }
  void free_segment(void* data, size_t bytes) noexcept override {
    held -= bytes;
    if (real_) std::free(data);
  }
  size_t held = 0, peak = 0, calls = 0;

 private:
  size_t most_;
  bool real_;
  uintptr_t next_ = 1ul << 40;
};

// Snapshot and statistics must tell the same story at any time.
void check(BlockPool& pool) {
  const AllocatorStats s = pool.stats();
  int64_t allocated = 0, reserved = 0, active = 0, split = 0, split_count = 0, blocks = 0;
  for (const SegmentSnapshot& segment : pool.snapshot(0)) {
    size_t at = segment.address;
    for (const BlockSnapshot& block : segment.blocks) {
      ASSERT_EQ(block.address, at);
      at += block.size;
      blocks += block.state == BlockSnapshot::Allocated;
      if (block.state == BlockSnapshot::Free && segment.blocks.size() > 1) {
        split += block.size;
        ++split_count;
      }
    }
    ASSERT_EQ(at, segment.address + segment.total_size);
    allocated += segment.allocated_size;
    active += segment.active_size;
    reserved += segment.total_size;
  }
  ASSERT_EQ(s.allocated_bytes[kAggregate].current, allocated);
  ASSERT_EQ(s.active_bytes[kAggregate].current, active);
  ASSERT_EQ(s.reserved_bytes[kAggregate].current, reserved);
  ASSERT_EQ(s.allocation[kAggregate].current, blocks);
  ASSERT_EQ(s.inactive_split_bytes[kAggregate].current, split);
  ASSERT_EQ(s.inactive_split[kAggregate].current, split_count);
  for (const StatArray* array :
       {&s.allocation, &s.segment, &s.active, &s.inactive_split, &s.allocated_bytes,
        &s.reserved_bytes, &s.active_bytes, &s.inactive_split_bytes, &s.requested_bytes}) {
    for (const Stat& stat : *array) {
      ASSERT_GE(stat.peak, stat.current);
      ASSERT_GE(stat.current, 0);
    }
    ASSERT_EQ((*array)[kAggregate].current,
              (*array)[kSmallPool].current + (*array)[kLargePool].current);
  }
}

} // namespace

TEST(BlockPool, ReusesTheBlockFreedLast) {
  FakeSource source;
  BlockPool pool(source);
  Arena& arena = pool.arena(0);
  Block* a = pool.allocate(arena, 1000);
  Block* b = pool.allocate(arena, 1000);
  EXPECT_EQ(a->size, 1024u);
  char *a_data = a->data, *b_data = b->data;
  EXPECT_NE(a_data, b_data);
  pool.free(a);
  pool.free(b);
  EXPECT_EQ(pool.allocate(arena, 1024)->data, b_data);
  EXPECT_EQ(pool.allocate(arena, 513)->data, a_data);
  EXPECT_EQ(source.calls, 1u);
}

TEST(BlockPool, StreamsDoNotShareFreeBlocks) {
  FakeSource source;
  BlockPool pool(source);
  Block* a = pool.allocate(pool.arena(0), 4096);
  char* data = a->data;
  pool.free(a);
  EXPECT_NE(pool.allocate(pool.arena(1), 4096)->data, data);
  EXPECT_EQ(pool.allocate(pool.arena(0), 4096)->data, data);
}

TEST(BlockPool, NeighboursMergeBeforeTheSourceIsAsked) {
  FakeSource source;
  BlockPool pool(source);
  Arena& arena = pool.arena(0);
  std::vector<Block*> blocks;
  for (int i = 0; i < 512; ++i) blocks.push_back(pool.allocate(arena, 4096));
  EXPECT_EQ(source.held, 2 * kMiB);
  for (Block* b : blocks) pool.free(b);
  pool.allocate(arena, kMiB);
  pool.allocate(arena, kMiB);
  EXPECT_EQ(source.held, 2 * kMiB);
  EXPECT_EQ(source.calls, 1u);
}

TEST(BlockPool, LargeBlocksSplitAndMerge) {
  FakeSource source;
  BlockPool pool(source);
  Arena& arena = pool.arena(0);
  Block* whole = pool.allocate(arena, 64 * kMiB);
  EXPECT_EQ(source.held, 64 * kMiB); // exactly: no rounding of big tensors
  pool.free(whole);
  Block* a = pool.allocate(arena, 24 * kMiB);
  Block* b = pool.allocate(arena, 40 * kMiB);
  EXPECT_EQ(source.calls, 1u);
  check(pool);
  pool.free(a);
  pool.free(b);
  EXPECT_NE(pool.allocate(arena, 64 * kMiB), nullptr);
  EXPECT_EQ(source.calls, 1u);
  check(pool);
}

TEST(BlockPool, LimitRefusesAndRecovers) {
  FakeSource source;
  BlockPool pool(source);
  Arena& arena = pool.arena(0);
  pool.set_limit(32 * kMiB);
  EXPECT_EQ(pool.allocate(arena, 33 * kMiB), nullptr);
  Block* a = pool.allocate(arena, 20 * kMiB);
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(pool.allocate(arena, 20 * kMiB), nullptr);
  pool.free(a);
  // The free 20 MiB must be given back to make room.
  EXPECT_NE(pool.allocate(arena, 30 * kMiB), nullptr);
  EXPECT_LE(source.peak, 32 * kMiB);
}

TEST(BlockPool, LimitBelowASegmentStillServes) {
  FakeSource source;
  BlockPool pool(source);
  pool.set_limit(256 * 1024);
  EXPECT_NE(pool.allocate(pool.arena(0), 100 * 1024), nullptr);
  EXPECT_NE(pool.allocate(pool.arena(0), 100 * 1024), nullptr);
  EXPECT_EQ(pool.allocate(pool.arena(0), 100 * 1024), nullptr);
}

TEST(BlockPool, SourceWithoutMemoryGetsTheCacheBackFirst) {
  FakeSource source(40 * kMiB);
  BlockPool pool(source);
  Block* a = pool.allocate(pool.arena(7), 30 * kMiB);
  EXPECT_EQ(pool.allocate(pool.arena(0), 20 * kMiB), nullptr);
  pool.free(a);
  EXPECT_NE(pool.allocate(pool.arena(0), 20 * kMiB), nullptr);
}

TEST(BlockPool, AbsurdSizesAreRefused) {
  FakeSource source;
  BlockPool pool(source);
  EXPECT_EQ(pool.allocate(pool.arena(0), SIZE_MAX), nullptr);
  EXPECT_EQ(pool.allocate(pool.arena(0), SIZE_MAX / 2), nullptr);
}

TEST(BlockPool, PendingIsActiveAndNotAllocated) {
  FakeSource source;
  BlockPool pool(source);
  Block* a = pool.allocate(pool.arena(0), 4096);
  pool.free_later(a);
  check(pool);
  EXPECT_EQ(pool.stats().allocation[kAggregate].current, 0);
  EXPECT_EQ(pool.stats().active[kAggregate].current, 1);
  EXPECT_EQ(pool.stats().active_bytes[kSmallPool].current, 4096);
  EXPECT_NE(pool.allocate(pool.arena(0), 4096), a);
  pool.free_pending(a);
  check(pool);
  EXPECT_EQ(pool.allocate(pool.arena(0), 4096), a);
}

TEST(BlockPool, EveryStatistic) {
  FakeSource source;
  BlockPool pool(source);
  Arena& arena = pool.arena(0);
  Block* small = pool.allocate(arena, 700);
  Block* large = pool.allocate(arena, 3 * kMiB + 1);
  pool.free(large);
  AllocatorStats s = pool.stats();
  EXPECT_EQ(s.allocation[kAggregate].current, 1);
  EXPECT_EQ(s.allocation[kAggregate].peak, 2);
  EXPECT_EQ(s.allocation[kAggregate].allocated, 2);
  EXPECT_EQ(s.allocation[kAggregate].freed, 1);
  EXPECT_EQ(s.allocation[kSmallPool].current, 1);
  EXPECT_EQ(s.allocation[kLargePool].freed, 1);
  EXPECT_EQ(s.requested_bytes[kSmallPool].current, 700);
  EXPECT_EQ(s.requested_bytes[kLargePool].peak, 3 * static_cast<int64_t>(kMiB) + 1);
  EXPECT_EQ(s.allocated_bytes[kSmallPool].current, 1024);
  EXPECT_EQ(s.segment[kAggregate].current, 2);
  EXPECT_EQ(s.reserved_bytes[kAggregate].current, static_cast<int64_t>(source.held));
  EXPECT_EQ(s.num_device_alloc, 2);
  pool.reset_peaks();
  EXPECT_EQ(pool.stats().allocation[kAggregate].peak, 1);
  pool.reset_totals();
  s = pool.stats();
  EXPECT_EQ(s.allocation[kAggregate].allocated, 0);
  EXPECT_EQ(s.allocation[kAggregate].freed, 0);
  pool.free(small);
  s = pool.stats();
  EXPECT_EQ(s.allocation[kAggregate].freed, 1);
  EXPECT_EQ(s.allocated_bytes[kAggregate].freed, 1024);
  pool.release_free();
  EXPECT_EQ(pool.stats().reserved_bytes[kAggregate].current, 0);
  EXPECT_EQ(pool.stats().num_device_free, 2);
}

TEST(BlockPool, WithoutCachingMemoryGoesBackAtOnce) {
  FakeSource source;
  BlockPool pool(source, false);
  for (size_t bytes : {100ul, 5000ul, 3 * kMiB}) {
    Block* a = pool.allocate(pool.arena(0), bytes);
    Block* b = pool.allocate(pool.arena(0), bytes);
    check(pool);
    pool.free(a);
    pool.free(b);
    EXPECT_EQ(source.held, 0u);
  }
}

TEST(BlockPool, FindsTheBlockOfAPointer) {
  FakeSource source;
  BlockPool pool(source);
  Block* a = pool.allocate(pool.arena(0), 4096);
  EXPECT_TRUE(pool.in_use(a->data));
  EXPECT_TRUE(pool.in_use(a->data + 4095));
  EXPECT_FALSE(pool.in_use(a->data + 4096));
  EXPECT_FALSE(pool.in_use(&source));
  char* data = a->data;
  pool.free(a);
  EXPECT_FALSE(pool.in_use(data));
}

TEST(BlockPool, DoesNotGrowOverRandomSizes) {
  FakeSource source;
  BlockPool pool(source);
  Arena& arena = pool.arena(0);
  std::mt19937 random(1);
  std::deque<Block*> live;
  size_t early = 0;
  for (int step = 0; step < 100000; ++step) {
    const double scale = std::uniform_real_distribution<>(6, 23)(random);
    live.push_back(pool.allocate(arena, static_cast<size_t>(std::pow(2., scale))));
    ASSERT_NE(live.back(), nullptr);
    if (live.size() > 64) {
      const size_t victim = random() % live.size();
      pool.free(live[victim]);
      live.erase(live.begin() + victim);
    }
    if (step == 20000) early = source.peak;
    if (step % 5000 == 0) check(pool);
  }
  EXPECT_LE(source.peak, early * 5 / 4);
  for (Block* b : live) pool.free(b);
  pool.release_free();
  EXPECT_EQ(source.held, 0u);
}

// A training loop in outline: parameters stay; the first step makes gradients and
// optimizer states in memory that activations have left; later steps repeat.
TEST(BlockPool, TrainingReservesLittleMoreThanItUses) {
  for (size_t width : {128, 512, 768}) {
    for (size_t tokens : {256, 1000, 2048}) {
      FakeSource source;
      BlockPool pool(source);
      Arena& arena = pool.arena(0);
      std::vector<size_t> shapes = {30522 * width * 4, 512 * width * 4};
      for (int layer = 0; layer < 6; ++layer)
        for (size_t s : {width * width, width * width, width * width, width * width,
                         4 * width * width, 4 * width * width, width, 4 * width})
          shapes.push_back(s * 4);
      auto get = [&](size_t bytes) { return pool.allocate(arena, bytes); };
      std::vector<Block*> states;
      for (size_t s : shapes) get(s);
      for (int step = 0; step < 4; ++step) {
        std::vector<Block*> saved, gradients;
        for (int layer = 0; layer < 6; ++layer) {
          for (size_t s : {1, 1, 1, 1, 1, 4, 4, 1}) {
            Block* temporary = get(s * tokens * width * 4);
            saved.push_back(get(s * tokens * width * 4));
            pool.free(temporary);
          }
          saved.push_back(get(tokens * 128 * width / 64 * 4));
        }
        saved.push_back(get(tokens * 30522 * 4));
        for (size_t i = shapes.size(); i-- > 0;) {
          Block* temporary = get(tokens * width * 4);
          gradients.push_back(get(shapes[i]));
          pool.free(temporary);
          for (int k = 0; k < 2 && !saved.empty(); ++k) {
            pool.free(saved.back());
            saved.pop_back();
          }
        }
        if (states.empty())
          for (size_t s : shapes)
            for (int k = 0; k < 2; ++k) states.push_back(get(s));
        for (Block* g : gradients) pool.free(g);
        for (Block* s : saved) pool.free(s);
      }
      const AllocatorStats s = pool.stats();
      const double ratio = double(s.reserved_bytes[kAggregate].peak) /
                           double(s.allocated_bytes[kAggregate].peak);
      EXPECT_LE(ratio, 1.25) << "width " << width << ", tokens " << tokens;
      RecordProperty("ratio_" + std::to_string(width) + "_" + std::to_string(tokens),
                     std::to_string(ratio));
    }
  }
}

TEST(BlockPool, ThreadsNeverShareABlock) {
  FakeSource source(SIZE_MAX, true);
  BlockPool pool(source);
  Arena* arenas[2] = {&pool.arena(0), &pool.arena(1)};
  std::vector<std::thread> threads;
  std::atomic<int> broken{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      std::vector<std::pair<Block*, unsigned char>> live;
      for (int step = 0; step < 8000; ++step) {
        if (live.size() < 32 && random() % 2) {
          const size_t bytes = random() % 8 ? 1 + random() % 4096 : 1 + random() % (3 << 20);
          Block* b = pool.allocate(*arenas[random() % 2], bytes);
          const auto mark = static_cast<unsigned char>(random());
          std::memset(b->data, mark, std::min<size_t>(bytes, 512));
          b->data[bytes - 1] = static_cast<char>(mark);
          live.push_back({b, mark});
        } else if (!live.empty()) {
          const size_t i = random() % live.size();
          auto [b, mark] = live[i];
          if (static_cast<unsigned char>(b->data[0]) != mark ||
              static_cast<unsigned char>(b->data[b->requested - 1]) != mark)
            ++broken;
          pool.free(b);
          live[i] = live.back();
          live.pop_back();
        }
        if (step % 1000 == 0) pool.release_free();
      }
      for (auto& [b, mark] : live) pool.free(b);
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(broken, 0);
  check(pool);
  pool.release_free();
  EXPECT_EQ(source.held, 0u);
}
