// Registrations of sparse, quantized and nested tensors: what torch's code does
// for every device alike is registered as it is, the rest is layout_fallback.

#include <ATen/ops/_coalesced_native.h>
#include <ATen/ops/_dimI_native.h>
#include <ATen/ops/_dimV_native.h>
#include <ATen/ops/_indices_native.h>
#include <ATen/ops/_nested_tensor_size_native.h>
#include <ATen/ops/_nested_tensor_storage_offsets_native.h>
#include <ATen/ops/_nested_tensor_strides_native.h>
#include <ATen/ops/_nnz_native.h>
#include <ATen/ops/_sparse_coo_tensor_with_dims_and_tensors_native.h>
#include <ATen/ops/_sparse_coo_tensor_with_dims_native.h>
#include <ATen/ops/_values_native.h>
#include <ATen/ops/ccol_indices_native.h>
#include <ATen/ops/clone_native.h>
#include <ATen/ops/col_indices_native.h>
#include <ATen/ops/copy_native.h>
#include <ATen/ops/crow_indices_native.h>
#include <ATen/ops/dense_dim_native.h>
#include <ATen/ops/empty_native.h>
#include <ATen/ops/indices_native.h>
#include <ATen/ops/is_coalesced_native.h>
#include <ATen/ops/q_scale_native.h>
#include <ATen/ops/q_zero_point_native.h>
#include <ATen/ops/qscheme_native.h>
#include <ATen/ops/row_indices_native.h>
#include <ATen/ops/sparse_dim_native.h>
#include <ATen/ops/sparse_resize_and_clear_native.h>
#include <ATen/ops/sparse_resize_native.h>
#include <ATen/ops/values_native.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include "backend/aten/core/allocator.h"
#include "backend/aten/core/layouts.h"
#include "backend/aten/ops/factory.h"

