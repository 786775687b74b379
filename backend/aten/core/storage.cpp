#include "backend/aten/core/storage.h"

#include <algorithm>
#include <cstring>

#include "backend/aten/core/allocator.h"
#include "backend/aten/core/errors.h"
#include "backend/runtime/device.h"

namespace xpu_lite::aten {

void resize_storage(c10::StorageImpl* storage, size_t bytes) {
  TORCH_CHECK(storage->resizable(), "Trying to resize storage that is not resizable");
  const c10::Device device = storage->device();
  Stream& stream = current_stream(device.index());
  // The contents may still be on their way, and queued work finds them by the storage.
  if (storage->nbytes() != 0 && !stream.runs_inline()) translate([&] { stream.synchronize(); });
  c10::DataPtr fresh = allocate_on(device.index(), stream, bytes, device);
  const size_t kept = std::min(bytes, storage->nbytes());
  if (kept != 0) std::memcpy(fresh.get(), storage->data(), kept);
  storage->set_data_ptr_noswap(std::move(fresh));
  storage->set_nbytes(bytes);
}

} // namespace xpu_lite::aten
