#pragma once

// A piece of address space, shared by the ranks that are threads of one process: what
// looks at addresses (ThreadSanitizer) then sees that they share memory.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "backend/ccl/shm/memory_file.h"

namespace xpu_lite::ccl::shm {

class Mapping {
 public:
  // Maps the file, and enters it as the token's.
  static std::shared_ptr<Mapping> make(const MemoryFile& file, size_t bytes, uint64_t token);
  // The mapping that this process has of that token; or null.
  static std::shared_ptr<Mapping> find(uint64_t token);
  // Memory of this process alone, reserved when touched.
  static std::shared_ptr<Mapping> make_private(size_t bytes);

  Mapping(void* data, size_t bytes) : data_(static_cast<std::byte*>(data)), bytes_(bytes) {}
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::byte* data() const { return data_; }

 private:
  std::byte* data_;
  size_t bytes_;
};

} // namespace xpu_lite::ccl::shm
