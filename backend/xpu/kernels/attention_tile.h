#pragma once

// What one block of attention is made of. Lanes of a sub-group are columns; rows are
// told apart by the sub-group ("team"), so that everything that is read by row is the
// same for all lanes. Device code only.

#include "backend/xpu/kernels/acc.h"
#include "backend/xpu/kernels/attention_args.h"
#include "backend/xpu/kernels/device.h"

// Kernels that count on kAttentionLanes lanes; every Intel GPU since Gen9 and the
// CPU device have sub-groups of 16.
#define XK_ATTENTION(name, Args) \
  extern "C" SYCL_EXT_ONEAPI_FUNCTION_PROPERTY( \
      (sycl::ext::oneapi::experimental::nd_range_kernel<1>)) \
  SYCL_EXT_ONEAPI_FUNCTION_PROPERTY((sycl::ext::oneapi::experimental::sub_group_size<16>)) \
  void name(Args args)

#define XK_INLINE inline __attribute__((always_inline))

namespace xk::attention {

using namespace xpu_lite::xpu;

constexpr int kLanes = kAttentionLanes, kRows = kAttentionQueries, kKeys = kAttentionKeys;
static_assert(kLanes == 16, "XK_ATTENTION says so");

// Says that all lanes have the same x. Without it the CPU device's compiler takes
// loop variables and sub-group ids for divergent, and loads by them become gathers.
template <class T>
XK_INLINE T uniform(T x) {
  return sycl::group_broadcast(item().get_sub_group(), x);
}

struct Team {
  int index, count, lane;
};
XK_INLINE Team team() {
  const auto sg = item().get_sub_group();
  return {uniform(static_cast<int>(sg.get_group_linear_id())), static_cast<int>(sg.get_group_linear_range()),
          static_cast<int>(sg.get_local_linear_id())};
}
XK_INLINE void sub_group_sync() { sycl::group_barrier(item().get_sub_group()); }
XK_INLINE void group_sync() { sycl::group_barrier(item().get_group()); }

template <class T>
XK_INLINE T pick(float f, uint64_t bits) {
  if constexpr (sizeof(T) == 8) return sycl::bit_cast<T>(bits);
  else return f;
}

// Rows of a tile of sums in registers: 2 vectors each.
template <class T>
constexpr int kTileRows = sizeof(T) == 8 ? kAttentionTileRows / 2 : kAttentionTileRows;

// c[R rows, 32] (+)= a * b. a is read at a[row * row_step + k * k_step], the same for
// all lanes; b at row k.
template <int R, class T>
XK_INLINE void product_tile(const T* a, int64_t row_step, int64_t k_step, const T* b, int64_t ldb,
                            T* c, int64_t ldc, int depth, bool add, int lane) {
  T sum[R][2];
#pragma unroll
  for (int r = 0; r < R; ++r) {
    sum[r][0] = add ? c[r * ldc + lane] : T(0);
    sum[r][1] = add ? c[r * ldc + kLanes + lane] : T(0);
  }
  for (int k = 0; k < depth; ++k) {
    const T b0 = b[k * ldb + lane], b1 = b[k * ldb + kLanes + lane];
#pragma unroll
    for (int r = 0; r < R; ++r) {
      const T x = a[r * row_step + k * k_step];
      sum[r][0] = sycl::fma(x, b0, sum[r][0]);
      sum[r][1] = sycl::fma(x, b1, sum[r][1]);
    }
  }
#pragma unroll
  for (int r = 0; r < R; ++r) {
    c[r * ldc + lane] = sum[r][0];
    c[r * ldc + kLanes + lane] = sum[r][1];
  }
}

// The same for kAttentionTileRows rows and n columns, a multiple of 32.
template <class T>
XK_INLINE void product(const T* a, int64_t row_step, int64_t k_step, const T* b, int64_t ldb, T* c,
                       int64_t ldc, int n, int depth, bool add, int lane) {
  constexpr int R = kTileRows<T>;
  for (int i = 0; i < kAttentionTileRows; i += R) {
    for (int j = 0; j < n; j += 2 * kLanes) {
      product_tile<R>(a + i * row_step, row_step, k_step, b + j, ldb, c + i * ldc + j, ldc, depth,
                      add, lane);
    }
  }
}

// Four random words: Note [Philox layout] of the generator, block `block`.
XK_INLINE void random_words(uint64_t seed, uint64_t counter, uint64_t block, uint32_t words[4]) {
  uint32_t c0 = static_cast<uint32_t>(counter), c1 = static_cast<uint32_t>(counter >> 32);
  uint32_t c2 = static_cast<uint32_t>(block), c3 = static_cast<uint32_t>(block >> 32);
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c0, p1 = uint64_t{0xCD9E8D57u} * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<uint32_t>(p1);
    c3 = static_cast<uint32_t>(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  words[0] = c0, words[1] = c1, words[2] = c2, words[3] = c3;
}

// Dropout factors of keys k0 + 4 lane .. + 3 of a row; rows are counted over all
// batches and heads, and each starts a new block of words.
template <class T>
XK_INLINE void dropout_factors(const AttentionShape& s, uint64_t row, int64_t k0, int lane,
                               T out[4]) {
  const uint64_t blocks = static_cast<uint64_t>((s.keys + 3) / 4);
  uint32_t words[4];
  random_words(s.seed, s.offset / 4, row * blocks + static_cast<uint64_t>(k0 / 4 + lane), words);
  const T factor = pick<T>(s.factor, s.factor64);
#pragma unroll
  for (int w = 0; w < 4; ++w) out[w] = words[w] < s.kept ? factor : T(0);
}

// scores[tile rows, kKeys] = query key^T + bias; -inf for keys that are not seen. q0 is
// the first of the rows.
template <class In, class T>
XK_INLINE void score(const AttentionShape& s, const AttentionView& bias, int64_t b, int64_t h,
                     int64_t q0, int64_t k0, const T* query, const T* key_t, T* scores, int lane) {
  product(query, s.ldw, int64_t{1}, key_t + k0, s.ldk, scores, int64_t{kKeys}, kKeys,
          static_cast<int>(s.width), false, lane);
  const int columns = static_cast<int>(sycl::min<int64_t>(kKeys, s.keys - k0));
  const int64_t first = b * bias.batch + h * bias.head + k0 * bias.column;
  for (int i = 0; i < kAttentionTileRows; ++i) {
    const int64_t q = q0 + i;
    int seen = columns;
    if (s.causal) seen = static_cast<int>(sycl::min<int64_t>(seen, q + 1 - k0));
    const bool biased = bias.data && q < s.queries;
    if (!biased && seen >= kKeys) continue;
    T* row = scores + i * kKeys;
#pragma unroll
    for (int j = 0; j < kKeys; j += kLanes) {
      const int column = j + lane;
      T x = row[column];
      if (biased && column < columns) {
        const int64_t at = first + q * bias.row + column * bias.column;
        x += s.float_bias ? static_cast<T>(static_cast<const float*>(bias.data)[at])
                          : widen(static_cast<const In*>(bias.data)[at]);
      }
      row[column] = column < seen ? x : -std::numeric_limits<T>::infinity();
    }
  }
}

// dst[rows, columns] (strided) = src[rows, ld] * factor: this team's rows.
template <class In, class T>
XK_INLINE void write_rows(const AttentionView& view, int64_t b, int64_t h, int64_t first,
                          int64_t rows, int64_t columns, const T* src, int64_t ld, T factor,
                          const Team& t) {
  In* dst = static_cast<In*>(view.data) + b * view.batch + h * view.head;
  for (int64_t i = t.index; i < rows; i += t.count) {
    for (int64_t c = t.lane; c < columns; c += kLanes) {
      dst[(first + i) * view.row + c * view.column] = narrow<In>(src[i * ld + c] * factor);
    }
  }
}

} // namespace xk::attention
