#include "backend/aten/ops/upsample.h"

#include <ATen/EmptyTensor.h>
#include <ATen/ops/upsample_nearest2d_ops.h>

#include "backend/aten/core/launch.h"
#include "backend/aten/core/route2.h"
#include "backend/aten/ops/linear_operands.h"
#include "backend/cpu/upsample.h"

namespace xpu_lite::aten {

using at::MemoryFormat;
using at::Tensor;

Tensor upsample_nearest2d(const Tensor& input, at::IntArrayRef output_size,
                          std::optional<double> scales_h, std::optional<double> scales_w) {
  const MemoryFormat format = input.dim() == 4 ? input.suggest_memory_format()
                                               : MemoryFormat::Contiguous;
  const bool served = is_host_operand(input) && input.dim() == 4 && input.numel() > 0 &&
      gemm_type(input.scalar_type()) && input.is_contiguous(format) &&
      output_size.size() == 2 && output_size[0] > 0 && output_size[1] > 0 &&
      stream_of(input).runs_inline();
  if (!served) {
    return Route2<at::_ops::upsample_nearest2d, kDefault>::call(
        input, c10::fromIntArrayRefSlow(output_size), scales_h, scales_w);
  }
  const auto scale = [](std::optional<double> given, int64_t in, int64_t out) {
    return given && *given > 0 ? static_cast<float>(1.0 / *given)
                               : static_cast<float>(in) / static_cast<float>(out);
  };
  const bool last = format == MemoryFormat::ChannelsLast;
  const int64_t sizes[4] = {input.size(0), input.size(1), output_size[0], output_size[1]};
  Tensor out = at::detail::empty_generic(sizes, device_allocator(),
                                         c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                         input.scalar_type(), format);
  constexpr const char* name = "aten::upsample_nearest2d";
  note_route(1, name);
  KernelSpan span(name, stream_of(input));
  const int64_t element = static_cast<int64_t>(input.element_size());
  cpu::upsample_nearest({last ? sizes[0] : sizes[0] * sizes[1], input.size(2), input.size(3),
                         sizes[2], sizes[3], scale(scales_h, input.size(2), sizes[2]),
                         scale(scales_w, input.size(3), sizes[3]),
                         last ? sizes[1] * element : element, input.const_data_ptr(),
                         out.mutable_data_ptr()});
  return out;
}

} // namespace xpu_lite::aten
