#pragma once

// Matrix products whose result has another type than their operands: bfloat16 or
// half in, float out. Operands are widened, so products and sums are exact to
// float. out_dtype is the operands' own type, or float for those two.

#include <ATen/core/Tensor.h>

namespace xpu_lite::aten {

at::Tensor mm_dtype(const at::Tensor& self, const at::Tensor& mat2, at::ScalarType out_dtype);
at::Tensor& mm_dtype_out(const at::Tensor& self, const at::Tensor& mat2,
                         at::ScalarType out_dtype, at::Tensor& out);
at::Tensor bmm_dtype(const at::Tensor& self, const at::Tensor& mat2, at::ScalarType out_dtype);
at::Tensor& bmm_dtype_out(const at::Tensor& self, const at::Tensor& mat2,
                          at::ScalarType out_dtype, at::Tensor& out);
at::Tensor addmm_dtype(const at::Tensor& self, const at::Tensor& mat1, const at::Tensor& mat2,
                       at::ScalarType out_dtype, const at::Scalar& beta, const at::Scalar& alpha);
at::Tensor& addmm_dtype_out(const at::Tensor& self, const at::Tensor& mat1,
                            const at::Tensor& mat2, at::ScalarType out_dtype,
                            const at::Scalar& beta, const at::Scalar& alpha, at::Tensor& out);
at::Tensor baddbmm_dtype(const at::Tensor& self, const at::Tensor& batch1,
                         const at::Tensor& batch2, at::ScalarType out_dtype,
                         const at::Scalar& beta, const at::Scalar& alpha);
at::Tensor& baddbmm_dtype_out(const at::Tensor& self, const at::Tensor& batch1,
                              const at::Tensor& batch2, at::ScalarType out_dtype,
                              const at::Scalar& beta, const at::Scalar& alpha, at::Tensor& out);

} // namespace xpu_lite::aten
