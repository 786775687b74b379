#include "backend/aten/sycl/nonzero.h"

#include <ATen/MemoryOverlap.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/zeros.h>

#include "backend/aten/core/errors.h"
#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/nonzero.h"

namespace xpu_lite::aten::sycl {
namespace {

using at::Tensor;

// The counts of the pieces of `dense`; the last one is that of all.
Tensor counted(const Tensor& dense) {
  if (dense.numel() == 0) return at::zeros({1}, dense.options().dtype(at::kLong));
  Tensor counts =
      at::empty({xpu::nonzero_counts(dense.numel())}, dense.options().dtype(at::kLong));
  translate([&] {
    run("nonzero", dense, [&](Stream& stream) {
      xpu::nonzero_count(stream, dtype_of("nonzero", dense.scalar_type()), in(dense),
                         dense.numel(), static_cast<int64_t*>(out(counts)));
    });
  });
  return counts;
}

void write(const Tensor& dense, const Tensor& counts, const Tensor& to) {
  if (to.numel() == 0) return;
  TORCH_CHECK(dense.dim() <= xpu::kNonzeroDims, "[nonzero] tensors of more than ",
              xpu::kNonzeroDims, " dimensions are not supported by the SYCL engine (got ",
              dense.dim(), ")");
  xpu::NonzeroWriteArgs args{};
  args.data = in(dense);
  args.counts = static_cast<const int64_t*>(in(counts));
  args.out = static_cast<int64_t*>(out(to));
  args.numel = dense.numel();
  args.most = to.size(0);
  args.dims = static_cast<int32_t>(dense.dim());
  args.row_stride = to.stride(0);
  args.column_stride = to.stride(1);
  for (int d = 0; d < args.dims; ++d) args.sizes[d] = dense.size(d);
  translate([&] {
    run("nonzero", dense, [&](Stream& stream) {
      xpu::nonzero_write(stream, dtype_of("nonzero", dense.scalar_type()), args);
    });
  });
}

void check_out(const char* op, const Tensor& self, const Tensor& out) {
  TORCH_CHECK(out.scalar_type() == at::kLong, op,
              ": Expected out tensor to have scalar type Long but got scalar type ",
              out.scalar_type());
  TORCH_CHECK(out.device() == self.device(), op, ": expected out on ", self.device(),
              " but got ", out.device());
  at::assert_no_internal_overlap(out);
  at::assert_no_overlap(out, self);
}

int64_t total_of(const Tensor& counts) { return counts.select(0, -1).item<int64_t>(); }

} // namespace

Tensor& nonzero_out(const Tensor& self, Tensor& out) {
  check_out("nonzero", self, out);
  const Tensor dense = self.contiguous();
  const Tensor counts = counted(dense);
  const int64_t total = total_of(counts);
  // Made anew it is column by column, like the result of nonzero().
  if (at::native::resize_output(out, {total, self.dim()}))
    out.as_strided_({total, self.dim()}, {1, total});
  write(dense, counts, out);
  return out;
}

Tensor nonzero(const Tensor& self) {
  const Tensor dense = self.contiguous();
  const Tensor counts = counted(dense);
  // One coordinate after the other, as on the CPU.
  const int64_t total = total_of(counts);
  Tensor to = at::empty_strided({total, self.dim()}, {1, total}, self.options().dtype(at::kLong));
  write(dense, counts, to);
  return to;
}

Tensor& nonzero_static_out(const Tensor& self, int64_t size, int64_t fill_value, Tensor& out) {
  TORCH_CHECK(size >= 0, "nonzero_static: 'size' must be an non-negative integer");
  check_out("nonzero_static", self, out);
  at::native::resize_output(out, {size, self.dim()});
  if (out.numel() == 0) return out;
  out.fill_(fill_value);
  const Tensor dense = self.contiguous();
  if (dense.numel()) write(dense, counted(dense), out);
  return out;
}

Tensor nonzero_static(const Tensor& self, int64_t size, int64_t fill_value) {
  TORCH_CHECK(size >= 0, "nonzero_static: 'size' must be an non-negative integer");
  Tensor out = at::empty({size, self.dim()}, self.options().dtype(at::kLong));
  return nonzero_static_out(self, size, fill_value, out);
}

} // namespace xpu_lite::aten::sycl
