#pragma once

// How a buffer is cut into the pieces that steps carry.

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace xpu_lite::ccl::shm {

inline const std::byte* bytes_of(const void* data) { return static_cast<const std::byte*>(data); }
inline std::byte* bytes_of(void* data) { return static_cast<std::byte*>(data); }

// Never 0: an empty collective takes a step too, in which ranks find out whether they
// call the same.
inline uint64_t steps_for(size_t size, size_t chunk) {
  return std::max<uint64_t>(1, chunk == 0 ? 1 : (size + chunk - 1) / chunk);
}

// The size of piece t; 0 behind the end.
inline size_t piece(size_t size, size_t chunk, uint64_t t) {
  return size <= t * chunk ? 0 : std::min<size_t>(chunk, size - t * chunk);
}

} // namespace xpu_lite::ccl::shm
