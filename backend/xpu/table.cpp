#include "backend/xpu/table.h"

#include <memory>
#include <unordered_map>
#include <vector>

#include <sycl/sycl.hpp>

#include "backend/runtime/error.h"
#include "backend/runtime/event.h"
#include "backend/xpu/sycl_queue.h"

namespace xpu_lite::xpu {

namespace {

constexpr size_t kSegmentBytes = 256 * 1024;
constexpr size_t kSegments = 8; // then the oldest is waited for

} // namespace

// Segments are filled one after the other; a full one is used again once its event,
// recorded when it was left, has passed.
struct Table::Ring {
  struct Segment {
    char* data;
    size_t bytes, used = 0;
    Event passed{/*enable_timing=*/false};
    Segment(Stream& stream, size_t size)
        : data(static_cast<char*>(sycl::malloc_host(size, queue_of(stream).get_context()))),
          bytes(size) {
      if (!data) throw OutOfMemoryError(message("no pinned memory for a table of ", size, " bytes"));
    }
  };
  std::mutex mutex;
  std::vector<std::unique_ptr<Segment>> segments;
  size_t current = 0;

  char* take(Stream& stream, size_t bytes) {
    bytes = (bytes + 63) / 64 * 64;
    if (segments.empty()) add(stream, bytes);
    if (segments[current]->bytes - segments[current]->used < bytes) {
      segments[current]->passed.record(stream);
      next(stream, bytes);
    }
    Segment& segment = *segments[current];
    char* at = segment.data + segment.used;
    segment.used += bytes;
    return at;
  }

 private:
  void add(Stream& stream, size_t bytes) {
    segments.push_back(
        std::make_unique<Segment>(stream, bytes > kSegmentBytes ? bytes : kSegmentBytes));
    current = segments.size() - 1;
  }

  void next(Stream& stream, size_t bytes) {
    for (size_t i = 1; i <= segments.size(); ++i) {
      const size_t at = (current + i) % segments.size();
      Segment& segment = *segments[at];
      if (segment.bytes < bytes) continue;
      if (segments.size() >= kSegments) segment.passed.wait();
      if (!segment.passed.query()) continue;
      segment.used = 0;
      current = at;
      return;
    }
    add(stream, bytes);
  }
};

Table::Ring& Table::ring_of(Stream& stream) {
  // Streams live as long as the process, and so do their rings.
  static std::mutex& mutex = *new std::mutex;
  static auto& rings = *new std::unordered_map<Stream*, std::unique_ptr<Ring>>;
  std::lock_guard lock(mutex);
  std::unique_ptr<Ring>& ring = rings[&stream];
  if (!ring) ring = std::make_unique<Ring>();
  return *ring;
}

Table::Table(Stream& stream, size_t bytes)
    : ring_(ring_of(stream)), lock_(ring_.mutex),
      data_(ring_.take(stream, bytes)) {}

Table::~Table() = default;

} // namespace xpu_lite::xpu
