#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/tril_meta.h>
#include <ATen/ops/triu_meta.h>

namespace xpu_lite::aten::sycl {

struct structured_tril : at::meta::structured_tril {
  void impl(const at::Tensor& self, int64_t diagonal, const at::Tensor& out);
};
struct structured_triu : at::meta::structured_triu {
  void impl(const at::Tensor& self, int64_t diagonal, const at::Tensor& out);
};

at::Tensor tril_indices(int64_t rows, int64_t columns, int64_t offset,
                        std::optional<at::ScalarType> dtype, std::optional<at::Layout> layout,
                        std::optional<at::Device> device, std::optional<bool> pin_memory);
at::Tensor triu_indices(int64_t rows, int64_t columns, int64_t offset,
                        std::optional<at::ScalarType> dtype, std::optional<at::Layout> layout,
                        std::optional<at::Device> device, std::optional<bool> pin_memory);
// The sum of the diagonal.
at::Tensor trace(const at::Tensor& self);

} // namespace xpu_lite::aten::sycl
