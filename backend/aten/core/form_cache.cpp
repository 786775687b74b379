#include "backend/aten/core/form_cache.h"

#include <unistd.h>

#include "backend/runtime/options.h"

namespace xpu_lite::aten {

FormKey form_key(const at::Tensor& tensor, at::ScalarType to) {
  const c10::TensorImpl* impl = tensor.unsafeGetTensorImpl();
  FormKey key{impl->unsafe_storage().unsafeGetStorageImpl(), impl->storage_offset(), {},
              tensor.scalar_type(), to};
  const auto sizes = impl->sizes(), strides = impl->strides();
  key.geometry.append(sizes.begin(), sizes.end());
  key.geometry.append(strides.begin(), strides.end());
  return key;
}

size_t FormKeyHash::operator()(const FormKey& key) const {
  size_t hash = reinterpret_cast<size_t>(key.storage) >> 4;
  const auto mix = [&](int64_t value) {
    hash = (hash ^ static_cast<size_t>(value)) * 0x9e3779b97f4a7c15ULL;
    hash ^= hash >> 29;
  };
  mix(key.offset);
  mix(static_cast<int64_t>(key.from) << 8 | static_cast<int64_t>(key.to));
  for (int64_t value : key.geometry) mix(value);
  return hash;
}

size_t form_limit() {
  if (options().pack_limit != 0) return options().pack_limit;
  static const size_t quarter = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) *
      static_cast<size_t>(sysconf(_SC_PAGESIZE)) / 4;
  return quarter;
}

} // namespace xpu_lite::aten
