// LSTM and GRU cells: see rnn_args.h. A work-item makes one hidden unit of one row.

#include "backend/xpu/kernels/acc.h"
#include "backend/xpu/kernels/rnn_args.h"

namespace {

using namespace xpu_lite::xpu;

template <class A>
inline A sigmoid(A x) {
  return A(1) / (A(1) + sycl::exp(-x));
}

// What a pointer of the arguments holds at an index, in the type to compute with.
template <class T>
inline xk::acc_t<T> at(const void* p, int64_t index) {
  return xk::widen(static_cast<const T*>(p)[index]);
}
template <class T>
inline void put(void* p, int64_t index, xk::acc_t<T> value) {
  static_cast<T*>(p)[index] = xk::narrow<T>(value);
}

struct Place {
  int64_t row, unit;
  bool inside;
  Place(int64_t batch, int64_t hidden) {
    const int64_t i = xk::item().get_global_id(0);
    inside = i < batch * hidden;
    row = i / hidden, unit = i - row * hidden;
  }
};

template <class T>
void lstm_forward(const CellArgs& p) {
  using A = xk::acc_t<T>;
  const Place place(p.batch, p.hidden);
  if (!place.inside) return;
  const int64_t n = p.hidden, j = place.unit;
  const int64_t x = place.row * p.input_stride + j, h = place.row * p.hidden_stride + j;
  auto gate = [&](int64_t g) {
    A sum = at<T>(p.input_gates, x + g * n) + at<T>(p.hidden_gates, h + g * n);
    if (p.input_bias != nullptr) {
      sum += at<T>(p.input_bias, g * n + j) + at<T>(p.hidden_bias, g * n + j);
    }
    return sum;
  };
  const A i = sigmoid(gate(0)), f = sigmoid(gate(1));
  const A g = sycl::tanh(gate(2)), o = sigmoid(gate(3));
  const A c = f * at<T>(p.state, place.row * p.state_stride + j) + i * g;
  const int64_t w = place.row * 4 * n + j;
  put<T>(p.cell, place.row * n + j, c);
  put<T>(p.out, place.row * n + j, o * sycl::tanh(c));
  put<T>(p.workspace, w, i), put<T>(p.workspace, w + n, f);
  put<T>(p.workspace, w + 2 * n, g), put<T>(p.workspace, w + 3 * n, o);
}

template <class T>
void lstm_backward(const LstmGradArgs& p) {
  using A = xk::acc_t<T>;
  const Place place(p.batch, p.hidden);
  if (!place.inside) return;
  const int64_t n = p.hidden, j = place.unit, w = place.row * 4 * n + j;
  const A i = at<T>(p.workspace, w), f = at<T>(p.workspace, w + n);
  const A g = at<T>(p.workspace, w + 2 * n), o = at<T>(p.workspace, w + 3 * n);
  const A out = p.grad_out ? at<T>(p.grad_out, place.row * p.grad_out_stride + j) : A(0);
  const A cell = p.grad_cell ? at<T>(p.grad_cell, place.row * p.grad_cell_stride + j) : A(0);
  const A t = sycl::tanh(at<T>(p.cell, place.row * p.cell_stride + j));
  const A c = out * o * (1 - t * t) + cell;
  put<T>(p.grad_gates, w, c * g * (1 - i) * i);
  put<T>(p.grad_gates, w + n,
         c * at<T>(p.state, place.row * p.state_stride + j) * (1 - f) * f);
  put<T>(p.grad_gates, w + 2 * n, c * i * (1 - g * g));
  put<T>(p.grad_gates, w + 3 * n, out * t * (1 - o) * o);
  put<T>(p.grad_state, place.row * n + j, c * f);
}

template <class T>
void gru_forward(const CellArgs& p) {
  using A = xk::acc_t<T>;
  const Place place(p.batch, p.hidden);
  if (!place.inside) return;
  const int64_t n = p.hidden, j = place.unit;
  const int64_t x = place.row * p.input_stride + j, h = place.row * p.hidden_stride + j;
  auto input = [&](int64_t g) {
    const A value = at<T>(p.input_gates, x + g * n);
    return p.input_bias != nullptr ? value + at<T>(p.input_bias, g * n + j) : value;
  };
  auto hidden = [&](int64_t g) {
    const A value = at<T>(p.hidden_gates, h + g * n);
    return p.hidden_bias != nullptr ? value + at<T>(p.hidden_bias, g * n + j) : value;
  };
  const A r = sigmoid(input(0) + hidden(0)), z = sigmoid(input(1) + hidden(1));
  const A hidden_new = hidden(2);
  const A fresh = sycl::tanh(input(2) + r * hidden_new);
  const A before = at<T>(p.state, place.row * p.state_stride + j);
  const int64_t w = place.row * 5 * n + j;
  put<T>(p.out, place.row * n + j, fresh + z * (before - fresh));
  put<T>(p.workspace, w, r), put<T>(p.workspace, w + n, z);
  put<T>(p.workspace, w + 2 * n, fresh), put<T>(p.workspace, w + 3 * n, before);
  put<T>(p.workspace, w + 4 * n, hidden_new);
}

template <class T>
void gru_backward(const GruGradArgs& p) {
  using A = xk::acc_t<T>;
  const Place place(p.batch, p.hidden);
  if (!place.inside) return;
  const int64_t n = p.hidden, j = place.unit, w = place.row * 5 * n + j;
  const A r = at<T>(p.workspace, w), z = at<T>(p.workspace, w + n);
  const A fresh = at<T>(p.workspace, w + 2 * n), before = at<T>(p.workspace, w + 3 * n);
  const A hidden_new = at<T>(p.workspace, w + 4 * n);
  const A grad = at<T>(p.grad_out, place.row * p.grad_out_stride + j);
  const A grad_fresh = grad * (1 - z) * (1 - fresh * fresh);
  const A grad_update = grad * (before - fresh) * (1 - z) * z;
  const A grad_reset = grad_fresh * hidden_new * (1 - r) * r;
  const int64_t g = place.row * 3 * n + j;
  put<T>(p.grad_input_gates, g, grad_reset), put<T>(p.grad_hidden_gates, g, grad_reset);
  put<T>(p.grad_input_gates, g + n, grad_update), put<T>(p.grad_hidden_gates, g + n, grad_update);
  put<T>(p.grad_input_gates, g + 2 * n, grad_fresh);
  put<T>(p.grad_hidden_gates, g + 2 * n, grad_fresh * r);
  put<T>(p.grad_state, place.row * n + j, grad * z);
}

} // namespace

#define XK_CELLS(suffix, T)                                       \
  XK(lstm_forward_##suffix, CellArgs) { lstm_forward<T>(args); }  \
  XK(lstm_backward_##suffix, LstmGradArgs) { lstm_backward<T>(args); } \
  XK(gru_forward_##suffix, CellArgs) { gru_forward<T>(args); }    \
  XK(gru_backward_##suffix, GruGradArgs) { gru_backward<T>(args); }

XK_CELLS(f32, float)
XK_CELLS(f64, double)
XK_CELLS(f16, xk::f16)
XK_CELLS(bf16, xk::bf16)
