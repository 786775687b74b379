#pragma once

// sort, topk, kthvalue, median and mode over the sort of pairs (xpu/ops/sort.h).

#include <ATen/core/Tensor.h>
#include <ATen/ops/topk_meta.h>

namespace xpu_lite::aten::sycl {

struct structured_topk : at::meta::structured_topk {
  void impl(const at::Tensor& self, int64_t k, int64_t dim, bool largest, bool sorted,
            const at::Tensor& values, const at::Tensor& indices);
};

std::tuple<at::Tensor&, at::Tensor&> kthvalue_out(const at::Tensor& self, int64_t k, int64_t dim,
                                                  bool keepdim, at::Tensor& values,
                                                  at::Tensor& indices);
std::tuple<at::Tensor, at::Tensor> mode(const at::Tensor& self, int64_t dim, bool keepdim);
std::tuple<at::Tensor&, at::Tensor&> mode_out(const at::Tensor& self, int64_t dim, bool keepdim,
                                              at::Tensor& values, at::Tensor& indices);
at::Tensor median(const at::Tensor& self);
at::Tensor nanmedian(const at::Tensor& self);
std::tuple<at::Tensor&, at::Tensor&> median_out(const at::Tensor& self, int64_t dim,
                                                bool keepdim, at::Tensor& values,
                                                at::Tensor& indices);
std::tuple<at::Tensor&, at::Tensor&> nanmedian_out(const at::Tensor& self, int64_t dim,
                                                   bool keepdim, at::Tensor& values,
                                                   at::Tensor& indices);

} // namespace xpu_lite::aten::sycl
