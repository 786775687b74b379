// fork(): before first use it is free, after it the child gets an error that says
// what to do.

#include "backend/runtime/allocator.h"
#include "backend/runtime/device.h"
#include "backend/runtime/error.h"
#include "tests/cpp/support.h"

using namespace xpu_lite;
using xpu_lite::testing::in_child;

namespace {

bool says_spawn(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& e) {
    return std::string(e.what()).find("spawn") != std::string::npos;
  }
  return false;
}

} // namespace

TEST(Fork, CountingDevicesDoesNotPoison) {
  EXPECT_EQ(device_count(), 1);
  EXPECT_EQ(in_child([] {
              Stream& s = pool_stream(0, false);
              bool ran = false;
              s.launch("work", [&] { ran = true; });
              s.synchronize();
              auto a = allocate(0, 1 << 20, s);
              release(a.context);
              return ran && !in_bad_fork();
            }),
            0);
  EXPECT_FALSE(is_initialized());
}

TEST(Fork, ChildOfAnInitializedProcessIsTold) {
  auto kept = allocate(0, 4096, default_stream(0));
  Stream& side = pool_stream(0, false);
  side.launch("start the worker", [] {});
  side.synchronize();
  EXPECT_EQ(in_child([&] {
              release(kept.context); // what the child inherited may be dropped
              return in_bad_fork() && !is_initialized() && says_spawn([] { initialize(); }) &&
                  says_spawn([] { default_stream(0); }) &&
                  says_spawn([] { current_stream(0); }) &&
                  says_spawn([&] { allocate(0, 16, side); }) &&
                  says_spawn([&] { side.launch("x", [] {}); }) &&
                  says_spawn([&] { side.synchronize(); }) &&
                  says_spawn([&] { synchronize_device(0); }) && device_count() == 1;
            }),
            0);
  // The parent goes on.
  EXPECT_FALSE(in_bad_fork());
  release(kept.context);
  EXPECT_NO_THROW(synchronize_device(0));
}

TEST(Fork, GrandchildOfAnInitializedProcessIsTold) {
  initialize();
  EXPECT_EQ(in_child([] {
              return in_child([] { return says_spawn([] { initialize(); }); }) == 0;
            }),
            0);
}
