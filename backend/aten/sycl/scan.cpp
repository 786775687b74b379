#include "backend/aten/sycl/scan.h"

#include <ATen/TensorOperators.h>
#include <ATen/WrapDimUtils.h>
#include <ATen/native/ReduceOps.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/real.h>
#include <ATen/ops/where.h>

#include "backend/aten/sycl/refuse.h"
#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/scan.h"

namespace xpu_lite::aten::sycl {

namespace {

using at::Tensor;

xpu::ScanShape scan_shape(const Tensor& t, int64_t dim_) {
  xpu::ScanShape s{1, 1, 1};
  if (t.dim() == 0) return s;
  const int64_t dim = at::maybe_wrap_dim(dim_, t.dim());
  for (int64_t d = 0; d < t.dim(); ++d) {
    (d < dim ? s.outer : d == dim ? s.length : s.inner) *= t.size(d);
  }
  return s;
}

size_t total_bytes(const char* kernel, xpu::DType type) {
  if (kernel == std::string_view("cumextreme")) return 16;
  if (xpu::is_complex(type)) return xpu::size_of(type);
  return xpu::is_floating(type) && type != xpu::DType::F64 ? 4 : 8;
}

Tensor dense_scanned(const Tensor& t) {
  return t.is_contiguous() ? t : at::empty_like(t, at::MemoryFormat::Contiguous);
}

void put_back(const Tensor& dense, const Tensor& wanted) {
  if (!dense.is_same(wanted)) wanted.copy_(dense);
}

void scan(const char* op, const char* kernel, const Tensor& self_, const Tensor& result_,
          const Tensor& index_, int64_t dim, bool least = false) {
  if (self_.numel() == 0) return;
  const Tensor self = self_.contiguous(), result = dense_scanned(result_);
  const Tensor index = index_.defined() ? dense_scanned(index_) : Tensor();
  const auto type = dtype_of(op, self.scalar_type());
  struct Context {
    const Tensor& like;
    Tensor buffer;
  } context{self, {}};
  const auto scratch = [](void* p, size_t bytes) -> void* {
    auto* c = static_cast<Context*>(p);
    c->buffer = at::empty({static_cast<int64_t>(bytes)}, c->like.options().dtype(at::kByte));
    return out(c->buffer);
  };
  run(op, self, [&](Stream& stream) {
    xpu::scan(stream, kernel, type, scan_shape(self, dim), in(self), out(result),
              index.defined() ? out(index) : nullptr, least, total_bytes(kernel, type), scratch,
              &context);
  });
  put_back(result, result_);
  if (index.defined()) put_back(index, index_);
}

// The class has cast self to result's type. Bool is summed as int64 and has no scan.
void cumsum(const Tensor& result, const Tensor& self, int64_t dim) {
  refuse_bool("cumsum", result.scalar_type());
  scan("cumsum", "cumsum", self, result, Tensor(), dim);
}
void cumprod(const Tensor& result, const Tensor& self, int64_t dim) {
  refuse_bool("cumprod", result.scalar_type());
  scan("cumprod", "cumprod", self, result, Tensor(), dim);
}

} // namespace

void cummax_helper(const Tensor& self, Tensor& values, Tensor& indices, int64_t dim) {
  scan("cummax", "cumextreme", self, values, indices, dim, false);
}
void cummin_helper(const Tensor& self, Tensor& values, Tensor& indices, int64_t dim) {
  scan("cummin", "cumextreme", self, values, indices, dim, true);
}

Tensor logcumsumexp(const Tensor& self, int64_t dim) {
  Tensor result = at::empty_like(self, at::MemoryFormat::Contiguous);
  return logcumsumexp_out(self, dim, result);
}

Tensor& logcumsumexp_out(const Tensor& self, int64_t dim, Tensor& result) {
  at::maybe_wrap_dim(dim, self.dim());
  at::native::resize_output(result, self.sizes());
  if (self.is_complex()) {
    // Shifted by the largest real part, so that no exp() overflows.
    Tensor shift = at::amax(at::real(self), dim, /*keepdim=*/true);
    shift = at::where(shift.isfinite(), shift, 0);
    return result.copy_((self - shift).exp().cumsum(dim).log().add(shift));
  }
  TORCH_CHECK_NOT_IMPLEMENTED(at::isFloatingType(self.scalar_type()),
                              "\"logcumsumexp_out\" not implemented for '", self.scalar_type(),
                              "'");
  scan("_logcumsumexp", "logcumsumexp", self, result, Tensor(), dim);
  return result;
}

} // namespace xpu_lite::aten::sycl

namespace at::native {

REGISTER_PRIVATEUSE1_DISPATCH(cumsum_stub, &xpu_lite::aten::sycl::cumsum)
REGISTER_PRIVATEUSE1_DISPATCH(cumprod_stub, &xpu_lite::aten::sycl::cumprod)

} // namespace at::native
