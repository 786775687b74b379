#include "backend/aten/sycl/search.h"

#include <ATen/native/BucketizationUtils.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/empty.h>

#include "backend/aten/sycl/refuse.h"
#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/search.h"

namespace xpu_lite::aten::sycl {

using at::Tensor;

Tensor& searchsorted_out(const Tensor& sequence, const Tensor& self, bool out_int32, bool right,
                         std::optional<c10::string_view> side,
                         const std::optional<Tensor>& sorter_arg, Tensor& result) {
  const Tensor sorter = sorter_arg.value_or(Tensor());
  at::native::searchsorted_pre_check(sequence, self, result, out_int32, right, side, sorter);
  at::native::resize_output(result, self.sizes());
  if (self.numel() == 0) return result;
  const bool after = side ? *side == "right" : right;
  // Both in one dtype, dense.
  const at::ScalarType type = at::promoteTypes(sequence.scalar_type(), self.scalar_type());
  refuse_if(type == at::kBool || at::isComplexType(type), "searchsorted", type);
  const Tensor boundaries = sequence.to(type).contiguous();
  const Tensor values = self.to(type).contiguous();
  const Tensor order = sorter.defined() ? sorter.contiguous() : Tensor();
  const Tensor dense =
      result.is_contiguous() ? result : at::empty(result.sizes(), result.options());
  const int64_t n = sequence.size(-1);
  run("searchsorted", self, [&](Stream& stream) {
    xpu::search(stream, dtype_of("searchsorted", type),
                {in(boundaries), order.defined() ? static_cast<const int64_t*>(in(order)) : nullptr,
                 in(values), out(dense), n, self.numel(),
                 sequence.dim() == 1 ? 0 : self.size(-1), after,
                 dense.scalar_type() == at::kInt});
  });
  if (!dense.is_same(result)) result.copy_(dense);
  return result;
}

Tensor searchsorted(const Tensor& sequence, const Tensor& self, bool out_int32, bool right,
                    std::optional<c10::string_view> side, const std::optional<Tensor>& sorter) {
  Tensor result =
      at::empty({0}, self.options().dtype(out_int32 ? at::kInt : at::kLong));
  return searchsorted_out(sequence, self, out_int32, right, side, sorter, result);
}

Tensor searchsorted_scalar(const Tensor& sequence, const at::Scalar& self, bool out_int32,
                           bool right, std::optional<c10::string_view> side,
                           const std::optional<Tensor>& sorter) {
  return sycl::searchsorted(sequence,
                            at::native::searchsorted_scalar_tensor(self, sequence.device()),
                            out_int32, right, side, sorter);
}

Tensor& bucketize_out(const Tensor& self, const Tensor& boundaries, bool out_int32, bool right,
                      Tensor& result) {
  TORCH_CHECK(boundaries.dim() == 1,
              "boundaries tensor must be 1 dimension, but got dim(", boundaries.dim(), ")");
  return searchsorted_out(boundaries, self, out_int32, right, std::nullopt, std::nullopt,
                          result);
}

Tensor bucketize(const Tensor& self, const Tensor& boundaries, bool out_int32, bool right) {
  Tensor result =
      at::empty({0}, self.options().dtype(out_int32 ? at::kInt : at::kLong));
  return bucketize_out(self, boundaries, out_int32, right, result);
}

Tensor bucketize_scalar(const at::Scalar& self, const Tensor& boundaries, bool out_int32,
                        bool right) {
  return sycl::bucketize(at::native::searchsorted_scalar_tensor(self, boundaries.device()),
                         boundaries, out_int32, right);
}

} // namespace xpu_lite::aten::sycl
