#pragma once

// The arithmetic of ElementwiseOp: an operator is one struct. T is float, double
// or, where its body allows it, int64_t. Written so that the loops vectorise:
// selects instead of branches, builtins instead of library functions.

#include "backend/cpu/kernels/scalar_types.h"

namespace xpu_lite::cpu::XPU_LITE_LEVEL {

#ifndef XPU_LITE_OWN_MATH // an engine that compiles this may have its own
static XPU_LITE_INLINE float power(float x, float y) { return __builtin_powf(x, y); }
static XPU_LITE_INLINE double power(double x, double y) { return __builtin_pow(x, y); }
static XPU_LITE_INLINE float root(float x) { return __builtin_sqrtf(x); }
static XPU_LITE_INLINE double root(double x) { return __builtin_sqrt(x); }
static XPU_LITE_INLINE float up(float x) { return __builtin_ceilf(x); }
static XPU_LITE_INLINE double up(double x) { return __builtin_ceil(x); }
static XPU_LITE_INLINE float down(float x) { return __builtin_floorf(x); }
static XPU_LITE_INLINE double down(double x) { return __builtin_floor(x); }
static XPU_LITE_INLINE float nearest(float x) { return __builtin_rintf(x); }
static XPU_LITE_INLINE double nearest(double x) { return __builtin_rint(x); }
static XPU_LITE_INLINE float chop(float x) { return __builtin_truncf(x); }
static XPU_LITE_INLINE double chop(double x) { return __builtin_trunc(x); }
static XPU_LITE_INLINE float magnitude(float x) { return __builtin_fabsf(x); }
static XPU_LITE_INLINE double magnitude(double x) { return __builtin_fabs(x); }
#endif
static XPU_LITE_INLINE int64_t magnitude(int64_t x) { return x < 0 ? -x : x; }

#define XPU_LITE_ELEMENTWISE(NAME, EXPRESSION)                      \
  struct NAME##Op {                                                 \
    template <class T>                                              \
    static XPU_LITE_INLINE T run(T a, T b, T c, T s) {              \
      (void)a, (void)b, (void)c, (void)s;                           \
      return EXPRESSION;                                            \
    }                                                               \
  };

XPU_LITE_ELEMENTWISE(Add, a + s * b)
XPU_LITE_ELEMENTWISE(Sub, a - s * b)
XPU_LITE_ELEMENTWISE(Mul, a * b)
XPU_LITE_ELEMENTWISE(Div, a / b)
XPU_LITE_ELEMENTWISE(Maximum, (a > b || a != a) ? a : b)
XPU_LITE_ELEMENTWISE(Minimum, (a < b || a != a) ? a : b)
XPU_LITE_ELEMENTWISE(Pow, power(a, b))
XPU_LITE_ELEMENTWISE(AddScalar, a + s)
XPU_LITE_ELEMENTWISE(SubScalar, a - s)
XPU_LITE_ELEMENTWISE(MulScalar, a * s)
XPU_LITE_ELEMENTWISE(DivScalar, a / s)
XPU_LITE_ELEMENTWISE(MaximumScalar, (a > s || a != a) ? a : s)
XPU_LITE_ELEMENTWISE(MinimumScalar, (a < s || a != a) ? a : s)
XPU_LITE_ELEMENTWISE(PowScalar, power(a, s))
XPU_LITE_ELEMENTWISE(ScalarPow, power(s, a))
XPU_LITE_ELEMENTWISE(Addcmul, a + s * b * c)
XPU_LITE_ELEMENTWISE(Addcdiv, a + s * b / c)
XPU_LITE_ELEMENTWISE(Lerp, magnitude(c) < T(0.5) ? a + c * (b - a) : b - (b - a) * (1 - c))
XPU_LITE_ELEMENTWISE(LerpScalar,
                     magnitude(s) < T(0.5) ? a + s * (b - a) : b - (b - a) * (1 - s))
XPU_LITE_ELEMENTWISE(Abs, magnitude(a))
XPU_LITE_ELEMENTWISE(Neg, -a)
XPU_LITE_ELEMENTWISE(Relu, a < T(0) ? T(0) : a) // keeps NaN and -0
XPU_LITE_ELEMENTWISE(Sign, T(a > T(0)) - T(a < T(0)))
XPU_LITE_ELEMENTWISE(Sqrt, root(a))
XPU_LITE_ELEMENTWISE(Rsqrt, T(1) / root(a))
XPU_LITE_ELEMENTWISE(Reciprocal, T(1) / a)
XPU_LITE_ELEMENTWISE(Ceil, up(a))
XPU_LITE_ELEMENTWISE(Floor, down(a))
XPU_LITE_ELEMENTWISE(Round, nearest(a))
XPU_LITE_ELEMENTWISE(Trunc, chop(a))
XPU_LITE_ELEMENTWISE(Frac, a - chop(a))

#undef XPU_LITE_ELEMENTWISE

} // namespace xpu_lite::cpu::XPU_LITE_LEVEL
