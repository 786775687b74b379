// tril, triu, tril_indices and triu_indices.

#include "backend/xpu/kernels/triangle_args.h"
#include "backend/xpu/kernels/units.h"

namespace xk {

using xpu_lite::xpu::TriangleArgs;
using xpu_lite::xpu::TriangleIndicesArgs;

template <class T>
inline void triangle(const TriangleArgs& a) {
  auto it = item();
  const T* in = static_cast<const T*>(a.in);
  T* out = static_cast<T*>(a.out);
  const int64_t rows = a.batch * a.rows;
  const int64_t local = it.get_local_id(0), group = it.get_local_range(0);
  for (int64_t row = it.get_group(0); row < rows; row += it.get_group_range(0)) {
    const int64_t edge = row % a.rows + a.diagonal, base = row * a.columns;
    for (int64_t c = local; c < a.columns; c += group)
      out[base + c] = (a.upper ? c >= edge : c <= edge) ? in[base + c] : T{};
  }
}

inline int64_t clamped(int64_t x, int64_t low, int64_t high) {
  return x < low ? low : x > high ? high : x;
}

// How many elements of the triangle are in the rows before `row`.
inline int64_t before_row(const TriangleIndicesArgs& a, int64_t row) {
  // Row r has its elements in [0, min(columns, max(0, r + diagonal + 1))) when lower.
  const int64_t start = clamped(-a.diagonal, 0, row); // rows without any
  const int64_t first = start + a.diagonal + 1;              // length of that row
  const int64_t ramp_rows = clamped(a.columns - first + 1, 0, row - start);
  const int64_t ramp = ramp_rows * first + ramp_rows * (ramp_rows - 1) / 2;
  const int64_t lower = ramp + (row - start - ramp_rows) * a.columns;
  return lower;
}

template <class T>
inline void triangle_indices(const TriangleIndicesArgs& a) {
  auto it = item();
  T* out = static_cast<T*>(a.out);
  const int64_t step = it.get_global_range(0);
  // The complement of an upper triangle is the lower one of the diagonal before.
  TriangleIndicesArgs lower = a;
  lower.diagonal = a.upper ? a.diagonal - 1 : a.diagonal;
  auto before = [&](int64_t row) {
    const int64_t n = before_row(lower, row);
    return a.upper ? row * a.columns - n : n;
  };
  for (int64_t k = it.get_global_id(0); k < a.count; k += step) {
    int64_t low = 0, high = a.rows - 1; // the last row with before(row) <= k
    while (low < high) {
      const int64_t mid = (low + high + 1) / 2;
      if (before(mid) <= k) low = mid;
      else high = mid - 1;
    }
    const int64_t length = clamped(low + lower.diagonal + 1, 0, a.columns);
    out[k] = static_cast<T>(low);
    out[a.count + k] = static_cast<T>(k - before(low) + (a.upper ? length : 0));
  }
}

} // namespace xk

XK(triangle_1, xk::TriangleArgs) { xk::triangle<xk::U1>(args); }
XK(triangle_2, xk::TriangleArgs) { xk::triangle<xk::U2>(args); }
XK(triangle_4, xk::TriangleArgs) { xk::triangle<xk::U4>(args); }
XK(triangle_8, xk::TriangleArgs) { xk::triangle<xk::U8>(args); }
XK(triangle_16, xk::TriangleArgs) { xk::triangle<xk::U16>(args); }
XK(triangle_indices_i32, xk::TriangleIndicesArgs) { xk::triangle_indices<int32_t>(args); }
XK(triangle_indices_i64, xk::TriangleIndicesArgs) { xk::triangle_indices<int64_t>(args); }
