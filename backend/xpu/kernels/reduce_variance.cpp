// Variance or standard deviation (flag set), with the mean as a second result.
//
// Note [Blocked Welford]
// Eight elements at a time: their own mean and squared distances, then Chan's rule
// to join them to the running pair. As accurate as Welford's update for each
// element, with an eighth of its divisions, and each element is read once.

#include "backend/xpu/kernels/reduce.h"

namespace {

template <class T>
struct Variance {
  using Value = T;
  using Number = xk::acc_t<T>;
  struct Acc {
    Number mean, squares, count;
  };
  static constexpr bool kOwnFold = true, kPlainSum = false, kArrays = true, kJoins = true;
  static constexpr int kColumns = 2;
  explicit Variance(const xk::ReduceArgs&) {}

  Acc init() const { return {0, 0, 0}; }
  Acc step(Acc acc, T x, int64_t) const {
    const Number v = xk::widen(x), delta = v - acc.mean;
    acc.count += 1;
    acc.mean += delta / acc.count;
    acc.squares += delta * (v - acc.mean);
    return acc;
  }
  Acc combine(Acc a, Acc b) const {
    const Number count = a.count + b.count;
    const Number part = count > 0 ? b.count / count : Number{0};
    const Number delta = b.mean - a.mean;
    return {a.mean + delta * part, a.squares + b.squares + delta * delta * a.count * part, count};
  }
  template <int K, class Get>
  void fold(Acc (&acc)[K], int64_t n, Get get) const {
    constexpr int kMany = 8;
    int64_t i = 0;
    for (; i + kMany <= n; i += kMany) {
#pragma unroll
      for (int k = 0; k < K; ++k) {
        Number v[kMany], sum = 0, squares = 0;
#pragma unroll
        for (int j = 0; j < kMany; ++j) sum += v[j] = xk::widen(get(i + j, k));
        const Number mean = sum / kMany;
#pragma unroll
        for (int j = 0; j < kMany; ++j) squares += (v[j] - mean) * (v[j] - mean);
        acc[k] = combine(acc[k], {mean, squares, kMany});
      }
    }
    for (; i < n; ++i) {
      for (int k = 0; k < K; ++k) acc[k] = step(acc[k], get(i, k), i);
    }
  }
  // All lanes at once, by the same rule.
  static Acc join(sycl::sub_group sg, Acc x) {
    const auto sum = [&](Number v) {
      return sycl::reduce_over_group(sg, v, sycl::plus<Number>());
    };
    const Number count = sum(x.count), share = count > 0 ? 1 / count : Number{0};
    // Of differences to one of the means: nothing is lost where they are far from zero.
    const Number middle = sycl::group_broadcast(sg, x.mean);
    const Number mean = middle + sum((x.mean - middle) * x.count) * share;
    const Number delta = x.mean - mean;
    return {mean, sum(x.squares + delta * delta * x.count), count};
  }
  static Number* numbers(const void* partial, int64_t at) {
    return static_cast<Number*>(const_cast<void*>(partial)) + at;
  }
  static void save(void* partial, int64_t n, int64_t i, Acc x) {
    *numbers(partial, i) = x.mean, *numbers(partial, n + i) = x.squares;
    *numbers(partial, 2 * n + i) = x.count;
  }
  static Acc load(const void* partial, int64_t n, int64_t i) {
    return {*numbers(partial, i), *numbers(partial, n + i), *numbers(partial, 2 * n + i)};
  }
  void store(const xk::ReduceArgs& a, int64_t out, int64_t out2, Acc acc) const {
    const Number free = acc.count - xk::number<Number>(a);
    Number v = acc.squares / (free > 0 ? free : Number{0});
    if (acc.count == 0) v = std::numeric_limits<Number>::quiet_NaN();
    if (a.flag) v = sycl::sqrt(v);
    const Number mean = acc.count == 0 ? std::numeric_limits<Number>::quiet_NaN() : acc.mean;
    if (a.wide_out) {
      static_cast<Number*>(a.out)[out] = v;
      if (a.out2) static_cast<Number*>(a.out2)[out2] = mean;
    } else {
      static_cast<T*>(a.out)[out] = xk::narrow<T>(v);
      if (a.out2) static_cast<T*>(a.out2)[out2] = xk::narrow<T>(mean);
    }
  }
};

} // namespace

XK_REDUCE(variance, f32, Variance<float>)
XK_REDUCE(variance, f64, Variance<double>)
XK_REDUCE(variance, f16, Variance<xk::f16>)
XK_REDUCE(variance, bf16, Variance<xk::bf16>)
