#include "backend/aten/ops/linear.h"

#include <ATen/EmptyTensor.h>
#include <ATen/ops/linear_native.h>
#include <c10/core/GradMode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

#include "backend/aten/core/install.h"
#include "backend/aten/core/launch.h"
#include "backend/aten/core/weight_casts.h"
#include "backend/aten/ops/linear_operands.h"
#include "backend/aten/ops/packed_weights.h"

namespace xpu_lite::aten {
namespace {

using at::Tensor;
constexpr const char* kAtenLinear = "aten::linear";

// Smaller products are for other kernels: see packed_product.cpp.
constexpr int64_t kLeastSide = 32;
constexpr int64_t kLeastLinearWork = int64_t{1} << 17; // multiply-adds

// Nobody between the caller and the kernel wants to see what linear is composed of: modes,
// tracing, transforms, gradients.
bool is_unobserved(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias) {
  using Key = c10::DispatchKey;
  constexpr c10::DispatchKeySet observers(
      {Key::Python, Key::PythonTLSSnapshot, Key::PythonDispatcher, Key::PreDispatch,
       Key::Functionalize, Key::FuncTorchBatched, Key::FuncTorchGradWrapper,
       Key::FuncTorchVmapMode, Key::FuncTorchDynamicLayerFrontMode,
       Key::FuncTorchDynamicLayerBackMode, Key::Batched, Key::VmapMode, Key::Tracer});
  c10::DispatchKeySet keys = c10::impl::tls_local_dispatch_key_set().included_;
  const bool recording = c10::GradMode::is_enabled();
  const auto passes = [&](const Tensor& t) {
    keys = keys | t.key_set();
    return !(recording && t.requires_grad()) && !t._fw_grad(0).defined();
  };
  if (!passes(input) || !passes(weight) || (given(bias) && !passes(*bias))) return false;
  return !keys.has_any(observers);
}

// input of the weight's dtype, or float32 beside bfloat16.
std::optional<Tensor> linear_product(const Tensor& input, const Tensor& weight,
                              const std::optional<Tensor>& bias) {
  if (input.dim() < 2 || weight.dim() != 2 || !is_host_operand(weight)) return std::nullopt;
  const int64_t n = weight.size(0), k = weight.size(1);
  const auto dtype = gemm_type(weight.scalar_type()), a_dtype = gemm_type(input.scalar_type());
  const bool widened = input.scalar_type() == at::kFloat && dtype == cpu::DType::BFloat16;
  if (!dtype || (dtype != a_dtype && !widened) || n < kLeastSide || k < kLeastSide ||
      input.size(-1) != k || input.numel() < kLeastLinearWork / n ||
      (weight.stride(0) != 1 && weight.stride(1) != 1)) {
    return std::nullopt;
  }
  if (given(bias) && (bias->dim() != 1 || bias->size(0) != n ||
                      bias->scalar_type() != weight.scalar_type() ||
                      bias->device() != input.device())) {
    return std::nullopt;
  }
  auto call = linear_call(input, {&weight}, n, weight.scalar_type(),
                          {bias, "none", std::nullopt, false, std::nullopt});
  if (!call) return std::nullopt;
  return call->run(kAtenLinear, [&] {
    const auto packed = packed_form(weight.t(), *dtype);
    cpu::gemm::Gemm g{*dtype, call->a.rows, n, k, call->a.tensor.const_data_ptr(), call->a.ld,
                      packed.get(), call->out.mutable_data_ptr(), n, *dtype,
                      call->epilogue.gemm};
    g.a_dtype = *a_dtype;
    cpu::gemm::gemm(g);
  });
}

} // namespace

Tensor linear(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias) {
  if (input.scalar_type() == weight.scalar_type() && is_unobserved(input, weight, bias)) {
    if (auto out = linear_product(input, weight, bias)) return *std::move(out);
  }
  return at::native::linear(input, weight, bias);
}

std::optional<Tensor> autocast_linear(const Tensor& input, const Tensor& weight,
                                      const std::optional<Tensor>& bias, at::ScalarType to) {
  const auto is_float = [](const Tensor& t) {
    return t.scalar_type() == at::kFloat || t.scalar_type() == at::kBFloat16;
  };
  if (sycl_operators() || to != at::kBFloat16 || !is_float(input) || !is_float(weight) ||
      (given(bias) && !is_float(*bias)) || !is_host_operand(input) ||
      !is_unobserved(input, weight, bias)) {
    return std::nullopt;
  }
  return linear_product(input, cast_weight(weight, to), cast_weight(bias, to));
}

} // namespace xpu_lite::aten
