#pragma once

// What a block of attention is made of: memory of a thread, products by the GEMM's
// tiles, rows as the tiles want them, the exponential. Tiles leave sums in panels:
// element (row, column) of `rows` rows is at (column / 32 * rows + row) * 32 + column % 32.
// Included by one file per instruction set: everything here has internal linkage.

#include <cmath>
#include <cstdlib>
#include <limits>

#include "backend/cpu/attention/kernels.h"
#include "backend/cpu/gemm/levels/transpose.h"
#include "backend/cpu/kernels/attention_tile.h"

namespace xpu_lite::cpu::attention::XPU_LITE_LEVEL {
namespace {

using namespace gemm::XPU_LITE_LEVEL;
using gemm::kPanel;

constexpr int64_t kRows = 64;  // of a block: queries, or heads of a group times queries
constexpr int64_t kKeys = 128; // of a block
constexpr float kInfinity = std::numeric_limits<float>::infinity();

XPU_LITE_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
XPU_LITE_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
XPU_LITE_INLINE int64_t up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// One piece of memory for each thread, cut into named parts; cutters without a base
// measure.
class Scratch {
 public:
  Scratch(int threads, int64_t bytes) : each_(up(bytes, 4096) + 64) {
    data_ = static_cast<char*>(::aligned_alloc(64, static_cast<size_t>(threads * each_)));
  }
  ~Scratch() { ::free(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  bool ok() const { return data_ != nullptr; }
  char* of_thread(int thread) const { return data_ + thread * each_; }

 private:
  int64_t each_;
  char* data_;
};

struct Cutter {
  char* base;
  int64_t used = 0;
  template <class T>
  T* cut(int64_t count) {
    char* at = base ? base + used : nullptr;
    used += up(count * static_cast<int64_t>(sizeof(T)), 64) + 64; // neighbours use other sets
    return reinterpret_cast<T*>(at);
  }
};

// What tiles multiply: float, or bfloat16 in pairs along k.
template <class A>
struct Form {
  static constexpr bool pairs = sizeof(A) == 2;
  static constexpr DType dtype = pairs ? DType::BFloat16 : DType::Float;
  static constexpr int64_t even(int64_t k) { return pairs ? (k + 1) / 2 * 2 : k; }
  static constexpr int64_t panel(int64_t k) { return (pairs ? (k + 31) / 32 * 32 : k) * kPanel; }
};

template <class In>
constexpr DType dtype_of() {
  if (std::is_same_v<In, float>) return DType::Float;
  return std::is_same_v<In, bfloat16> ? DType::BFloat16 : DType::Half;
}

template <class T>
XPU_LITE_INLINE T* at(const AttentionView& view, int64_t b, int64_t h, int64_t row) {
  return static_cast<T*>(view.data) + b * view.batch + h * view.head + row * view.row;
}

// Panels of the matrix W(p, j) = data[j * n_stride + p * k_stride].
template <class In, class A>
void pack(const In* data, int64_t n, int64_t k, int64_t n_stride, int64_t k_stride, A* to) {
  gemm::pack({Form<A>::dtype, n, k, data, dtype_of<In>(), n_stride, k_stride}, to);
}

// sums[panels][rows][32] (+)= a[rows][k] * packed[panels][k][32]
template <class A>
void product(const gemm::Kernels& kernels, const A* a, int64_t lda, const A* packed,
             int64_t panels, int64_t k, float* sums, int64_t rows, bool accumulate) {
  const int64_t tiles = (rows + kernels.rows - 1) / kernels.rows;
  for (int64_t panel = 0; panel < panels; ++panel) {
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t begin = rows * t / tiles, end = rows * (t + 1) / tiles;
      kernels.tile({end - begin, a + begin * lda, lda, packed + panel * Form<A>::panel(k),
                    Form<A>::even(k), sums + (panel * rows + begin) * kPanel, accumulate, nullptr});
    }
  }
}

// exp(x) for x up to about 0: to 2 units in the last place, 0 below -87.
XPU_LITE_INLINE Reg exp_below(Reg x) {
#if defined(__AVX512F__)
  x = max(splat(-150.f), x); // 2^-216 is 0: no infinity meets another; a NaN stays
  const Reg n = _mm512_roundscale_ps(x * splat(1.44269504f), 0);
  Reg r = fma(n, splat(-0.693359375f), x);
  r = fma(n, splat(2.12194440e-4f), r);
  Reg sum = splat(1.9875691500e-4f);
  sum = fma(sum, r, splat(1.3981999507e-3f));
  sum = fma(sum, r, splat(8.3334519073e-3f));
  sum = fma(sum, r, splat(4.1665795894e-2f));
  sum = fma(sum, r, splat(1.6666665459e-1f));
  sum = fma(sum, r, splat(5.0000001201e-1f));
  sum = fma(sum, r * r, r + splat(1.f));
  return _mm512_scalef_ps(sum, n);
#else
  const Reg inside = max(splat(-87.3f), x); // a NaN stays
  const Bits n = nearest(inside * splat(1.44269504f));
  Reg r = fma(to_float(n), splat(-0.693359375f), inside);
  r = fma(to_float(n), splat(2.12194440e-4f), r);
  Reg sum = splat(1.9875691500e-4f);
  sum = fma(sum, r, splat(1.3981999507e-3f));
  sum = fma(sum, r, splat(8.3334519073e-3f));
  sum = fma(sum, r, splat(4.1665795894e-2f));
  sum = fma(sum, r, splat(1.6666665459e-1f));
  sum = fma(sum, r, splat(5.0000001201e-1f));
  sum = fma(sum, r * r, r + splat(1.f));
  return zero_below(sum * floats(left<23>(add(n, splat_bits(127)))), x, splat(-87.3f));
#endif
}
XPU_LITE_INLINE float exp_below(float x) { return exp_below(splat(x))[0]; }

XPU_LITE_INLINE float sum_of(Reg x) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps(x);
#else
  float total = 0;
  for (int i = 0; i < kLanes; ++i) total += x[i];
  return total;
#endif
}
// The larger of each, and NaN where either is.
XPU_LITE_INLINE Reg most_of(Reg a, Reg b) { return keep_nan(a, max(a, b)); }
XPU_LITE_INLINE float most_of(Reg x) {
#if defined(__AVX512F__)
  if (_mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q)) return std::numeric_limits<float>::quiet_NaN();
  return _mm512_reduce_max_ps(x);
#endif
  float most = x[0];
  for (int i = 1; i < kLanes; ++i) most = x[i] > most || x[i] != x[i] ? x[i] : most;
  return most;
}

// One register to the tiles' form; AVX512_BF16 rounds in one instruction.
XPU_LITE_INLINE void put(float* to, Reg x) { store(to, x); }
XPU_LITE_INLINE void put(bfloat16* to, Reg x) {
#if defined(__AVX512BF16__)
  store_narrow(to, (__m256i)_mm512_cvtneps_pbh(x));
#else
  store(to, x);
#endif
}
XPU_LITE_INLINE void put(half* to, Reg x) { store(to, x); }

// to[0, ld) = n elements, `step` apart, then zero.
template <class In, class A>
XPU_LITE_INLINE void read_row(const In* from, int64_t step, int64_t n, A* to, int64_t ld) {
  int64_t d = 0;
  if (step == 1) {
    for (; d + kLanes <= n; d += kLanes) put(to + d, load(from + d));
  }
  for (; d < n; ++d) to[d] = A(static_cast<float>(from[d * step]));
  for (; d < ld; ++d) to[d] = A(0.f);
}

template <class In>
XPU_LITE_INLINE float dot_row(const In* a, int64_t a_step, const In* b, int64_t b_step, int64_t n) {
  Reg sums = zero();
  int64_t d = 0;
  if (a_step == 1 && b_step == 1) {
    for (; d + kLanes <= n; d += kLanes) sums = fma(load(a + d), load(b + d), sums);
  }
  float sum = sum_of(sums);
  for (; d < n; ++d) sum += static_cast<float>(a[d * a_step]) * static_cast<float>(b[d * b_step]);
  return sum;
}

// to[n], `step` apart = factor * a row of sums, whose panels are `distance` apart.
template <class In>
XPU_LITE_INLINE void write_row(In* to, int64_t step, int64_t n, const float* sums,
                               int64_t distance, float factor) {
  for (int64_t first = 0; first < n; first += kPanel, sums += distance) {
    const int64_t columns = smaller(kPanel, n - first);
    int64_t d = 0;
    if (step == 1) {
      for (; d + kLanes <= columns; d += kLanes) {
        put(to + first + d, load(sums + d) * splat(factor));
      }
    }
    for (; d < columns; ++d) to[(first + d) * step] = In(sums[d] * factor);
  }
}

// How weights are dropped: as the blocked kernel does, for the same bits.
struct Dropout {
  explicit Dropout(const AttentionShape& s)
      : on(s.dropout > 0),
        groups(static_cast<uint64_t>((s.keys + 3) / 4)),
        kept(static_cast<uint32_t>(
            ::fmin(::ceil((1.0 - s.dropout) * 4294967296.0), 4294967295.0))),
        factor(s.dropout >= 1 ? 0.f : static_cast<float>(1.0 / (1.0 - s.dropout))) {}
  // factors[0, n) of keys k0.. for one query.
  void factors(const AttentionShape& s, int64_t b, int64_t h, int64_t query, int64_t k0,
               int64_t n, float* out) const {
    for (int64_t j = 0; j < n; ++j) out[j] = 1;
    const uint64_t index = static_cast<uint64_t>((b * s.heads + h) * s.queries + query);
    ::xpu_lite::cpu::XPU_LITE_LEVEL::apply_dropout(out, n, k0, index, groups, s.seed, s.offset,
                                                   kept, factor);
  }
  bool on;
  uint64_t groups;
  uint32_t kept;
  float factor;
};

// The bias of one query, as floats; most often the next query's is the same memory.
template <class In>
class BiasRow {
 public:
  explicit BiasRow(float* row) : row_(row) {}
  const float* get(const AttentionView& bias, int64_t b, int64_t h, int64_t query, int64_t k0,
                   int64_t n) {
    if (!bias.data) return nullptr;
    const In* from = at<const In>(bias, b, h, query) + k0 * bias.column;
    if (from == from_ && n == n_) return row_;
    from_ = from, n_ = n;
    read_row(from, bias.column, n, row_, up(n, kPanel));
    return row_;
  }

