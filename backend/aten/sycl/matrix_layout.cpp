#include "backend/aten/sycl/matrix_layout.h"

#include <algorithm>

namespace xpu_lite::aten::sycl {

namespace {

struct Steps {
  int64_t row, column;
};

// Strides of the last two dimensions; those of single rows and columns mean nothing
// and are set to what a dense matrix has.
Steps steps_of(const at::Tensor& t) {
  const int64_t rows = t.size(-2), columns = t.size(-1);
  Steps s{t.stride(-2), t.stride(-1)};
  if (rows == 1 && columns == 1) return {1, 1};
  if (columns == 1) s.column = s.row == 1 ? rows : 1;
  if (rows == 1) s.row = s.column == 1 ? columns : 1;
  return s;
}

bool dense_rows(Steps s, int64_t columns) {
  return s.column == 1 && s.row >= std::max<int64_t>(1, columns);
}

} // namespace

bool has_dense_rows(const at::Tensor& t) { return dense_rows(steps_of(t), t.size(-1)); }

bool is_plain(const at::Tensor& t) {
  const Steps s = steps_of(t);
  return dense_rows(s, t.size(-1)) || dense_rows({s.column, s.row}, t.size(-2));
}

at::Tensor plain(const at::Tensor& t) { return is_plain(t) ? t : t.contiguous(); }

xpu::onednn::View view_of(const at::Tensor& t, xpu::DType type, bool written) {
  xpu::onednn::View view;
  view.data = written ? t.mutable_data_ptr() : const_cast<void*>(t.const_data_ptr());
  view.type = type;
  view.rank = static_cast<int>(t.dim());
  const Steps s = steps_of(t);
  const int last = view.rank - 1;
  view.size[last - 1] = t.size(-2), view.stride[last - 1] = s.row;
  view.size[last] = t.size(-1), view.stride[last] = s.column;
  if (view.rank == 3) {
    const int64_t dense = t.size(-1) * t.size(-2);
    view.size[0] = !written && t.stride(0) == 0 ? 1 : t.size(0);
    view.stride[0] = view.size[0] == 1 ? dense : t.stride(0);
  }
  return view;
}

} // namespace xpu_lite::aten::sycl
