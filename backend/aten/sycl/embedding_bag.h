#pragma once

// embedding_bag, forward and its gradients; the same sums at each run.

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten::sycl {

using BagResult = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

// {output, offset2bag, bag_size, max_indices}
BagResult embedding_bag(const at::Tensor& weight, const at::Tensor& indices,
                        const at::Tensor& offsets, bool scale_grad_by_freq, int64_t mode,
                        bool sparse, const std::optional<at::Tensor>& per_sample_weights,
                        bool include_last_offset, int64_t padding_idx);
at::Tensor embedding_bag_dense_backward(const at::Tensor& grad, const at::Tensor& indices,
                                        const at::Tensor& offset2bag, const at::Tensor& bag_size,
                                        const at::Tensor& max_indices, int64_t num_weights,
                                        bool scale_grad_by_freq, int64_t mode,
                                        const std::optional<at::Tensor>& per_sample_weights,
                                        int64_t padding_idx);
at::Tensor embedding_bag_weights_backward(const at::Tensor& grad, const at::Tensor& weight,
                                          const at::Tensor& indices, const at::Tensor& offsets,
                                          const at::Tensor& offset2bag, int64_t mode,
                                          int64_t padding_idx);

} // namespace xpu_lite::aten::sycl
