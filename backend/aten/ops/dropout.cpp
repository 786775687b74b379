#include "backend/aten/ops/dropout.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/ones_like.h>

#include "backend/aten/core/launch.h"
#include "backend/aten/generator.h"
#include "backend/aten/ops/engine_kernels.h"
#include "backend/aten/ops/random_type.h"
#include "backend/cpu/kernels/dropout.h"

namespace xpu_lite::aten {

using cpu::PhiloxStream;
using cpu::RandomType;

namespace {

// Keeps each element with probability `keep` and multiplies it by `scale`.
std::tuple<at::Tensor, at::Tensor> drop(const char* name, const at::Tensor& input, double keep,
                                        double scale, at::ScalarType mask_type,
                                        const std::optional<at::Generator>& generator) {
  // Any dense layout is one run of memory; others are made row-major.
  const at::Tensor source = input.is_non_overlapping_and_dense() ? input : input.contiguous();
  const at::Tensor output = at::empty_like(source);
  const at::Tensor mask = at::empty_like(source, source.options().dtype(mask_type));
  const PhiloxState state = reserve_philox(generator, input.get_device());
  const int64_t n = source.numel();
  if (n == 0) return {output, mask};
  if (random_kernels) {
    random_kernels->dropout(name, output, mask, source,
                            PhiloxStream::of_generator(state.seed, state.offset), keep, scale);
    return {output, mask};
  }
  const RandomType type = *random_type(input.scalar_type());
  const void* in = source.const_data_ptr();
  void* out = output.mutable_data_ptr();
  auto* kept = static_cast<uint8_t*>(mask.mutable_data_ptr());
  const PhiloxStream stream = PhiloxStream::of_generator(state.seed, state.offset);
  launch(name, {source, output, mask}, [=] {
    cpu::dropout_forward(out, kept, in, type, n, stream, keep, scale);
  });
  return {output, mask};
}

bool has_kernel(const at::Tensor& tensor) {
  return at::isFloatingType(tensor.scalar_type()) && random_type(tensor.scalar_type());
}

at::Tensor scale_by_mask(const char* name, const at::Tensor& values, const at::Tensor& mask,
                         double scale) {
  const bool one_run = values.is_non_overlapping_and_dense() &&
                       values.sizes() == mask.sizes() && values.strides() == mask.strides();
  const at::Tensor in = one_run ? values : values.contiguous();
  const at::Tensor factors = one_run ? mask : mask.expand(values.sizes()).contiguous();
  const at::Tensor output = at::empty_like(in);
  const int64_t n = in.numel();
  if (n == 0) return output;
  if (random_kernels) {
    random_kernels->masked_scale(name, output, in, factors, scale);
    return output;
  }
  const RandomType type = *random_type(values.scalar_type());
  const void* from = in.const_data_ptr();
  const auto* kept = static_cast<const uint8_t*>(factors.const_data_ptr());
  void* out = output.mutable_data_ptr();
  launch(name, {output, in, factors}, [=] { cpu::masked_scale(out, from, kept, type, n, scale); });
  return output;
}

} // namespace

std::tuple<at::Tensor, at::Tensor> native_dropout(const at::Tensor& input, double p,
                                                  std::optional<bool> train) {
  TORCH_CHECK(p >= 0 && p <= 1, "native_dropout: p must be in [0, 1], got ", p);
  if (train.has_value() && !*train) {
    return {input.clone(), at::ones_like(input, input.options().dtype(at::kBool))};
  }
  const double keep = 1.0 - p;
  const double scale = keep == 0 ? 0.0 : 1.0 / keep;
  if (has_kernel(input)) {
    return drop("native_dropout", input, keep, scale, at::kBool, std::nullopt);
  }
  // Complex numbers; integers fail in mul_ as they do on the CPU.
  at::Tensor mask = at::empty_like(input, input.options().dtype(at::kBool));
  mask.bernoulli_(keep);
  at::Tensor output = at::mul(input, mask).mul_(scale);
  return {output, mask};
}

at::Tensor native_dropout_backward(const at::Tensor& grad, const at::Tensor& mask, double scale) {
  TORCH_CHECK(mask.scalar_type() == at::kBool, "native_dropout_backward: mask must be bool, got ",
              mask.scalar_type());
  if (has_kernel(grad) && grad.device() == mask.device() && grad.sizes() == mask.sizes()) {
    return scale_by_mask("native_dropout_backward", grad, mask, scale);
  }
  return at::mul(grad, at::mul(mask.to(grad.scalar_type()), scale));
}

std::tuple<at::Tensor, at::Tensor> fused_dropout(const at::Tensor& self, double p,
                                                 std::optional<at::Generator> generator) {
  TORCH_CHECK(p > 0 && p <= 1, "_fused_dropout: p, the probability of keeping, must be in (0, 1], "
              "got ", p);
  TORCH_CHECK_NOT_IMPLEMENTED(has_kernel(self), "\"fused_dropout\" not implemented for '",
                              self.scalar_type(), "'");
  return drop("_fused_dropout", self, p, 1.0 / p, at::kByte, generator);
}

at::Tensor masked_scale(const at::Tensor& self, const at::Tensor& mask, double scale) {
  TORCH_CHECK(mask.scalar_type() == at::kByte, "_masked_scale: mask should be torch.uint8 dtype, "
              "got ", mask.scalar_type());
  TORCH_CHECK(self.device() == mask.device() && self.sizes() == mask.sizes(),
              "_masked_scale: self and mask must agree in device and shape, got ", self.sizes(),
              " on ", self.device(), " and ", mask.sizes(), " on ", mask.device());
  TORCH_CHECK_NOT_IMPLEMENTED(has_kernel(self), "\"masked_scale\" not implemented for '",
                              self.scalar_type(), "'");
  return scale_by_mask("_masked_scale", self, mask, scale);
}

} // namespace xpu_lite::aten
