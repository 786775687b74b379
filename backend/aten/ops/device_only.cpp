#include "backend/aten/ops/device_only.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/_convert_weight_to_int4pack_for_cpu.h>
#include <ATen/ops/_weight_int4pack_mm_for_cpu.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/max_pool2d_with_indices.h>
#include <ATen/ops/max_pool2d_with_indices_backward.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/stack.h>
#include <c10/util/irange.h>

namespace xpu_lite::aten {

using at::Tensor;

namespace {

Tensor depthwise(const char* op, int64_t spatial, const Tensor& self, const Tensor& weight,
                 at::IntArrayRef kernel_size, const std::optional<Tensor>& bias,
                 at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation) {
  TORCH_CHECK(weight.dim() == spatial + 2 && weight.size(1) == 1, "[", op,
              "] expected a weight [channels * multiplier, 1, ...] of ", spatial + 2,
              " dimensions, got ", weight.sizes());
  TORCH_CHECK(kernel_size == weight.sizes().slice(2), "[", op, "] kernel_size ", kernel_size,
              " does not match weight ", weight.sizes());
  TORCH_CHECK(self.dim() == spatial + 2 || self.dim() == spatial + 1, "[", op,
              "] expected an input of ", spatial + 1, " or ", spatial + 2, " dimensions, got ",
              self.sizes());
  const bool batched = self.dim() == spatial + 2;
  const Tensor input = batched ? self : self.unsqueeze(0);
  const std::vector<int64_t> output_padding(spatial, 0);
  Tensor out = at::convolution(input, weight, bias, stride, padding, dilation,
                               /*transposed=*/false, output_padding, /*groups=*/input.size(1));
  return batched ? out : out.squeeze(0);
}

} // namespace

Tensor conv_depthwise2d(const Tensor& self, const Tensor& weight, at::IntArrayRef kernel_size,
                        const std::optional<Tensor>& bias, at::IntArrayRef stride,
                        at::IntArrayRef padding, at::IntArrayRef dilation) {
  return depthwise("_conv_depthwise2d", 2, self, weight, kernel_size, bias, stride, padding,
                   dilation);
}

Tensor& conv_depthwise2d_out(const Tensor& self, const Tensor& weight,
                                   at::IntArrayRef kernel_size, const std::optional<Tensor>& bias,
                                   at::IntArrayRef stride, at::IntArrayRef padding,
                                   at::IntArrayRef dilation, Tensor& out) {
  const Tensor result = conv_depthwise2d(self, weight, kernel_size, bias, stride, padding,
                                         dilation);
  if (out.sizes() != result.sizes()) out.resize_(result.sizes());
  out.copy_(result);
  return out;
}

Tensor conv_depthwise3d(const Tensor& self, const Tensor& weight, at::IntArrayRef kernel_size,
                        const std::optional<Tensor>& bias, at::IntArrayRef stride,
                        at::IntArrayRef padding, at::IntArrayRef dilation) {
  return depthwise("conv_depthwise3d", 3, self, weight, kernel_size, bias, stride, padding,
                   dilation);
}

Tensor max_pool2d_backward(const Tensor& grad_output, const Tensor& self,
                           at::IntArrayRef kernel_size, at::IntArrayRef stride,
                           at::IntArrayRef padding, at::IntArrayRef dilation, bool ceil_mode) {
  const Tensor indices = std::get<1>(
      at::max_pool2d_with_indices(self, kernel_size, stride, padding, dilation, ceil_mode));
  return at::max_pool2d_with_indices_backward(grad_output, self, kernel_size, stride, padding,
                                              dilation, ceil_mode, indices);
}

Tensor convert_weight_to_int4pack(const Tensor& self, int64_t inner_k_tiles) {
  TORCH_CHECK(self.dim() == 2, "[_convert_weight_to_int4pack] expected a matrix, got ",
              self.sizes());
  if (self.scalar_type() != at::kByte) {
    return at::_convert_weight_to_int4pack_for_cpu(self, inner_k_tiles);
  }
  const Tensor wide = self.to(at::kInt);
  const Tensor even = wide.bitwise_right_shift(4), odd = wide.bitwise_and(15);
  const Tensor unpacked = at::stack({even, odd}, -1).reshape({self.size(0), self.size(1) * 2});
  return at::_convert_weight_to_int4pack_for_cpu(unpacked, inner_k_tiles);
}

Tensor weight_int4pack_mm(const Tensor& self, const Tensor& mat2, int64_t group_size,
                          const Tensor& scale_and_zeros) {
  return at::_weight_int4pack_mm_for_cpu(self, mat2, group_size, scale_and_zeros);
}

namespace {

// [start, end) of each group, after checking that they ascend within `size`.
std::vector<std::pair<int64_t, int64_t>> group_ranges(const Tensor& offs, int64_t size) {
  constexpr const char* op = "_scaled_grouped_mm";
  TORCH_CHECK(offs.dim() == 1 && offs.scalar_type() == at::kInt, "[", op,
              "] expected offs to be 1-D int32, got ", offs.sizes(), " ", offs.scalar_type());
  const Tensor host = offs.cpu().contiguous();
  const int32_t* ends = host.const_data_ptr<int32_t>();
  std::vector<std::pair<int64_t, int64_t>> ranges;
  int64_t start = 0;
  for (const auto g : c10::irange(host.numel())) {
    TORCH_CHECK(ends[g] >= start && ends[g] <= size, "[", op,
                "] offs must not descend, nor pass ", size, "; got ", ends[g], " after ", start);
    ranges.emplace_back(start, ends[g]);
    start = ends[g];
  }
  return ranges;
}

} // namespace

Tensor scaled_grouped_mm(const Tensor& self, const Tensor& mat2, const Tensor& scale_a,
                         const Tensor& scale_b, const std::optional<Tensor>& offs,
                         const std::optional<Tensor>& bias,
                         const std::optional<Tensor>& scale_result,
                         std::optional<at::ScalarType> out_dtype, bool /*use_fast_accum*/) {
  constexpr const char* op = "_scaled_grouped_mm";
  const bool flat_a = self.dim() == 2, flat_b = mat2.dim() == 2;
  TORCH_CHECK((flat_a || self.dim() == 3) && (flat_b || mat2.dim() == 3), "[", op,
              "] expected matrices of 2 or 3 dimensions, got ", self.sizes(), " and ",
              mat2.sizes());
  TORCH_CHECK(c10::isFloat8Type(self.scalar_type()) && c10::isFloat8Type(mat2.scalar_type()),
              "[", op, "] expected float8 matrices, got ", self.scalar_type(), " and ",
              mat2.scalar_type());
  TORCH_CHECK(self.size(-1) == mat2.size(-2), "[", op, "] contraction dimension of self ",
              self.sizes(), " and mat2 ", mat2.sizes(), " must match");
  TORCH_CHECK(!(bias && bias->defined()), "[", op, "] bias is not supported");
  TORCH_CHECK(!(scale_result && scale_result->defined()), "[", op,
              "] scale_result is not supported");
  const bool grouped = offs && offs->defined();
  TORCH_CHECK(grouped == (flat_a || flat_b), "[", op,
              "] offs must be given exactly when a matrix is 2-D");
  TORCH_CHECK(scale_a.scalar_type() == at::kFloat && scale_b.scalar_type() == at::kFloat, "[", op,
              "] expected float32 scales, got ", scale_a.scalar_type(), " and ",
              scale_b.scalar_type());
  const at::ScalarType type = out_dtype.value_or(at::kBFloat16);
  const Tensor a = self.to(at::kFloat), b = mat2.to(at::kFloat);
  if (!flat_a && !flat_b) {
    TORCH_CHECK(self.size(0) == mat2.size(0), "[", op, "] expected as many matrices in self as "
                "in mat2, got ", self.sizes(), " and ", mat2.sizes());
    return at::matmul(a * scale_a.unsqueeze(-1), b * scale_b.unsqueeze(-2)).to(type);
  }
  const auto options = self.options().dtype(type);
  const int64_t rows = self.size(-2), columns = mat2.size(-1);
  const auto ranges = group_ranges(
      *offs, flat_a && flat_b ? self.size(1) : (flat_a ? rows : columns));
  const int64_t groups = static_cast<int64_t>(ranges.size());
  TORCH_CHECK((flat_a || self.size(0) == groups) && (flat_b || mat2.size(0) == groups), "[", op,
              "] expected ", groups, " matrices, as offs says, got ", self.sizes(), " and ",
              mat2.sizes());
  Tensor out = flat_a && flat_b ? at::empty({groups, rows, columns}, options)
                                : at::empty({rows, columns}, options);
  const Tensor sa = flat_a && flat_b ? scale_a.reshape({groups, rows}) : scale_a;
  const Tensor sb = flat_a && flat_b ? scale_b.reshape({groups, columns}) : scale_b;
  for (const auto g : c10::irange(groups)) {
    const auto [start, end] = ranges[g];
    if (flat_a && flat_b) {
      const Tensor left = a.slice(1, start, end) * sa[g].unsqueeze(-1);
      out[g].copy_(at::mm(left, b.slice(0, start, end) * sb[g].unsqueeze(0)));
    } else if (flat_a) {
      const Tensor left = a.slice(0, start, end) * sa.slice(0, start, end).unsqueeze(-1);
      out.slice(0, start, end).copy_(at::mm(left, b[g] * sb[g].unsqueeze(0)));
    } else {
      const Tensor right = b.slice(1, start, end) * sb.slice(0, start, end).unsqueeze(0);
      out.slice(1, start, end).copy_(at::mm(a[g] * sa[g].unsqueeze(-1), right));
    }
  }
  return out;
}

Tensor scaled_grouped_mm_v2(const Tensor& self, const Tensor& mat2, at::TensorList scale_a,
                            at::IntArrayRef recipe_a, at::IntArrayRef swizzle_a,
                            at::TensorList scale_b, at::IntArrayRef recipe_b,
                            at::IntArrayRef swizzle_b, const std::optional<Tensor>& offs,
                            const std::optional<Tensor>& bias,
                            std::optional<at::ScalarType> out_dtype,
                            at::IntArrayRef /*contraction_dim*/, bool use_fast_accum) {
  constexpr int64_t kRowWise = 1; // of at::blas::ScalingType
  auto row_wise = [](at::TensorList scale, at::IntArrayRef recipe, at::IntArrayRef swizzle) {
    return scale.size() == 1 && recipe.size() == 1 && recipe[0] == kRowWise &&
           std::all_of(swizzle.begin(), swizzle.end(), [](int64_t s) { return s == 0; });
  };
  TORCH_CHECK_NOT_IMPLEMENTED(
      row_wise(scale_a, recipe_a, swizzle_a) && row_wise(scale_b, recipe_b, swizzle_b),
      "[_scaled_grouped_mm_v2] only row-wise scaling without swizzle is supported, got recipes ",
      recipe_a, " and ", recipe_b);
  return scaled_grouped_mm(self, mat2, scale_a[0], scale_b[0], offs, bias, std::nullopt, out_dtype,
                           use_fast_accum);
}

} // namespace xpu_lite::aten
