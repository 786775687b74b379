// The continuous distributions: uniform, normal, log-normal, exponential, Cauchy.
// Products that feed a sum are explicit fma, so that a compiler which contracts
// expressions changes nothing: the numbers are those of every other engine.

#include "backend/xpu/kernels/random_draw.h"

using namespace xk;
using namespace xpu_lite::xpu;
using namespace xpu_lite::cpu;

namespace {

// a, b: the bounds, c: their distance, taken before any of them was rounded.
template <class T>
inline void uniform(const RandomFillArgs<real_of<T>>& args) {
  using Real = real_of<T>;
  const Real width = args.c;
  Real low = args.a, high = args.b;
  if constexpr (!std::is_same_v<T, double>) low = round_to<T>(low), high = round_to<T>(high);
  fill_blocks<T, Real>(args.out, args.n, args.stream, [=](const uint32_t* w, Real* v) {
    uniform_block<T>(w, low, high, width, v);
  });
}

// a: mean, b: standard deviation.
template <class T>
inline void normal(const RandomFillArgs<real_of<T>>& args) {
  using Real = real_of<T>;
  constexpr int each = sizeof(Real) == 8 ? 2 : 4;
  const Real mean = args.a, std = args.b;
  fill_blocks<T, Real>(args.out, args.n, args.stream, [=](const uint32_t* w, Real* v) {
    normal_block(w, v);
#pragma unroll
    for (int i = 0; i < each; ++i) v[i] = fma_of(v[i], std, mean);
  });
}

// exp() of that normal. Wide is double: the definition; float where the device has
// no double. Named by Wide where that is double, then by T.
template <class T, class Wide>
inline void log_normal(const RandomFillArgs<Wide>& args) {
  using Real = real_of<T>;
  constexpr int each = sizeof(Real) == 8 ? 2 : 4;
  const Wide mean = args.a, std = args.b;
  fill_blocks<T, Real>(args.out, args.n, args.stream, [=](const uint32_t* w, Real* v) {
    normal_block(w, v);
#pragma unroll
    for (int i = 0; i < each; ++i) {
      const Wide x = fma_of(static_cast<Wide>(v[i]), std, mean);
      if constexpr (std::is_same_v<Wide, double>) {
        v[i] = static_cast<Real>(exp_of(x));
      } else {
        v[i] = sycl::exp(x);
      }
    }
  });
}

// a: 1 / lambda. Never zero: callers divide by it.
template <class T>
inline void exponential(const RandomFillArgs<real_of<T>>& args) {
  using Real = real_of<T>;
  const Real scale = args.a;
  fill_blocks<T, Real>(args.out, args.n, args.stream, [=](const uint32_t* w, Real* v) {
    if constexpr (std::is_same_v<T, double>) {
#pragma unroll
      for (int i = 0; i < 2; ++i) v[i] = -log_of(open_unit(draw64(w, i))) * scale;
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float e = -log_of(open_unit(w[i]));
        v[i] = (e > 0x1p-24f ? e : 0x1p-24f) * scale;
      }
    }
  });
}

// The tangent of a uniform angle. a: median, b: sigma.
template <class T>
inline void cauchy(const RandomFillArgs<real_of<T>>& args) {
  using Real = real_of<T>;
  const Real median = args.a, sigma = args.b;
  fill_blocks<T, Real>(args.out, args.n, args.stream, [=](const uint32_t* w, Real* v) {
    if constexpr (std::is_same_v<T, double>) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const auto at = sincos_turns(draw64(w, i));
        v[i] = fma_of(at.sin / at.cos, sigma, median);
      }
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const auto at = sincos_turns(w[i]);
        v[i] = fma_of(at.sin / at.cos, sigma, median);
      }
    }
  });
}

} // namespace

XK(random_uniform_f32, RandomFillArgs<float>) { uniform<float>(args); }
XK(random_uniform_f16, RandomFillArgs<float>) { uniform<f16>(args); }
XK(random_uniform_bf16, RandomFillArgs<float>) { uniform<bf16>(args); }
XK(random_uniform_f64, RandomFillArgs<double>) { uniform<double>(args); }

XK(random_normal_f32, RandomFillArgs<float>) { normal<float>(args); }
XK(random_normal_f16, RandomFillArgs<float>) { normal<f16>(args); }
XK(random_normal_bf16, RandomFillArgs<float>) { normal<bf16>(args); }
XK(random_normal_f64, RandomFillArgs<double>) { normal<double>(args); }

XK(random_log_normal_f64_f32, RandomFillArgs<double>) { log_normal<float, double>(args); }
XK(random_log_normal_f64_f16, RandomFillArgs<double>) { log_normal<f16, double>(args); }
XK(random_log_normal_f64_bf16, RandomFillArgs<double>) { log_normal<bf16, double>(args); }
XK(random_log_normal_f64_f64, RandomFillArgs<double>) { log_normal<double, double>(args); }
XK(random_log_normal_f32, RandomFillArgs<float>) { log_normal<float, float>(args); }
XK(random_log_normal_f16, RandomFillArgs<float>) { log_normal<f16, float>(args); }
XK(random_log_normal_bf16, RandomFillArgs<float>) { log_normal<bf16, float>(args); }

XK(random_exponential_f32, RandomFillArgs<float>) { exponential<float>(args); }
XK(random_exponential_f16, RandomFillArgs<float>) { exponential<f16>(args); }
XK(random_exponential_bf16, RandomFillArgs<float>) { exponential<bf16>(args); }
XK(random_exponential_f64, RandomFillArgs<double>) { exponential<double>(args); }

XK(random_cauchy_f32, RandomFillArgs<float>) { cauchy<float>(args); }
XK(random_cauchy_f16, RandomFillArgs<float>) { cauchy<f16>(args); }
XK(random_cauchy_bf16, RandomFillArgs<float>) { cauchy<bf16>(args); }
XK(random_cauchy_f64, RandomFillArgs<double>) { cauchy<double>(args); }
