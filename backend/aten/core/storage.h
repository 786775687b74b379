#pragma once

// Storages of device memory: resizing them, and which host memory is pinned.

#include <cstddef>

#include <c10/core/StorageImpl.h>

namespace xpu_lite::aten {

// Gives the storage `bytes` bytes and keeps what fits of its contents, in the
// order of the device's current stream.
void resize_storage(c10::StorageImpl* storage, size_t bytes);

// True if `data` lies in a block of the pinned host allocator.
bool is_pinned(const void* data);

} // namespace xpu_lite::aten
