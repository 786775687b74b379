// Streams: order, inline work, workers, errors of queued work, cores.

#include "backend/runtime/stream.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "backend/runtime/device.h"
#include "backend/runtime/error.h"
#include "backend/runtime/event.h"
#include "tests/cpp/support.h"

using namespace xpu_lite;
using xpu_lite::testing::expect_contains;
using xpu_lite::testing::message_of;

namespace {

struct Foreign : std::logic_error {
  using std::logic_error::logic_error;
  int code = 7;
};

// Holds a stream busy until open() is called.
struct Gate {
  std::promise<void> promise;
  std::shared_future<void> future = promise.get_future().share();
  void close(Stream& s) {
    s.launch("gate", [f = future] { f.wait(); });
  }
  void open() { promise.set_value(); }
};

} // namespace

TEST(Stream, IdsRoundTrip) {
  EXPECT_EQ(default_stream(0).id(), 0);
  std::set<StreamId> normal, high;
  for (int i = 0; i < 64; ++i) {
    normal.insert(pool_stream(0, false).id());
    high.insert(pool_stream(0, true).id());
  }
  EXPECT_EQ(normal.size(), 32u);
  EXPECT_EQ(high.size(), 32u);
  for (StreamId id : normal) EXPECT_EQ(stream_from_id(0, id).id(), id);
  for (StreamId id : high) {
    EXPECT_EQ(normal.count(id), 0u);
    EXPECT_LT(stream_from_id(0, id).priority(), 0);
  }
  Stream& own = new_stream(0, 0);
  EXPECT_LT(own.id(), 0);
  EXPECT_EQ(&stream_from_id(0, own.id()), &own);
  EXPECT_TRUE(is_initialized());
}

TEST(Stream, ForeignIdsAreErrors) {
  for (StreamId id : {StreamId{1}, StreamId{2}, StreamId{3}, StreamId{64}, StreamId{-1},
                      StreamId{1} << 40, INT64_MIN, INT64_MAX})
    expect_contains(message_of<ValueError>([&] { stream_from_id(0, id); }),
                    "was never handed out");
  message_of<ValueError>([] { default_stream(1); });
  message_of<ValueError>([] { current_stream(100); });
  message_of<ValueError>([] { pool_stream(-1, false); });
}

TEST(Stream, DefaultRunsInlineWhileIdle) {
  Stream& s = default_stream(0);
  std::thread::id where;
  EXPECT_TRUE(s.runs_inline());
  s.launch("here", [&] { where = std::this_thread::get_id(); });
  EXPECT_EQ(where, std::this_thread::get_id());
  EXPECT_TRUE(s.query());
}

TEST(Stream, DefaultQueuesBehindQueuedWork) {
  Stream &s = default_stream(0), &side = pool_stream(0, false);
  Gate gate;
  gate.close(side);
  Event event(false);
  event.record(side);
  event.block(s); // does not block this thread
  EXPECT_FALSE(s.runs_inline());
  std::atomic<bool> ran{false};
  std::thread::id where;
  s.launch("later", [&] {
    where = std::this_thread::get_id();
    ran = true;
  });
  EXPECT_FALSE(ran);
  EXPECT_FALSE(s.query());
  gate.open();
  s.synchronize();
  EXPECT_TRUE(ran);
  EXPECT_NE(where, std::this_thread::get_id());
  EXPECT_TRUE(s.runs_inline());
}

TEST(Stream, QueuedWorkIsBounded) {
  Stream& s = pool_stream(0, false);
  std::atomic<int> alive{0};
  struct Owned {
    std::atomic<int>& alive;
    ~Owned() { --alive; }
  };
  int most = 0;
  for (int i = 0; i < 3000; ++i) {
    most = std::max(most, ++alive);
    s.launch("owner", [owned = std::make_shared<Owned>(alive)] {
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    });
  }
  s.synchronize();
  EXPECT_EQ(alive, 0);
  EXPECT_LT(most, 2000);
}

TEST(Stream, KeepsOrder) {
  Stream& s = pool_stream(0, false);
  std::vector<int> seen;
  for (int i = 0; i < 5000; ++i) s.launch("append", [&seen, i] { seen.push_back(i); });
  s.synchronize();
  ASSERT_EQ(seen.size(), 5000u);
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(seen[i], i);
}

TEST(Stream, TwoStreamsRunSideBySide) {
  Stream &a = new_stream(0, 0), &b = new_stream(0, 0);
  std::promise<void> from_a, from_b;
  auto a_came = from_a.get_future(), b_came = from_b.get_future();
  std::atomic<int> met{0};
  auto meet = [&met](std::promise<void>& mine, std::future<void>& other) {
    mine.set_value();
    met += other.wait_for(std::chrono::seconds(20)) == std::future_status::ready;
  };
  a.launch("a", [&] { meet(from_a, b_came); });
  b.launch("b", [&] { meet(from_b, a_came); });
  synchronize_device(0);
  EXPECT_EQ(met, 2);
}

TEST(Stream, ReleasesWhatATaskOwnsBeforeItIsDone) {
  Stream& s = pool_stream(0, false);
  auto owned = std::make_shared<int>(1);
  std::weak_ptr<int> weak = owned;
  s.launch("own", [owned = std::move(owned)] {});
  s.synchronize();
  EXPECT_TRUE(weak.expired());
}

