#include "backend/aten/sycl/matmul.h"

#include "backend/aten/sycl/product.h"

namespace xpu_lite::aten::sycl {

using at::Scalar;
using at::Tensor;
using xpu::onednn::Activation;

// Names in "not implemented for" are those of torch's CPU kernels.
constexpr const char* kMatrix = "addmm_impl_cpu_";

void structured_mm::impl(const Tensor& self, const Tensor& mat2, const Tensor& out) {
  multiply(kMatrix, {.op = "mm", .a = self, .b = mat2, .out = out});
}

void structured_bmm::impl(const Tensor& batch1, const Tensor& batch2, const Tensor& out) {
  multiply("bmm", {.op = "bmm", .a = batch1, .b = batch2, .out = out});
}

void structured_addmm::impl(const Tensor& self, const Tensor& mat1, const Tensor& mat2,
                            const Scalar& beta, const Scalar& alpha, const Tensor& out) {
  multiply(kMatrix, {.op = "addmm", .a = mat1, .b = mat2, .out = out, .self = self,
                     .beta = beta, .alpha = alpha});
}

void structured_addmm_activation::impl(const Tensor& self, const Tensor& mat1,
                                       const Tensor& mat2, const Scalar& beta,
                                       const Scalar& alpha, bool use_gelu, const Tensor& out) {
  multiply(kMatrix, {.op = "_addmm_activation", .a = mat1, .b = mat2, .out = out, .self = self,
                     .beta = beta, .alpha = alpha,
                     .activation = use_gelu ? Activation::Gelu : Activation::Relu});
}

void structured_baddbmm::impl(const Tensor& self, const Tensor& batch1, const Tensor& batch2,
                              const Scalar& beta, const Scalar& alpha, const Tensor& out) {
  multiply("baddbmm", {.op = "baddbmm", .a = batch1, .b = batch2, .out = out, .self = self,
                       .beta = beta, .alpha = alpha});
}

void structured_addmv::impl(const Tensor& self, const Tensor& mat, const Tensor& vec,
                            const Scalar& beta, const Scalar& alpha, const Tensor& out) {
  multiply("addmv_impl_cpu", {.op = "addmv", .a = mat, .b = vec.unsqueeze(1),
                              .out = out.unsqueeze(1),
                              .self = self.expand(out.sizes()).unsqueeze(1), .beta = beta,
                              .alpha = alpha});
}

} // namespace xpu_lite::aten::sycl
