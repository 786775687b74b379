#include "backend/aten/ops/transformer_ops.h"

#include <ATen/EmptyTensor.h>
#include <ATen/ops/gelu_ops.h>
#include <ATen/ops/native_layer_norm_ops.h>
#include <ATen/ops/silu_ops.h>

#include "backend/aten/core/launch.h"
#include "backend/aten/core/route2.h"
#include "backend/aten/ops/linear_operands.h"
#include "backend/cpu/kernels/transformer.h"
#include "backend/cpu/parallel.h"

namespace xpu_lite::aten {
namespace {

using at::Tensor;
using cpu::gemm::Activation;

// Elements that are worth another thread.
constexpr int64_t kActivationGrain = 8192;
constexpr int64_t kSumGrain = 16384;

// One that the kernels read as one range.
bool is_dense_range(const Tensor& t) {
  return is_host_operand(t) && t.is_contiguous() && t.numel() != 0;
}

Tensor empty_as(at::IntArrayRef sizes, at::ScalarType type) {
  return at::detail::empty_generic(sizes, device_allocator(),
                                   c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), type,
                                   std::nullopt);
}

const char* advanced(const void* data, int64_t elements, cpu::DType dtype) {
  return static_cast<const char*>(data) + elements * cpu::dtype_size(dtype);
}
char* advanced(void* data, int64_t elements, cpu::DType dtype) {
  return static_cast<char*>(data) + elements * cpu::dtype_size(dtype);
}

// Nothing where the kernel does not take `self`.
std::optional<Tensor> activated(const char* name, const Tensor& self, Activation activation) {
  const auto dtype = gemm_type(self.scalar_type());
  if (!dtype || !is_dense_range(self)) return std::nullopt;
  Tensor out = empty_as(self.sizes(), self.scalar_type());
  const void* from = self.const_data_ptr();
  void* to = out.mutable_data_ptr();
  launch(name, {self, out}, [=, n = self.numel(), dtype = *dtype] {
    cpu::parallel_for(0, n, kActivationGrain, [&](int64_t first, int64_t last) {
      cpu::activate_range(activation, dtype, advanced(to, first, dtype),
                          advanced(from, first, dtype), last - first);
    });
  });
  return out;
}

// May the parameter be read as `count` numbers beside an input of `type`?
bool parameter_fits(const std::optional<Tensor>& parameter, const Tensor& input, int64_t count) {
  return !given(parameter) ||
      (is_dense_range(*parameter) && parameter->device() == input.device() &&
       parameter->numel() == count &&
       (parameter->scalar_type() == input.scalar_type() || parameter->scalar_type() == at::kFloat));
}

} // namespace

Tensor gelu(const Tensor& self, std::string_view approximate) {
  const bool tanh = approximate == "tanh";
  if (tanh || approximate == "none") {
    auto out = activated("aten::gelu", self, tanh ? Activation::GeluTanh : Activation::GeluErf);
    if (out) return *std::move(out);
  }
  return Route2<at::_ops::gelu, kDefault>::call(self, approximate);
}

Tensor silu(const Tensor& self) {
  if (auto out = activated("aten::silu", self, Activation::SiLU)) return *std::move(out);
  return Route2<at::_ops::silu, kDefault>::call(self);
}

std::tuple<Tensor, Tensor, Tensor> native_layer_norm(const Tensor& input,
                                                     c10::SymIntArrayRef normalized_shape,
                                                     const std::optional<Tensor>& weight,
                                                     const std::optional<Tensor>& bias,
                                                     double eps) {
  const auto slow = [&] {
    return Route2<at::_ops::native_layer_norm, kDefault>::call(input, normalized_shape, weight,
                                                               bias, eps);
  };
  const auto dtype = gemm_type(input.scalar_type());
  const auto shape = c10::asIntArrayRefSlowOpt(normalized_shape);
  if (!dtype || !shape || shape->empty() || !is_dense_range(input)) return slow();
  const int64_t outer = input.dim() - static_cast<int64_t>(shape->size());
  if (outer < 0 || input.sizes().slice(outer) != *shape) return slow();
  const int64_t columns = c10::multiply_integers(*shape);
  if (!parameter_fits(weight, input, columns) || !parameter_fits(bias, input, columns)) return slow();
  const at::ScalarType parameter = given(weight) ? weight->scalar_type()
      : given(bias)                              ? bias->scalar_type()
                                                 : input.scalar_type();
  if (given(weight) && given(bias) && bias->scalar_type() != parameter) return slow();
  // As the CPU has it: of the widest dtype.
  const at::ScalarType statistic = parameter == at::kFloat ? at::kFloat : input.scalar_type();
  c10::DimVector statistic_sizes(input.sizes().begin(), input.sizes().end());
  for (int64_t d = outer; d < input.dim(); ++d) statistic_sizes[d] = 1;
  Tensor out = empty_as(input.sizes(), input.scalar_type());
  Tensor mean = empty_as(statistic_sizes, statistic), rstd = empty_as(statistic_sizes, statistic);
  cpu::LayerNorm p;
  p.rows = input.numel() / columns, p.columns = columns, p.eps = eps;
  p.input = input.const_data_ptr(), p.dtype = *dtype;
  p.weight = given(weight) ? weight->const_data_ptr() : nullptr;
  p.bias = given(bias) ? bias->const_data_ptr() : nullptr;
  p.parameter_dtype = *gemm_type(parameter);
  p.out = out.mutable_data_ptr();
  p.mean = mean.mutable_data_ptr(), p.rstd = rstd.mutable_data_ptr();
  p.statistic_dtype = *gemm_type(statistic);
  std::vector<Tensor> keep{input, out, mean, rstd};
  if (given(weight)) keep.push_back(*weight);
  if (given(bias)) keep.push_back(*bias);
  launch("aten::native_layer_norm", std::move(keep), [p] {
    const int64_t grain = std::max<int64_t>(1, kSumGrain / p.columns);
    cpu::parallel_for(0, p.rows, grain, [&](int64_t first, int64_t last) {
      cpu::layer_norm_rows(p, first, last);
    });
  });
  return {std::move(out), std::move(mean), std::move(rstd)};
}

std::optional<Tensor> add_widened(const Tensor& self, const Tensor& other) {
  const bool first_is_wide = self.scalar_type() == at::kFloat;
  const Tensor& wide = first_is_wide ? self : other;
  const Tensor& narrow = first_is_wide ? other : self;
  const at::ScalarType type = narrow.scalar_type();
  if (wide.scalar_type() != at::kFloat || (type != at::kBFloat16 && type != at::kHalf) ||
      wide.sizes() != narrow.sizes() || !is_dense_range(wide) || !is_dense_range(narrow) ||
      wide.device() != narrow.device()) {
    return std::nullopt;
  }
  Tensor out = empty_as(wide.sizes(), at::kFloat);
  const auto* a = static_cast<const float*>(wide.const_data_ptr());
  const void* b = narrow.const_data_ptr();
  auto* to = static_cast<float*>(out.mutable_data_ptr());
  launch("aten::add", {wide, narrow, out}, [=, n = wide.numel(), dtype = *gemm_type(type)] {
    cpu::parallel_for(0, n, kSumGrain, [&](int64_t first, int64_t last) {
      cpu::add_narrow(to + first, a + first, advanced(b, first, dtype), dtype, last - first);
    });
  });
  return out;
}

} // namespace xpu_lite::aten
