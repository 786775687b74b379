#pragma once

// Few queries against many keys, as when one token after the other is decoded: time is
// that of reading keys and values once. They are read where they lie, in one run or in the
// pages of a cache, for all heads that share them; where heads are fewer than threads,
// threads share out the keys.

#include <omp.h>

#include "backend/cpu/attention/levels/block.h"

namespace xpu_lite::cpu::attention::XPU_LITE_LEVEL {
namespace {

// lane i = the sum of r[i]
XPU_LITE_INLINE Reg sums_of(Reg (&r)[kLanes]) {
#if defined(__AVX512F__)
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    r[i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]) + _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m512d a = _mm512_castps_pd(r[2 * i]), b = _mm512_castps_pd(r[2 * i + 1]);
    r[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b)) + _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    r[i] = _mm512_shuffle_f32x4(r[2 * i], r[2 * i + 1], 0x88) +
        _mm512_shuffle_f32x4(r[2 * i], r[2 * i + 1], 0xdd);
  }
  return _mm512_shuffle_f32x4(r[0], r[1], 0x88) + _mm512_shuffle_f32x4(r[0], r[1], 0xdd);
#else
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]) + _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    r[i] = _mm256_shuffle_ps(r[2 * i], r[2 * i + 1], 0x44) +
        _mm256_shuffle_ps(r[2 * i], r[2 * i + 1], 0xee);
  }
  return _mm256_permute2f128_ps(r[0], r[1], 0x20) + _mm256_permute2f128_ps(r[0], r[1], 0x31);
#endif
}

// How elements are multiplied: one by one as floats, or in pairs of bfloat16.
template <class In>
struct Singly {
  using Row = float; // of queries and weights
  static constexpr int step = kLanes;
  static XPU_LITE_INLINE Reg multiply(Reg sum, const Row* q, const In* k) {
    return fma(load(q), load(k), sum);
  }
  // sums[rows][2 registers] += weights[rows] (ld apart) of one key * its 2 registers of values
  static constexpr int keys = 1;
  template <int rows>
  static XPU_LITE_INLINE void add_values(const Row* weights, int64_t ld, const In* v, const In*,
                                         Reg (&sum)[rows][2]) {
    const Reg v0 = load(v), v1 = load(v + kLanes);
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
      const Reg w = splat(weights[r * ld]);
      sum[r][0] = fma(w, v0, sum[r][0]);
      sum[r][1] = fma(w, v1, sum[r][1]);
    }
  }
  static XPU_LITE_INLINE void in_order(float*) {}
};

#if defined(__AVX512BF16__)
struct Paired {
  using Row = bfloat16;
  static constexpr int step = 2 * kLanes;
  static XPU_LITE_INLINE Reg multiply(Reg sum, const Row* q, const bfloat16* k) {
    return _mm512_dpbf16_ps(sum, (__m512bh)load_bits(q), (__m512bh)load_bits(k));
  }
  // Two keys at a time. Interleaved, columns come in another order, which holds until
  // in_order() at the end.
  static constexpr int keys = 2;
  template <int rows>
  static XPU_LITE_INLINE void add_values(const Row* weights, int64_t ld, const bfloat16* v,
                                         const bfloat16* next, Reg (&sum)[rows][2]) {
    const Bits a = load_bits(v), b = load_bits(next);
    const __m512bh low = (__m512bh)_mm512_unpacklo_epi16(a, b);
    const __m512bh high = (__m512bh)_mm512_unpackhi_epi16(a, b);
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
      int32_t pair;
      __builtin_memcpy(&pair, weights + r * ld, sizeof(pair));
      const __m512bh w = (__m512bh)splat_bits(pair);
      sum[r][0] = _mm512_dpbf16_ps(sum[r][0], w, low);
      sum[r][1] = _mm512_dpbf16_ps(sum[r][1], w, high);
    }
  }
  static XPU_LITE_INLINE void in_order(float* x) {
    const Reg low = load(x), high = load(x + kLanes);
    const Reg a = _mm512_shuffle_f32x4(low, high, 0x44), b = _mm512_shuffle_f32x4(low, high, 0xee);
    store(x, _mm512_shuffle_f32x4(a, a, 0xd8));
    store(x + kLanes, _mm512_shuffle_f32x4(b, b, 0xd8));
  }
};
#endif

