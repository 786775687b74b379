#pragma once

// A weight in the dtype of autocast, cast once and not in each pass: kept while nothing
// writes to it (Note [Forms of weights]). torch's own cache lives as long as the autocast
// region, and serves where gradients are recorded.

#include <ATen/core/Tensor.h>

#include "backend/aten/core/form_cache.h"

namespace xpu_lite::aten {

at::Tensor cast_weight(const at::Tensor& weight, at::ScalarType to);
std::optional<at::Tensor> cast_weight(const std::optional<at::Tensor>& weight, at::ScalarType to);

FormCache<std::shared_ptr<const at::Tensor>>& weight_casts();

} // namespace xpu_lite::aten
