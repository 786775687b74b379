#pragma once

// searchsorted, bucketize, and operators made of counting: bincount, histc,
// repeat_interleave, unique.

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten::sycl {

at::Tensor searchsorted(const at::Tensor& sequence, const at::Tensor& self, bool out_int32,
                        bool right, std::optional<c10::string_view> side,
                        const std::optional<at::Tensor>& sorter);
at::Tensor& searchsorted_out(const at::Tensor& sequence, const at::Tensor& self, bool out_int32,
                             bool right, std::optional<c10::string_view> side,
                             const std::optional<at::Tensor>& sorter, at::Tensor& out);
at::Tensor searchsorted_scalar(const at::Tensor& sequence, const at::Scalar& self,
                               bool out_int32, bool right,
                               std::optional<c10::string_view> side,
                               const std::optional<at::Tensor>& sorter);
at::Tensor bucketize(const at::Tensor& self, const at::Tensor& boundaries, bool out_int32,
                     bool right);
at::Tensor& bucketize_out(const at::Tensor& self, const at::Tensor& boundaries, bool out_int32,
                          bool right, at::Tensor& out);
at::Tensor bucketize_scalar(const at::Scalar& self, const at::Tensor& boundaries,
                            bool out_int32, bool right);

} // namespace xpu_lite::aten::sycl
