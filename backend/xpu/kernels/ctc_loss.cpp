// Connectionist temporal classification: the sums over all alignments, forwards and
// backwards in time, and the gradient. A work-group walks one item of the batch, its
// work-items the states; time is a loop with barriers.

#include <limits>

#include "backend/xpu/kernels/ctc_loss_args.h"
#include "backend/xpu/kernels/fault.h"

using namespace xk;
using namespace xpu_lite::xpu;

namespace {

template <class A>
inline constexpr A kNever = -std::numeric_limits<A>::infinity();

template <class A>
inline A log_sum(A a, A b, A c) {
  A most = a > b ? a : b;
  most = c > most ? c : most;
  if (most == kNever<A>) return kNever<A>;
  return sycl::log(sycl::exp(a - most) + sycl::exp(b - most) + sycl::exp(c - most)) + most;
}

// One item of the batch.
template <class A>
struct Walk {
  const CtcArgs<A>& a;
  int64_t b, steps, states; // its own, at most those of the batch
  const int64_t* target;

  Walk(const CtcArgs<A>& args, int64_t item)
      : a(args), b(item), steps(args.lengths[item]),
        states(2 * args.lengths[args.batch + item] + 1),
        target(args.targets + args.lengths[2 * args.batch + item]) {}

  int64_t label(int64_t s) const {
    if (s % 2 == 0) return a.blank;
    const int64_t found = target[s / 2];
    return found >= 0 && found < a.labels ? found : a.blank;
  }
  A log_prob(int64_t t, int64_t c) const { return a.log_probs[(t * a.batch + b) * a.labels + c]; }
  A* row(A* table, int64_t t) const { return table + (b * a.time + t) * a.states; }
  // Whether a path may go from s - 2 to s: not over a blank that keeps equal labels apart.
  bool skips(int64_t s) const { return s >= 2 && label(s - 2) != label(s); }
};

template <class A>
inline void check_labels(const Walk<A>& w, int64_t local, int64_t step) {
  for (int64_t i = local; i < (w.states - 1) / 2; i += step) {
    const int64_t label = w.target[i];
    if (label < 0 || label >= w.a.labels) {
      report(w.a.error, "ctc_loss", KernelFault::Range, label, w.a.labels, 0, "target label");
    }
  }
}

template <class A>
inline void alphas(const CtcArgs<A>& a) {
  auto it = item();
  const int64_t local = it.get_local_id(0), step = it.get_local_range(0);
  const Walk<A> w(a, it.get_group(0));
  check_labels(w, local, step);
  for (int64_t s = local; s < a.states; s += step) {
    w.row(a.alpha, 0)[s] =
        w.steps > 0 && s < 2 && s < w.states ? w.log_prob(0, w.label(s)) : kNever<A>;
  }
  for (int64_t t = 1; t < w.steps; ++t) {
    sycl::group_barrier(it.get_group());
    const A* before = w.row(a.alpha, t - 1);
    A* now = w.row(a.alpha, t);
    for (int64_t s = local; s < w.states; s += step) {
      now[s] = log_sum(before[s], s > 0 ? before[s - 1] : kNever<A>,
                       w.skips(s) ? before[s - 2] : kNever<A>) +
               w.log_prob(t, w.label(s));
    }
  }
  sycl::group_barrier(it.get_group());
  if (local != 0) return;
  if (w.steps == 0) {
    a.loss[w.b] = w.states == 1 ? A(0) : -kNever<A>;
    return;
  }
  const A* last = w.row(a.alpha, w.steps - 1);
  a.loss[w.b] = -log_sum(last[w.states - 1], w.states > 1 ? last[w.states - 2] : kNever<A>,
                         kNever<A>);
}

template <class A>
inline void betas(const CtcArgs<A>& a) {
  auto it = item();
  const int64_t local = it.get_local_id(0), step = it.get_local_range(0);
  const Walk<A> w(a, it.get_group(0));
  if (w.steps == 0) return;
  for (int64_t s = local; s < w.states; s += step) {
    w.row(a.beta, w.steps - 1)[s] =
        s + 2 >= w.states ? w.log_prob(w.steps - 1, w.label(s)) : kNever<A>;
  }
  for (int64_t t = w.steps - 2; t >= 0; --t) {
    sycl::group_barrier(it.get_group());
    const A* after = w.row(a.beta, t + 1);
    A* now = w.row(a.beta, t);
    for (int64_t s = local; s < w.states; s += step) {
      now[s] = log_sum(after[s], s + 1 < w.states ? after[s + 1] : kNever<A>,
                       s + 2 < w.states && w.skips(s + 2) ? after[s + 2] : kNever<A>) +
               w.log_prob(t, w.label(s));
    }
  }
}

// A work-item has a row of labels to itself, so that its sums need no atomics.
template <class A>
inline void gradient(const CtcArgs<A>& a) {
  auto it = item();
  const int64_t total = a.batch * a.time;
  for (int64_t k = it.get_global_id(0); k < total; k += it.get_global_range(0)) {
    const int64_t t = k / a.batch;
    const Walk<A> w(a, k - t * a.batch);
    A* out = a.out + k * a.labels;
    const A loss = a.loss[w.b];
    const bool none = t >= w.steps || (a.zero_infinity && loss == -kNever<A>);
    for (int64_t c = 0; c < a.labels; ++c) out[c] = none ? A(0) : kNever<A>;
    if (none) continue;
    const A *alpha = w.row(a.alpha, t), *beta = w.row(a.beta, t);
    for (int64_t s = 0; s < w.states; ++s) {
      A& sum = out[w.label(s)];
      sum = log_sum(sum, alpha[s] + beta[s], kNever<A>);
    }
    const A grad = a.grad[w.b * a.grad_stride];
    for (int64_t c = 0; c < a.labels; ++c) {
      const A p = w.log_prob(t, c);
      out[c] = (sycl::exp(p) - sycl::exp(out[c] + loss - p)) * grad;
    }
  }
}

} // namespace

XK(ctc_alpha_f32, CtcArgs<float>) { alphas(args); }
XK(ctc_alpha_f64, CtcArgs<double>) { alphas(args); }
XK(ctc_beta_f32, CtcArgs<float>) { betas(args); }
XK(ctc_beta_f64, CtcArgs<double>) { betas(args); }
XK(ctc_gradient_f32, CtcArgs<float>) { gradient(args); }
XK(ctc_gradient_f64, CtcArgs<double>) { gradient(args); }
