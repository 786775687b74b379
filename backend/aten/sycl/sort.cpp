#include "backend/aten/sycl/sort.h"

#include <limits>

#include <ATen/MemoryOverlap.h>
#include <ATen/WrapDimUtils.h>
#include <ATen/native/ReduceOpsUtils.h>
#include <ATen/native/Resize.h>
#include <ATen/native/Sorting.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include "backend/aten/core/errors.h"
#include "backend/aten/sycl/refuse.h"
#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/sort.h"

namespace xpu_lite::aten::sycl {
namespace {

using at::Tensor;

// Rows along `dim`, dense, with the memory that their sort needs.
struct Rows {
  const char* op;
  Tensor values;
  Tensor memory;
  xpu::DType type;
  int64_t rows, n;
  bool wide;
  xpu::SortBuffers buffers;

  Rows(const char* op_, const Tensor& self, int64_t dim) : op(op_) {
    type = dtype_of(op, self.scalar_type());
    values = (self.dim() ? self.movedim(dim, -1) : self.unsqueeze(0)).contiguous();
    n = values.size(-1);
    TORCH_CHECK(n < 0xffffffff, "[", op, "] a row of ", n,
                " elements: the kernels sort fewer than 2^32 - 1");
    rows = n ? values.numel() / n : 0;
    wide = xpu::sorts_wide(type);
    const int64_t key = align(values.numel() * (wide ? 8 : 4)), place = align(values.numel() * 4);
    memory = at::empty({2 * (key + place)}, self.options().dtype(at::kByte));
    char* base = static_cast<char*>(out(memory));
    buffers = {{base, base + key},
               {reinterpret_cast<uint32_t*>(base + 2 * key),
                reinterpret_cast<uint32_t*>(base + 2 * key + place)}};
  }
  static int64_t align(int64_t bytes) { return (bytes + 63) / 64 * 64; }