 private:
  float* row_;
  const In* from_ = nullptr;
  int64_t n_ = 0;
};

// Scores of one row over the keys it sees: (times scale, plus bias) in place, and -inf
// beyond `seen` up to the end of its panel.
XPU_LITE_INLINE void finish_scores(float* row, int64_t distance, int64_t seen, float scale,
                                   const float* bias) {
  if (scale == 1 && !bias && seen % kPanel == 0) return; // nothing to do
  for (int64_t j = 0; j < seen; j += kPanel, row += distance) {
    for (int64_t v = 0; v < kPanel; v += kLanes) {
      const Reg x = load(row + v) * splat(scale);
      store(row + v, bias ? x + load(bias + j + v) : x);
    }
    for (int64_t i = seen - j; i < kPanel; ++i) row[i] = -kInfinity;
  }
}

// Weights of one row relative to its largest score so far, `most`, and their sum. Returns
// by what all that was summed with earlier weights is to be multiplied.
template <class A>
XPU_LITE_INLINE float online_softmax(const float* scores, int64_t distance, A* weights,
                                     int64_t seen, int64_t columns, float scale,
                                     const float* factors, float& most, float& sum) {
  Reg high = splat(-kInfinity);
  for (int64_t j = 0; j < seen; j += kPanel) {
    for (int64_t v = 0; v < kPanel; v += kLanes) {
      high = most_of(load(scores + j / kPanel * distance + v), high);
    }
  }
  const float block = most_of(high) * scale;
  const float next = most > block ? most : block; // a NaN stays
  float keep = 1;
  int64_t j = 0;
  if (next != -kInfinity) {
    Reg total = zero();
    for (; j < seen; j += kPanel) {
      for (int64_t v = 0; v < kPanel; v += kLanes) {
        const Reg x = load(scores + j / kPanel * distance + v);
        Reg e = exp_below(fma(x, splat(scale), splat(-next)));
        total = total + e;
        if (factors) e = e * load(factors + j + v);
        put(weights + j + v, e);
      }
    }
    if (most != next) keep = most == -kInfinity ? 0.f : exp_below(most - next);
    sum = sum * keep + sum_of(total);
    most = next;
  }
  for (; j < columns; j += kPanel) {
    for (int64_t v = 0; v < kPanel; v += kLanes) put(weights + j + v, zero());
  }
  return keep;
}

// Keys [k0, k0 + columns) that query i sees.
XPU_LITE_INLINE int64_t seen_keys(const AttentionShape& s, int64_t query, int64_t k0,
                                  int64_t columns) {
  return s.causal ? larger(0, smaller(columns, query + 1 - k0)) : columns;
}

} // namespace
} // namespace xpu_lite::cpu::attention::XPU_LITE_LEVEL
