#include "backend/aten/sycl/weight_forms.h"

#include "backend/aten/ops/packed_weights.h"
#include "backend/runtime/options.h"

namespace xpu_lite::aten::sycl {

std::shared_ptr<const void> FormsOf::find(
    int64_t layout, size_t bytes, const std::function<std::shared_ptr<const void>()>& make) {
  if (!options().pack_weights) return nullptr;
  return packed_weights().find(weight_, weight_.scalar_type(), bytes, make,
                               {layout, stream_.id()});
}

} // namespace xpu_lite::aten::sycl
