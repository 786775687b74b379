#pragma once

// Tables that kernels read: pointers of many tensors, written by the host into
// pinned memory. What was written is kept until the stream has passed the kernels
// that were submitted while the Table lived; nothing waits unless far more tables
// are under way than a training step makes.

#include <cstddef>
#include <mutex>

#include "backend/runtime/stream.h"

namespace xpu_lite::xpu {

class Table {
 public:
  Table(Stream& stream, size_t bytes);
  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  // The next `count` elements of the table, for host and device.
  template <class T>
  T* take(size_t count) {
    used_ = (used_ + alignof(T) - 1) / alignof(T) * alignof(T);
    T* at = reinterpret_cast<T*>(data_ + used_);
    used_ += count * sizeof(T);
    return at;
  }

 private:
  struct Ring;
  static Ring& ring_of(Stream& stream);
  Ring& ring_;
  std::unique_lock<std::mutex> lock_; // one table of a stream at a time
  char* data_;
  size_t used_ = 0;
};

} // namespace xpu_lite::xpu
