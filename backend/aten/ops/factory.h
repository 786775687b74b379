#pragma once

// Making tensors, giving them other storage, and views of them.

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten {

at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> dtype,
                 std::optional<at::Layout> layout, std::optional<at::Device> device,
                 std::optional<bool> pin_memory, std::optional<at::MemoryFormat> format);
at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride,
                         std::optional<at::ScalarType> dtype, std::optional<at::Layout> layout,
                         std::optional<at::Device> device, std::optional<bool> pin_memory);

// A tensor of zeros without memory; autograd makes it and most operators know it.
at::Tensor efficient_zero_tensor(at::IntArrayRef size, std::optional<at::ScalarType> dtype,
                                 std::optional<at::Layout> layout,
                                 std::optional<at::Device> device,
                                 std::optional<bool> pin_memory);

const at::Tensor& resize_(const at::Tensor& self, at::IntArrayRef size,
                          std::optional<at::MemoryFormat> format);
at::Tensor& set_(at::Tensor& self);
at::Tensor& set_storage(at::Tensor& self, at::Storage source);
at::Tensor& set_storage_strided(at::Tensor& self, at::Storage source, int64_t offset,
                                at::IntArrayRef size, at::IntArrayRef stride);
at::Tensor& set_tensor(at::Tensor& self, const at::Tensor& source);

at::Tensor as_strided(const at::Tensor& self, at::IntArrayRef size, at::IntArrayRef stride,
                      std::optional<int64_t> offset);

void record_stream(at::Tensor& self, at::Stream stream);
// Module.to() asks this; true lets it keep the Parameter and exchange its data.
bool has_compatible_shallow_copy_type(const at::Tensor& self, const at::Tensor& from);

} // namespace xpu_lite::aten
