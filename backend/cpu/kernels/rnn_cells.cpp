// LSTM and GRU cells: see rnn_cells.h. Arithmetic in float (double for double),
// each result rounded once.

#include "backend/cpu/kernels/rnn_cells.h"

#include <cmath>

#include "backend/cpu/kernels/scalar_types.h"

namespace xpu_lite::cpu::XPU_LITE_LEVEL {
namespace {

// Written without branches or calls, so that the loops below vectorise.
XPU_LITE_INLINE float exp_bounded(float x) { // |x| <= 87
  const float shifted = x * 1.44269504088896341f + 12582912.0f; // round to an integer
  const float n = shifted - 12582912.0f;
  float r = x - n * 0.693359375f;
  r -= n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return bits_float(float_bits(p) + (float_bits(shifted) << 23));
}

XPU_LITE_INLINE float sigmoid(float x) {
  float bounded = x > 80.0f ? 80.0f : x;
  bounded = bounded < -80.0f ? -80.0f : bounded;
  return 1.0f / (1.0f + exp_bounded(-bounded));
}
XPU_LITE_INLINE double sigmoid(double x) { return 1.0 / (1.0 + ::exp(-x)); }

XPU_LITE_INLINE float tanh_of(float x) {
  const float size = x < 0 ? -x : x;
  const float bounded = size > 10.0f ? 10.0f : size;
  // Near 0 the quotient would cancel: there the series, to x^9.
  const float s = bounded * bounded;
  const float series =
      bounded + bounded * s * (-0.333333333f + s * (0.133333333f + s * (-0.0539682540f +
                                                                         s * 0.0218694885f)));
  const float quotient = 1.0f - 2.0f / (exp_bounded(2.0f * bounded) + 1.0f);
  float y = bounded < 0.25f ? series : quotient;
  y = x != x ? x : y;
  return x < 0 ? -y : y;
}
XPU_LITE_INLINE double tanh_of(double x) { return ::tanh(x); }

// Rows are shared out once there is work for more than one thread.
constexpr int64_t kGrain = 8192;

template <class S>
void lstm_forward(const CellForward& p) {
  using T = accumulate_t<S>;
  const int64_t n = p.hidden;
  const S* const b1 = static_cast<const S*>(p.input_bias);
  const S* const b2 = static_cast<const S*>(p.hidden_bias);
#pragma omp parallel for schedule(static) if (p.batch * n > kGrain)
  for (int64_t r = 0; r < p.batch; ++r) {
    const S* x = static_cast<const S*>(p.input_gates) + r * p.input_stride;
    const S* h = static_cast<const S*>(p.hidden_gates) + r * p.hidden_stride;
    const S* cx = static_cast<const S*>(p.state) + r * p.state_stride;
    S* __restrict hy = static_cast<S*>(p.out) + r * n;
    S* __restrict cy = static_cast<S*>(p.cell) + r * n;
    S* __restrict w = static_cast<S*>(p.workspace) + r * 4 * n;
    auto step = [&](int64_t j, T bi, T bf, T bg, T bo) __attribute__((always_inline)) {
      const T i = sigmoid(T(x[j]) + T(h[j]) + bi);
      const T f = sigmoid(T(x[n + j]) + T(h[n + j]) + bf);
      const T g = tanh_of(T(x[2 * n + j]) + T(h[2 * n + j]) + bg);
      const T o = sigmoid(T(x[3 * n + j]) + T(h[3 * n + j]) + bo);
      const T c = f * T(cx[j]) + i * g;
      cy[j] = S(c);
      hy[j] = S(o * tanh_of(c));
      w[j] = S(i), w[n + j] = S(f), w[2 * n + j] = S(g), w[3 * n + j] = S(o);
    };
    if (b1) {
#pragma GCC ivdep
      for (int64_t j = 0; j < n; ++j) {
        step(j, T(b1[j]) + T(b2[j]), T(b1[n + j]) + T(b2[n + j]),
             T(b1[2 * n + j]) + T(b2[2 * n + j]), T(b1[3 * n + j]) + T(b2[3 * n + j]));
      }
    } else {
#pragma GCC ivdep
      for (int64_t j = 0; j < n; ++j) step(j, 0, 0, 0, 0);
    }
  }
}

template <class S>
void lstm_backward(const LstmBackward& p) {
  using T = accumulate_t<S>;
  const int64_t n = p.hidden;
#pragma omp parallel for schedule(static) if (p.batch * n > kGrain)
  for (int64_t r = 0; r < p.batch; ++r) {
    const S* gh = p.grad_out ? static_cast<const S*>(p.grad_out) + r * p.grad_out_stride : nullptr;
    const S* gc =
        p.grad_cell ? static_cast<const S*>(p.grad_cell) + r * p.grad_cell_stride : nullptr;
    const S* cx = static_cast<const S*>(p.state) + r * p.state_stride;
    const S* cy = static_cast<const S*>(p.cell) + r * p.cell_stride;
    const S* w = static_cast<const S*>(p.workspace) + r * 4 * n;
    S* __restrict gates = static_cast<S*>(p.grad_gates) + r * 4 * n;
    S* __restrict gcx = static_cast<S*>(p.grad_state) + r * n;
#pragma GCC ivdep
    for (int64_t j = 0; j < n; ++j) {
      const T i = T(w[j]), f = T(w[n + j]), g = T(w[2 * n + j]), o = T(w[3 * n + j]);
      const T out = gh ? T(gh[j]) : T(0), cell = gc ? T(gc[j]) : T(0);
      const T t = tanh_of(T(cy[j]));
      const T c = out * o * (1 - t * t) + cell;
      gates[j] = S(c * g * (1 - i) * i);
      gates[n + j] = S(c * T(cx[j]) * (1 - f) * f);
      gates[2 * n + j] = S(c * i * (1 - g * g));
      gates[3 * n + j] = S(out * t * (1 - o) * o);
      gcx[j] = S(c * f);
    }
  }
}

template <class S>
void gru_forward(const CellForward& p) {
  using T = accumulate_t<S>;
  const int64_t n = p.hidden;
  const S* const b1 = static_cast<const S*>(p.input_bias);
  const S* const b2 = static_cast<const S*>(p.hidden_bias);
#pragma omp parallel for schedule(static) if (p.batch * n > kGrain)
  for (int64_t row = 0; row < p.batch; ++row) {
    const S* x = static_cast<const S*>(p.input_gates) + row * p.input_stride;
    const S* h = static_cast<const S*>(p.hidden_gates) + row * p.hidden_stride;
    const S* hx = static_cast<const S*>(p.state) + row * p.state_stride;
    S* __restrict hy = static_cast<S*>(p.out) + row * n;
    S* __restrict w = static_cast<S*>(p.workspace) + row * 5 * n;
    auto step = [&](int64_t j, T br, T bz, T bx, T bh) __attribute__((always_inline)) {
      const T r = sigmoid(T(x[j]) + T(h[j]) + br);
      const T z = sigmoid(T(x[n + j]) + T(h[n + j]) + bz);
      const T hidden_new = T(h[2 * n + j]) + bh;
      const T fresh = tanh_of(T(x[2 * n + j]) + bx + r * hidden_new);
      const T before = T(hx[j]);
      hy[j] = S(fresh + z * (before - fresh));
      w[j] = S(r), w[n + j] = S(z), w[2 * n + j] = S(fresh);
      w[3 * n + j] = S(before), w[4 * n + j] = S(hidden_new);
    };
    if (b1) {
#pragma GCC ivdep
      for (int64_t j = 0; j < n; ++j) {
        step(j, T(b1[j]) + T(b2[j]), T(b1[n + j]) + T(b2[n + j]), T(b1[2 * n + j]),
             T(b2[2 * n + j]));
      }
    } else {
#pragma GCC ivdep
      for (int64_t j = 0; j < n; ++j) step(j, 0, 0, 0, 0);
    }
  }
}

template <class S>
void gru_backward(const GruBackward& p) {
  using T = accumulate_t<S>;
  const int64_t n = p.hidden;
#pragma omp parallel for schedule(static) if (p.batch * n > kGrain)
  for (int64_t row = 0; row < p.batch; ++row) {
    const S* grad = static_cast<const S*>(p.grad_out) + row * p.grad_out_stride;
    const S* w = static_cast<const S*>(p.workspace) + row * 5 * n;
    S* __restrict gi = static_cast<S*>(p.grad_input_gates) + row * 3 * n;
    S* __restrict gh = static_cast<S*>(p.grad_hidden_gates) + row * 3 * n;
    S* __restrict gx = static_cast<S*>(p.grad_state) + row * n;
#pragma GCC ivdep
    for (int64_t j = 0; j < n; ++j) {
      const T r = T(w[j]), z = T(w[n + j]), fresh = T(w[2 * n + j]);
      const T before = T(w[3 * n + j]), hidden_new = T(w[4 * n + j]), out = T(grad[j]);
      const T to_z = out * (before - fresh) * (1 - z) * z;
      const T to_new = out * (1 - z) * (1 - fresh * fresh);
      const T to_r = to_new * hidden_new * (1 - r) * r;
      gi[j] = S(to_r), gi[n + j] = S(to_z), gi[2 * n + j] = S(to_new);
      gh[j] = S(to_r), gh[n + j] = S(to_z), gh[2 * n + j] = S(to_new * r);
      gx[j] = S(out * z);
    }
  }
}

#define CELL_KERNEL(NAME, PARAMS, FN)                \
  void NAME(const PARAMS& p, CellType type) {        \
    switch (type) {                                  \
      case CellType::Float: return FN<float>(p);     \
      case CellType::Double: return FN<double>(p);   \
      case CellType::BFloat16: return FN<bfloat16>(p); \
      case CellType::Half: return FN<half>(p);       \
    }                                                \
  }
CELL_KERNEL(run_lstm_forward, CellForward, lstm_forward)
CELL_KERNEL(run_lstm_backward, LstmBackward, lstm_backward)
CELL_KERNEL(run_gru_forward, CellForward, gru_forward)
CELL_KERNEL(run_gru_backward, GruBackward, gru_backward)
#undef CELL_KERNEL

} // namespace

XPU_LITE_REGISTER_KERNEL(lstm_cell_forward, run_lstm_forward);
XPU_LITE_REGISTER_KERNEL(lstm_cell_backward, run_lstm_backward);
XPU_LITE_REGISTER_KERNEL(gru_cell_forward, run_gru_forward);
XPU_LITE_REGISTER_KERNEL(gru_cell_backward, run_gru_backward);

} // namespace xpu_lite::cpu::XPU_LITE_LEVEL
