#pragma once

// Matrix operators. The structured ones are wired up by operators/matmul.yaml.

#include <ATen/ops/_addmm_activation_meta.h>
#include <ATen/ops/addmm_meta.h>
#include <ATen/ops/addmv_meta.h>
#include <ATen/ops/baddbmm_meta.h>
#include <ATen/ops/bmm_meta.h>
#include <ATen/ops/mm_meta.h>

namespace xpu_lite::aten::sycl {

struct structured_mm : at::meta::structured_mm {
  void impl(const at::Tensor& self, const at::Tensor& mat2, const at::Tensor& out);
};
struct structured_bmm : at::meta::structured_bmm {
  void impl(const at::Tensor& batch1, const at::Tensor& batch2, const at::Tensor& out);
};
struct structured_addmm : at::meta::structured_addmm {
  void impl(const at::Tensor& self, const at::Tensor& mat1, const at::Tensor& mat2,
            const at::Scalar& beta, const at::Scalar& alpha, const at::Tensor& out);
};
struct structured_addmm_activation : at::meta::structured__addmm_activation {
  void impl(const at::Tensor& self, const at::Tensor& mat1, const at::Tensor& mat2,
            const at::Scalar& beta, const at::Scalar& alpha, bool use_gelu,
            const at::Tensor& out);
};
struct structured_baddbmm : at::meta::structured_baddbmm {
  void impl(const at::Tensor& self, const at::Tensor& batch1, const at::Tensor& batch2,
            const at::Scalar& beta, const at::Scalar& alpha, const at::Tensor& out);
};
struct structured_addmv : at::meta::structured_addmv {
  void impl(const at::Tensor& self, const at::Tensor& mat, const at::Tensor& vec,
            const at::Scalar& beta, const at::Scalar& alpha, const at::Tensor& out);
};

} // namespace xpu_lite::aten::sycl
