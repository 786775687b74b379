#pragma once

// Operators made of counting and of sorted runs: bincount, histc, repeat_interleave,
// unique; isin.

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten::sycl {

at::Tensor bincount(const at::Tensor& self, const std::optional<at::Tensor>& weights,
                    int64_t minlength);
at::Tensor histc(const at::Tensor& self, int64_t bins, const at::Scalar& min,
                 const at::Scalar& max);
at::Tensor& histc_out(const at::Tensor& self, int64_t bins, const at::Scalar& min,
                      const at::Scalar& max, at::Tensor& out);
at::Tensor repeat_interleave(const at::Tensor& repeats, std::optional<int64_t> output_size);
std::tuple<at::Tensor, at::Tensor> unique(const at::Tensor& self, bool sorted,
                                          bool return_inverse);
std::tuple<at::Tensor, at::Tensor, at::Tensor> unique2(const at::Tensor& self, bool sorted,
                                                       bool return_inverse, bool return_counts);
std::tuple<at::Tensor, at::Tensor, at::Tensor> unique_consecutive(const at::Tensor& self,
                                                                  bool return_inverse,
                                                                  bool return_counts,
                                                                  std::optional<int64_t> dim);
at::Tensor count_nonzero(const at::Tensor& self, at::IntArrayRef dims);
bool equal(const at::Tensor& self, const at::Tensor& other);
at::Tensor unfold_backward(const at::Tensor& grad, at::IntArrayRef input_sizes, int64_t dim,
                           int64_t size, int64_t step);

} // namespace xpu_lite::aten::sycl
