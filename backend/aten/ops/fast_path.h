#pragma once

// Short ways for the operators that small models call most: dense tensors of
// one dtype, without TensorIterator and without aliases. What does not fit the
// short way takes route 2, so a caller sees the same results and errors.

#include <ATen/core/Tensor.h>
#include <c10/core/Scalar.h>

namespace xpu_lite::aten {

at::Tensor add(const at::Tensor& self, const at::Tensor& other, const at::Scalar& alpha);
at::Tensor& add_out(const at::Tensor& self, const at::Tensor& other, const at::Scalar& alpha,
                    at::Tensor& out);
at::Tensor& add_(at::Tensor& self, const at::Tensor& other, const at::Scalar& alpha);
at::Tensor sub(const at::Tensor& self, const at::Tensor& other, const at::Scalar& alpha);
at::Tensor& sub_(at::Tensor& self, const at::Tensor& other, const at::Scalar& alpha);
at::Tensor mul(const at::Tensor& self, const at::Tensor& other);
at::Tensor& mul_(at::Tensor& self, const at::Tensor& other);
at::Tensor& mul_out(const at::Tensor& self, const at::Tensor& other, at::Tensor& out);
at::Tensor div(const at::Tensor& self, const at::Tensor& other);
at::Tensor& div_(at::Tensor& self, const at::Tensor& other);
at::Tensor relu(const at::Tensor& self);
at::Tensor& relu_(at::Tensor& self);
at::Tensor neg(const at::Tensor& self);
at::Tensor sum(const at::Tensor& self, std::optional<at::ScalarType> dtype);
at::Tensor mm(const at::Tensor& self, const at::Tensor& other);
at::Tensor addmm(const at::Tensor& self, const at::Tensor& mat1, const at::Tensor& mat2,
                 const at::Scalar& beta, const at::Scalar& alpha);

} // namespace xpu_lite::aten
