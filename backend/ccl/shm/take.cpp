// Where the results of collectives are copied to.

#include "backend/ccl/kernels/reduce.h"
#include "backend/ccl/shm/collectives.h"

namespace xpu_lite::ccl::shm {
namespace {
constexpr size_t kLarge = 8 << 20;
}

void take(void* to, const std::byte* slot, size_t bytes, size_t total) {
  if (total < kLarge) copy_cached(to, slot, bytes);
  else copy_streaming(to, slot, bytes);
}

void copy_own(Slice to, ConstSlice from) {
  if (to.data != from.data && from.bytes > 0)
    take(to.data, static_cast<const std::byte*>(from.data), from.bytes, from.bytes);
}

} // namespace xpu_lite::ccl::shm
