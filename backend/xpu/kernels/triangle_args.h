#pragma once

// Arguments of tril, triu and of the indices of triangles. Plain C++.

#include <cstdint>

namespace xpu_lite::xpu {

// out[b][r][c] = in[b][r][c] where c - r <= diagonal (lower) or >= diagonal, else 0.
// Both are contiguous matrices of rows * columns.
struct TriangleArgs {
  const void* in;
  void* out;
  int64_t batch, rows, columns, diagonal;
  int32_t upper;
};

// The `count` coordinates of a triangle of rows * columns: out[0][k] the row and
// out[1][k] the column, row by row.
struct TriangleIndicesArgs {
  void* out;
  int64_t rows, columns, diagonal, count;
  int32_t upper;
};

} // namespace xpu_lite::xpu
