#pragma once

// Selecting, adding and filling along a dimension, masks, and the gradient of embedding.

#include <ATen/core/Tensor.h>
#include <ATen/ops/index_add_meta.h>
#include <ATen/ops/index_reduce_meta.h>

namespace xpu_lite::aten::sycl {

struct structured_index_add : at::meta::structured_index_add {
  void impl(const at::Tensor& self, int64_t dim, const at::Tensor& index,
            const at::Tensor& source, const at::Scalar& alpha, const at::Tensor& out);
};
struct structured_index_reduce : at::meta::structured_index_reduce {
  void impl(const at::Tensor& self, int64_t dim, const at::Tensor& index,
            const at::Tensor& source, c10::string_view reduce, bool include_self,
            const at::Tensor& out);
};

at::Tensor index_select(const at::Tensor& self, int64_t dim, const at::Tensor& index);
at::Tensor& index_select_out(const at::Tensor& self, int64_t dim, const at::Tensor& index,
                             at::Tensor& out);
at::Tensor embedding(const at::Tensor& weight, const at::Tensor& indices, int64_t padding_idx,
                     bool scale_grad_by_freq, bool sparse);
// Rows of weight's gradient: the sums of grad's rows by index.
at::Tensor embedding_dense_backward(const at::Tensor& grad, const at::Tensor& indices,
                                    int64_t num_weights, int64_t padding_idx,
                                    bool scale_grad_by_freq);
at::Tensor& embedding_renorm_(at::Tensor& self, const at::Tensor& indices, double max_norm,
                              double norm_type);

at::Tensor& masked_fill_scalar_(at::Tensor& self, const at::Tensor& mask,
                                const at::Scalar& value);
at::Tensor& masked_fill_tensor_(at::Tensor& self, const at::Tensor& mask,
                                const at::Tensor& value);
at::Tensor& masked_scatter_(at::Tensor& self, const at::Tensor& mask, const at::Tensor& source);
at::Tensor masked_select(const at::Tensor& self, const at::Tensor& mask);
at::Tensor& masked_select_out(const at::Tensor& self, const at::Tensor& mask, at::Tensor& out);

} // namespace xpu_lite::aten::sycl