  void make_keys(Stream& stream, bool descending) const {
    xpu::sort_keys(stream, type, in(values), buffers.keys[0], values.numel(), descending);
  }
};

// `t` as rows of `count` along `dim`, or a new tensor like that to be copied into it.
Tensor rows_of(const Tensor& t, int64_t dim) {
  const Tensor moved = t.dim() ? t.movedim(dim, -1) : t.unsqueeze(0);
  return moved.is_contiguous() ? moved : at::empty(moved.sizes(), moved.options());
}

void put_back(const Tensor& t, int64_t dim, const Tensor& rows) {
  const Tensor moved = t.dim() ? t.movedim(dim, -1) : t.unsqueeze(0);
  if (moved.const_data_ptr() != rows.const_data_ptr()) moved.copy_(rows);
}

// The first `count` of each row in order.
void ordered(const char* op, const Tensor& self, int64_t dim, int64_t count, bool descending,
             const Tensor& values, const Tensor& indices) {
  if (values.numel() == 0) return;
  dim = at::maybe_wrap_dim(dim, self.dim());
  Rows rows(op, self, dim);
  const Tensor to = rows_of(values, dim), places = rows_of(indices, dim);
  translate([&] {
    run(op, self, [&](Stream& stream) {
      rows.make_keys(stream, descending);
      const bool few = count <= xpu::kSelectMost && count < rows.n;
      const int half =
          few ? xpu::select_pairs(stream, rows.wide, rows.rows, rows.n, count, rows.buffers)
              : xpu::sort_pairs(stream, rows.wide, rows.rows, rows.n, rows.buffers);
      xpu::sort_take(stream, self.element_size(),
                     {in(rows.values), rows.buffers.places[half], out(to),
                      static_cast<int64_t*>(out(places)), rows.rows, rows.n,
                      few ? count : rows.n, count});
    });
  });
  put_back(values, dim, to);
  put_back(indices, dim, places);
}

// What torch's CPU says of the out= arguments of operators that pick.
void check_picked_outs(const Tensor& self, const Tensor& values, const Tensor& indices) {
  TORCH_CHECK(values.scalar_type() == self.scalar_type(),
              "output values must be of same type as input: expected ", self.scalar_type(),
              ", got ", values.scalar_type());
  TORCH_CHECK(indices.scalar_type() == at::kLong,
              "output indices must be of scalar type Long, got ", indices.scalar_type());
  TORCH_CHECK(values.device() == self.device() && indices.device() == self.device(),
              "outputs must be on the device of the input, ", self.device(), ": got ",
              values.device(), " and ", indices.device());
}

// One element of each row.
void picked(const char* op, const Tensor& self, int64_t dim, bool keepdim, xpu::SortPick pick,
            int64_t k, const Tensor& values, const Tensor& indices) {
  if (pick != xpu::SortPick::Mode) refuse_bool(op, self.scalar_type());
  dim = at::maybe_wrap_dim(dim, self.dim());
  at::DimVector sizes(self.sizes());
  if (self.dim()) {
    sizes[dim] = 1;
    if (!keepdim) sizes.erase(sizes.begin() + dim);
  }
  at::native::resize_output(values, sizes);
  at::native::resize_output(indices, sizes);
  if (values.numel() == 0) return;
  Rows rows(op, self, dim);
  Tensor places = at::empty({rows.rows}, indices.options());
  translate([&] {
    run(op, self, [&](Stream& stream) {
      rows.make_keys(stream, false);
      const int half =
          xpu::sort_pairs(stream, rows.wide, rows.rows, rows.n, rows.buffers);
      xpu::sort_pick(stream, rows.wide,
                     {rows.buffers.keys[half], rows.buffers.places[half],
                      static_cast<int64_t*>(out(places)), rows.rows, rows.n, k, pick,
                      at::isFloatingType(self.scalar_type())});
    });
  });
  const Tensor flat = rows.values.view({rows.rows, rows.n});
  const Tensor chosen = flat.gather(1, places.unsqueeze(-1)).view(sizes);
  values.copy_(chosen);
  indices.copy_(places.view(sizes));
}

void sort_kernel(const at::TensorBase& self, const at::TensorBase& values,
                 const at::TensorBase& indices, int64_t dim, bool descending, bool /*stable*/) {
  const Tensor from(self);
  ordered("sort", from, dim, from.dim() ? from.size(dim) : 1, descending, Tensor(values),
          Tensor(indices));
}

Tensor median_of(const char* op, const Tensor& self, xpu::SortPick pick) {
  if (self.numel() == 0)
    return at::full({}, std::numeric_limits<double>::quiet_NaN(), self.options());
  Tensor values = at::empty({0}, self.options());
  Tensor indices = at::empty({0}, self.options().dtype(at::kLong));
  picked(op, self.reshape({-1}), 0, false, pick, 0, values, indices);
  return values;
}

void median_along(const char* op, const Tensor& self, int64_t dim, bool keepdim,
                  xpu::SortPick pick, Tensor& values, Tensor& indices) {
  dim = at::maybe_wrap_dim(dim, self.dim());
  if (self.numel() == 0) at::native::zero_numel_check_dims(self, dim, op);
  at::assert_no_internal_overlap(values);
  at::assert_no_internal_overlap(indices);
  picked(op, self, dim, keepdim, pick, 0, values, indices);
}

} // namespace

void structured_topk::impl(const Tensor& self, int64_t k, int64_t dim, bool largest,
                           bool /*sorted*/, const Tensor& values, const Tensor& indices) {
  if (k == 0) return;
  ordered("topk", self, dim, k, largest, values, indices);
}

std::tuple<Tensor&, Tensor&> kthvalue_out(const Tensor& self, int64_t k, int64_t dim,
                                          bool keepdim, Tensor& values, Tensor& indices) {
  dim = at::maybe_wrap_dim(dim, self.dim());
  const int64_t n = self.dim() ? self.size(dim) : 1;
  TORCH_CHECK(k >= 1 && k <= n, "kthvalue(): selected number k out of range for dimension ",
              dim);
  check_picked_outs(self, values, indices);
  at::assert_no_overlap(self, values);
  picked("kthvalue", self, dim, keepdim, xpu::SortPick::Kth, k - 1, values, indices);
  return {values, indices};
}

Tensor median(const Tensor& self) { return median_of("median", self, xpu::SortPick::Median); }
Tensor nanmedian(const Tensor& self) {
  return median_of("nanmedian", self, xpu::SortPick::NanMedian);
}

std::tuple<Tensor&, Tensor&> median_out(const Tensor& self, int64_t dim, bool keepdim,
                                        Tensor& values, Tensor& indices) {
  median_along("median", self, dim, keepdim, xpu::SortPick::Median, values, indices);
  return {values, indices};
}
std::tuple<Tensor&, Tensor&> nanmedian_out(const Tensor& self, int64_t dim, bool keepdim,
                                           Tensor& values, Tensor& indices) {
  median_along("nanmedian", self, dim, keepdim, xpu::SortPick::NanMedian, values, indices);
  return {values, indices};
}

std::tuple<Tensor&, Tensor&> mode_out(const Tensor& self, int64_t dim, bool keepdim,
                                      Tensor& values, Tensor& indices) {
  check_picked_outs(self, values, indices);
  dim = at::maybe_wrap_dim(dim, self.dim());
  if (self.numel() == 0) at::native::zero_numel_check_dims(self, dim, "mode()");
  picked("mode", self, dim, keepdim, xpu::SortPick::Mode, 0, values, indices);
  return {values, indices};
}

std::tuple<Tensor, Tensor> mode(const Tensor& self, int64_t dim, bool keepdim) {
  Tensor values = at::empty({0}, self.options());
  Tensor indices = at::empty({0}, self.options().dtype(at::kLong));
  mode_out(self, dim, keepdim, values, indices);
  return {values, indices};
}

} // namespace xpu_lite::aten::sycl

namespace at::native {
using namespace xpu_lite::aten::sycl;
REGISTER_PRIVATEUSE1_DISPATCH(sort_stub, &sort_kernel)
} // namespace at::native
