#include "backend/aten/sycl/triangle.h"

#include <ATen/native/TensorFactories.h>
#include <ATen/ops/empty.h>

#include "backend/aten/core/errors.h"
#include "backend/aten/sycl/refuse.h"
#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/triangle.h"

namespace xpu_lite::aten::sycl {
namespace {

using at::Tensor;

void triangle(const char* op, const Tensor& self, int64_t diagonal, bool upper,
              const Tensor& to) {
  if (self.numel() == 0) return;
  const Tensor from = self.contiguous();
  const Tensor dense =
      to.is_contiguous() ? to : at::empty(to.sizes(), to.options());
  const int64_t rows = self.size(-2), columns = self.size(-1);
  translate([&] {
    run(op, self, [&](Stream& stream) {
      xpu::triangle(stream, self.element_size(),
                    {in(from), out(dense), self.numel() / (rows * columns), rows, columns,
                     diagonal, upper});
    });
  });
  if (!dense.is_same(to)) to.copy_(dense);
}

Tensor indices(const char* op, int64_t rows, int64_t columns, int64_t offset, bool upper,
               std::optional<at::ScalarType> dtype, std::optional<at::Layout> layout,
               std::optional<at::Device> device, std::optional<bool> pin_memory) {
  at::native::check_args(rows, columns, layout);
  const at::ScalarType wanted = dtype.value_or(at::kLong);
  refuse_if(wanted != at::kLong && wanted != at::kInt, op, wanted);
  const int64_t lower = at::native::get_tril_size(rows, columns, upper ? offset - 1 : offset);
  const int64_t count = upper ? rows * columns - lower : lower;
  Tensor to = at::empty({2, count}, dtype, layout, device, pin_memory, std::nullopt);
  if (count == 0) return to;
  translate([&] {
    run(op, to, [&](Stream& stream) {
      xpu::triangle_indices(stream, to.scalar_type() == at::kLong,
                            {out(to), rows, columns, offset, count, upper});
    });
  });
  return to;
}

} // namespace

void structured_tril::impl(const Tensor& self, int64_t diagonal, const Tensor& out) {
  triangle("tril", self, diagonal, false, out);
}
void structured_triu::impl(const Tensor& self, int64_t diagonal, const Tensor& out) {
  triangle("triu", self, diagonal, true, out);
}

Tensor tril_indices(int64_t rows, int64_t columns, int64_t offset,
                    std::optional<at::ScalarType> dtype, std::optional<at::Layout> layout,
                    std::optional<at::Device> device, std::optional<bool> pin_memory) {
  return indices("tril_indices", rows, columns, offset, false, dtype, layout, device,
                 pin_memory);
}
Tensor triu_indices(int64_t rows, int64_t columns, int64_t offset,
                    std::optional<at::ScalarType> dtype, std::optional<at::Layout> layout,
                    std::optional<at::Device> device, std::optional<bool> pin_memory) {
  return indices("triu_indices", rows, columns, offset, true, dtype, layout, device, pin_memory);
}

Tensor trace(const Tensor& self) {
  TORCH_CHECK(self.dim() == 2, "trace: expected a matrix, but got tensor with dim ", self.dim());
  refuse_bool("trace", self.scalar_type());
  return self.diagonal().sum();
}

} // namespace xpu_lite::aten::sycl