TEST(Stream, InlineErrorsReachTheCaller) {
  Stream& s = default_stream(0);
  EXPECT_THROW(s.launch("bad", [] { throw Foreign("x"); }), Foreign);
  EXPECT_NO_THROW(s.synchronize());
}

TEST(Stream, QueuedErrorIsThrownOnceAndLaterWorkRuns) {
  Stream& s = pool_stream(0, false);
  std::atomic<bool> later{false};
  s.launch("softmax", [] { throw Error("no such axis"); });
  s.launch("second", [] { throw Error("second"); });
  s.launch("later", [&] { later = true; });
  EXPECT_EQ(message_of<Error>([&] { s.synchronize(); }),
            message("work 'softmax' queued on stream (device 0, id ", s.id(),
                    ") failed: no such axis"));
  EXPECT_TRUE(later);
  EXPECT_NO_THROW(s.synchronize());
  s.launch("fine", [] {});
  EXPECT_NO_THROW(s.synchronize());
}

TEST(Stream, ErrorsKeepTheirType) {
  Stream& s = pool_stream(0, false);
  s.launch("a", [] { throw OutOfMemoryError("full"); });
  expect_contains(message_of<OutOfMemoryError>([&] { s.synchronize(); }), "work 'a'");
  s.launch("b", [] { throw ValueError("bad"); });
  message_of<ValueError>([&] { s.synchronize(); });
  s.launch("c", [] { throw Foreign("mine"); });
  try {
    s.synchronize();
    FAIL();
  } catch (const Foreign& e) {
    EXPECT_EQ(e.code, 7);
  }
  s.launch("d", [] { throw 5; });
  EXPECT_THROW(s.synchronize(), int);
  set_error_annotator([](std::exception_ptr, const std::string& context) {
    return std::make_exception_ptr(Foreign(context + "annotated"));
  });
  s.launch("e", [] { throw Foreign("mine"); });
  expect_contains(message_of<Foreign>([&] { s.synchronize(); }), "work 'e'");
}

TEST(Stream, DeviceSynchronizeFindsErrorsOfEveryStream) {
  Stream &a = pool_stream(0, false), &b = pool_stream(0, false);
  a.launch("a", [] { throw Error("one"); });
  b.launch("b", [] { throw Error("two"); });
  message_of<Error>([] { synchronize_device(0); });
  message_of<Error>([] { synchronize_device(0); });
  EXPECT_NO_THROW(synchronize_device(0));
}

TEST(Stream, CurrentStreamIsOfTheThread) {
  Stream& side = pool_stream(0, false);
  set_current_stream(side);
  EXPECT_EQ(&current_stream(0), &side);
  std::thread([] { EXPECT_EQ(&current_stream(0), &default_stream(0)); }).join();
}

TEST(Stream, WorkSeesItsOwnStreamAndDevice) {
  setenv("XPU_LITE_DEVICES", "host:2", 1);
  Stream& s = pool_stream(1, false);
  Stream *current = nullptr, *worker = nullptr;
  int device = -1;
  bool nested = false;
  s.launch("look", [&] {
    current = &current_stream(1);
    worker = Stream::of_worker();
    device = current_device();
    s.launch("nested", [&] { nested = true; }); // at once: this is its place
    s.synchronize();                            // does not wait for itself
    EXPECT_TRUE(nested);
  });
  s.synchronize();
  EXPECT_EQ(current, &s);
  EXPECT_EQ(worker, &s);
  EXPECT_EQ(device, 1);
  EXPECT_EQ(Stream::of_worker(), nullptr);
}

TEST(Stream, CoresBindTheWorker) {
  const int core = device_properties(0).core_ids.back();
  std::vector<int> told;
  set_worker_start_hook([&](const std::vector<int>& cores) { told = cores; });
  Stream& s = new_stream(0, 0, {core});
  EXPECT_EQ(s.cores(), std::vector<int>{core});
  cpu_set_t set;
  CPU_ZERO(&set);
  s.launch("where", [&] { sched_getaffinity(0, sizeof set, &set); });
  s.synchronize();
  EXPECT_EQ(CPU_COUNT(&set), 1);
  EXPECT_TRUE(CPU_ISSET(core, &set));
  EXPECT_EQ(told, std::vector<int>{core});
}

TEST(Stream, CoresThatDoNotExist) {
  expect_contains(message_of<ValueError>([] { new_stream(0, 0, {100000}); }),
                  "core 100000 does not belong to device 0");
}

TEST(Stream, ManyThreadsLaunch) {
  Stream &side = pool_stream(0, false), &standard = default_stream(0);
  std::atomic<int> count{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        side.launch("count", [&] { ++count; });
        Event e(false);
        e.record(side);
        e.block(standard);
        standard.launch("count", [&] { ++count; });
        if (i % 100 == 0) standard.synchronize();
      }
    });
  for (auto& t : threads) t.join();
  synchronize_device(0);
  EXPECT_EQ(count, 4000);
}

TEST(Stream, ExitDoesNotWaitForQueuedWork) {
  EXPECT_EXIT(
      {
        Stream& s = pool_stream(0, false);
        for (int i = 0; i < 100; ++i)
          s.launch("nap", [] { std::this_thread::sleep_for(std::chrono::milliseconds(300)); });
        alarm(20);
        std::exit(3);
      },
      ::testing::ExitedWithCode(3), "");
}
