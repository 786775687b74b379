// The choice of an implementation for a filter's gradient, and its meaning in plain loops.

#include "backend/cpu/conv/weight_gradient.h"

#include "backend/cpu/conv/gradient_kernels.h"
#include "backend/cpu/kernels/scalar_types.h"
#include "backend/runtime/error.h"

namespace xpu_lite::cpu::conv {
namespace {

struct GradientImplementation {
  const char* name;
  const GradientKernels *f32, *bf16, *f16;
};

// A new instruction set is a line here and a table made of levels/gradient.h.
constexpr GradientImplementation kGradients[] = {
    {"avx512_bf16", nullptr, &avx512_bf16::gradient_bf16, nullptr},
    {"avx512", &avx512::gradient_f32, &avx512::gradient_bf16, &avx512::gradient_f16},
    {"avx2", &avx2::gradient_f32, &avx2::gradient_bf16, &avx2::gradient_f16},
};
constexpr const char* kGradientReference = "reference";

const GradientKernels* kernels_of(const GradientImplementation& i, DType dtype) {
  const GradientKernels* k = dtype == DType::Float ? i.f32
      : dtype == DType::BFloat16                   ? i.bf16
      : dtype == DType::Half                       ? i.f16
                                                   : nullptr;
  return k && isa() >= k->needs ? k : nullptr;
}

const GradientKernels* choose_gradient(DType dtype) {
  for (const GradientImplementation& i : kGradients) {
    if (const GradientKernels* k = kernels_of(i, dtype)) return k;
  }
  return nullptr;
}

void check_gradient(const WeightGradient& g) {
  if (!gemm::serves(g.dtype) || !gemm::serves(g.result_dtype)) {
    throw ValueError("weight_gradient: operands are float32, bfloat16 or float16");
  }
  for (const Window* w : {&g.vertical, &g.horizontal}) {
    if (w->size < 1 || w->stride < 1 || w->dilation < 1 || w->pad < 0) {
      throw ValueError(message("weight_gradient: a filter has size, stride and dilation of 1 or ",
                               "more and no negative padding, got size ", w->size, ", stride ",
                               w->stride, ", padding ", w->pad, ", dilation ", w->dilation));
    }
  }
}

float gradient_value(const void* data, DType dtype, int64_t i) {
  if (dtype == DType::Float) return static_cast<const float*>(data)[i];
  if (dtype == DType::BFloat16) return static_cast<const bfloat16*>(data)[i];
  return static_cast<const half*>(data)[i];
}

int64_t offset_of(Layout layout, int64_t channels, int64_t height, int64_t width, int64_t image,
                  int64_t c, int64_t y, int64_t x) {
  return layout == Layout::ChannelsLast ? ((image * height + y) * width + x) * channels + c
                                        : ((image * channels + c) * height + y) * width + x;
}

} // namespace

void reference_weight_gradient(const WeightGradient& g) {
  const Window &v = g.vertical, &h = g.horizontal;
  const int64_t all = g.out_channels * g.channels * v.size * h.size;
  for (int64_t i = 0; i < all; ++i) {
    const int64_t kx = i % h.size, ky = i / h.size % v.size;
    const int64_t c = i / (h.size * v.size) % g.channels, o = i / (h.size * v.size) / g.channels;
    float sum = 0;
    for (int64_t pixel = 0; pixel < g.batch * g.out_height * g.out_width; ++pixel) {
      const int64_t image = pixel / (g.out_height * g.out_width);
      const int64_t oy = pixel / g.out_width % g.out_height, ox = pixel % g.out_width;
      const int64_t y = oy * v.stride - v.pad + ky * v.dilation;
      const int64_t x = ox * h.stride - h.pad + kx * h.dilation;
      if (y < 0 || y >= g.height || x < 0 || x >= g.width) continue;
      const int64_t from =
          offset_of(g.grad_layout, g.out_channels, g.out_height, g.out_width, image, o, oy, ox);
      sum += gradient_value(g.grad_output, g.dtype, from) *
          gradient_value(g.input, g.dtype,
                         offset_of(g.input_layout, g.channels, g.height, g.width, image, c, y, x));
    }
    const int64_t at =
        o * g.strides[0] + c * g.strides[1] + ky * g.strides[2] + kx * g.strides[3];
    if (g.result_dtype == DType::Float) {
      static_cast<float*>(g.result)[at] = sum;
    } else if (g.result_dtype == DType::BFloat16) {
      static_cast<bfloat16*>(g.result)[at] = bfloat16(sum);
    } else {
      static_cast<half*>(g.result)[at] = half(sum);
    }
  }
}

const GradientKernels* find_gradient_kernels(const std::string& name, DType dtype) {
  for (const GradientImplementation& i : kGradients) {
    if (name == i.name) return kernels_of(i, dtype);
  }
  return nullptr;
}

std::vector<std::string> gradient_implementations() {
  std::vector<std::string> all;
  for (const GradientImplementation& i : kGradients) all.push_back(i.name);
  all.push_back(kGradientReference);
  return all;
}

bool gradient_implementation_serves(const std::string& name, DType dtype) {
  return gemm::serves(dtype) &&
      (name == kGradientReference || find_gradient_kernels(name, dtype));
}

const char* chosen_gradient_implementation(DType dtype) {
  const GradientKernels* k = choose_gradient(dtype);
  return k ? k->name : kGradientReference;
}

void weight_gradient(const WeightGradient& g) {
  check_gradient(g);
  if (g.out_channels <= 0 || g.channels <= 0) return;
  const GradientKernels* k = choose_gradient(g.dtype);
  k ? run_gradient(*k, g) : reference_weight_gradient(g);
}

void weight_gradient_with(const std::string& name, const WeightGradient& g) {
  check_gradient(g);
  if (!gradient_implementation_serves(name, g.dtype)) {
    throw ValueError(message("weight_gradient: implementation '", name, "' does not serve this ",
                             "dtype on this processor"));
  }
  if (g.out_channels <= 0 || g.channels <= 0) return;
  const GradientKernels* k = find_gradient_kernels(name, g.dtype);
  k ? run_gradient(*k, g) : reference_weight_gradient(g);
}

} // namespace xpu_lite::cpu::conv
