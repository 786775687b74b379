#pragma once

// What the generated wrappers of structured operators need (see
// codegen/generate_sycl.py): making outputs, checking and resizing given ones.

#include <array>
#include <functional>
#include <optional>
#include <tuple>

#include <ATen/core/IListRef.h>
#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/op_registration/adaption.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/TensorOptions.h>
#include <torch/library.h>

namespace xpu_lite::aten::sycl {

// A dtype that torch's CPU kernels serve now and then, and ours never compute with.
inline bool is_rare(at::ScalarType type) {
  switch (type) {
    case at::kUInt16:
    case at::kUInt32:
    case at::kUInt64:
    case at::kComplexHalf: return true;
    default: return c10::isFloat8Type(type);
  }
}
inline bool is_rare(const at::Tensor& t) { return t.defined() && is_rare(t.scalar_type()); }
inline bool is_rare(const std::optional<at::Tensor>& t) { return t && is_rare(*t); }
inline bool is_rare(const at::ITensorListRef& list) {
  for (const at::Tensor& t : list) {
    if (is_rare(t)) return true;
  }
  return false;
}
inline bool is_rare(const c10::List<std::optional<at::Tensor>>&) { return false; } // indices
// The key whose boxed fallback serves them (core/queued.cpp).
constexpr c10::DispatchKeySet kRareKey(c10::DispatchKey::PrivateUse3);

// A new output; contiguous, or in the memory format of `options`, if `strides` is empty.
at::Tensor create_out(at::IntArrayRef sizes, at::IntArrayRef strides,
                      const at::TensorOptions& options);

// An out= argument: checks its dtype and device, and gives it the sizes.
void resize_out(const at::Tensor& out, at::IntArrayRef sizes, at::IntArrayRef strides,
                const at::TensorOptions& options);

// An argument that is written in place: it cannot change dtype, device or sizes.
void check_inplace(const at::Tensor& self, at::IntArrayRef sizes,
                   const at::TensorOptions& options);

// Kernels that need exactly these strides write into a new tensor when `out` has
// others; the wrapper copies it over afterwards.
std::optional<at::Tensor> maybe_create_proxy(const at::Tensor& out, at::IntArrayRef sizes,
                                             at::IntArrayRef strides,
                                             const at::TensorOptions& options);

} // namespace xpu_lite::aten::sycl
