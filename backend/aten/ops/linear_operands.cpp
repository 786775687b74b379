#include "backend/aten/ops/linear_operands.h"

#include <ATen/EmptyTensor.h>
#include <ATen/ExpandUtils.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>
#include <c10/core/GradMode.h>

#include "backend/aten/core/allocator.h"

namespace xpu_lite::aten {
namespace {

using at::Tensor;
namespace gemm = cpu::gemm;

void check_operand(const char* name, const char* which, const std::optional<Tensor>& operand,
                   const Tensor& input, const c10::SymDimVector& sizes) {
  if (!given(operand)) return;
  const auto own = operand->sym_sizes();
  bool fits = own.size() <= sizes.size();
  for (size_t i = 0; fits && i < own.size(); ++i) {
    const auto& mine = own[own.size() - 1 - i];
    fits = mine == 1 || mine == sizes[sizes.size() - 1 - i];
  }
  TORCH_CHECK(fits, "[", name, "] ", which, " of shape ", own, " does not broadcast to the "
              "result's shape ", c10::SymIntArrayRef(sizes));
  TORCH_CHECK(operand->is_floating_point(), "[", name, "] ", which,
              " must be of a floating-point dtype, got ", operand->scalar_type());
  TORCH_CHECK(operand->device() == input.device(), "[", name, "] input is on ", input.device(),
              " but ", which, " is on ", operand->device());
}

} // namespace

gemm::Activation activation_of(const char* name, std::string_view text) {
  using gemm::Activation;
  for (const auto a : {Activation::None, Activation::ReLU, Activation::GeluErf,
                       Activation::GeluTanh, Activation::SiLU}) {
    if (text == gemm::activation_name(a)) return a;
  }
  TORCH_CHECK_VALUE(false, "[", name, "] activation must be 'none', 'relu', 'gelu', 'gelu_tanh' "
                    "or 'silu', got '", std::string(text), "'");
}

void check_linear(const char* name, const Tensor& input, const at::SymInt& n,
                  const at::SymInt& k, const LinearTail& tail) {
  TORCH_CHECK(input.dim() >= 1 && input.sym_size(-1) == k, "[", name, "] input of shape ",
              input.sym_sizes(), " does not fit a weight of ", k, " input features");
  activation_of(name, tail.activation);
  if (given(tail.bias)) {
    TORCH_CHECK(tail.bias->dim() == 1 && tail.bias->sym_size(0) == n, "[", name,
                "] bias must have shape [", n, "], got ", tail.bias->sym_sizes());
    TORCH_CHECK(tail.bias->device() == input.device(), "[", name, "] input is on ",
                input.device(), " but bias is on ", tail.bias->device());
  }
  if (!given(tail.add) && !given(tail.mul)) return;
  const auto sizes = linear_sizes(input, n);
  check_operand(name, "add", tail.add, input, sizes);
  check_operand(name, "mul", tail.mul, input, sizes);
}

at::ScalarType tail_type(at::ScalarType type, const LinearTail& tail) {
  if (given(tail.add) && tail.add->dim() > 0) {
    type = c10::promoteTypes(type, tail.add->scalar_type());
  }
  if (given(tail.mul) && tail.mul->dim() > 0) {
    type = c10::promoteTypes(type, tail.mul->scalar_type());
  }
  return type;
}

Tensor apply_tail(Tensor x, const LinearTail& tail) {
  if (given(tail.add) && tail.add_first) x = x.add(*tail.add);
  switch (activation_of("xpu_lite::linear", tail.activation)) {
    case gemm::Activation::None: break;
    case gemm::Activation::ReLU: x = at::relu(x); break;
    case gemm::Activation::GeluErf: x = at::gelu(x, "none"); break;
    case gemm::Activation::GeluTanh: x = at::gelu(x, "tanh"); break;
    case gemm::Activation::SiLU: x = at::silu(x); break;
  }
  if (given(tail.mul)) x = x.mul(*tail.mul);
  if (given(tail.add) && !tail.add_first) x = x.add(*tail.add);
  return x;
}

c10::SymDimVector linear_sizes(const Tensor& input, const at::SymInt& n) {
  const auto own = input.sym_sizes();
  c10::SymDimVector sizes(own.begin(), own.end());
  sizes.back() = n;
  return sizes;
}

bool wants_gradient(std::initializer_list<const Tensor*> operands, const LinearTail& tail) {
  if (!c10::GradMode::is_enabled()) return false;
  for (const Tensor* t : operands) {
    if (t->requires_grad()) return true;
  }
  for (const auto* t : {&tail.bias, &tail.add, &tail.mul}) {
    if (given(*t) && (*t)->requires_grad()) return true;
  }
  return false;
}

std::optional<cpu::DType> gemm_type(at::ScalarType type) {
  switch (type) {
    case at::kFloat: return cpu::DType::Float;
    case at::kBFloat16: return cpu::DType::BFloat16;
    case at::kHalf: return cpu::DType::Half;
    default: return std::nullopt;
  }
}

MatrixView matrix_view(const Tensor& tensor) {
  const auto sizes = tensor.sizes(), strides = tensor.strides();
  const int64_t dims = tensor.dim(), columns = sizes[dims - 1];
  int64_t rows = 1;
  for (int64_t d = 0; d + 1 < dims; ++d) rows *= sizes[d];
  if (rows == 0 || columns == 0) return {tensor, rows, std::max<int64_t>(columns, 1)};
  // Dimensions of size 1 say nothing about the distance of rows.
  bool regular = columns == 1 || strides[dims - 1] == 1;
  int64_t ld = 0, next = 0;
  for (int64_t d = dims - 2; regular && d >= 0; --d) {
    if (sizes[d] == 1) continue;
    if (ld == 0) {
      ld = strides[d];
      regular = ld >= columns;
    } else {
      regular = strides[d] == next;
    }
    next = strides[d] * sizes[d];
  }
  if (regular) return {tensor, rows, ld == 0 ? columns : ld};
  return {tensor.contiguous(), rows, columns};
}

bool is_host_operand(const Tensor& tensor) {
  constexpr c10::DispatchKeySet special({c10::DispatchKey::Conjugate, c10::DispatchKey::Negative,
                                         c10::DispatchKey::ZeroTensor});
  const c10::TensorImpl* impl = tensor.unsafeGetTensorImpl();
  return impl->device_type() == kDevice && impl->key_set().has(c10::DispatchKey::Dense) &&
      !impl->key_set().has_any(special);
}

bool Epilogue::set(const Tensor& input, at::IntArrayRef sizes, const LinearTail& tail) {
  const auto usable = [&](const Tensor& t) {
    return is_host_operand(t) && t.device() == input.device() && gemm_type(t.scalar_type());
  };
  gemm.activation = activation_of("xpu_lite::linear", tail.activation);
  gemm.add_first = tail.add_first;
  if (given(tail.bias)) {
    if (!usable(*tail.bias)) return false;
    bias = tail.bias->contiguous();
    gemm.bias = {bias.const_data_ptr(), *gemm_type(bias.scalar_type())};
  }
  const auto matrix = [&](const std::optional<Tensor>& operand, Tensor& kept,
                          cpu::gemm::Matrix& out) {
    if (!given(operand)) return true;
    if (!usable(*operand)) return false;
    if (operand->dim() == 1 && operand->size(0) == sizes.back()) { // one row for all
      kept = operand->contiguous();
      out = {kept.const_data_ptr(), *gemm_type(kept.scalar_type()), 0};
      return true;
    }
    const MatrixView view =
        matrix_view(operand->sizes() == sizes ? *operand : operand->expand(sizes).contiguous());
    kept = view.tensor;
    out = {kept.const_data_ptr(), *gemm_type(kept.scalar_type()), view.ld};
    return true;
  };
  return matrix(tail.add, add, gemm.add) && matrix(tail.mul, mul, gemm.mul);
}

std::optional<LinearCall> linear_call(const Tensor& input,
                                      std::initializer_list<const Tensor*> others, int64_t n,
                                      at::ScalarType type, const LinearTail& tail) {
  if (!is_host_operand(input)) return std::nullopt;
  for (const Tensor* t : others) {
    if (!is_host_operand(*t) || t->device() != input.device()) return std::nullopt;
  }
  Stream& stream = stream_of(input);
  if (!stream.runs_inline()) return std::nullopt;
  c10::DimVector sizes(input.sizes().begin(), input.sizes().end());
  sizes.back() = n;
  LinearCall call{n, input.size(-1), {}, {}, {}, &stream};
  if (!call.epilogue.set(input, sizes, tail)) return std::nullopt;
  call.a = matrix_view(input);
  call.out = at::detail::empty_generic(sizes, device_allocator(),
                                       c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), type,
                                       std::nullopt);
  return call;
}

} // namespace xpu_lite::aten
