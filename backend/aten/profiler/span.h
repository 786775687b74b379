#pragma once

// What the device did, and when: spans that kernels, copies and sets leave in
// the trace of torch.profiler. A span is on the path of every operator, so when
// nobody records it is one relaxed load and one predictable branch.

#include <atomic>
#include <cstdint>

#include "backend/runtime/stream.h"

namespace xpu_lite::aten {

namespace profiler {

// Set between start and stop of a profiler session that asked for the device.
inline std::atomic<bool> recording{false};

inline bool is_recording() noexcept {
  return recording.load(std::memory_order_relaxed);
}

} // namespace profiler

// The operator (low half) and the user annotation (high half) that the profiler
// has open on this thread; 0 where there is none.
struct Correlation {
  uint64_t ids = 0;
};

namespace profiler {
Correlation correlation_slow() noexcept;
} // namespace profiler

// What a queued task must carry from the thread that queued it to its span.
inline Correlation current_correlation() noexcept {
  return __builtin_expect(profiler::is_recording(), 0) ? profiler::correlation_slow()
                                                       : Correlation{};
}

// For a queued task whose spans open further down: what they belong to.
class CorrelationScope {
 public:
  explicit CorrelationScope(Correlation correlation) noexcept {
    if (__builtin_expect(correlation.ids != 0, 0)) {
      outer_ = exchange(correlation);
      set_ = true;
    }
  }
  ~CorrelationScope() {
    if (__builtin_expect(set_, 0)) {
      exchange(outer_);
    }
  }
  CorrelationScope(const CorrelationScope&) = delete;
  CorrelationScope& operator=(const CorrelationScope&) = delete;

 private:
  static Correlation exchange(Correlation correlation) noexcept;
  Correlation outer_;
  bool set_ = false;
};

// Covers its own lifetime on `stream`. `name` must outlive the process's last
// profiler session (a literal, or a name that is never freed). `kind`: 'k' a
// kernel, 'c' a copy, 's' a set; `bytes` is what a copy or set moves.
class KernelSpan {
 public:
  KernelSpan(const char* name, const Stream& stream, int64_t bytes = 0,
             char kind = 'k') noexcept {
    if (__builtin_expect(profiler::is_recording(), 0)) {
      open(name, stream, bytes, kind, profiler::correlation_slow());
    }
  }
  // For queued work: `correlation` is current_correlation() at the launch.
  KernelSpan(const char* name, const Stream& stream, Correlation correlation,
             int64_t bytes = 0, char kind = 'k') noexcept {
    if (__builtin_expect(profiler::is_recording(), 0)) {
      open(name, stream, bytes, kind, correlation);
    }
  }
  ~KernelSpan() {
    if (__builtin_expect(start_ != 0, 0)) {
      close();
    }
  }
  KernelSpan(const KernelSpan&) = delete;
  KernelSpan& operator=(const KernelSpan&) = delete;

 private:
  void open(const char* name, const Stream& stream, int64_t bytes, char kind,
            Correlation correlation) noexcept;
  void close() noexcept;

  uint64_t start_ = 0; // ticks of c10's approximate clock; 0: not recorded
  // Only set when start_ is.
  const char* name_;
  int64_t bytes_;
  Correlation correlation_;
  Correlation outer_; // of the span around this one on the same thread
  StreamId stream_;
  int device_;
  uint32_t session_;
  char kind_;
};

} // namespace xpu_lite::aten
