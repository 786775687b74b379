#include "backend/aten/core/storage.h"

#include <algorithm>
#include <cstring>

#include <ATen/EmptyTensor.h>

#include "backend/aten/core/allocator.h"
#include "backend/aten/core/errors.h"
#include "backend/runtime/device.h"

namespace xpu_lite::aten {

void copy_bytes(void* dst, const void* src, size_t bytes, int device) {
  if (C10_LIKELY(engine().supports(Feature::HostReadableMemory))) {
    std::memcpy(dst, src, bytes);
  } else {
    translate([&] { engine().copy(dst, device, src, device, bytes); });
  }
}

void resize_tensor(const at::Tensor& self, at::IntArrayRef sizes, at::OptionalIntArrayRef strides) {
  c10::TensorImpl* impl = self.unsafeGetTensorImpl();
  if (impl->sizes() == sizes && (!strides || impl->strides() == *strides)) return;
  const size_t itemsize = impl->dtype().itemsize();
  const size_t offset = impl->storage_offset();
  size_t bytes = 0;
  if (strides) {
    impl->set_sizes_and_strides(sizes, *strides);
    bytes = at::detail::computeStorageNbytes(sizes, *strides, itemsize, offset);
  } else {
    impl->set_sizes_contiguous(sizes);
    bytes = at::detail::computeStorageNbytesContiguous(sizes, itemsize, offset);
  }
  c10::StorageImpl* storage = impl->unsafe_storage().unsafeGetStorageImpl();
  if (impl->numel() != 0 && bytes > storage->nbytes()) resize_storage(storage, bytes);
}

void resize_storage(c10::StorageImpl* storage, size_t bytes) {
  TORCH_CHECK(storage->resizable(), "Trying to resize storage that is not resizable");
  storage->mutable_data_ptr(); // a write (Note [Written since])
  const c10::Device device = storage->device();
  Stream& stream = current_stream(device.index());
  // The contents may still be on their way, and queued work finds them by the storage.
  if (storage->nbytes() != 0 && !stream.runs_inline()) translate([&] { stream.synchronize(); });
  c10::DataPtr fresh = allocate_on(device.index(), stream, bytes, device);
  const size_t kept = std::min(bytes, storage->nbytes());
  if (kept != 0) copy_bytes(fresh.get(), storage->data(), kept, device.index());
  storage->set_data_ptr_noswap(std::move(fresh));
  storage->set_nbytes(bytes);
}

} // namespace xpu_lite::aten
