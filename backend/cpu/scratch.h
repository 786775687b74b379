#pragma once

// Memory that a thread keeps between calls of a kernel: it only grows, to the largest
// block that was asked for.

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace xpu_lite::cpu {

class Scratch {
 public:
  // At least `bytes`, on a page boundary; what was there before is lost if it grows.
  template <class T>
  T* get(size_t bytes) {
    if (bytes > size_) {
      data_.reset();
      size_ = 0;
      const size_t rounded = (bytes + 4095) / 4096 * 4096;
      data_.reset(std::aligned_alloc(4096, rounded));
      if (!data_) throw std::bad_alloc();
      size_ = rounded;
    }
    return static_cast<T*>(data_.get());
  }

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<void, Free> data_;
  size_t size_ = 0;
};

} // namespace xpu_lite::cpu