// scores[rows] (ld apart) of keys [0, columns): rows x (kLanes / rows) at a time.
template <class How, class In, int rows>
void decode_scores(const typename How::Row* q, int64_t width, const In* key, int64_t key_row,
                   int64_t columns, float* scores, int64_t ld) {
  constexpr int keys = kLanes / rows;
  for (int64_t j = 0; j < columns; j += keys) {
    const In* from[keys];
#pragma GCC unroll 16
    for (int i = 0; i < keys; ++i) from[i] = key + smaller(j + i, columns - 1) * key_row;
    Reg sum[kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) sum[i] = zero();
    for (int64_t d = 0; d < width; d += How::step) {
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) {
        sum[i] = How::multiply(sum[i], q + i / keys * width + d, from[i % keys] + d);
      }
    }
    float lanes[kLanes];
    store(lanes, sums_of(sum));
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) scores[i / keys * ld + j + i % keys] = lanes[i];
  }
}

// out[rows][value_width] += weights[rows] (ld apart) * values
template <class How, class In, int rows>
void decode_values(const typename How::Row* weights, int64_t ld, const In* value, int64_t value_row,
                   int64_t columns, int64_t value_width, float* out) {
  constexpr int width = 2 * kLanes;
  for (int64_t d = 0; d < value_width; d += 2 * width) {
    const bool wide = d + width < value_width;
    Reg left[rows][2], right[rows][2];
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
      const float* from = out + r * value_width + d;
      for (int i = 0; i < 2; ++i) {
        left[r][i] = load(from + i * kLanes);
        right[r][i] = wide ? load(from + width + i * kLanes) : zero();
      }
    }
    for (int64_t j = 0; j < columns; j += How::keys) {
      const In* v = value + j * value_row + d;
      const In* next = value + smaller(j + 1, columns - 1) * value_row + d;
      How::template add_values<rows>(weights + j, ld, v, next, left);
      if (wide) How::template add_values<rows>(weights + j, ld, v + width, next + width, right);
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
      float* to = out + r * value_width + d;
      for (int i = 0; i < 2; ++i) {
        store(to + i * kLanes, left[r][i]);
        if (wide) store(to + width + i * kLanes, right[r][i]);
      }
    }
  }
}

template <class How, class In>
struct DecodeParts {
  using Row = typename How::Row;
  DecodeParts(const AttentionShape& s, int64_t rows, char* base) {
    Cutter cut{base};
    q = cut.cut<Row>(rows * s.width);
    weights = cut.cut<Row>(rows * kKeys);
    scores = cut.cut<float>(rows * kKeys);
    bias = cut.cut<float>(kKeys);
    out = cut.cut<float>(rows * s.value_width);
    most = cut.cut<float>(rows);
    sum = cut.cut<float>(rows);
    bytes = cut.used;
  }
  int64_t bytes;
  Row *q, *weights;
  float *scores, *bias, *out, *most, *sum;
};

#if defined(__AVX512F__)
constexpr int kMostRows = 4; // at a time
#else
constexpr int kMostRows = 2;
#endif

// work(some rows, the first of them), with as many rows at a time as registers hold.
template <int n>
struct Some {
  static constexpr int value = n;
};
template <class Work>
XPU_LITE_INLINE void by_rows(int64_t rows, const Work& work) {
  int64_t r = 0;
  for (; kMostRows == 4 && r + 4 <= rows; r += 4) work(Some<4>(), r);
  for (; r + 2 <= rows; r += 2) work(Some<2>(), r);
  for (; r < rows; ++r) work(Some<1>(), r);
}

