#pragma once

// Weights of products and convolutions in oneDNN's layouts, which oneDNN would reorder them into in
// each call: kept from their second use on while nothing writes to them, beside the
// packed weights of the host engine (Note [Forms of weights]).

#include <functional>
#include <memory>

#include <ATen/core/Tensor.h>

#include "backend/xpu/ops/onednn.h"

namespace xpu_lite::aten::sycl {

// The forms of one weight for one stream: the memory of a form is used on no other.
class FormsOf final : public xpu::onednn::WeightForms {
 public:
  FormsOf(const at::Tensor& weight, const Stream& stream) : weight_(weight), stream_(stream) {}
  std::shared_ptr<const void> find(
      int64_t layout, size_t bytes,
      const std::function<std::shared_ptr<const void>()>& make) override;

 private:
  const at::Tensor& weight_;
  const Stream& stream_;
};

} // namespace xpu_lite::aten::sycl
