// The SYCL engine below torch: memory, streams, events, host tasks, errors. On the
// device that XPU_LITE_DEVICES names, or two sub-devices of the OpenCL CPU device.

#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "backend/runtime/allocator.h"
#include "backend/runtime/device.h"
#include "backend/runtime/error.h"
#include "backend/runtime/event.h"
#include "backend/xpu/device_pointer.h"
#include "backend/xpu/engine.h"
#include "backend/xpu/launch.h"
#include "backend/xpu/sycl_error.h"
#include "backend/xpu/sycl_queue.h"
#include "tests/cpp/support.h"

namespace xpu_lite {
namespace {

using namespace xpu_lite::testing;

class Xpu : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("XPU_LITE_DEVICES", "opencl:cpu:2", 0);
    try {
      initialize();
    } catch (const Error& e) {
      GTEST_SKIP() << e.what();
    }
  }
};

void sleep_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

TEST_F(Xpu, DevicesHaveProperties) {
  ASSERT_GE(device_count(), 1);
  for (int d = 0; d < device_count(); ++d) {
    const DeviceProperties& p = device_properties(d);
    EXPECT_FALSE(p.name.empty());
    EXPECT_GT(p.total_memory, 0);
    EXPECT_GT(p.cores, 0);
    EXPECT_GE(p.major, 1);
    const auto [free, total] = engine().memory_info(d);
    EXPECT_LE(free, total);
  }
  EXPECT_FALSE(default_stream(0).runs_inline());
}

TEST_F(Xpu, DescriptionNamesDeviceAndDriver) {
  std::string text;
  for (const std::string& line : xpu::describe()) text += line + "\n";
  expect_contains(text, device_properties(0).name);
  expect_contains(text, "driver: ");
  expect_contains(text, "aspects: ");
}

TEST_F(Xpu, MemoryIsAlignedAndCopies) {
  for (int d = 0; d < device_count(); ++d) {
    Stream& stream = default_stream(d);
    for (size_t bytes : {size_t{1}, size_t{1000}, size_t{5} << 20}) {
      void* raw = engine().allocate(d, bytes);
      ASSERT_NE(raw, nullptr);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(raw) % 64, 0u);
      xpu::fill_async(stream, raw, 0x5a, bytes);
      std::vector<unsigned char> host(bytes);
      xpu::copy_async(stream, host.data(), raw, bytes);
      stream.synchronize();
      EXPECT_TRUE(stream.query());
      EXPECT_EQ(host, std::vector<unsigned char>(bytes, 0x5a));
      engine().free(d, raw, bytes);
    }
  }
}

TEST_F(Xpu, PeerCopies) {
  if (device_count() < 2) GTEST_SKIP() << "one device";
  constexpr size_t kBytes = 3 << 20;
  Allocation a = allocate(0, kBytes, default_stream(0));
  Allocation b = allocate(1, kBytes, default_stream(1));
  xpu::fill_async(default_stream(0), a.data, 9, kBytes);
  synchronize_device(0);
  engine().copy(b.data, 1, a.data, 0, kBytes);
  std::vector<unsigned char> host(kBytes);
  engine().copy(host.data(), -1, b.data, 1, kBytes);
  EXPECT_EQ(host, std::vector<unsigned char>(kBytes, 9));
  release(a.context);
  release(b.context);
}

TEST_F(Xpu, TooMuchMemoryIsNullAndThenAnError) {
  EXPECT_EQ(engine().allocate(0, size_t{1} << 50), nullptr);
  const std::string text =
      message_of<OutOfMemoryError>([] { allocate(0, size_t{1} << 50, default_stream(0)); });
  expect_contains(text, "Tried to allocate 1048576.00 GiB");
  Allocation after = allocate(0, 4096, default_stream(0));
  EXPECT_NE(after.data, nullptr);
  release(after.context);
}

// Memory given back while queued work uses it stays until that work is done.
TEST_F(Xpu, FreeingDoesNotDisturbWorkInFlight) {
  Stream& stream = pool_stream(0, false);
  constexpr size_t kBytes = 8 << 20;
  std::vector<unsigned char> host(kBytes);
  for (int i = 0; i < 10; ++i) {
    void* raw = engine().allocate(0, kBytes);
    std::atomic<bool> go{false};
    stream.launch("wait", [&] {
      while (!go) sleep_ms(1);
    });
    xpu::fill_async(stream, raw, static_cast<unsigned char>(i), kBytes);
    xpu::copy_async(stream, host.data(), raw, kBytes);
    engine().free(0, raw, kBytes); // does not wait
    void* other = engine().allocate(0, kBytes);
    EXPECT_NE(other, raw);
    go = true;
    stream.synchronize();
    EXPECT_EQ(host, std::vector<unsigned char>(kBytes, static_cast<unsigned char>(i)));
    engine().free(0, other, kBytes);
  }
}

TEST_F(Xpu, HostTasksRunInOrderWithDeviceWork) {
  Stream& stream = pool_stream(0, false);
  auto* host = static_cast<unsigned char*>(engine().allocate_host(4096));
  ASSERT_NE(host, nullptr);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(host) % 4096, 0u);
  std::memset(host, 0, 4096);
  int seen = -1;
  xpu::fill_async(stream, host, 1, 64);
  stream.launch("task", [&] {
    sleep_ms(20);
    seen = host[0];
    host[0] = 7;
  });
  unsigned char after = 0;
  xpu::copy_async(stream, host + 1, host, 1); // behind the task
  EXPECT_FALSE(stream.query());
  stream.synchronize();
  after = host[1];
  EXPECT_EQ(seen, 1);
  EXPECT_EQ(after, 7);
  engine().free_host(host, 4096);
}

