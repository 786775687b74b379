#pragma once

// The walk of IndexArgs. A long innermost dimension is walked row by row: all that
// is the same for a row (the other coordinates, and often the index) is then computed
// once by a sub-group. A short one is walked element by element.

#include "backend/xpu/kernels/fault.h"
#include "backend/xpu/kernels/index_args.h"
#include "backend/xpu/kernels/lanes.h"

namespace xk {

using xpu_lite::xpu::IndexArgs;
using xpu_lite::xpu::kMaxIndices;
using xpu_lite::xpu::kRowPiece;

struct Place {
  int64_t dst = 0, src = 0, index = 0;
};

// Adds the coordinates of dimensions First.. of linear position `rest`. Loops over
// arrays of the arguments are unrolled: an index known only at run time would make
// the compiler copy the arguments for each work-item.
template <int First, class Int>
inline void place_in(const IndexArgs& a, Int rest, Place& p) {
#pragma unroll
  for (int d = First; d < xpu_lite::xpu::kMaxWalkDims; ++d) {
    if (d >= a.dims) break;
    const Int size = static_cast<Int>(a.sizes[d]);
    const Int next = d + 1 == a.dims ? 0 : rest / size;
    const int64_t at = static_cast<int64_t>(rest - next * size);
    rest = next;
    p.dst += at * a.dst_strides[d];
    p.src += at * a.src_strides[d];
    p.index += at * a.index_strides[d];
  }
}

template <int First>
inline void place_of(const IndexArgs& a, int64_t rest, Place& p) {
  if (a.numel <= 0x7fffffff) place_in<First>(a, static_cast<uint32_t>(rest), p);
  else place_in<First>(a, static_cast<uint64_t>(rest), p);
}

// The bytes that the indices add, or false after reporting one that is out of range.
// `at` is the coordinate along the innermost dimension. `Most` bounds the number of
// indices: CPU devices would issue masked loads for those that are not there.
template <int Most>
inline bool index_offset(const IndexArgs& a, const Place& p, int64_t at, int64_t& offset) {
  int64_t sum = 0;
  const int64_t from = p.index + at * a.index_strides[0];
#pragma unroll
  for (int k = 0; k < Most; ++k) {
    if (Most > 1 && k >= a.indices) break;
    const auto& operand = a.index[k];
    const char* where = operand.data + from;
    int64_t i = a.narrow ? static_cast<int64_t>(*reinterpret_cast<const int32_t*>(where))
                         : *reinterpret_cast<const int64_t*>(where);
    const bool good = a.wrap ? wrap_index(i, operand.size, a.error_dim + k, a.error, a.op,
                                          a.fault)
                             : check_index(i, operand.size, a.error_dim + k, a.error, a.op,
                                          a.fault);
    if (!good) return false;
    sum += i * operand.step;
  }
  offset = sum;
  return true;
}

// row(lanes, place, first, n): elements [first, first + n) of a row.
template <class Row>
inline void walk_rows(const IndexArgs& a, Row row) {
  const Lanes lanes;
  const int64_t inner = a.sizes[0], outer = a.numel / inner;
  const int64_t pieces = (inner + kRowPiece - 1) / kRowPiece;
  lanes.each_task(outer * pieces, [&](int64_t task) {
    const int64_t r = pieces == 1 ? task : task / pieces;
    const int64_t first = (task - r * pieces) * kRowPiece;
    Place p;
    place_of<1>(a, r, p);
    row(lanes, p, first, sycl::min(kRowPiece, inner - first));
  });
}

// each(place) for every element.
template <class Each>
inline void walk_elements(const IndexArgs& a, Each each) {
  auto it = item();
  const int64_t step = it.get_global_range(0);
  for (int64_t i = it.get_global_id(0); i < a.numel; i += step) {
    Place p;
    place_of<0>(a, i, p);
    each(p);
  }
}

// run(std::integral_constant<int, the least bound of the number of indices>).
template <class Run>
inline void by_indices(const IndexArgs& a, Run run) {
  if (a.indices == 0) run(std::integral_constant<int, 0>());
  else if (a.indices == 1) run(std::integral_constant<int, 1>());
  else run(std::integral_constant<int, kMaxIndices>());
}

template <class T>
inline T& at_bytes(char* base, int64_t bytes) { return *reinterpret_cast<T*>(base + bytes); }
template <class T>
inline const T& at_bytes(const char* base, int64_t bytes) {
  return *reinterpret_cast<const T*>(base + bytes);
}

} // namespace xk
