#pragma once

// Storages of device memory: resizing them, and which host memory is pinned.

#include <cstddef>

#include <ATen/core/Tensor.h>
#include <c10/core/StorageImpl.h>

namespace xpu_lite::aten {

// Gives the storage `bytes` bytes and keeps what fits of its contents, in the
// order of the device's current stream.
void resize_storage(c10::StorageImpl* storage, size_t bytes);

// As torch's resize of an implementation: new sizes, and more memory if it takes more.
void resize_tensor(const at::Tensor& self, at::IntArrayRef sizes, at::OptionalIntArrayRef strides);

// A blocking copy between memory of one device, by the host where it can reach it.
void copy_bytes(void* dst, const void* src, size_t bytes, int device);

// True if `data` lies in a block of the pinned host allocator.
bool is_pinned(const void* data);

} // namespace xpu_lite::aten
