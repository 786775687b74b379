// xpu_lite::convolution: a convolution with what follows it, done while its sums are in
// the processor's cache.

#include <ATen/autocast_mode.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/convolution.h>

#include "backend/aten/core/launch.h"
#include "backend/aten/core/weight_casts.h"
#include "backend/aten/ops/convolution_operands.h"
#include "backend/aten/ops/linear_operands.h"
#include "backend/aten/ops/packed_convolution.h"

namespace xpu_lite::aten {
namespace {

using at::Tensor;
constexpr const char* kConvolution = "xpu_lite::convolution";

Tensor channels_last(Tensor t) {
  return t.dim() == 4 ? t.contiguous(at::MemoryFormat::ChannelsLast) : std::move(t);
}

using Function = Tensor(XPU_LITE_CONVOLUTION_ARGUMENTS);
const auto& fused_op() {
  static const auto op = typed_operator<Function>(kConvolution);
  return op;
}

} // namespace

Tensor fused_convolution_composed(XPU_LITE_CONVOLUTION_ARGUMENTS) {
  activation_of(kConvolution, activation);
  const c10::SmallVector<int64_t, 3> none(stride.size(), 0);
  Tensor x = at::convolution(input, weight, bias, stride, padding, dilation, false, none, groups);
  return channels_last(apply_tail(std::move(x), {bias, activation, add, true, std::nullopt}));
}

Tensor fused_convolution_host(XPU_LITE_CONVOLUTION_ARGUMENTS) {
  const auto kind = activation_of(kConvolution, activation);
  const auto composed = [&] {
    return fused_convolution_composed(input, weight, bias, stride, padding, dilation, groups,
                                      activation, add);
  };
  if (groups != 1) return composed();
  auto c = as_convolution(input, weight, {stride, padding, dilation});
  if (!c || !is_faster_here(*c, true) || !set_bias(*c, bias, input) ||
      !stream_of(input).runs_inline()) {
    return composed();
  }
  const std::optional<Tensor> none;
  const at::ScalarType type =
      tail_type(input.scalar_type(), {bias, activation, add, true, none});
  if (!gemm_type(type)) return composed();
  Tensor added; // outlives the call
  if (given(add)) {
    const int64_t sizes[4] = {c->batch, c->out_channels, c->out_height, c->out_width};
    if (!is_host_operand(*add) || add->device() != input.device() ||
        add->sizes() != at::IntArrayRef(sizes) || !gemm_type(add->scalar_type())) {
      return composed();
    }
    added = channels_last(*add);
    c->epilogue.add = {added.const_data_ptr(), *gemm_type(added.scalar_type()), c->out_channels};
  }
  c->epilogue.add_first = true;
  c->epilogue.activation = kind;
  return run_convolution(kConvolution, *c, input, weight, type, at::MemoryFormat::ChannelsLast);
}

Tensor fused_convolution_autograd(XPU_LITE_CONVOLUTION_ARGUMENTS) {
  const std::optional<Tensor> none;
  if (wants_gradient({&input, &weight}, {bias, activation, add, true, none})) {
    return fused_convolution_composed(input, weight, bias, stride, padding, dilation, groups,
                                      activation, add);
  }
  at::AutoDispatchBelowADInplaceOrView below;
  return fused_op().call(input, weight, bias, stride, padding, dilation, groups, activation, add);
}

Tensor fused_convolution_autocast(XPU_LITE_CONVOLUTION_ARGUMENTS) {
  c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::DispatchKey::AutocastPrivateUse1);
  constexpr auto device = c10::DeviceType::PrivateUse1;
  const auto to = at::autocast::get_lower_precision_fp_from_device_type(device);
  return fused_op().call(at::autocast::cached_cast(to, input, device), cast_weight(weight, to),
                         cast_weight(bias, to), stride, padding, dilation, groups, activation,
                         add);
}

} // namespace xpu_lite::aten
