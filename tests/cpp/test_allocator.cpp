// The allocator on real devices: streams, limits, out of memory, statistics.

#include "backend/runtime/allocator.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <future>
#include <memory>
#include <random>
#include <thread>

#include "backend/runtime/device.h"
#include "backend/runtime/error.h"
#include "tests/cpp/support.h"

using namespace xpu_lite;
using xpu_lite::testing::expect_contains;
using xpu_lite::testing::message_of;

namespace {

constexpr size_t kMiB = size_t{1} << 20;

} // namespace

TEST(Allocator, ZeroBytes) {
  const Allocation a = allocate(0, 0, default_stream(0));
  EXPECT_EQ(a.data, nullptr);
  EXPECT_EQ(a.context, nullptr);
  release(a.context);
  EXPECT_EQ(allocation_size(nullptr), 0u);
}

TEST(Allocator, MemoryIsUsableAlignedAndReused) {
  Stream& s = default_stream(0);
  for (size_t bytes : {1ul, 511ul, 4097ul, kMiB, kMiB + 1, 3 * kMiB, 40 * kMiB}) {
    const Allocation a = allocate(0, bytes, s);
    std::memset(a.data, 1, bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(a.data) % 64, 0u);
    EXPECT_GE(allocation_size(a.context), bytes);
    EXPECT_EQ(device_of_pointer(static_cast<char*>(a.data) + bytes - 1), 0);
    release(a.context);
    const Allocation b = allocate(0, bytes, s);
    EXPECT_EQ(a.data, b.data);
    release(b.context);
  }
  int local;
  EXPECT_EQ(device_of_pointer(&local), -1);
}

TEST(Allocator, DevicesAndStreamsAreChecked) {
  setenv("XPU_LITE_DEVICES", "host:2", 1);
  message_of<ValueError>([] { allocate(1, 16, default_stream(0)); });
  message_of<ValueError>([] { allocate(7, 16, default_stream(0)); });
  message_of<ValueError>([] { memory_stats(2); });
  message_of<ValueError>([] { empty_cache(2); });
  const Allocation a = allocate(1, 4096, default_stream(1));
  EXPECT_EQ(device_of_pointer(a.data), 1);
  EXPECT_EQ(memory_stats(0).allocation[kAggregate].current, 0);
  EXPECT_EQ(memory_stats(1).allocation[kAggregate].current, 1);
  EXPECT_EQ(memory_snapshot(1).size(), 1u);
  release(a.context);
}

TEST(Allocator, RecordedStreamsKeepABlock) {
  Stream &s = default_stream(0), &side = pool_stream(0, false);
  std::promise<void> gate;
  const Allocation a = allocate(0, 5000, s);
  side.launch("reader", [f = gate.get_future().share()] { f.wait(); });
  record_stream(a.context, side);
  release(a.context);
  EXPECT_EQ(memory_stats(0).allocation[kAggregate].current, 0);
  EXPECT_EQ(memory_stats(0).active[kAggregate].current, 1);
  const Allocation b = allocate(0, 5000, s);
  EXPECT_NE(a.data, b.data); // the reader is not done
  gate.set_value();
  side.synchronize();
  const Allocation c = allocate(0, 5000, s);
  EXPECT_EQ(a.data, c.data);
  EXPECT_EQ(memory_stats(0).active[kAggregate].current, 2);
  release(b.context);
  release(c.context);
}

TEST(Allocator, RecordingAnIdleStreamCostsNothing) {
  Stream &s = default_stream(0), &side = pool_stream(0, false);
  const Allocation a = allocate(0, 5000, s);
  record_stream(a.context, side);
  record_stream(a.context, s);
  release(a.context);
  EXPECT_EQ(memory_stats(0).active[kAggregate].current, 0);
  const Allocation b = allocate(0, 5000, s);
  EXPECT_EQ(a.data, b.data);
  release(b.context);
}

TEST(Allocator, LimitGivesTheErrorAndTheDeviceGoesOn) {
  setenv("XPU_LITE_MEMORY_LIMIT", "64M", 1);
  Stream& s = default_stream(0);
  EXPECT_EQ(memory_limit(0), 64 * kMiB);
  const Allocation a = allocate(0, 40 * kMiB, s);
  const std::string text = message_of<OutOfMemoryError>([&] { allocate(0, 30 * kMiB, s); });
  expect_contains(text, "Tried to allocate 30.00 MiB");
  expect_contains(text, "Device 0");
  expect_contains(text, "may reserve 64.00 MiB");
  expect_contains(text, "40.00 MiB allocated");
  EXPECT_EQ(memory_stats(0).num_ooms, 1);
  release(a.context);
  const Allocation b = allocate(0, 60 * kMiB, s);
  EXPECT_LE(memory_stats(0).reserved_bytes[kAggregate].peak, static_cast<int64_t>(64 * kMiB));
  EXPECT_LE(memory_info(0).first, 4 * kMiB);
  release(b.context);
}

TEST(Allocator, OutOfMemoryWaitsForRecordedStreams) {
  setenv("XPU_LITE_MEMORY_LIMIT", "64M", 1);
  Stream &s = default_stream(0), &side = pool_stream(0, false);
  const Allocation a = allocate(0, 40 * kMiB, s);
  side.launch("reader", [] { std::this_thread::sleep_for(std::chrono::milliseconds(50)); });
  record_stream(a.context, side);
  release(a.context);
  const Allocation b = allocate(0, 50 * kMiB, s);
  EXPECT_NE(b.data, nullptr);
  EXPECT_EQ(memory_stats(0).num_sync_all_streams, 1);
  release(b.context);
}

