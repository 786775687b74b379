#pragma once

// c = epilogue(dequantise(a W)) for int8 weights that are packed once. a is u8 or s8 with
// a scale and a zero point for all rows or for each, or floats that are quantised to u8
// here: row by row from their own range (dynamic quantisation), or with a scale and a zero
// point found before (static). c is a float type, or u8/s8 quantised anew.
//
// Real value of a quantised q: (q - zero) * scale. Products are summed exactly in int32
// (no intermediate saturation: k up to 65536 for any values).

#include <string>
#include <vector>

#include "backend/cpu/gemm/packed_gemm.h"

namespace xpu_lite::cpu::gemm {

// W(p, j), for p < k and j < n, is data[j * n_stride + p * k_stride].
struct Int8Weight {
  int64_t n, k;
  const int8_t* data;
  int64_t n_stride, k_stride;
};

// "i8_k4n32": panels of 32 columns; in each, for four k after the other, the columns' four
// bytes. k is padded with zeros to whole groups of 64, columns to 32; then the columns' sums.
size_t int8_packed_bytes(int64_t n, int64_t k);
void int8_pack(const Int8Weight& weight, void* out);  // out: on a 64-byte boundary

enum class Int8Input : uint8_t { U8, S8, Float, BFloat16, Half };
enum class Int8Output : uint8_t { Float, BFloat16, Half, U8, S8 };

struct Int8Gemm {
  int64_t m, n, k;
  const void* a;  // rows lda elements apart
  int64_t lda;
  Int8Input a_type;
  const void* packed;
  void* c;  // rows ldc elements apart
  int64_t ldc;
  Int8Output c_type;

  // Of u8 and s8 input; one value, or m of them where a_per_row. With a_static, which is
  // for floats: one value, by which they are quantised.
  const float* a_scale = nullptr;
  const int32_t* a_zero = nullptr;  // null: 0
  bool a_per_row = false;
  bool a_static = false;
  const float* a_factor = nullptr;  // of floats: k values to multiply each row with before

  const float* w_scale = nullptr;   // n values
  const int32_t* w_zero = nullptr;  // n values; null: symmetric weights

  float c_scale = 1;                // of u8 and s8 output
  int32_t c_zero = 0;
  Epilogue epilogue = {};           // on the dequantised product; `mul` and `add` are floats
};

void int8_gemm(const Int8Gemm& g);

// Best first, as in packed_gemm.h; XPU_LITE_GEMM names one here too.
std::vector<std::string> int8_implementations();
bool int8_implementation_serves(const std::string& name);
const char* int8_chosen_implementation();
void int8_gemm_with(const std::string& name, const Int8Gemm& g);
void int8_reference(const Int8Gemm& g);

} // namespace xpu_lite::cpu::gemm
