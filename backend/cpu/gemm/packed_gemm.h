#pragma once

// c = epilogue(a * W) for a W that is packed, most often once, with everything that
// can follow a linear layer done while the result is still in the cache.
//
//   std::vector<char> panels(gemm::packed_bytes(DType::BFloat16, n, k));   // 64-byte aligned
//   gemm::pack({DType::BFloat16, n, k, weight, DType::BFloat16, k, 1}, panels.data());
//   gemm::Gemm g{DType::BFloat16, m, n, k, a, lda, panels.data(), c, ldc, DType::BFloat16};
//   g.epilogue.bias = {bias, DType::BFloat16};
//   gemm::gemm(g);
//
// Products are summed in float whatever the dtype. The packed form depends on the
// dtype alone: not on the processor, the implementation or the number of threads.
//
// The gradients of y = x W are products of this kind, too: of x, dy times the weight
// packed the other way (strides exchanged); of W, x transposed times dy, packed for it.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "backend/cpu/kernels/elementwise.h"

namespace xpu_lite::cpu::gemm {

// Float, BFloat16 and Half.
bool serves(DType dtype);

// "f32_k1n32", "bf16_k2n32", "f16_k1n32": panels of 32 columns, each holding, for
// one k (or a pair of them) after the other, the 32 columns' values.
const char* layout_name(DType dtype);
size_t packed_bytes(DType dtype, int64_t n, int64_t k);

// W(p, j), for p < k and j < n, is at data[j * n_stride + p * k_stride]: a weight of
// torch's nn.Linear, [n, k] and dense, has n_stride = k and k_stride = 1.
struct Weight {
  DType dtype; // of the packed form
  int64_t n, k;
  const void* data;
  DType data_dtype; // another than `dtype`: rounded to nearest even as it is packed
  int64_t n_stride, k_stride;
};
// `out` has packed_bytes(dtype, n, k), best on a 64-byte boundary and huge pages: products
// of few rows read it up to 1.5 times as fast there. Weights of equal k with n a multiple of 32
// may be packed one behind the other: together they are one weight (query, key, value).
void pack(const Weight& weight, void* out);

enum class Activation : uint8_t { None, ReLU, GeluErf, GeluTanh, SiLU };
const char* activation_name(Activation activation);

// n values, or none.
struct Vector {
  const void* data = nullptr;
  DType dtype = DType::Float;
};

// m x n values with rows `ld` elements apart (0: one row for all), or none.
struct Matrix {
  const void* data = nullptr;
  DType dtype = DType::Float;
  int64_t ld = 0;
};

// x = scale * (a W) + bias
// x = x + beta * add          if add_first (a residual under the activation)
// x = activation(x)
// x = x * mul
// x = x + beta * add          if not add_first
// Operands may be Float, BFloat16 or Half, and may be c itself (gradient += ...).
struct Epilogue {
  Vector bias;
  Activation activation = Activation::None;
  bool add_first = false;
  Matrix add;
  Matrix mul;
  float scale = 1;
  float beta = 1;
};

struct Gemm {
  DType dtype; // of a and of the packed weight
  int64_t m, n, k;
  const void* a; // m x k, rows lda elements apart
  int64_t lda;
  const void* packed;
  void* c; // m x n, rows ldc elements apart; may be Float, BFloat16 or Half
  int64_t ldc;
  DType c_dtype;
  Epilogue epilogue = {};
  bool a_transposed = false; // a is k x m: element (i, p) at a[p * lda + i]
  // Float: a is rounded to dtype as it is read, where tiles multiply that dtype. Not for a
  // transposed a.
  DType a_dtype = dtype;
};

// On the calling thread and, where it pays, on OpenMP's others. m, n or k may be 0.
void gemm(const Gemm& g);

// The implementations, best first. gemm() takes the first that this processor may run
// (XPU_LITE_ISA), that serves the dtype and is made for so many rows; XPU_LITE_GEMM=<name>
// names the one to take where it can be taken.
std::vector<std::string> implementations();
bool implementation_serves(const std::string& name, DType dtype); // here, on this processor
const char* chosen_implementation(DType dtype, int64_t m); // for so many rows
void gemm_with(const std::string& name, const Gemm& g); // throws ValueError: not served

} // namespace xpu_lite::cpu::gemm
