// Matrix products for every type: a work-item makes kGemmRows elements of one column,
// neighbours make neighbouring columns, so that the reads of b are consecutive and
// those of a are the same for all of them.

#include "backend/xpu/kernels/acc.h"
#include "backend/xpu/kernels/gemm_args.h"

namespace {

using xpu_lite::xpu::GemmArgs;
using xpu_lite::xpu::kGemmRows;

template <class A>
inline A factor(const xpu_lite::xpu::GemmFactor& f) {
  auto single = [&](int shift) {
    return sycl::bit_cast<float>(static_cast<uint32_t>(f.word[0] >> shift));
  };
  if constexpr (std::is_same_v<A, float>) return single(0);
  else if constexpr (std::is_same_v<A, xk::c64>) return A{single(0), single(32)};
  else if constexpr (std::is_same_v<A, xk::c128>)
    return A{sycl::bit_cast<double>(f.word[0]), sycl::bit_cast<double>(f.word[1])};
  else return sycl::bit_cast<A>(f.word[0]);
}

template <class T>
void gemm(const GemmArgs& args) {
  using A = xk::acc_t<T>;
  const int64_t row_blocks = (args.m + kGemmRows - 1) / kGemmRows;
  // Rounded up so that a group's items share their rows.
  const int64_t width = xk::item().get_local_range(0);
  const int64_t column_blocks = (args.n + width - 1) / width;
  const int64_t group = xk::item().get_group(0);
  const int64_t column = (group % column_blocks) * width + xk::item().get_local_id(0);
  const int64_t rest = group / column_blocks;
  const int64_t first = (rest % row_blocks) * kGemmRows;
  const int64_t batch = rest / row_blocks;
  if (column >= args.n) return;
  const T* a = static_cast<const T*>(args.a) + batch * args.sa.batch;
  const T* b = static_cast<const T*>(args.b) + batch * args.sb.batch + column * args.sb.column;

  A sums[kGemmRows];
  int64_t row[kGemmRows];
#pragma unroll
  for (int i = 0; i < kGemmRows; ++i) {
    sums[i] = A{};
    // Rows past the end repeat the last one and are not stored.
    row[i] = (first + i < args.m ? first + i : args.m - 1) * args.sa.row;
  }
  for (int64_t k = 0; k < args.k; ++k) {
    const A right = xk::widen(b[k * args.sb.row]);
    const T* at_k = a + k * args.sa.column;
#pragma unroll
    for (int i = 0; i < kGemmRows; ++i) sums[i] = sums[i] + xk::widen(at_k[row[i]]) * right;
  }

  const A alpha = factor<A>(args.alpha), beta = factor<A>(args.beta);
  T* out = static_cast<T*>(args.out) + batch * args.sout.batch + column * args.sout.column;
  const T* self =
      static_cast<const T*>(args.self) + batch * args.sself.batch + column * args.sself.column;
#pragma unroll
  for (int i = 0; i < kGemmRows; ++i) {
    if (first + i >= args.m) break;
    A value = alpha * sums[i];
    if (args.with_self) value = value + beta * xk::widen(self[(first + i) * args.sself.row]);
    out[(first + i) * args.sout.row] = xk::narrow<T>(value);
  }
}

} // namespace

XK(gemm_f32, GemmArgs) { gemm<float>(args); }
XK(gemm_f64, GemmArgs) { gemm<double>(args); }
XK(gemm_f16, GemmArgs) { gemm<xk::f16>(args); }
XK(gemm_bf16, GemmArgs) { gemm<xk::bf16>(args); }
XK(gemm_i64, GemmArgs) { gemm<int64_t>(args); }
XK(gemm_i32, GemmArgs) { gemm<int32_t>(args); }
XK(gemm_i16, GemmArgs) { gemm<int16_t>(args); }
XK(gemm_i8, GemmArgs) { gemm<int8_t>(args); }
XK(gemm_u8, GemmArgs) { gemm<uint8_t>(args); }
XK(gemm_c64, GemmArgs) { gemm<xk::c64>(args); }
XK(gemm_c128, GemmArgs) { gemm<xk::c128>(args); }
