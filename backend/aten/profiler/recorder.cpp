#include "backend/aten/profiler/recorder.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <utility>

#include <c10/util/ApproximateClock.h>

#include "backend/aten/profiler/span.h"
#include "backend/runtime/blocking.h"
#include "backend/runtime/device.h"

namespace xpu_lite::aten {
namespace profiler {
namespace {

// Work on a queue of the device: its times are known when it is done.
struct DeviceRecord {
  Record record;
  std::shared_ptr<Mark> begin, end;
};

struct ThreadBuffer {
  std::mutex mutex; // taken by its thread and, at the end, by the collector
  std::vector<Record> records;
  std::deque<DeviceRecord> on_device;
};

// Nanoseconds to add to the steady clock, which marks use, for the Unix clock.
int64_t unix_offset() {
  return c10::getTime() - std::chrono::steady_clock::now().time_since_epoch().count();
}

// Moves what is done, or with `wait` everything, to the records.
void settle(ThreadBuffer& buffer, bool wait) noexcept {
  while (!buffer.on_device.empty()) {
    DeviceRecord& first = buffer.on_device.front();
    try {
      if (wait) first.end->wait();
      else if (!first.end->done()) return;
      const int64_t offset = unix_offset();
      first.record.start = static_cast<uint64_t>(first.begin->time_ns() + offset);
      first.record.end = static_cast<uint64_t>(first.end->time_ns() + offset);
      first.record.device_time = true;
      buffer.records.push_back(first.record);
    } catch (...) {
      // Without times: failed work, whose error its stream has.
    }
    buffer.on_device.pop_front();
  }
}

struct Registry {
  std::mutex mutex;
  std::vector<std::shared_ptr<ThreadBuffer>> buffers;
  std::unordered_set<std::string> names;
  std::atomic<uint32_t> session{0};
};

// Never destroyed: worker threads may outlive static destructors.
Registry& registry() {
  static Registry* r = new Registry;
  return *r;
}

struct OpenRange {
  const char* name;
  uint64_t start;
};

// A span whose work goes to a queue of the device.
struct OpenWork {
  Queue* queue = nullptr;
  std::shared_ptr<Mark> begin;
};

struct ThreadState {
  uint32_t session = 0; // what the stacks below belong to
  int32_t thread = static_cast<int32_t>(::syscall(SYS_gettid));
  std::vector<uint64_t> operators;
  std::vector<uint64_t> annotations;
  std::vector<OpenRange> ranges;
  std::vector<OpenWork> works; // one per open span; empty on engines without such queues
  Correlation span; // of the innermost open span
  std::shared_ptr<ThreadBuffer> buffer;
};

// A session can end between a push and its pop, so what an earlier session left
// on the stacks is cleared when the thread is first seen by the next one.
ThreadState& state() {
  thread_local ThreadState s;
  const uint32_t session = registry().session.load(std::memory_order_acquire);
  if (s.session != session) {
    s.session = session;
    s.operators.clear();
    s.annotations.clear();
    s.ranges.clear();
    s.works.clear();
    s.span = {};
  }
  return s;
}

void make_buffer(ThreadState& s) {
  if (s.buffer) return;
  s.buffer = std::make_shared<ThreadBuffer>();
  std::lock_guard<std::mutex> lock(registry().mutex);
  registry().buffers.push_back(s.buffer);
}

void append_on_device(ThreadState& s, DeviceRecord record) {
  constexpr size_t kSettleFrom = 4096; // marks cost memory of the driver
  make_buffer(s);
  std::lock_guard<std::mutex> lock(s.buffer->mutex);
  s.buffer->on_device.push_back(std::move(record));
  if (s.buffer->on_device.size() % kSettleFrom == 0) settle(*s.buffer, false);
}

void append(ThreadState& s, const Record& record) {
  make_buffer(s);
  std::lock_guard<std::mutex> lock(s.buffer->mutex);
  s.buffer->records.push_back(record);
}

const char* intern(const char* name) {
  std::lock_guard<std::mutex> lock(registry().mutex);
  return registry().names.emplace(name).first->c_str();
}

void pop(std::vector<uint64_t>& stack) {
  if (!stack.empty()) {
    stack.pop_back();
  }
}

} // namespace

Correlation correlation_slow() noexcept {
  const ThreadState& s = state();
  if (s.operators.empty() && s.annotations.empty()) {
    return s.span; // a worker: what the task it runs was launched by
  }
  const uint64_t op = s.operators.empty() ? 0 : s.operators.back();
  const uint64_t user = s.annotations.empty() ? 0 : s.annotations.back();
  return {(user << 32) | (op & 0xffffffffu)}; // Kineto's ids have 32 bits
}

uint32_t begin_session() {
  Registry& r = registry();
  std::lock_guard<std::mutex> lock(r.mutex);
  std::erase_if(r.buffers, [](const auto& b) { return b.use_count() == 1; });
  for (const auto& buffer : r.buffers) {
    std::lock_guard<std::mutex> buffer_lock(buffer->mutex);
    buffer->records.clear();
    buffer->on_device.clear();
  }
  const uint32_t session = r.session.fetch_add(1, std::memory_order_acq_rel) + 1;
  recording.store(true, std::memory_order_release);
  return session;
}

std::vector<Record> end_session() {
  recording.store(false, std::memory_order_release);
  BlockingScope blocking; // for work of the device that is not done
  std::vector<Record> all;
  Registry& r = registry();
  std::lock_guard<std::mutex> lock(r.mutex);
  for (const auto& buffer : r.buffers) {
    std::lock_guard<std::mutex> buffer_lock(buffer->mutex);
    settle(*buffer, true);
    all.insert(all.end(), buffer->records.begin(), buffer->records.end());
    std::vector<Record>().swap(buffer->records);
  }
  return all;
}

void push_operator(uint64_t id) { state().operators.push_back(id); }
void pop_operator() { pop(state().operators); }
void push_annotation(uint64_t id) { state().annotations.push_back(id); }
void pop_annotation() { pop(state().annotations); }

void range_push(const char* name) {
  if (is_recording()) {
    state().ranges.push_back({intern(name), c10::getApproximateTime()});
  }
}

void range_pop() {
  if (!is_recording()) {
    return;
  }
  ThreadState& s = state();
  if (s.ranges.empty()) {
    return;
  }
  const OpenRange range = s.ranges.back();
  s.ranges.pop_back();
  append(s, {range.name, range.start, c10::getApproximateTime(), 0, 0, 0, 0, s.thread, 'r'});
}

void mark(const char* name) {
  if (is_recording()) {
    ThreadState& s = state();
    const uint64_t now = c10::getApproximateTime();
    append(s, {intern(name), now, now, 0, 0, 0, 0, s.thread, 'r'});
  }
}

} // namespace profiler

using namespace profiler;

namespace {

void open_on_device(ThreadState& s, const Stream& stream) noexcept {
  OpenWork work;
  try {
    work.queue = &const_cast<Stream&>(stream).queue();
    work.begin = work.queue->mark(/*timing=*/true);
  } catch (...) {
    // The operator meets the same error, and reports it.
  }
  s.works.push_back(std::move(work));
}

OpenWork close_on_device(ThreadState& s) noexcept {
  if (s.works.empty()) return {};
  OpenWork work = std::move(s.works.back());
  s.works.pop_back();
  return work;
}

} // namespace

Correlation CorrelationScope::exchange(Correlation correlation) noexcept {
  return std::exchange(state().span, correlation);
}

void KernelSpan::open(const char* name, const Stream& stream, int64_t bytes, char kind,
                      Correlation correlation) noexcept {
  ThreadState& s = state();
  outer_ = std::exchange(s.span, correlation);
  name_ = name;
  bytes_ = bytes;
  correlation_ = correlation;
  stream_ = stream.id();
  device_ = stream.device();
  session_ = s.session;
  kind_ = kind;
  start_ = c10::getApproximateTime();
  if (engine().supports(Feature::DeviceQueues)) open_on_device(s, stream);
}

void KernelSpan::close() noexcept {
  const uint64_t end = c10::getApproximateTime();
  ThreadState& s = state();
  if (s.session != session_) {
    return; // the session it began in is over
  }
  s.span = outer_;
  const OpenWork work = close_on_device(s);
  if (!is_recording()) {
    return;
  }
  try {
    const Record record{name_, start_, end, bytes_, correlation_.ids, stream_, device_, s.thread,
                        kind_};
    if (work.begin)
      append_on_device(s, {record, work.begin, work.queue->mark(/*timing=*/true)});
    else append(s, record);
  } catch (...) {
    // Out of memory for the trace: a missing span must not fail the operator.
  }
}

} // namespace xpu_lite::aten