// Where keys and values lie. runs(): work(offset from k0, rows, keys, values) for each run of
// rows among [k0, k0 + columns); all runs but the last are whole steps of decode_scores.
struct OneRun {
  int64_t length(const AttentionShape& s, int64_t) const {
    return s.causal ? smaller(s.keys, s.queries) : s.keys;
  }
  template <class In, class Work>
  XPU_LITE_INLINE void runs(const AttentionForward& p, int64_t b, int64_t head, int64_t k0,
                            int64_t columns, const Work& work) const {
    work(int64_t{0}, columns, at<const In>(p.key, b, head, k0), at<const In>(p.value, b, head, k0));
  }
};
struct Paged {
  const AttentionPages& pages;
  int64_t length(const AttentionShape&, int64_t b) const { return pages.lengths[b]; }
  template <class In, class Work>
  XPU_LITE_INLINE void runs(const AttentionForward& p, int64_t b, int64_t head, int64_t k0,
                            int64_t columns, const Work& work) const {
    const int64_t* table = pages.table + b * pages.per_sequence;
    for (int64_t j = 0, n; j < columns; j += n) {
      const int64_t page = table[(k0 + j) / pages.rows], first = (k0 + j) % pages.rows;
      n = smaller(pages.rows - first, columns - j);
      work(j, n, at<const In>(p.key, page, head, first), at<const In>(p.value, page, head, first));
    }
  }
};

// Row r of a head of keys: query r % queries of head r / queries of its group.
template <class How, class In, class Where>
void decode_part(const AttentionForward& p, const Where& where, int64_t b, int64_t kv_head,
                 int64_t rows, int64_t begin, int64_t end, const DecodeParts<How, In>& t) {
  const AttentionShape& s = p.shape;
  const int64_t h0 = kv_head * (s.heads / s.kv_heads);
  for (int64_t r = 0; r < rows; ++r) {
    read_row(at<const In>(p.query, b, h0 + r / s.queries, r % s.queries), p.query.column, s.width,
             t.q + r * s.width, s.width);
    t.most[r] = -kInfinity;
    t.sum[r] = 0;
  }
  for (int64_t i = 0; i < rows * s.value_width; ++i) t.out[i] = 0;
  BiasRow<In> bias_row(t.bias);
  for (int64_t k0 = begin; k0 < end; k0 += kKeys) {
    const int64_t columns = smaller(kKeys, end - k0);
    by_rows(rows, [&](auto some, int64_t r) {
      where.template runs<In>(p, b, kv_head, k0, columns,
                              [&](int64_t j, int64_t n, const In* key, const In*) {
        decode_scores<How, In, decltype(some)::value>(t.q + r * s.width, s.width, key, p.key.row,
                                                      n, t.scores + r * kKeys + j, kKeys);
      });
    });
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t h = h0 + r / s.queries, query = r % s.queries;
      const int64_t seen = seen_keys(s, query, k0, columns);
      float *scores = t.scores + r * kKeys, *out = t.out + r * s.value_width;
      finish_scores(scores, kPanel, seen, static_cast<float>(s.scale),
                    bias_row.get(p.bias, b, h, query, k0, columns));
      const float keep = online_softmax(scores, kPanel, t.weights + r * kKeys, seen, columns, 1.f,
                                        nullptr, t.most[r], t.sum[r]);
      if (keep == 1) continue;
      for (int64_t d = 0; d < s.value_width; d += kLanes) {
        store(out + d, load(out + d) * splat(keep));
      }
    }
    by_rows(rows, [&](auto some, int64_t r) {
      where.template runs<In>(p, b, kv_head, k0, columns,
                              [&](int64_t j, int64_t n, const In*, const In* value) {
        decode_values<How, In, decltype(some)::value>(t.weights + r * kKeys + j, kKeys, value,
                                                      p.value.row, n, s.value_width,
                                                      t.out + r * s.value_width);
      });
    });
  }
}

