#include "backend/aten/sycl/statistics.h"

#include <limits>

#include <ATen/native/ReduceOpsUtils.h>
#include <ATen/ops/complex.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/real.h>
#include <ATen/ops/imag.h>

#include "backend/aten/sycl/reduce.h"

namespace xpu_lite::aten::sycl {

namespace {

using at::TensorIterator;

void check_statistic(const char* op, const Tensor& self) {
  TORCH_CHECK(self.layout() == at::kStrided, op, " only supports strided layout, got: ",
              self.layout());
  TORCH_CHECK(at::isFloatingType(self.scalar_type()) || at::isComplexType(self.scalar_type()),
              op, " only support floating point and complex dtypes");
}

void warn(const char* op, const TensorIterator& iter, double correction) {
  const int64_t outputs = iter.num_output_elements();
  const double n = outputs == 0 ? 0 : static_cast<double>(iter.numel() / outputs);
  if (n - correction <= 0) {
    TORCH_WARN(op, "(): degrees of freedom is <= 0. Correction should be strictly less than "
               "the reduction factor (input numel divided by output numel).");
  }
}

double number(const Correction& correction) {
  return correction.has_value() ? correction->toDouble() : 1.0;
}

// `result` has the dtype of a real part of self, or one it can be cast to.
void spread_out(const char* op, const Tensor& self, Dims dim, double correction, bool keepdim,
                bool root, Tensor& result) {
  if (at::isComplexType(self.scalar_type())) {
    const auto real = c10::toRealValueType(self.scalar_type());
    Tensor a = at::empty({0}, self.options().dtype(real));
    Tensor b = at::empty({0}, self.options().dtype(real));
    spread_out(op, at::real(self), dim, correction, keepdim, false, a);
    spread_out(op, at::imag(self), dim, correction, keepdim, false, b);
    a.add_(b);
    if (root) a.sqrt_();
    if (result.sizes() != a.sizes()) result.resize_(a.sizes());
    result.copy_(a);
    return;
  }
  TORCH_CHECK(at::canCast(self.scalar_type(), result.scalar_type()), "result type ",
              self.scalar_type(), " can't be cast to the desired output type ",
              result.scalar_type());
  const auto dims = dim.value_or(at::IntArrayRef{});
  auto iter = at::native::make_reduction(op, result, self, dims, keepdim, result.scalar_type());
  warn(op, iter, correction);
  if (iter.numel() == 0) {
    result.fill_(std::numeric_limits<double>::quiet_NaN());
    return;
  }
  reduce(op, iter, {"variance", root ? 1 : 0, correction});
}

Tensor spread(const char* op, const Tensor& self, Dims dim, const Correction& correction,
              bool keepdim, bool root) {
  check_statistic("std and var", self);
  Tensor result =
      at::empty({0}, self.options().dtype(c10::toRealValueType(self.scalar_type())));
  spread_out(op, self, dim, number(correction), keepdim, root, result);
  return result;
}

std::tuple<Tensor, Tensor> with_mean(const char* op, const Tensor& self, Dims dim,
                                     const Correction& correction, bool keepdim, bool root) {
  check_statistic(op, self);
  const auto real = c10::toRealValueType(self.scalar_type());
  Tensor result = at::empty({0}, self.options().dtype(real));
  if (at::isComplexType(self.scalar_type())) {
    auto [a, a_mean] = with_mean(op, at::real(self), dim, correction, keepdim, false);
    auto [b, b_mean] = with_mean(op, at::imag(self), dim, correction, keepdim, false);
    a.add_(b);
    if (root) a.sqrt_();
    return {a, at::complex(a_mean, b_mean)};
  }
  Tensor mean = at::empty({0}, self.options());
  const auto dims = dim.value_or(at::IntArrayRef{});
  auto iter =
      at::native::make_reduction(op, result, mean, self, dims, keepdim, self.scalar_type());
  warn(op, iter, number(correction));
  if (iter.numel() == 0) {
    result.fill_(std::numeric_limits<double>::quiet_NaN());
    mean.fill_(std::numeric_limits<double>::quiet_NaN());
  } else {
    reduce(op, iter, {"variance", root ? 1 : 0, number(correction)});
  }
  return {result, mean};
}

} // namespace

Tensor var(const Tensor& self, Dims dim, const Correction& correction, bool keepdim) {
  return spread("var", self, dim, correction, keepdim, false);
}
Tensor std(const Tensor& self, Dims dim, const Correction& correction, bool keepdim) {
  return spread("std", self, dim, correction, keepdim, true);
}
Tensor& var_out(const Tensor& self, Dims dim, const Correction& correction, bool keepdim,
                Tensor& out) {
  check_statistic("std and var", self);
  spread_out("var", self, dim, number(correction), keepdim, false, out);
  return out;
}
Tensor& std_out(const Tensor& self, Dims dim, const Correction& correction, bool keepdim,
                Tensor& out) {
  check_statistic("std and var", self);
  spread_out("std", self, dim, number(correction), keepdim, true, out);
  return out;
}
std::tuple<Tensor, Tensor> var_mean(const Tensor& self, Dims dim, const Correction& correction,
                                    bool keepdim) {
  return with_mean("var_mean", self, dim, correction, keepdim, false);
}
std::tuple<Tensor, Tensor> std_mean(const Tensor& self, Dims dim, const Correction& correction,
                                    bool keepdim) {
  return with_mean("std_mean", self, dim, correction, keepdim, true);
}

} // namespace xpu_lite::aten::sycl
