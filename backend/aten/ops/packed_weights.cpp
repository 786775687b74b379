#include "backend/aten/ops/packed_weights.h"

#include <cstdlib>

#include <sys/mman.h>

#include "backend/runtime/error.h"
#include "backend/runtime/options.h"

namespace xpu_lite::aten {
namespace {

std::shared_ptr<void> allocate(size_t bytes) {
  constexpr size_t huge = size_t{2} << 20;
  const size_t alignment = bytes >= huge ? huge : 64;
  const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* data = std::aligned_alloc(alignment, rounded);
  if (!data) throw OutOfMemoryError(message("no memory for ", bytes, " bytes of a packed weight"));
  if (alignment == huge && options().huge_pages) madvise(data, rounded, MADV_HUGEPAGE);
  return std::shared_ptr<void>(data, &std::free);
}

// One buffer a thread, as large as its largest weight so far. A thread that multiplies
// while it holds the form of another weight gets a new one.
std::shared_ptr<void> scratch(size_t bytes) {
  static thread_local std::shared_ptr<void> buffer;
  static thread_local size_t size = 0;
  if (size < bytes || buffer.use_count() > 1) {
    buffer.reset();
    buffer = allocate(bytes);
    size = bytes;
  }
  return buffer;
}

} // namespace

// Leaked: other threads may multiply while the process ends.
FormCache<std::shared_ptr<const void>>& packed_weights() {
  using Cache = FormCache<std::shared_ptr<const void>>;
  static Cache* const cache = new Cache;
  return *cache;
}

std::shared_ptr<const void> packed_form(const at::Tensor& weight, cpu::DType dtype) {
  const int64_t k = weight.size(0), n = weight.size(1);
  const size_t bytes = cpu::gemm::packed_bytes(dtype, n, k);
  const cpu::gemm::Weight source{dtype, n, k, weight.const_data_ptr(), dtype,
                                 weight.stride(1), weight.stride(0)};
  if (options().pack_weights) {
    const auto make = [&]() -> std::shared_ptr<const void> {
      std::shared_ptr<void> data = allocate(bytes);
      cpu::gemm::pack(source, data.get());
      return data;
    };
    if (auto kept = packed_weights().find(weight, weight.scalar_type(), bytes, make)) return kept;
  }
  std::shared_ptr<void> data = scratch(bytes);
  cpu::gemm::pack(source, data.get());
  return data;
}

} // namespace xpu_lite::aten