TEST_F(Xpu, ManyHostTasksOfManyThreads) {
  Stream& stream = pool_stream(0, false);
  std::atomic<int> done{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) stream.launch("count", [&] { ++done; });
    });
  for (std::thread& t : threads) t.join();
  stream.synchronize();
  EXPECT_EQ(done, 2000);
}

// Neither the host nor the other stream's earlier work waits.
TEST_F(Xpu, EventsOrderStreamsWithoutBlockingTheHost) {
  for (int other = 0; other < std::min(device_count(), 2); ++other) {
    Stream& first = pool_stream(0, false);
    Stream& second = pool_stream(other, true);
    std::atomic<bool> go{false};
    int order = 0, when = 0;
    first.launch("slow", [&] {
      while (!go) sleep_ms(1);
      order = 1;
    });
    Event event(false);
    event.record(first);
    EXPECT_FALSE(event.query());
    event.block(second);
    second.launch("look", [&] { when = order; });
    sleep_ms(20);
    EXPECT_EQ(when, 0);
    go = true; // this line is reached only if nothing blocked
    second.synchronize();
    EXPECT_EQ(when, 1);
    EXPECT_TRUE(event.query());
    first.synchronize();
  }
}

TEST_F(Xpu, EventsMeasureDeviceTime) {
  Stream& stream = default_stream(0);
  Event start(true), end(true);
  start.record(stream);
  stream.launch("sleep", [] { sleep_ms(30); });
  end.record(stream);
  end.synchronize();
  EXPECT_GE(elapsed_ms(start, end), 29.0);
  EXPECT_LT(elapsed_ms(start, end), 5000.0);
}

TEST_F(Xpu, ErrorsOfTasksComeWithTheNextSynchronisation) {
  Stream& stream = pool_stream(0, false);
  bool ran = false;
  stream.launch("bad", [] { throw ValueError("seven is not allowed"); });
  stream.launch("good", [&] { ran = true; });
  const std::string text = message_of<ValueError>([&] { stream.synchronize(); });
  expect_contains(text, "work 'bad' queued on stream (device 0");
  expect_contains(text, "seven is not allowed");
  EXPECT_TRUE(ran);
  stream.synchronize(); // only once
}

TEST_F(Xpu, AsynchronousErrorsOfSyclAreKept) {
  Stream& stream = pool_stream(0, false);
  xpu::queue_of(stream).submit([](sycl::handler& h) {
    h.host_task([] { throw std::runtime_error("lost in a host task"); });
  });
  expect_contains(message_of<Error>([&] { stream.synchronize(); }), "lost in a host task");
  stream.synchronize();
}

TEST_F(Xpu, ErrorsOfTheDriverAreNamed) {
  auto error_of = [](const char* text) {
    return xpu::to_error(
        std::make_exception_ptr(sycl::exception(sycl::make_error_code(sycl::errc::runtime), text)),
        "copy of 8 bytes");
  };
  const std::string lost = message_of<Error>(
      [&] { std::rethrow_exception(error_of("20 (UR_RESULT_ERROR_DEVICE_LOST)")); });
  expect_contains(lost, "the device was lost in copy of 8 bytes");
  expect_contains(lost, "start a new process");
  expect_contains(message_of<OutOfMemoryError>([&] {
    std::rethrow_exception(error_of("39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)"));
  }), "out of memory in copy of 8 bytes");
  expect_contains(message_of<Error>([&] { std::rethrow_exception(error_of("other")); }),
                  "copy of 8 bytes failed: other");
}

TEST_F(Xpu, BadCallsAreErrors) {
  Stream& stream = default_stream(0);
  message_of<ValueError>([] { new_stream(0, 0, {0}); });
  message_of<Error>([&] { xpu::launch(stream, "no_such_kernel_f32", {1, 1}, 0); });
  stream.synchronize();
}

TEST_F(Xpu, StreamsOfEachPriority) {
  for (int priority : {-1, 0, 1}) {
    Stream& stream = new_stream(0, priority);
    bool ran = false;
    stream.launch("task", [&] { ran = true; });
    stream.synchronize();
    EXPECT_TRUE(ran);
    EXPECT_EQ(stream.priority(), priority);
  }
}

TEST_F(Xpu, ForkedChildIsToldToSpawn) {
  default_stream(0).launch("task", [] {});
  synchronize_device(0);
  EXPECT_EQ(in_child([] {
    try {
      allocate(0, 64, default_stream(0));
    } catch (const Error& e) {
      return std::string(e.what()).find("spawn") != std::string::npos;
    }
    return false;
  }), 0);
}

// Reading device memory on the host kills a child process; copies work.
TEST(XpuGuardMode, HostAccessFaults) {
  setenv("XPU_LITE_GUARD", "1", 1);
  setenv("XPU_LITE_DEVICES", "opencl:cpu", 0);
  try {
    initialize();
  } catch (const Error& e) {
    GTEST_SKIP() << e.what();
  }
  EXPECT_FALSE(engine().supports(Feature::HostReadableMemory));
  Stream& stream = default_stream(0);
  Allocation block = allocate(0, 4096, stream);
  EXPECT_EQ(device_of_pointer(block.data), 0);
  EXPECT_EQ(allocation_context(block.data), block.context);
  xpu::fill_async(stream, block.data, 3, 4096);
  char host = 0;
  xpu::copy_async(stream, &host, block.data, 1);
  stream.synchronize();
  EXPECT_EQ(host, 3);
  EXPECT_EQ(in_child([&] { return *static_cast<volatile char*>(block.data) >= 0; }),
            128 + SIGSEGV);
  EXPECT_EQ(in_child([&] { // the memory itself is there
    return *xpu::device_pointer(static_cast<volatile char*>(block.data)) == 3;
  }), 0);
  release(block.context);
}

} // namespace
} // namespace xpu_lite
