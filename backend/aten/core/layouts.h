#pragma once

// Tensors of the device that are not plain dense: sparse COO, sparse compressed
// (CSR, CSC, BSR, BSC), quantized, and nested. Each is a few dense tensors and
// some facts; its CPU alias is the same facts over CPU aliases of those tensors,
// and back. No data is copied either way (see Note [CPU aliases]).

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

namespace xpu_lite::aten {

// True for a strided tensor with memory of its own: neither of the above, nor
// undefined. On the path of every operator.
inline bool is_plain_dense(const at::Tensor& tensor) {
  return tensor.unsafeGetTensorImpl()->key_set().has(c10::DispatchKey::Dense);
}

// The CPU alias of a device tensor of any layout; a CPU or undefined tensor is
// returned as it is.
at::Tensor to_cpu_any_layout(const at::Tensor& tensor);

// A device tensor from what a CPU kernel returned inside an OpScope, of any
// layout. Parts that alias device tensors share their memory with them again.
at::Tensor from_cpu_any_layout(at::Tensor cpu_tensor, int device);

// The boxed kernel of the dispatch keys of those layouts: runs the operator's
// CPU kernel on CPU aliases of its arguments. In-place arguments, out=, lists and
// factories are served. Counted as a fallback.
void layout_fallback(const c10::OperatorHandle& op, torch::jit::Stack* stack);

} // namespace xpu_lite::aten
