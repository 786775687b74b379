// Activations, layer norm and mixed sums, on the registers of the GEMM's epilogue.

#include "backend/cpu/kernels/transformer.h"

#include "backend/cpu/gemm/levels/activation.h"

namespace xpu_lite::cpu::XPU_LITE_LEVEL {

namespace {

namespace reg = gemm::XPU_LITE_LEVEL;
using reg::kLanes;
using reg::Reg;
using gemm::Activation;

template <Activation activation, class T>
void activate(T* out, const T* x, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    reg::store(out + i, reg::activate<activation>(reg::load(x + i)));
  }
  if (const int rest = static_cast<int>(n - i)) {
    reg::store(out + i, reg::activate<activation>(reg::load(x + i, rest)), rest);
  }
}

template <class T>
void activate_any(Activation activation, T* out, const T* x, int64_t n) {
  switch (activation) {
    case Activation::None: return activate<Activation::None>(out, x, n);
    case Activation::ReLU: return activate<Activation::ReLU>(out, x, n);
    case Activation::GeluErf: return activate<Activation::GeluErf>(out, x, n);
    case Activation::GeluTanh: return activate<Activation::GeluTanh>(out, x, n);
    case Activation::SiLU: return activate<Activation::SiLU>(out, x, n);
  }
}

template <class T>
T* as(void* data) { return static_cast<T*>(data); }
template <class T>
const T* as(const void* data) { return static_cast<const T*>(data); }

void run_activate(Activation activation, DType dtype, void* out, const void* x, int64_t n) {
  if (dtype == DType::Float) return activate_any(activation, as<float>(out), as<float>(x), n);
  if (dtype == DType::Half) return activate_any(activation, as<half>(out), as<half>(x), n);
  activate_any(activation, as<bfloat16>(out), as<bfloat16>(x), n);
}

template <class B>
void add_widened(float* out, const float* a, const B* b, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) reg::store(out + i, reg::load(a + i) + reg::load(b + i));
  for (; i < n; ++i) out[i] = a[i] + float(b[i]);
}

void run_add_narrow(float* out, const float* a, const void* b, DType dtype, int64_t n) {
  if (dtype == DType::Half) return add_widened(out, a, as<half>(b), n);
  add_widened(out, a, as<bfloat16>(b), n);
}

XPU_LITE_GEMM_INLINE float sum_of(Reg x) {
  float lanes[kLanes];
  reg::store(lanes, x);
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

// The sum of f(register) over a row; lanes beyond its end count as zero.
template <class T, class F>
XPU_LITE_GEMM_INLINE float row_sum(const T* x, int64_t n, const F& f) {
  Reg sums[4] = {reg::zero(), reg::zero(), reg::zero(), reg::zero()};
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    for (int v = 0; v < 4; ++v) sums[v] += f(reg::load(x + i + v * kLanes));
  }
  for (; i + kLanes <= n; i += kLanes) sums[0] += f(reg::load(x + i));
  float total = sum_of((sums[0] + sums[1]) + (sums[2] + sums[3]));
  if (const int rest = static_cast<int>(n - i)) {
    float lanes[kLanes];
    reg::store(lanes, f(reg::load(x + i, rest)));
    for (int l = 0; l < rest; ++l) total += lanes[l];
  }
  return total;
}

template <class P>
XPU_LITE_GEMM_INLINE Reg parameter(const P* data, int64_t i, int n, float otherwise) {
  if (!data) return reg::splat(otherwise);
  return n == kLanes ? reg::load(data + i) : reg::load(data + i, n);
}

void set_statistic(void* data, DType dtype, int64_t row, float x) {
  if (dtype == DType::Float) {
    as<float>(data)[row] = x;
  } else if (dtype == DType::Half) {
    as<half>(data)[row] = half(x);
  } else {
    as<bfloat16>(data)[row] = bfloat16(x);
  }
}

template <class T, class P>
void layer_norm(const LayerNorm& p, int64_t first, int64_t last) {
  const int64_t n = p.columns;
  const P *weight = as<P>(p.weight), *bias = as<P>(p.bias);
  for (int64_t row = first; row < last; ++row) {
    const T* x = as<T>(p.input) + row * n;
    T* out = as<T>(p.out) + row * n;
    const float mean =
        row_sum(x, n, [](Reg v) __attribute__((always_inline)) { return v; }) / static_cast<float>(n);
    const Reg center = reg::splat(mean);
    const float squares = row_sum(x, n, [&](Reg v) __attribute__((always_inline)) {
      const Reg d = v - center;
      return d * d;
    });
    const double variance = static_cast<double>(squares) / static_cast<double>(n);
    const float rstd = static_cast<float>(1 / __builtin_sqrt(variance + p.eps));
    const Reg factor = reg::splat(rstd);
    for (int64_t i = 0; i < n; i += kLanes) {
      const int some = n - i < kLanes ? static_cast<int>(n - i) : kLanes;
      const Reg v = some == kLanes ? reg::load(x + i) : reg::load(x + i, some);
      const Reg y = reg::fma((v - center) * factor, parameter(weight, i, some, 1.f),
                             parameter(bias, i, some, 0.f));
      some == kLanes ? reg::store(out + i, y) : reg::store(out + i, y, some);
    }
    set_statistic(p.mean, p.statistic_dtype, row, mean);
    set_statistic(p.rstd, p.statistic_dtype, row, rstd);
  }
}

void run_layer_norm(const LayerNorm& p, int64_t first, int64_t last) {
  const bool wide = p.parameter_dtype == DType::Float;
  if (p.dtype == DType::Float) return layer_norm<float, float>(p, first, last);
  if (p.dtype == DType::Half) {
    return wide ? layer_norm<half, float>(p, first, last) : layer_norm<half, half>(p, first, last);
  }
  wide ? layer_norm<bfloat16, float>(p, first, last) : layer_norm<bfloat16, bfloat16>(p, first, last);
}

} // namespace

XPU_LITE_REGISTER_KERNEL(activate_range, run_activate)
XPU_LITE_REGISTER_KERNEL(layer_norm_rows, run_layer_norm)
XPU_LITE_REGISTER_KERNEL(add_narrow, run_add_narrow)

} // namespace xpu_lite::cpu::XPU_LITE_LEVEL
