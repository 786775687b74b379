#include "backend/aten/ops/packed_weights.h"

#include <cstdlib>

#include <sys/mman.h>

#include "backend/runtime/drain.h"
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

// The deleter of a form that other tensors went into as well.
struct WithWatches {
  std::shared_ptr<void> data;
  c10::SmallVector<std::shared_ptr<const Watch>, 2> watches;
  void operator()(const void*) { data.reset(); }
  bool unchanged() const {
    return std::all_of(watches.begin(), watches.end(),
                       [](const auto& w) { return w && w->unchanged(); });
  }
};

} // namespace

// Leaked: other threads may multiply while the process ends.
FormCache<std::shared_ptr<const void>>& packed_weights() {
  using Cache = FormCache<std::shared_ptr<const void>>;
  static Cache* const cache = new Cache;
  return *cache;
}

std::shared_ptr<const void> packed_by(const at::Tensor& weight, at::ScalarType kind, size_t bytes,
                                      c10::function_ref<void(void*)> pack,
                                      std::initializer_list<int64_t> variant,
                                      at::TensorList others) {
  if (options().pack_weights) {
    const auto make = [&]() -> std::shared_ptr<const void> {
      auto data = allocate(bytes);
      if (others.empty()) {
        pack(data.get());
        return data;
      }
      // Watched before they are read; nothing to keep where one cannot be watched.
      WithWatches owner{std::move(data), {}};
      for (const at::Tensor& other : others) {
        owner.watches.push_back(watch(other.unsafeGetTensorImpl()->unsafe_storage()));
      }
      void* const at = owner.data.get();
      pack(at);
      return std::shared_ptr<const void>(at, std::move(owner));
    };
    if (auto kept = packed_weights().find(weight, kind, bytes, make, variant)) {
      const WithWatches* owner = std::get_deleter<WithWatches>(kept);
      if (!owner || owner->unchanged()) return kept;
      packed_weights().forget(weight, kind, variant);
    }
  }
  std::shared_ptr<void> data = scratch(bytes);
  pack(data.get());
  return data;
}

namespace {
cpu::gemm::Weight source_of(const at::Tensor& weight, cpu::DType dtype) {
  return {dtype, weight.size(1), weight.size(0), weight.const_data_ptr(), dtype, weight.stride(1),
          weight.stride(0)};
}
} // namespace

std::shared_ptr<const void> packed_form(const at::Tensor& weight, cpu::DType dtype) {
  const cpu::gemm::Weight source = source_of(weight, dtype);
  return packed_by(weight, weight.scalar_type(),
                   cpu::gemm::packed_bytes(dtype, source.n, source.k),
                   [&](void* out) { cpu::gemm::pack(source, out); });
}

std::shared_ptr<const void> kept_by(const at::Tensor& weight, at::ScalarType kind, size_t bytes,
                                    c10::function_ref<void(void*)> pack,
                                    std::initializer_list<int64_t> variant) {
  if (!options().pack_weights) return nullptr;
  const auto make = [&]() -> std::shared_ptr<const void> {
    wait_for_device(weight.device().index());
    auto data = allocate(bytes);
    pack(data.get());
    return data;
  };
  return packed_weights().find(weight, kind, bytes, make, variant);
}

std::shared_ptr<const void> kept_form(const at::Tensor& weight, cpu::DType dtype) {
  const cpu::gemm::Weight source = source_of(weight, dtype);
  return kept_by(weight, weight.scalar_type(), cpu::gemm::packed_bytes(dtype, source.n, source.k),
                 [&](void* out) { cpu::gemm::pack(source, out); });
}

std::shared_ptr<const void> packed_once(const at::Tensor& operand, cpu::DType dtype) {
  const cpu::gemm::Weight source = source_of(operand, dtype);
  std::shared_ptr<void> data = scratch(cpu::gemm::packed_bytes(dtype, source.n, source.k));
  cpu::gemm::pack(source, data.get());
  return data;
}

} // namespace xpu_lite::aten