namespace xpu_lite::aten {
namespace {

torch::CppFunction fallback() {
  return torch::CppFunction::makeFromBoxedFunction<&layout_fallback>();
}

// These operators have a CPU kernel for the layout and a composite one too, which
// would win over the fallback of the key and does not know the layout.
constexpr const char* kSparse[] = {
    "abs", "abs_", "deg2rad", "deg2rad.out", "deg2rad_", "empty_like", "isinf", "mv",
    "nan_to_num", "nan_to_num_", "permute", "rad2deg", "rad2deg.out", "rad2deg_", "sum",
    "unsqueeze", "zeros.out"};
constexpr const char* kCompressed[] = {
    "_conj_physical", "abs", "abs_", "add.Tensor", "add_.Tensor", "addmm", "asin", "asin_",
    "asinh", "asinh_", "atan", "atan_", "atanh", "atanh_", "ceil", "ceil_", "conj_physical_",
    "deg2rad", "deg2rad.out", "deg2rad_", "empty_like", "erf", "erf_", "erfinv", "erfinv_",
    "expm1", "expm1_", "floor", "floor_", "frac", "frac_", "isinf", "isneginf", "isposinf",
    "log1p", "log1p_", "mm", "mul.Scalar", "mul.Tensor", "mul_.Scalar", "mul_.Tensor", "neg",
    "neg_", "rad2deg", "rad2deg.out", "rad2deg_", "round", "round_", "select.int",
    "select_copy.int", "sgn", "sgn_", "sign", "sign_", "signbit", "sin", "sin_", "sinh", "sinh_",
    "sqrt", "sqrt_", "sum", "sum.dim_IntList", "tan", "tan_", "tanh", "tanh_",
    "threshold_backward", "trunc", "trunc_"};
constexpr const char* kQuantized[] = {
    "_upsample_nearest_exact2d", "_upsample_nearest_exact3d", "avg_pool2d", "avg_pool3d", "cat",
    "clamp", "clone", "copy_", "empty_like", "eq.Scalar", "eq.Tensor", "ge.Scalar", "ge.Tensor",
    "gelu", "gelu_", "gt.Scalar", "gt.Tensor", "hardsigmoid", "index.Tensor", "le.Scalar",
    "le.Tensor", "leaky_relu", "leaky_relu_", "lt.Scalar", "lt.Tensor", "max.dim", "mean.dim",
    "min.dim", "ne.Scalar", "ne.Tensor", "sigmoid", "sort.stable", "squeeze", "squeeze.dim",
    "squeeze.dims", "tanh", "threshold", "topk", "unsqueeze", "upsample_bilinear2d",
    "upsample_nearest2d", "upsample_nearest3d"};
constexpr const char* kNested[] = {
    "_safe_softmax", "_to_copy", "abs", "abs_", "alias", "chunk", "clone", "copy_", "detach",
    "div.Scalar", "embedding", "empty_like", "is_same_size", "isinf", "linear", "logical_not",
    "logical_not_", "masked_fill.Scalar", "matmul", "matmul.out", "mul.Scalar", "mul_.Scalar",
    "narrow", "native_layer_norm", "ones_like", "select.int", "silu_backward",
    "split_with_sizes", "squeeze", "squeeze.dim", "squeeze.dims", "transpose.int", "unbind.int",
    "unsqueeze", "value_selecting_reduction_backward"};

// What torch's generated kernels do around the functions registered here: make the
// device of the arguments current. A sparse tensor starts out on that device.
void guard_by(c10::OptionalDeviceGuard& guard, const at::Tensor& tensor) {
  if (!guard.current_device() && tensor.defined() && tensor.device().type() == kDevice) {
    guard.reset_device(tensor.device());
  }
}
void guard_by(c10::OptionalDeviceGuard& guard, const std::optional<c10::Device>& device) {
  if (device && device->type() == kDevice && device->has_index()) {
    guard.reset_device(*device);
  }
}
template <class T>
void guard_by(c10::OptionalDeviceGuard&, const T&) {}

template <auto fn, class Fn = decltype(fn)>
struct Guarded;
template <auto fn, class Ret, class... Args>
struct Guarded<fn, Ret (*)(Args...)> {
  static Ret call(Args... args) {
    c10::OptionalDeviceGuard guard;
    (guard_by(guard, args), ...);
    return fn(std::forward<Args>(args)...);
  }
};

template <size_t N>
void all(torch::Library& m, const char* const (&names)[N]) {
  for (const char* name : names) {
    m.impl(name, fallback());
  }
}

TORCH_LIBRARY_IMPL(_, SparsePrivateUse1, m) { m.fallback(fallback()); }
TORCH_LIBRARY_IMPL(_, SparseCsrPrivateUse1, m) { m.fallback(fallback()); }
TORCH_LIBRARY_IMPL(_, QuantizedPrivateUse1, m) { m.fallback(fallback()); }
TORCH_LIBRARY_IMPL(_, NestedTensorPrivateUse1, m) { m.fallback(fallback()); }

TORCH_LIBRARY_IMPL(aten, SparsePrivateUse1, m) {
  all(m, kSparse);
  m.impl("_coalesced_", TORCH_FN(at::native::_coalesced_sparse_));
  m.impl("_dimI", TORCH_FN(at::native::sparse_dim_sparse));
  m.impl("_dimV", TORCH_FN(at::native::dense_dim_sparse));
  m.impl("_indices", TORCH_FN(at::native::_indices_sparse));
  m.impl("_nnz", TORCH_FN(at::native::_nnz_sparse));
  m.impl("_sparse_coo_tensor_with_dims",
         TORCH_FN((Guarded<&at::native::new_with_dims_sparse>::call)));
  m.impl("_sparse_coo_tensor_with_dims_and_tensors",
         TORCH_FN((Guarded<&at::native::new_with_dims_and_tensor_sparse_symint>::call)));
  m.impl("_values", TORCH_FN(at::native::_values_sparse));
  m.impl("clone", TORCH_FN((Guarded<&at::native::clone_sparse>::call)));
  m.impl("copy_", TORCH_FN((Guarded<&at::native::copy_sparse_wrapper_>::call)));
  m.impl("dense_dim", TORCH_FN(at::native::dense_dim_sparse));
  m.impl("empty.memory_format", TORCH_FN((Guarded<&at::native::empty_sparse_symint>::call)));
  m.impl("indices", TORCH_FN(at::native::indices_sparse));
  m.impl("is_coalesced", TORCH_FN(at::native::is_coalesced_sparse));
  m.impl("sparse_dim", TORCH_FN(at::native::sparse_dim_sparse));
  m.impl("sparse_resize_", TORCH_FN((Guarded<&at::native::sparse_resize_>::call)));
  m.impl("sparse_resize_and_clear_",
         TORCH_FN((Guarded<&at::native::sparse_resize_and_clear_>::call)));
  m.impl("values", TORCH_FN(at::native::values_sparse));
}

TORCH_LIBRARY_IMPL(aten, SparseCsrPrivateUse1, m) {
  all(m, kCompressed);
  m.impl("_nnz", TORCH_FN(at::native::_nnz_sparse_csr));
  m.impl("ccol_indices", TORCH_FN(at::native::ccol_indices_sparse_csr));
  m.impl("clone", TORCH_FN((Guarded<&at::native::clone_sparse_compressed>::call)));
  m.impl("col_indices", TORCH_FN(at::native::col_indices_sparse_csr));
  m.impl("copy_", TORCH_FN((Guarded<&at::native::copy_sparse_compressed_>::call)));
  m.impl("crow_indices", TORCH_FN(at::native::crow_indices_sparse_csr));
  m.impl("dense_dim", TORCH_FN(at::native::dense_dim_sparse_csr));
  m.impl("empty.memory_format",
         TORCH_FN((Guarded<&at::native::empty_sparse_compressed_symint>::call)));
  m.impl("row_indices", TORCH_FN(at::native::row_indices_sparse_csr));
  m.impl("sparse_dim", TORCH_FN(at::native::sparse_dim_sparse_csr));
  m.impl("values", TORCH_FN(at::native::values_sparse_csr));
}

TORCH_LIBRARY_IMPL(aten, QuantizedPrivateUse1, m) {
  all(m, kQuantized);
  m.impl("q_scale", TORCH_FN(at::native::q_scale_quant));
  m.impl("q_zero_point", TORCH_FN(at::native::q_zero_point_quant));
  m.impl("qscheme", TORCH_FN(at::native::qscheme_quant));
  // torch.load gives a tensor its storage, which an alias must not do.
  m.impl("set_.source_Storage_storage_offset", TORCH_FN(set_storage_strided));
}

TORCH_LIBRARY_IMPL(aten, NestedTensorPrivateUse1, m) {
  all(m, kNested);
  m.impl("_nested_tensor_size", TORCH_FN(at::native::_nested_tensor_size));
  m.impl("_nested_tensor_storage_offsets", TORCH_FN(at::native::_nested_tensor_storage_offsets));
  m.impl("_nested_tensor_strides", TORCH_FN(at::native::_nested_tensor_strides));
}

} // namespace
} // namespace xpu_lite::aten
