// Events: completion, waiting, order between streams, time.

#include "backend/runtime/event.h"

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "backend/runtime/error.h"
#include "tests/cpp/support.h"

using namespace xpu_lite;
using xpu_lite::testing::expect_contains;
using xpu_lite::testing::message_of;

TEST(Event, NeverRecordedIsComplete) {
  Event e(false);
  EXPECT_FALSE(e.recorded());
  EXPECT_EQ(e.device(), -1);
  EXPECT_TRUE(e.query());
  EXPECT_NO_THROW(e.synchronize());
  e.block(default_stream(0));
  EXPECT_TRUE(default_stream(0).runs_inline());
}

TEST(Event, CompletesAtOnceOnAnIdleInlineStream) {
  Event e(false);
  e.record(default_stream(0));
  EXPECT_TRUE(e.recorded());
  EXPECT_TRUE(e.query());
  EXPECT_EQ(e.device(), 0);
}

TEST(Event, CompletesAfterTheWorkBeforeIt) {
  Stream& s = pool_stream(0, false);
  std::promise<void> gate;
  std::atomic<bool> ran{false};
  s.launch("work", [&, f = gate.get_future().share()] {
    f.wait();
    ran = true;
  });
  Event e(false);
  e.record(s);
  EXPECT_FALSE(e.query());
  gate.set_value();
  e.synchronize();
  EXPECT_TRUE(e.query());
  EXPECT_TRUE(ran);
}

TEST(Event, OrdersTwoStreams) {
  Stream &a = pool_stream(0, false), &b = pool_stream(0, false);
  std::promise<void> gate;
  int value = 0, seen = -1;
  a.launch("write", [&, f = gate.get_future().share()] {
    f.wait();
    value = 42;
  });
  Event e(false);
  e.record(a);
  e.block(b);
  b.launch("read", [&] { seen = value; });
  gate.set_value();
  b.synchronize();
  EXPECT_EQ(seen, 42);
}

TEST(Event, RecordingAgainKeepsTheEarlierMarkForItsWaiters) {
  Stream &a = pool_stream(0, false), &b = pool_stream(0, false), &c = pool_stream(0, false);
  std::promise<void> first, second;
  a.launch("first", [f = first.get_future().share()] { f.wait(); });
  c.launch("second", [f = second.get_future().share()] { f.wait(); });
  Event e(false);
  e.record(a);
  e.block(b);
  e.record(c);
  EXPECT_FALSE(e.query());
  first.set_value();
  b.synchronize(); // waits for the first mark only
  EXPECT_FALSE(e.query());
  second.set_value();
  e.synchronize();
  EXPECT_TRUE(e.query());
}

TEST(Event, SynchronizeThrowsTheErrorBeforeIt) {
  Stream& s = pool_stream(0, false);
  s.launch("conv", [] { throw Error("broken"); });
  Event e(false);
  e.record(s);
  e.wait(); // leaves the error where it is
  expect_contains(message_of<Error>([&] { e.synchronize(); }), "work 'conv'");
  EXPECT_NO_THROW(s.synchronize());
}

TEST(Event, DestroyedWhileOthersWait) {
  Stream &a = pool_stream(0, false), &b = pool_stream(0, false);
  std::promise<void> gate;
  a.launch("gate", [f = gate.get_future().share()] { f.wait(); });
  {
    Event e(false);
    e.record(a);
    e.block(b);
  }
  gate.set_value();
  EXPECT_NO_THROW(synchronize_device(0));
}

TEST(Event, MeasuresTime) {
  Stream& s = pool_stream(0, false);
  Event start(true), end(true);
  start.record(s);
  s.launch("nap", [] { std::this_thread::sleep_for(std::chrono::milliseconds(20)); });
  end.record(s);
  end.synchronize();
  EXPECT_GE(elapsed_ms(start, end), 20.0);
  EXPECT_LE(elapsed_ms(end, start), -20.0);
}

TEST(Event, TimeOfTheWrongEvents) {
  setenv("XPU_LITE_DEVICES", "host:2", 1);
  Event plain(false), never(true), done(true), other(true), late(true);
  plain.record(default_stream(0));
  done.record(default_stream(0));
  other.record(default_stream(1));
  expect_contains(message_of<ValueError>([&] { elapsed_ms(plain, done); }), "enable_timing");
  expect_contains(message_of<ValueError>([&] { elapsed_ms(done, never); }), "recorded");
  expect_contains(message_of<ValueError>([&] { elapsed_ms(done, other); }), "0 and 1");
  std::promise<void> gate;
  Stream& s = pool_stream(0, false);
  s.launch("gate", [f = gate.get_future().share()] { f.wait(); });
  late.record(s);
  expect_contains(message_of<ValueError>([&] { elapsed_ms(done, late); }), "complete");
  gate.set_value();
  late.synchronize();
  EXPECT_GE(elapsed_ms(done, late), 0.0);
}
