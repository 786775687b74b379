#pragma once

// What the fused linear operators share (float, int8, weight-only): their operands as
// matrices, their checks, what follows the product, either as an epilogue of the GEMM
// or as plain operators, and the frame of a call around the product itself.

#include <optional>
#include <string_view>

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include "backend/aten/core/launch.h"
#include "backend/cpu/gemm/packed_gemm.h"

namespace xpu_lite::aten {

inline bool given(const std::optional<at::Tensor>& tensor) {
  return tensor && tensor->defined();
}

// Throws where `text` is none of them; `name` is the operator's.
cpu::gemm::Activation activation_of(const char* name, std::string_view text);

// What is done with a product: see gemm::Epilogue.
struct LinearTail {
  const std::optional<at::Tensor>& bias;
  std::string_view activation;
  const std::optional<at::Tensor>& add;
  bool add_first;
  const std::optional<at::Tensor>& mul;
};

// Throws, with the operator's name, what a user got wrong. `n` and `k` are the weight's.
void check_linear(const char* name, const at::Tensor& input, const at::SymInt& n,
                  const at::SymInt& k, const LinearTail& tail);

// As the plain operators would have it: the widest of `type`, add's and mul's.
at::ScalarType tail_type(at::ScalarType type, const LinearTail& tail);
// bias apart: activation, add and mul on x by plain operators.
at::Tensor apply_tail(at::Tensor x, const LinearTail& tail);
// input's sizes with n in the last place.
c10::SymDimVector linear_sizes(const at::Tensor& input, const at::SymInt& n);
// Some operand needs a gradient that is being recorded.
bool wants_gradient(std::initializer_list<const at::Tensor*> operands, const LinearTail& tail);

std::optional<cpu::DType> gemm_type(at::ScalarType type); // float32, bfloat16, float16

// A tensor as a matrix of its last dimension: rows `ld` elements apart.
struct MatrixView {
  at::Tensor tensor; // itself, or a copy where its strides are no matrix's
  int64_t rows, ld;
};
MatrixView matrix_view(const at::Tensor& tensor);

// The tail for the GEMM, with what keeps its operands alive. False where an operand is on
// another device, of another dtype or of another layout: the caller takes apply_tail.
struct Epilogue {
  cpu::gemm::Epilogue gemm;
  at::Tensor bias, add, mul;
  bool set(const at::Tensor& input, at::IntArrayRef sizes, const LinearTail& tail);
};

// A dense device tensor without conjugate or negative bits.
bool is_host_operand(const at::Tensor& tensor);

// A fused linear operator about to run on the host engine: [rows, k] x [k, n] + tail -> out.
struct LinearCall {
  int64_t n, k;
  MatrixView a;
  Epilogue epilogue;
  at::Tensor out;
  Stream* stream;

  // `product` reads a and the tail, and writes out; not called for an empty result.
  template <class Product>
  at::Tensor run(const char* name, const Product& product) {
    if (out.numel() == 0) return std::move(out);
    note_route(1, name);
    KernelSpan span(name, *stream);
    product();
    return std::move(out);
  }
};
// Nothing where some operand is not the engine's to read, or work is queued before it: the
// caller composes. `others` are the operands beside input and tail.
std::optional<LinearCall> linear_call(const at::Tensor& input,
                                      std::initializer_list<const at::Tensor*> others, int64_t n,
                                      at::ScalarType type, const LinearTail& tail);

// The operator `name` as the dispatcher calls it, for kernels of keys above the backend's.
template <class Function>
c10::TypedOperatorHandle<Function> typed_operator(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Function>();
}

} // namespace xpu_lite::aten
