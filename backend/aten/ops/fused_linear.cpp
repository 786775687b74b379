#include "backend/aten/ops/fused_linear.h"

#include <ATen/EmptyTensor.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/linear.h>

#include "backend/aten/core/launch.h"
#include "backend/aten/core/weight_casts.h"
#include "backend/aten/ops/linear_operands.h"
#include "backend/aten/ops/packed_weights.h"

namespace xpu_lite::aten {
namespace {

using at::Tensor;
constexpr const char* kLinear = "xpu_lite::linear";

void check_fused_linear(const Tensor& input, const Tensor& weight, const LinearTail& tail) {
  TORCH_CHECK(weight.dim() == 2, "[", kLinear, "] weight must be [out_features, in_features], got ",
              weight.sym_sizes());
  check_linear(kLinear, input, weight.sym_size(0), weight.sym_size(1), tail);
  TORCH_CHECK(input.scalar_type() == weight.scalar_type() &&
                  (!tail.bias || !tail.bias->defined() ||
                   tail.bias->scalar_type() == weight.scalar_type()),
              "[", kLinear, "] input, weight and bias must have one dtype, got ",
              input.scalar_type(), ", ", weight.scalar_type(),
              tail.bias && tail.bias->defined()
                  ? std::string(" and ") + c10::toString(tail.bias->scalar_type())
                  : std::string());
  TORCH_CHECK(input.device() == weight.device(), "[", kLinear, "] input is on ", input.device(),
              " but weight is on ", weight.device());
}

} // namespace

Tensor fused_linear_composed(const Tensor& input, const Tensor& weight,
                             const std::optional<Tensor>& bias, std::string_view activation,
                             const std::optional<Tensor>& add, bool add_first,
                             const std::optional<Tensor>& mul) {
  const LinearTail tail{bias, activation, add, add_first, mul};
  check_fused_linear(input, weight, tail);
  return apply_tail(at::linear(input, weight, bias), tail);
}

Tensor fused_linear_meta(const Tensor& input, const Tensor& weight,
                         const std::optional<Tensor>& bias, std::string_view activation,
                         const std::optional<Tensor>& add, bool add_first,
                         const std::optional<Tensor>& mul) {
  const LinearTail tail{bias, activation, add, add_first, mul};
  check_fused_linear(input, weight, tail);
  return input.new_empty_symint(linear_sizes(input, weight.sym_size(0)),
                                tail_type(input.scalar_type(), tail));
}

Tensor fused_linear_host(const Tensor& input, const Tensor& weight,
                         const std::optional<Tensor>& bias, std::string_view activation,
                         const std::optional<Tensor>& add, bool add_first,
                         const std::optional<Tensor>& mul) {
  const LinearTail tail{bias, activation, add, add_first, mul};
  check_fused_linear(input, weight, tail);
  const auto composed = [&] { return apply_tail(at::linear(input, weight, bias), tail); };
  const auto dtype = gemm_type(input.scalar_type());
  const auto c_type = tail_type(input.scalar_type(), tail);
  if (!dtype || !gemm_type(c_type) || !is_host_operand(input) || !is_host_operand(weight)) {
    return composed();
  }
  Stream& stream = stream_of(input);
  if (!stream.runs_inline()) return composed();
  c10::DimVector sizes(input.sizes().begin(), input.sizes().end());
  const int64_t n = weight.size(0), k = weight.size(1);
  sizes.back() = n;
  Epilogue epilogue;
  if (!epilogue.set(input, sizes, tail)) return composed();
  const MatrixView a = matrix_view(input);
  Tensor out = at::detail::empty_generic(sizes, device_allocator(),
                                         c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                         c_type, std::nullopt);
  if (out.numel() == 0) return out;
  const auto packed = packed_form(weight.t(), *dtype);
  cpu::gemm::Gemm g{*dtype, a.rows, n, k, a.tensor.const_data_ptr(), a.ld, packed.get(),
                    out.mutable_data_ptr(), n, *gemm_type(c_type), epilogue.gemm};
  note_route(1, kLinear);
  KernelSpan span(kLinear, stream);
  cpu::gemm::gemm(g);
  return out;
}

Tensor fused_linear_autograd(const Tensor& input, const Tensor& weight,
                             const std::optional<Tensor>& bias, std::string_view activation,
                             const std::optional<Tensor>& add, bool add_first,
                             const std::optional<Tensor>& mul) {
  if (wants_gradient({&input, &weight}, {bias, activation, add, add_first, mul})) {
    return fused_linear_composed(input, weight, bias, activation, add, add_first, mul);
  }
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow(kLinear, "")
                             .typed<decltype(fused_linear_host)>();
  at::AutoDispatchBelowADInplaceOrView below;
  return op.call(input, weight, bias, activation, add, add_first, mul);
}

Tensor fused_linear_autocast(const Tensor& input, const Tensor& weight,
                             const std::optional<Tensor>& bias, std::string_view activation,
                             const std::optional<Tensor>& add, bool add_first,
                             const std::optional<Tensor>& mul) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow(kLinear, "")
                             .typed<decltype(fused_linear_host)>();
  c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::DispatchKey::AutocastPrivateUse1);
  const auto to = at::autocast::get_lower_precision_fp_from_device_type(kDevice);
  return op.call(at::autocast::cached_cast(to, input, kDevice), cast_weight(weight, to),
                 cast_weight(bias, to), activation, add, add_first, mul);
}

} // namespace xpu_lite::aten