TEST(Allocator, OutOfMemoryWaitsForWorkThatOwnsMemory) {
  setenv("XPU_LITE_MEMORY_LIMIT", "64M", 1);
  Stream &s = default_stream(0), &side = pool_stream(0, false);
  const Allocation a = allocate(0, 40 * kMiB, s);
  side.launch("owner", [owned = std::shared_ptr<void>(a.context, &release)] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  });
  const Allocation b = allocate(0, 50 * kMiB, s);
  EXPECT_NE(b.data, nullptr);
  EXPECT_EQ(memory_stats(0).num_ooms, 0);
  release(b.context);
}

TEST(Allocator, Fraction) {
  message_of<ValueError>([] { set_memory_fraction(0, 1.5); });
  message_of<ValueError>([] { set_memory_fraction(0, -0.1); });
  message_of<ValueError>([] { set_memory_fraction(0, std::nan("")); });
  EXPECT_EQ(memory_fraction(0), 1.0);
  set_memory_fraction(0, 0.0);
  message_of<OutOfMemoryError>([] { allocate(0, 16, default_stream(0)); });
  set_memory_fraction(0, 0.5);
  EXPECT_EQ(memory_fraction(0), 0.5);
  EXPECT_NEAR(static_cast<double>(memory_limit(0)),
              0.5 * static_cast<double>(device_properties(0).total_memory), 1e6);
  release(allocate(0, 16, default_stream(0)).context);
}

TEST(Allocator, MoreThanTheMachineHas) {
  Stream& s = default_stream(0);
  const auto total = static_cast<size_t>(device_properties(0).total_memory);
  for (size_t bytes : {2 * total, size_t{1} << 50, SIZE_MAX})
    message_of<OutOfMemoryError>([&] { allocate(0, bytes, s); });
  // Mapped and untouched memory is spoken for too: two requests that fit one by
  // one must not both succeed when they do not fit together.
  const size_t most = memory_info(0).first * 2 / 3;
  const Allocation a = allocate(0, most, s);
  message_of<OutOfMemoryError>([&] { allocate(0, most, s); });
  release(a.context);
  empty_cache(0);
  release(allocate(0, 64 * kMiB, s).context);
}

TEST(Allocator, EmptyCacheGivesMemoryBack) {
  Stream& s = default_stream(0);
  const Allocation kept = allocate(0, 4096, s);
  release(allocate(0, 32 * kMiB, s).context);
  EXPECT_GE(allocated_and_reserved(0).second, static_cast<int64_t>(32 * kMiB));
  empty_cache();
  EXPECT_EQ(allocated_and_reserved(0).first, 4096);
  EXPECT_EQ(allocated_and_reserved(0).second, static_cast<int64_t>(2 * kMiB));
  release(kept.context);
}

TEST(Allocator, CachingOff) {
  setenv("XPU_LITE_CACHING", "0", 1);
  Stream& s = default_stream(0);
  for (size_t bytes : {100ul, 100000ul, 5 * kMiB}) {
    const Allocation a = allocate(0, bytes, s);
    std::memset(a.data, 1, bytes);
    release(a.context);
    EXPECT_EQ(allocated_and_reserved(0), (std::pair<int64_t, int64_t>{0, 0}));
  }
}

// Threads, streams, records, sizes of all kinds: no block is handed out twice.
TEST(Allocator, RandomStress) {
  setenv("XPU_LITE_DEVICES", "host:2", 1);
  std::atomic<int> broken{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      const int device = t % 2;
      Stream* streams[] = {&default_stream(device), &pool_stream(device, false)};
      struct Live {
        Allocation a;
        size_t bytes;
        unsigned char mark;
      };
      std::vector<Live> live;
      for (int step = 0; step < 3000; ++step) {
        if (live.size() < 24 && random() % 2) {
          const size_t bytes = 1 + random() % (random() % 6 ? 8192u : 6u << 20);
          Live one{allocate(device, bytes, *streams[random() % 2]), bytes,
                   static_cast<unsigned char>(random())};
          auto* p = static_cast<unsigned char*>(one.a.data);
          p[0] = p[bytes - 1] = p[bytes / 2] = one.mark;
          live.push_back(one);
        } else if (!live.empty()) {
          const size_t i = random() % live.size();
          Live one = live[i];
          live[i] = live.back();
          live.pop_back();
          auto* p = static_cast<unsigned char*>(one.a.data);
          if (random() % 4 == 0) {
            // A side stream checks it after its owner has let go.
            Stream& side = pool_stream(device, true);
            side.launch("check", [p, one, &broken] {
              if (p[0] != one.mark || p[one.bytes - 1] != one.mark) ++broken;
            });
            record_stream(one.a.context, side);
          } else if (p[0] != one.mark || p[one.bytes - 1] != one.mark) {
            ++broken;
          }
          release(one.a.context);
        }
        if (random() % 500 == 0) empty_cache(device);
        if (random() % 500 == 0) memory_stats(device);
      }
      for (Live& one : live) release(one.a.context);
    });
  for (auto& thread : threads) thread.join();
  for (int device : {0, 1}) {
    synchronize_device(device);
    empty_cache(device);
    EXPECT_EQ(allocated_and_reserved(device), (std::pair<int64_t, int64_t>{0, 0}));
  }
  EXPECT_EQ(broken, 0);
}
