#pragma once

// What the tile instructions mean, in plain C++: the reference of the other two
// implementations (tiles_amx.h, tiles_avx512.h). Freestanding.
//
// The interface: a class with configure(config), release(), and for tile numbers
// given as template arguments zero<t>(), load<t>(p, stride), store<t>(p, stride) and
// the products `name<c, a, b>()`: c += a b, where
//   a has c's rows, its row holds the k of that row;
//   b has c's columns; its row r holds the k of group r, group after group of columns:
//   four bytes of k (int8), or two 16-bit values of k, for each column.

#include "backend/cpu/amx/tile_config.h"

namespace xpu_lite::cpu::amx {
namespace {

inline float model_float(uint32_t bits) {
  float f;
  __builtin_memcpy(&f, &bits, 4);
  return f;
}
inline uint32_t model_bits(float f) {
  uint32_t bits;
  __builtin_memcpy(&bits, &f, 4);
  return bits;
}
// The products treat denormals as zero and flush results, whatever MXCSR says.
inline float model_flush(float f) {
  const uint32_t bits = model_bits(f);
  return (bits & 0x7f800000u) == 0 ? model_float(bits & 0x80000000u) : f;
}
inline float model_bf16(uint16_t v) { return model_flush(model_float(uint32_t{v} << 16)); }
// binary16, denormals included (TDPFP16PS keeps those of its operands).
inline float model_fp16(uint16_t v) {
  const uint32_t sign = uint32_t{v & 0x8000u} << 16, exponent = (v >> 10) & 31, low = v & 1023;
  if (exponent == 31) return model_float(sign | 0x7f800000u | (low << 13));
  if (exponent != 0) return model_float(sign | ((exponent + 112) << 23) | (low << 13));
  const float tiny = static_cast<float>(low) * 5.9604644775390625e-8f;
  return sign ? -tiny : tiny;
}

class ModelTiles {
 public:
  explicit ModelTiles(TileState& state) : state_(state) {}

  void configure(const TileConfig& config) {
    if (state_.configured && same(config, state_.loaded)) return;
    state_.loaded = config;
    state_.configured = true;
    ++state_.loads;
    __builtin_memset(tile_, 0, sizeof(tile_));
  }
  void release() {
    if (!state_.configured) return;
    state_.configured = false;
    ++state_.releases;
  }
  template <int kTile>
  void zero() {
    __builtin_memset(tile_[kTile], 0, sizeof(tile_[kTile]));
  }
  // Bytes and rows beyond the configured shape become zero.
  template <int kTile>
  void load(const void* p, int64_t stride) {
    zero<kTile>();
    for (int r = 0; r < rows(kTile); ++r) {
      __builtin_memcpy(tile_[kTile][r], static_cast<const char*>(p) + r * stride, width(kTile));
    }
  }
  template <int kTile>
  void store(void* p, int64_t stride) {
    for (int r = 0; r < rows(kTile); ++r) {
      __builtin_memcpy(static_cast<char*>(p) + r * stride, tile_[kTile][r], width(kTile));
    }
  }

  // INT8: exact sums of four products, modulo 2^32. The letters say whether a's and
  // b's bytes are signed.
  template <int kC, int kA, int kB> void tdpbssd() { bytes<int8_t, int8_t>(kC, kA, kB); }
  template <int kC, int kA, int kB> void tdpbsud() { bytes<int8_t, uint8_t>(kC, kA, kB); }
  template <int kC, int kA, int kB> void tdpbusd() { bytes<uint8_t, int8_t>(kC, kA, kB); }
  template <int kC, int kA, int kB> void tdpbuud() { bytes<uint8_t, uint8_t>(kC, kA, kB); }

  // 16-bit floats: the even and the odd k are summed apart by fused multiply-adds,
  // then the two sums are added, then that is added to c.
  template <int kC, int kA, int kB> void tdpbf16ps() { pairs<model_bf16>(kC, kA, kB); }
  template <int kC, int kA, int kB> void tdpfp16ps() { pairs<model_fp16>(kC, kA, kB); }

  // Complex binary16 (real part first): c += the imaginary or the real part of a b.
  template <int kC, int kA, int kB> void tcmmimfp16ps() { complex<true>(kC, kA, kB); }
  template <int kC, int kA, int kB> void tcmmrlfp16ps() { complex<false>(kC, kA, kB); }

 private:
  int rows(int t) const { return state_.loaded.rows[t]; }
  int width(int t) const { return state_.loaded.bytes_per_row[t]; }
  template <class T>
  T& at(int t, int row, int column) {
    typedef T __attribute__((may_alias)) Value;
    return reinterpret_cast<Value*>(tile_[t][row])[column];
  }

  template <class A, class B>
  __attribute__((noinline)) void bytes(int c, int a, int b) {
    for (int m = 0; m < rows(c); ++m) {
      for (int k = 0; k < width(a) / 4; ++k) {
        for (int n = 0; n < width(c) / 4; ++n) {
          int32_t sum = 0;
          for (int i = 0; i < 4; ++i) {
            sum += int32_t{at<A>(a, m, 4 * k + i)} * int32_t{at<B>(b, k, 4 * n + i)};
          }
          at<uint32_t>(c, m, n) += static_cast<uint32_t>(sum);
        }
      }
    }
  }

  template <float (*kConvert)(uint16_t)>
  __attribute__((noinline)) void pairs(int c, int a, int b) {
    for (int m = 0; m < rows(c); ++m) {
      for (int n = 0; n < width(c) / 4; ++n) {
        float sum[2] = {0, 0};
        for (int k = 0; k < width(a) / 4; ++k) {
          for (int i = 0; i < 2; ++i) {
            const float x = kConvert(at<uint16_t>(a, m, 2 * k + i));
            const float y = kConvert(at<uint16_t>(b, k, 2 * n + i));
            sum[i] = model_flush(__builtin_fmaf(x, y, sum[i]));
          }
        }
        add(c, m, n, model_flush(sum[0] + sum[1]));
      }
    }
  }

  template <bool kImaginary>
  __attribute__((noinline)) void complex(int c, int a, int b) {
    for (int m = 0; m < rows(c); ++m) {
      for (int n = 0; n < width(c) / 4; ++n) {
        float sum[2] = {0, 0};
        for (int k = 0; k < width(a) / 4; ++k) {
          const float re = model_fp16(at<uint16_t>(a, m, 2 * k));
          const float im = model_fp16(at<uint16_t>(a, m, 2 * k + 1));
          const float b_re = model_fp16(at<uint16_t>(b, k, 2 * n));
          const float b_im = model_fp16(at<uint16_t>(b, k, 2 * n + 1));
          const float x = kImaginary ? im : re, y = kImaginary ? re : -im;
          sum[0] = model_flush(__builtin_fmaf(x, b_re, sum[0]));
          sum[1] = model_flush(__builtin_fmaf(y, b_im, sum[1]));
        }
        add(c, m, n, model_flush(sum[0] + sum[1]));
      }
    }
  }

  void add(int c, int m, int n, float value) {
    float& sum = at<float>(c, m, n);
    sum = model_flush(model_flush(sum) + value);
  }

  TileState& state_;
  alignas(64) uint8_t tile_[8][kTileRows][kTileRowBytes] = {};
};

} // namespace
} // namespace xpu_lite::cpu::amx
