#include "backend/aten/sycl/dot.h"

#include <ATen/ops/empty.h>

#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/dot.h"

namespace xpu_lite::aten::sycl {

namespace {

using at::Tensor;

Tensor product(const char* op, const Tensor& self_, const Tensor& other_, bool conjugate) {
  TORCH_CHECK(self_.dim() == 1 && other_.dim() == 1,
              "1D tensors expected, but got ", self_.dim(), "D and ", other_.dim(), "D tensors");
  TORCH_CHECK(self_.scalar_type() == other_.scalar_type(), op,
              ": expected both vectors to have same dtype, but found ", self_.scalar_type(),
              " and ", other_.scalar_type());
  TORCH_CHECK(self_.numel() == other_.numel(),
              "inconsistent tensor size, expected tensor [", self_.numel(), "] and src [",
              other_.numel(), "] to have the same number of elements, but got ",
              self_.numel(), " and ", other_.numel(), " elements respectively");
  TORCH_CHECK(self_.device() == other_.device(),
              "Expected all tensors to be on the same device. Found: ", self_.device(), ", ",
              other_.device());
  TORCH_CHECK_NOT_IMPLEMENTED(self_.scalar_type() != at::kBool, "\"dot\" not implemented for ",
                              "'Bool'");
  const Tensor self = self_.resolve_conj().resolve_neg();
  const Tensor other = other_.resolve_conj().resolve_neg();
  Tensor result = at::empty({}, self.options());
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
  const xpu::Vectors v{in(self), in(other), self.numel(), self.stride(0), other.stride(0)};
  run(op, self, [&](Stream& stream) {
    xpu::dot(stream, type, v, conjugate, out(result), scratch, &context);
  });
  return result;
}

} // namespace

Tensor dot(const Tensor& self, const Tensor& other) { return product("dot", self, other, false); }
Tensor vdot(const Tensor& self, const Tensor& other) {
  return product("vdot", self, other, self.is_complex());
}

} // namespace xpu_lite::aten::sycl
