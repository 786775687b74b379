#include <ATen/ops/max_native.h>
#include <ATen/ops/min_native.h>
#include <ATen/ops/nansum_native.h>
#include <ATen/ops/prod_native.h>
#include <torch/library.h>

#include "backend/aten/sycl/dot.h"
#include "backend/aten/sycl/same_device.h"
#include "backend/aten/sycl/scan.h"
#include "backend/aten/sycl/statistics.h"

namespace xpu_lite::aten::sycl {

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  // torch's own functions: they call the stubs of reduce.cpp and reduce_index.cpp
  m.impl("nansum", TORCH_FN(at::native::nansum));
  m.impl("nansum.out", TORCH_FN(at::native::nansum_out));
  m.impl("prod", static_cast<Tensor (*)(const Tensor&, std::optional<at::ScalarType>)>(
                     at::native::prod));
  m.impl("min", static_cast<Tensor (*)(const Tensor&)>(at::native::min));
  m.impl("max", static_cast<Tensor (*)(const Tensor&)>(at::native::max));
  m.impl("min.unary_out", TORCH_FN(at::native::min_unary_out));
  m.impl("max.unary_out", TORCH_FN(at::native::max_unary_out));

  m.impl("var.correction", TORCH_FN(var));
  m.impl("std.correction", TORCH_FN(sycl::std));
  m.impl("var.correction_out", TORCH_FN(var_out));
  m.impl("std.correction_out", TORCH_FN(std_out));
  m.impl("var_mean.correction", TORCH_FN(var_mean));
  m.impl("std_mean.correction", TORCH_FN(std_mean));

  m.impl("_cummax_helper", TORCH_FN(cummax_helper));
  m.impl("_cummin_helper", TORCH_FN(cummin_helper));
  m.impl("_logcumsumexp", TORCH_FN(logcumsumexp));
  m.impl("_logcumsumexp.out", TORCH_FN(logcumsumexp_out));

  m.impl("dot", XPU_SYCL_FN(dot));
  m.impl("vdot", XPU_SYCL_FN(vdot));
}

} // namespace xpu_lite::aten::sycl
