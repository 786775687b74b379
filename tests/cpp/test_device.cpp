// The registry: XPU_LITE_DEVICES, the current device of a thread, properties.

#include "backend/runtime/device.h"

#include <algorithm>
#include <numeric>
#include <thread>

#include "backend/cpu/dispatch.h"
#include "backend/runtime/error.h"
#include "tests/cpp/support.h"

using namespace xpu_lite;
using xpu_lite::testing::expect_contains;
using xpu_lite::testing::message_of;

namespace {

void devices(const char* value) { setenv("XPU_LITE_DEVICES", value, 1); }

} // namespace

TEST(Device, AutoIsOneHostDevice) {
  EXPECT_EQ(device_count(), 1);
  EXPECT_STREQ(engine().kind(), "host");
  EXPECT_EQ(current_device(), 0);
  EXPECT_FALSE(is_initialized()); // counting is not using
}

TEST(Device, SharesOutTheCores) {
  devices("host:2");
  ASSERT_EQ(device_count(), 2);
  const DeviceProperties &a = device_properties(0), &b = device_properties(1);
  EXPECT_EQ(a.engine, "host");
  EXPECT_GT(a.total_memory, 0);
  EXPECT_GE(a.cores, 1);
  EXPECT_EQ(a.cores, static_cast<int>(a.core_ids.size()));
  EXPECT_TRUE(a.major || a.minor);
  if (std::thread::hardware_concurrency() > 1) {
    for (int core : a.core_ids)
      EXPECT_EQ(std::count(b.core_ids.begin(), b.core_ids.end(), core), 0);
  }
}

TEST(Device, MoreDevicesThanCores) {
  devices("host:64");
  ASSERT_EQ(device_count(), 64);
  for (int d = 0; d < 64; ++d) EXPECT_FALSE(device_properties(d).core_ids.empty());
}

TEST(Device, CurrentDeviceIsOfTheThread) {
  devices("host:3");
  set_device(2);
  std::thread([] {
    EXPECT_EQ(current_device(), 0);
    set_device(1);
  }).join();
  EXPECT_EQ(current_device(), 2);
  EXPECT_EQ(exchange_device(1), 2);
  EXPECT_EQ(maybe_exchange_device(-1), 1);
  EXPECT_EQ(current_device(), 1);
}

TEST(Device, IndexOutOfRange) {
  devices("host:2");
  EXPECT_EQ(message_of<ValueError>([] { set_device(5); }),
            "device index 5 out of range [0, 2)");
  message_of<ValueError>([] { set_device(-1); });
  message_of<ValueError>([] { exchange_device(2); });
  message_of<ValueError>([] { device_properties(2); });
  EXPECT_EQ(current_device(), 0);
}

class Unknown : public ::testing::TestWithParam<const char*> {};
TEST_P(Unknown, SelectorListsWhatWasFound) {
  devices(GetParam());
  const std::string text = message_of<ValueError>([] { device_count(); });
  expect_contains(text, GetParam());
  expect_contains(text, "found on this machine: ");
  expect_contains(text, "host");
  message_of<ValueError>([] { initialize(); });
  EXPECT_FALSE(is_initialized());
}
INSTANTIATE_TEST_SUITE_P(Device, Unknown,
                         ::testing::Values("cuda", "host:0", "host:65", "host:x", "host:",
                                           "host:-1", "host:99999999999999", "auto:2", ":2"));

// A build or a machine without such devices says what is missing.
class Sycl : public ::testing::TestWithParam<const char*> {};
TEST_P(Sycl, SaysWhatIsMissing) {
  devices(GetParam());
  try {
    EXPECT_GT(device_count(), 0);
    GTEST_SKIP() << "this machine has " << GetParam();
  } catch (const Error& e) {
    expect_contains(e.what(), std::string("XPU_LITE_DEVICES=") + GetParam());
    const std::string text = e.what();
    if (text.find("no such device; SYCL devices found: ") == std::string::npos)
      expect_contains(text, "pip install 'torch-xpu-lite[xpu]'");
  }
}
INSTANTIATE_TEST_SUITE_P(Device, Sycl,
                         ::testing::Values("level_zero:gpu", "opencl:gpu", "opencl:cpu"));

TEST(Device, EngineCopies) {
  std::vector<int> from(3 << 20), to(3 << 20);
  std::iota(from.begin(), from.end(), 0);
  engine().copy(to.data(), 0, from.data(), 0, from.size() * sizeof(int));
  EXPECT_EQ(from, to);
  // Overlapping ranges, as memmove.
  engine().copy(to.data() + 1, 0, to.data(), 0, (to.size() - 1) * sizeof(int));
  EXPECT_EQ(to[0], 0);
  EXPECT_TRUE(std::equal(to.begin() + 1, to.end(), from.begin()));
}

TEST(Device, DispatchLevelHonoursTheCap) {
  setenv("XPU_LITE_ISA", "avx2", 1);
  EXPECT_EQ(cpu::active_level(), cpu::Level::avx2);
}