// Joins the parts of one head of keys, `distance` bytes apart, into the output.
template <class How, class In>
void decode_join(const AttentionForward& p, int64_t b, int64_t kv_head, int64_t rows, int64_t parts,
                 char* first, int64_t distance) {
  const AttentionShape& s = p.shape;
  const int64_t h0 = kv_head * (s.heads / s.kv_heads);
  const DecodeParts<How, In> total(s, rows, first);
  for (int64_t r = 0; r < rows; ++r) {
    float* out = total.out + r * s.value_width;
    for (int64_t i = 1; i < parts; ++i) {
      const DecodeParts<How, In> t(s, rows, first + i * distance);
      const float a = total.most[r], b1 = t.most[r];
      const float next = a > b1 ? a : b1;
      if (next == -kInfinity) continue;
      const float keep = exp_below(a - next), take = exp_below(b1 - next);
      total.sum[r] = total.sum[r] * keep + t.sum[r] * take;
      total.most[r] = next;
      const float* other = t.out + r * s.value_width;
      for (int64_t d = 0; d < s.value_width; d += kLanes) {
        store(out + d, fma(load(out + d), splat(keep), load(other + d) * splat(take)));
      }
    }
    for (int64_t d = 0; d < s.value_width; d += 2 * kLanes) How::in_order(out + d);
    const int64_t h = h0 + r / s.queries, query = r % s.queries;
    const bool empty = total.most[r] == -kInfinity;
    write_row(at<In>(p.out, b, h, query), p.out.column, s.value_width, out, kPanel,
              empty ? 0.f : 1.f / total.sum[r]);
    if (p.logsumexp) {
      static_cast<float*>(p.logsumexp)[(b * s.heads + h) * s.queries + query] =
          empty ? kInfinity : total.most[r] + ::logf(total.sum[r]);
    }
  }
}

template <class How, class In, class Where>
bool decode_as(const AttentionForward& p, const Where& where) {
  const AttentionShape& s = p.shape;
  const int64_t pairs = s.batch * s.kv_heads, rows = s.heads / s.kv_heads * s.queries;
  int64_t keys = 0; // of the longest sequence
  for (int64_t b = 0; b < s.batch; ++b) keys = larger(keys, where.length(s, b));
  const int64_t bytes = pairs * keys * (s.width + s.value_width) * int64_t{sizeof(In)};
  const int available = omp_in_parallel() ? 1 : omp_get_max_threads();
  const int64_t worth = larger(1, bytes >> 15); // 32 KiB: what a thread reads in two microseconds
  const int threads = static_cast<int>(smaller(available, worth));
  // As many parts of the keys as make the threads' shares even, each of 128 keys or more.
  int64_t parts = 1;
  while (pairs * parts % threads != 0 && pairs * parts < 4 * threads &&
         keys / (parts + 1) >= kKeys) {
    ++parts;
  }
  const int64_t each = up((keys + parts - 1) / parts, kLanes);
  const int64_t distance = up(DecodeParts<How, In>(s, rows, nullptr).bytes, 64);
  char* memory =
      static_cast<char*>(::aligned_alloc(64, static_cast<size_t>(pairs * parts * distance)));
  if (!memory) return false;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t task = 0; task < pairs * parts; ++task) {
    const DecodeParts<How, In> t(s, rows, memory + task * distance);
    const int64_t pair = task / parts, length = where.length(s, pair / s.kv_heads);
    const int64_t begin = smaller(length, task % parts * each);
    decode_part<How, In>(p, where, pair / s.kv_heads, pair % s.kv_heads, rows, begin,
                         smaller(length, begin + each), t);
    if (parts == 1) {
      decode_join<How, In>(p, pair / s.kv_heads, pair % s.kv_heads, rows, 1,
                           memory + task * distance, distance);
    }
  }
  for (int64_t pair = 0; parts > 1 && pair < pairs; ++pair) {
    decode_join<How, In>(p, pair / s.kv_heads, pair % s.kv_heads, rows, parts,
                         memory + pair * parts * distance, distance);
  }
  ::free(memory);
  return true;
}

template <class Where>
bool decode_from(const AttentionForward& p, const Where& where, AttentionType type) {
  switch (type) {
    case AttentionType::Float: return decode_as<Singly<float>, float>(p, where);
    case AttentionType::Half: return decode_as<Singly<half>, half>(p, where);
#if defined(__AVX512BF16__)
    default: return decode_as<Paired, bfloat16>(p, where);
#else
    default: return decode_as<Singly<bfloat16>, bfloat16>(p, where);
#endif
  }
}
bool decode(const AttentionForward& p, AttentionType type) { return decode_from(p, OneRun(), type); }
bool decode_paged(const AttentionForward& p, const AttentionPages& pages, AttentionType type) {
  return decode_from(p, Paged{pages}, type);
}

} // namespace
} // namespace xpu_lite::cpu::attention::XPU_LITE_LEVEL
