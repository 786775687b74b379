#pragma once

// Elementwise arithmetic and whole-tensor reductions over dense ranges. The
// small-operator fast path, the _foreach_* operators and the fused optimizers
// all stand on these loops. One call handles one range on the calling thread;
// backend/cpu/multi_tensor.h splits work over threads.

#include <cstdint>

#include "backend/cpu/dispatch.h"

namespace xpu_lite::cpu {

enum class DType : uint8_t { Float, Double, BFloat16, Half, Int64 };

constexpr int64_t dtype_size(DType dtype) {
  return dtype == DType::Double || dtype == DType::Int64 ? 8
      : dtype == DType::Float                            ? 4
                                                         : 2;
}

// out = f(a, b, c, s); the comment says which of them are read. Int64 has those
// marked with an i.
enum class ElementwiseOp : int32_t {
  Add,        // i a + s * b
  Sub,        // i a - s * b
  Mul,        // i a * b
  Div,        //   a / b
  Maximum,    // i NaN wins
  Minimum,    // i
  Pow,        //   a ** b, through libm: for few elements
  AddScalar,  // i a + s
  SubScalar,  // i a - s
  MulScalar,  // i a * s
  DivScalar,  //   a / s
  MaximumScalar, // i
  MinimumScalar, // i
  PowScalar,  //   a ** s, through libm
  ScalarPow,  //   s ** a, through libm
  Addcmul,    //   a + s * b * c
  Addcdiv,    //   a + s * b / c
  Lerp,       //   a towards b by c
  LerpScalar, //   a towards b by s
  Abs,        // i
  Neg,        // i
  Relu,       // i
  Sign,       // i
  Sqrt,
  Rsqrt,
  Reciprocal,
  Ceil,
  Floor,
  Round,      //   half to even
  Trunc,
  Frac,
  Count
};

enum class ReduceOp : int32_t { Sum, SumAbs, SumSquares, Max, AbsMax };

} // namespace xpu_lite::cpu

// `out` may be `a` itself; other overlap is not allowed. 16-bit types are computed
// in float and rounded once. `s` must be exact in the type for Int64. With
// `stream`, `out` bypasses the caches: for outputs larger than the last level.
// Returns false, and does nothing, for an operator that the type lacks.
XPU_LITE_DECLARE_KERNEL(elementwise,
                        bool(ElementwiseOp, DType, void* out, const void* a, const void* b,
                             const void* c, double s, int64_t n, bool stream));

// Sums of float and 16-bit types run in float over short blocks and in double
// over these; Max and AbsMax return NaN if any element is one. Not for Int64.
XPU_LITE_DECLARE_KERNEL(reduce_range, double(ReduceOp, DType, const void* a, int64_t n));

// Multiplies a range by `scale` in place (not at all when it is 1) and returns
// true if any element was infinite or NaN before.
XPU_LITE_DECLARE_KERNEL(unscale_range, bool(DType, void* data, float scale, int64_t n));
