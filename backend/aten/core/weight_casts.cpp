#include "backend/aten/core/weight_casts.h"

#include <ATen/autocast_mode.h>
#include <c10/core/GradMode.h>

#include "backend/aten/core/allocator.h"
#include "backend/aten/core/layouts.h"
#include "backend/runtime/options.h"

namespace xpu_lite::aten {

// Leaked: other threads may run a model while the process ends.
FormCache<std::shared_ptr<const at::Tensor>>& weight_casts() {
  using Cache = FormCache<std::shared_ptr<const at::Tensor>>;
  static Cache* const cache = new Cache;
  return *cache;
}

at::Tensor cast_weight(const at::Tensor& weight, at::ScalarType to) {
  const bool kept = options().pack_weights && !c10::GradMode::is_enabled() && weight.defined() &&
      weight.device().type() == kDevice && weight.scalar_type() == at::kFloat &&
      (to == at::kBFloat16 || to == at::kHalf) && weight.is_leaf() && is_plain_dense(weight);
  if (kept) {
    const size_t bytes = static_cast<size_t>(weight.numel()) * c10::elementSize(to);
    const auto make = [&] { return std::make_shared<const at::Tensor>(weight.to(to)); };
    if (const auto form = weight_casts().find(weight, to, bytes, make)) return *form;
  }
  return at::autocast::cached_cast(to, weight, c10::DeviceType::PrivateUse1);
}

std::optional<at::Tensor> cast_weight(const std::optional<at::Tensor>& weight, at::ScalarType to) {
  return weight.has_value() ? std::optional<at::Tensor>(cast_weight(*weight, to)) : std::nullopt;
}

} // namespace xpu_lite::aten
