// The sums of Winograd's convolution, with AVX-512: sixteen channels at a time. Where channels
// come first, blocks of 16x16 are turned around in registers on their way.

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "backend/cpu/conv/winograd_kernels.h"
#include "backend/cpu/gemm/kernels.h"

namespace xpu_lite::cpu::conv::avx512 {
namespace {

// Anywhere in memory.
typedef float Lanes __attribute__((vector_size(64), aligned(4), may_alias));
constexpr int kLanes = 16;

// The points 0, +-a, +-b and infinity; squares and their product are exact.
constexpr float a = 11 / 16.f, b = 23 / 16.f, a2 = a * a, b2 = b * b;
constexpr float kSum = a2 + b2, kProduct = a2 * b2;

Lanes load(const float* p) { return *reinterpret_cast<const Lanes*>(p); }
void store(float* p, Lanes x) { *reinterpret_cast<Lanes*>(p) = x; }

// Six inputs, `from` apart, to six points, `to` apart.
inline __attribute__((always_inline)) void to_points(const Lanes* d, int from, Lanes* v, int to) {
  const Lanes d0 = d[0], d1 = d[from], d2 = d[2 * from], d3 = d[3 * from], d4 = d[4 * from],
              d5 = d[5 * from];
  const Lanes even_a = d4 - b2 * d2, odd_a = a * (d3 - b2 * d1);
  const Lanes even_b = d4 - a2 * d2, odd_b = b * (d3 - a2 * d1);
  v[0] = kProduct * d0 - kSum * d2 + d4;
  v[to] = even_a + odd_a;
  v[2 * to] = even_a - odd_a;
  v[3 * to] = even_b + odd_b;
  v[4 * to] = even_b - odd_b;
  v[5 * to] = kProduct * d1 - kSum * d3 + d5;
}

// Six points to four outputs.
inline __attribute__((always_inline)) void to_outputs(const Lanes* m, int from, Lanes* y, int to) {
  const Lanes even_a = m[from] + m[2 * from], odd_a = m[from] - m[2 * from];
  const Lanes even_b = m[3 * from] + m[4 * from], odd_b = m[3 * from] - m[4 * from];
  y[0] = m[0] + even_a + even_b;
  y[to] = a * odd_a + b * odd_b;
  y[2 * to] = a2 * even_a + b2 * even_b;
  y[3 * to] = a * a2 * odd_a + b * b2 * odd_b + m[5 * from];
}

// Three taps of a filter to six points: its polynomial's values, over the product of the
// differences of a point to the others.
inline __attribute__((always_inline)) void filter_points(double w0, double w1, double w2,
                                                         double* u, int to) {
  constexpr double A = a, B = b, at_a = 1 / (2 * A * A * (A * A - B * B)),
                   at_b = 1 / (2 * B * B * (B * B - A * A));
  const double even_a = at_a * (w0 + A * A * w2), odd_a = at_a * A * w1;
  const double even_b = at_b * (w0 + B * B * w2), odd_b = at_b * B * w1;
  u[0] = w0 * (1 / (A * A * B * B));
  u[to] = even_a + odd_a;
  u[2 * to] = even_a - odd_a;
  u[3 * to] = even_b + odd_b;
  u[4 * to] = even_b - odd_b;
  u[5 * to] = w2;
}

struct TilePlace {
  int64_t image, y, x; // of its first output
};
TilePlace place_of(const WinogradBlock& block, int64_t i) {
  const int64_t tile = block.first + i, of_image = block.rows * block.columns;
  return {tile / of_image, tile % of_image / block.columns * kWinogradTile,
          tile % block.columns * kWinogradTile};
}

// Lane j of row i to lane i of row j.
inline __attribute__((always_inline)) void transpose(__m512* r) {
  const auto low = [](__m512 x, __m512 y) {
    return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(x), _mm512_castps_pd(y)));
  };
  const auto high = [](__m512 x, __m512 y) {
    return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(x), _mm512_castps_pd(y)));
  };
  for (int i = 0; i < kLanes; i += 4) { // 4x4 in each quarter
    const __m512 t0 = _mm512_unpacklo_ps(r[i], r[i + 1]), t1 = _mm512_unpackhi_ps(r[i], r[i + 1]);
    const __m512 t2 = _mm512_unpacklo_ps(r[i + 2], r[i + 3]),
                 t3 = _mm512_unpackhi_ps(r[i + 2], r[i + 3]);
    r[i] = low(t0, t2), r[i + 1] = high(t0, t2), r[i + 2] = low(t1, t3), r[i + 3] = high(t1, t3);
  }
  for (int i = 0; i < 4; ++i) { // quarters
    const __m512 t0 = _mm512_shuffle_f32x4(r[i], r[4 + i], 0x88),
                 t1 = _mm512_shuffle_f32x4(r[i], r[4 + i], 0xdd),
                 t2 = _mm512_shuffle_f32x4(r[8 + i], r[12 + i], 0x88),
                 t3 = _mm512_shuffle_f32x4(r[8 + i], r[12 + i], 0xdd);
    r[i] = _mm512_shuffle_f32x4(t0, t2, 0x88), r[4 + i] = _mm512_shuffle_f32x4(t1, t3, 0x88);
    r[8 + i] = _mm512_shuffle_f32x4(t0, t2, 0xdd), r[12 + i] = _mm512_shuffle_f32x4(t1, t3, 0xdd);
  }
}

