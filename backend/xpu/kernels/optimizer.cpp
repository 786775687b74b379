// One step of Adam(W), SGD and Adagrad on a list of parameters. The arithmetic
// follows the plain Python loops of torch.optim, in float (double for double
// parameters), rounded once per stored value. Step counts, learning rate, gradient
// scale and found_inf may lie on the device: they are read here.

#include "backend/xpu/kernels/multi_tensor.h"

using namespace xk;
using namespace xpu_lite::xpu;

namespace {


// States of the parameter's type T, or (mixed lists) of any floating type.
template <class T, bool Mixed>
struct Access {
  using A = acc_t<T>;
  static A load(const void* data, uint8_t type, int64_t i) {
    if constexpr (!Mixed) {
      return widen(static_cast<const T*>(data)[i]);
    } else {
      switch (static_cast<DType>(type)) {
        case DType::F32: return static_cast<A>(static_cast<const float*>(data)[i]);
        case DType::BF16: return static_cast<A>(widen(static_cast<const bf16*>(data)[i]));
        case DType::F16: return static_cast<A>(static_cast<const f16*>(data)[i]);
        default: break;
      }
      if constexpr (sizeof(A) == 8) return static_cast<const double*>(data)[i];
      return A(0);
    }
  }
  static void store(void* data, uint8_t type, int64_t i, A x) {
    if constexpr (!Mixed) {
      static_cast<T*>(data)[i] = narrow<T>(x);
    } else {
      switch (static_cast<DType>(type)) {
        case DType::F32: static_cast<float*>(data)[i] = static_cast<float>(x); break;
        case DType::BF16: static_cast<bf16*>(data)[i] = to_bf16(static_cast<float>(x)); break;
        case DType::F16: static_cast<f16*>(data)[i] = static_cast<f16>(static_cast<float>(x)); break;
        default:
          if constexpr (sizeof(A) == 8) static_cast<double*>(data)[i] = x;
      }
    }
  }
};

// The gradient of element i, unscaled, as the step wants it.
template <class M, class A>
inline A gradient(const StepTensor<A>& t, int64_t i, A divisor, bool maximize) {
  A g = M::load(t.grad, t.types[1], i);
  if (divisor != A(1)) {
    g /= divisor;
    M::store(t.grad, t.types[1], i, g);
    g = M::load(t.grad, t.types[1], i);
  }
  return maximize ? -g : g;
}

// Branches on what a list has are taken outside of the loops: inside, the compiler of
// CPU devices takes them for different in each lane (twenty times slower).
template <class T, bool Mixed, bool Amsgrad>
inline void adam_steps(const OptimizerArgs<acc_t<T>>& args) {
  using A = acc_t<T>;
  using M = Access<T, Mixed>;
  if (read_late(args.found_inf) != A(0)) return;
  for_chunk(args.tensors, args.chunks, [&](const StepTensor<A>& t, int64_t first, int lane,
                                           int lanes, int n) {
    const A lr = read_late(args.lr), divisor = read_late(args.grad_scale);
    const A step = read_late(t.step);
    // 1 - beta^step, without loss where that is small.
    const A correction1 = -sycl::expm1(step * args.a), correction2 = -sycl::expm1(step * args.b);
    const A step_size = -lr / correction1, root2 = sycl::sqrt(correction2);
    const A coupled = args.decoupled ? A(0) : args.weight_decay;
    const A shrink = args.decoupled ? A(1) - lr * args.weight_decay : A(1);
    const bool maximize = args.maximize;
    for (int k = lane; k < n; k += lanes) {
      const int64_t i = first + k;
      A g = gradient<M>(t, i, divisor, maximize);
      const A value = M::load(t.param, t.types[0], i) * shrink;
      // Not g + 0 * p: that would spread the NaN of a parameter to its state.
      if (coupled != A(0)) g += coupled * value;
      A m = M::load(t.state0, t.types[2], i);
      m = args.weight1 < A(0.5) ? m + args.weight1 * (g - m)
                                : g - (g - m) * (A(1) - args.weight1);
      M::store(t.state0, t.types[2], i, m);
      const A square = M::load(t.state1, t.types[3], i) * args.beta2 + args.weight2 * g * g;
      M::store(t.state1, t.types[3], i, square);
      A bound = square;
      if constexpr (Amsgrad) {
        const A most = M::load(t.state2, t.types[4], i);
        bound = most > square || most != most ? most : square;
        M::store(t.state2, t.types[4], i, bound);
      }
      M::store(t.param, t.types[0], i,
               value + step_size * m / (sycl::sqrt(bound) / root2 + args.eps));
    }
  });
}

template <class T, bool Mixed>
inline void adam(const OptimizerArgs<acc_t<T>>& args) {
  args.third_state ? adam_steps<T, Mixed, true>(args) : adam_steps<T, Mixed, false>(args);
}

template <class T, bool Mixed, bool Buffered>
inline void sgd_steps(const OptimizerArgs<acc_t<T>>& args) {
  using A = acc_t<T>;
  using M = Access<T, Mixed>;
  if (read_late(args.found_inf) != A(0)) return;
  for_chunk(args.tensors, args.chunks, [&](const StepTensor<A>& t, int64_t first, int lane,
                                           int lanes, int n) {
    const A rate = -read_late(args.lr), divisor = read_late(args.grad_scale);
    const A decay = args.weight_decay;
    const bool maximize = args.maximize;
    const bool start = args.first_step, nesterov = args.nesterov;
    for (int k = lane; k < n; k += lanes) {
      const int64_t i = first + k;
      A g = gradient<M>(t, i, divisor, maximize);
      const A p = M::load(t.param, t.types[0], i);
      if (decay != A(0)) g += decay * p;
      if constexpr (Buffered) {
        // The buffer of a first step is uninitialised memory.
        A moved = g;
        if (!start) moved = M::load(t.state0, t.types[2], i) * args.momentum + args.intake * g;
        M::store(t.state0, t.types[2], i, moved);
        g = nesterov ? g + args.momentum * moved : moved;
      }
      M::store(t.param, t.types[0], i, p + rate * g);
    }
  });
}

template <class T, bool Mixed>
inline void sgd(const OptimizerArgs<acc_t<T>>& args) {
  args.first_state ? sgd_steps<T, Mixed, true>(args) : sgd_steps<T, Mixed, false>(args);
}

template <class T, bool Mixed>
inline void adagrad(const OptimizerArgs<acc_t<T>>& args) {
  using A = acc_t<T>;
  using M = Access<T, Mixed>;
  if (read_late(args.found_inf) != A(0)) return;
  for_chunk(args.tensors, args.chunks, [&](const StepTensor<A>& t, int64_t first, int lane,
                                           int lanes, int n) {
    const A rate = -read_late(args.lr) / (A(1) + (read_late(t.step) - A(1)) * args.a);
    const A divisor = read_late(args.grad_scale), decay = args.weight_decay;
    const bool maximize = args.maximize;
    for (int k = lane; k < n; k += lanes) {
      const int64_t i = first + k;
      A g = gradient<M>(t, i, divisor, maximize);
      const A p = M::load(t.param, t.types[0], i);
      if (decay != A(0)) g += decay * p;
      const A total = M::load(t.state0, t.types[2], i) + g * g;
      M::store(t.state0, t.types[2], i, total);
      M::store(t.param, t.types[0], i, p + rate * g / (sycl::sqrt(total) + args.eps));
    }
  });
}

} // namespace

// mixed_f16_f32, mixed_f16_f64: lists whose tensors have several types, computed in that one;
// double among them only in the second.
#define XK_OPTIMIZER(name)                                                              \
  XK(optimizer_##name##_f32, OptimizerArgs<float>) { name<float, false>(args); }        \
  XK(optimizer_##name##_f16, OptimizerArgs<float>) { name<f16, false>(args); }          \
  XK(optimizer_##name##_bf16, OptimizerArgs<float>) { name<bf16, false>(args); }        \
  XK(optimizer_##name##_f64, OptimizerArgs<double>) { name<double, false>(args); }      \
  XK(optimizer_##name##_mixed_f16_f32, OptimizerArgs<float>) { name<float, true>(args); } \
  XK(optimizer_##name##_mixed_f16_f64, OptimizerArgs<double>) { name<double, true>(args); }
XK_OPTIMIZER(adam)
XK_OPTIMIZER(sgd)
XK_OPTIMIZER(adagrad)
