#include "backend/aten/ops/matmul_dtype.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/mm.h>

namespace xpu_lite::aten {

namespace {

using at::Scalar;
using at::ScalarType;
using at::Tensor;

void check_types(const char* op, const Tensor& a, const Tensor& b, ScalarType out_dtype) {
  const ScalarType type = a.scalar_type();
  TORCH_CHECK(type == b.scalar_type(), "[", op, "] input dtypes must be the same, got ", type,
              " and ", b.scalar_type());
  TORCH_CHECK(out_dtype == type ||
                  (out_dtype == at::kFloat && (type == at::kBFloat16 || type == at::kHalf)),
              "[", op, "] out_dtype must be the same as input dtype or fp32 for fp16/bf16 inputs, "
              "got ", out_dtype, " for ", type);
}

void check_added(const char* op, const Tensor& self, const Tensor& a, ScalarType out_dtype) {
  TORCH_CHECK(self.scalar_type() == out_dtype || self.scalar_type() == a.scalar_type(), "[", op,
              "] self must have out_dtype ", out_dtype, " or the inputs' dtype ", a.scalar_type(),
              ", got ", self.scalar_type());
}

void check_out(const char* op, const Tensor& out, ScalarType out_dtype) {
  TORCH_CHECK(out.scalar_type() == out_dtype, "[", op,
              "] out_dtype must be the same as the dtype of the provided out tensor, got ",
              out_dtype, " and ", out.scalar_type());
}

} // namespace

Tensor mm_dtype(const Tensor& self, const Tensor& mat2, ScalarType out_dtype) {
  check_types("mm.dtype", self, mat2, out_dtype);
  return at::mm(self.to(out_dtype), mat2.to(out_dtype));
}

Tensor& mm_dtype_out(const Tensor& self, const Tensor& mat2, ScalarType out_dtype, Tensor& out) {
  check_types("mm.dtype_out", self, mat2, out_dtype);
  check_out("mm.dtype_out", out, out_dtype);
  return at::mm_out(out, self.to(out_dtype), mat2.to(out_dtype));
}

Tensor bmm_dtype(const Tensor& self, const Tensor& mat2, ScalarType out_dtype) {
  check_types("bmm.dtype", self, mat2, out_dtype);
  return at::bmm(self.to(out_dtype), mat2.to(out_dtype));
}

Tensor& bmm_dtype_out(const Tensor& self, const Tensor& mat2, ScalarType out_dtype, Tensor& out) {
  check_types("bmm.dtype_out", self, mat2, out_dtype);
  check_out("bmm.dtype_out", out, out_dtype);
  return at::bmm_out(out, self.to(out_dtype), mat2.to(out_dtype));
}

Tensor addmm_dtype(const Tensor& self, const Tensor& mat1, const Tensor& mat2,
                   ScalarType out_dtype, const Scalar& beta, const Scalar& alpha) {
  check_types("addmm.dtype", mat1, mat2, out_dtype);
  check_added("addmm.dtype", self, mat1, out_dtype);
  return at::addmm(self.to(out_dtype), mat1.to(out_dtype), mat2.to(out_dtype), beta, alpha);
}

Tensor& addmm_dtype_out(const Tensor& self, const Tensor& mat1, const Tensor& mat2,
                        ScalarType out_dtype, const Scalar& beta, const Scalar& alpha,
                        Tensor& out) {
  check_types("addmm.dtype_out", mat1, mat2, out_dtype);
  check_added("addmm.dtype_out", self, mat1, out_dtype);
  check_out("addmm.dtype_out", out, out_dtype);
  return at::addmm_out(out, self.to(out_dtype), mat1.to(out_dtype), mat2.to(out_dtype), beta,
                       alpha);
}

Tensor baddbmm_dtype(const Tensor& self, const Tensor& batch1, const Tensor& batch2,
                     ScalarType out_dtype, const Scalar& beta, const Scalar& alpha) {
  check_types("baddbmm.dtype", batch1, batch2, out_dtype);
  check_added("baddbmm.dtype", self, batch1, out_dtype);
  return at::baddbmm(self.to(out_dtype), batch1.to(out_dtype), batch2.to(out_dtype), beta, alpha);
}

Tensor& baddbmm_dtype_out(const Tensor& self, const Tensor& batch1, const Tensor& batch2,
                          ScalarType out_dtype, const Scalar& beta, const Scalar& alpha,
                          Tensor& out) {
  check_types("baddbmm.dtype_out", batch1, batch2, out_dtype);
  check_added("baddbmm.dtype_out", self, batch1, out_dtype);
  check_out("baddbmm.dtype_out", out, out_dtype);
  return at::baddbmm_out(out, self.to(out_dtype), batch1.to(out_dtype), batch2.to(out_dtype),
                         beta, alpha);
}

} // namespace xpu_lite::aten