// d[6 y + x] of sixteen channels from `channel` on, whose planes follow each other.
inline __attribute__((always_inline)) void load_planes(const Convolution& c, const TilePlace& tile,
                                                       int64_t channel, Lanes* d) {
  const int64_t plane = c.height * c.width;
  const int64_t top = tile.y - c.vertical.pad, left = tile.x - c.horizontal.pad;
  const int64_t begin = std::clamp<int64_t>(-left, 0, kWinogradReach);
  const int64_t end = std::clamp<int64_t>(c.width - left, begin, kWinogradReach);
  const auto columns = static_cast<__mmask8>((1u << end) - (1u << begin));
  const float* from = static_cast<const float*>(c.input) +
      (tile.image * c.channels + channel) * plane + top * c.width + left;
  for (int y = 0; y < kWinogradReach; y += 2) {
    // Nothing is read where the mask is empty.
    const auto inside = [&](int64_t row) {
      return row >= 0 && row < c.height ? columns : static_cast<__mmask8>(0);
    };
    const __mmask8 upper = inside(top + y), lower = inside(top + y + 1);
    __m512 rows[kLanes];
    for (int j = 0; j < kLanes; ++j) {
      const float* at = from + j * plane + y * c.width;
      rows[j] = _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_maskz_loadu_ps(upper, at)),
                                   _mm256_maskz_loadu_ps(lower, at + c.width), 1);
    }
    transpose(rows);
    for (int x = 0; x < kWinogradReach; ++x) {
      d[6 * y + x] = rows[x], d[6 * y + 6 + x] = rows[8 + x];
    }
  }
}

// 4x4 outputs, or as many as there are, of sixteen channels into their planes.
inline __attribute__((always_inline)) void store_planes(const Convolution& c, const TilePlace& tile,
                                                        int64_t channel, const Lanes* values,
                                                        int rows, int columns) {
  const int64_t plane = c.out_height * c.out_width;
  float* to = static_cast<float*>(c.output) + (tile.image * c.out_channels + channel) * plane +
      tile.y * c.out_width + tile.x;
  __m512 all[kLanes];
  for (int p = 0; p < kLanes; ++p) all[p] = values[p];
  transpose(all);
  const auto mask = static_cast<__mmask8>((1u << columns) - 1);
  for (int j = 0; j < kLanes; ++j) {
    const __m128 lines[4] = {
        _mm512_extractf32x4_ps(all[j], 0), _mm512_extractf32x4_ps(all[j], 1),
        _mm512_extractf32x4_ps(all[j], 2), _mm512_extractf32x4_ps(all[j], 3)};
    for (int y = 0; y < rows; ++y) {
      _mm_mask_storeu_ps(to + j * plane + y * c.out_width, mask, lines[y]);
    }
  }
}

// A tile's inputs to its points, `step` apart.
inline __attribute__((always_inline)) void store_points(Lanes* d, float* to, int64_t step) {
  Lanes v[kWinogradPoints];
  for (int x = 0; x < 6; ++x) to_points(d + x, 6, v + x, 6);
  for (int y = 0; y < 6; ++y) to_points(v + 6 * y, 1, d + 6 * y, 1);
  for (int p = 0; p < kWinogradPoints; ++p) store(to + p * step, d[p]);
}

void input_of_pixels(const WinogradBlock& block) {
  alignas(64) static const float padding[1024] = {};
  const Convolution& c = *block.convolution;
  const float* input = static_cast<const float*>(c.input);
  for (int64_t i = 0; i < block.count; ++i) {
    const TilePlace tile = place_of(block, i);
    const float* pixels[kWinogradPoints];
    for (int p = 0; p < kWinogradPoints; ++p) {
      const int64_t y = tile.y - c.vertical.pad + p / kWinogradReach;
      const int64_t x = tile.x - c.horizontal.pad + p % kWinogradReach;
      const bool inside = y >= 0 && y < c.height && x >= 0 && x < c.width;
      pixels[p] = inside ? input + ((tile.image * c.height + y) * c.width + x) * c.channels
                         : padding;
    }
    for (int64_t j = 0; j < c.channels; j += kLanes) {
      Lanes d[kWinogradPoints];
      for (int p = 0; p < kWinogradPoints; ++p) d[p] = load(pixels[p] + j);
      store_points(d, block.data + i * block.ld + j, block.count * block.ld);
    }
  }
}

// Neighbouring tiles share the lines of few planes.
void input_of_planes(const WinogradBlock& block) {
  const Convolution& c = *block.convolution;
  for (int64_t j = 0; j < c.channels; j += kLanes) {
    for (int64_t i = 0; i < block.count; ++i) {
      Lanes d[kWinogradPoints];
      load_planes(c, place_of(block, i), j, d);
      store_points(d, block.data + i * block.ld + j, block.count * block.ld);
    }
  }
}

} // namespace

void winograd_filter(const Filter& f, int64_t panel, float* out, int64_t point) {
  constexpr int n = gemm::kPanel;
  const int64_t first = panel * n;
  const int count = static_cast<int>(std::min<int64_t>(n, f.out_channels - first));
  const float* data = static_cast<const float*>(f.data) + first * f.strides[0];
  double taps[9][n] = {}, half[18][n], all[36][n];
  for (int64_t c = 0; c < f.channels; ++c) {
    for (int j = 0; j < count; ++j) {
      const float* from = data + j * f.strides[0] + c * f.strides[1];
      for (int t = 0; t < 9; ++t) taps[t][j] = from[t / 3 * f.strides[2] + t % 3 * f.strides[3]];
    }
    for (int x = 0; x < 3; ++x) {
      for (int j = 0; j < n; ++j) {
        filter_points(taps[x][j], taps[3 + x][j], taps[6 + x][j], &half[x][j], 3 * n);
      }
    }
    for (int y = 0; y < 6; ++y) {
      for (int j = 0; j < n; ++j) {
        filter_points(half[3 * y][j], half[3 * y + 1][j], half[3 * y + 2][j], &all[6 * y][j], n);
      }
    }
    for (int p = 0; p < kWinogradPoints; ++p) {
      float* to = out + p * point + c * n;
      for (int j = 0; j < n; ++j) to[j] = static_cast<float>(all[p][j]);
    }
  }
}

void winograd_input(const WinogradBlock& block) {
  block.convolution->input_layout == Layout::ChannelsLast ? input_of_pixels(block)
                                                          : input_of_planes(block);
}

void winograd_output(const WinogradBlock& block) {
  const Convolution& c = *block.convolution;
  const gemm::Epilogue& e = c.epilogue;
  const float* bias = static_cast<const float*>(e.bias.data);
  const float* add = static_cast<const float*>(e.add.data); // with channels last only
  const bool relu = e.activation == gemm::Activation::ReLU;
  const bool last = c.output_layout == Layout::ChannelsLast;
  for (int64_t i = 0; i < block.count; ++i) {
    const TilePlace tile = place_of(block, i);
    const int rows = static_cast<int>(std::min<int64_t>(kWinogradTile, c.out_height - tile.y));
    const int columns = static_cast<int>(std::min<int64_t>(kWinogradTile, c.out_width - tile.x));
    const int64_t first = (tile.image * c.out_height + tile.y) * c.out_width + tile.x;
    const float* from = block.data + i * block.ld;
    for (int64_t j = 0; j < c.out_channels; j += kLanes) {
      Lanes m[36], half[24], out[16];
      for (int p = 0; p < kWinogradPoints; ++p) m[p] = load(from + p * block.count * block.ld + j);
      for (int x = 0; x < 6; ++x) to_outputs(m + x, 6, half + x, 6);
      for (int y = 0; y < 4; ++y) to_outputs(half + 6 * y, 1, out + 4 * y, 1);
      const Lanes shift = bias ? load(bias + j) : Lanes{};
      if (!last) {
        for (Lanes& value : out) {
          value += shift;
          if (relu) value = value < 0 ? Lanes{} : value;
        }
        store_planes(c, tile, j, out, rows, columns);
        continue;
      }
      for (int y = 0; y < rows; ++y) {
        for (int x = 0; x < columns; ++x) {
          const int64_t pixel = first + y * c.out_width + x;
          Lanes value = out[4 * y + x] + shift;
          if (add && e.add_first) value += load(add + pixel * e.add.ld + j);
          if (relu) value = value < 0 ? Lanes{} : value; // a NaN stays
          if (add && !e.add_first) value += load(add + pixel * e.add.ld + j);
          store(static_cast<float*>(c.output) + pixel * c.out_channels + j, value);
        }
      }
    }
  }
}

} // namespace xpu_lite::cpu::conv::avx512
