#pragma once

// Random operators that torch's CPU kernels serve, on CPU aliases and with a CPU
// generator drawn from the device's (cpu_companion): samplers by rejection, whose
// use of random numbers has no bound known before, and those that sort.

#include <optional>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

namespace xpu_lite::aten {

using OptionalGenerator = std::optional<at::Generator>;

at::Tensor standard_gamma(const at::Tensor& self, OptionalGenerator generator);
at::Tensor sample_dirichlet(const at::Tensor& self, OptionalGenerator generator);
at::Tensor poisson(const at::Tensor& self, OptionalGenerator generator);
at::Tensor binomial(const at::Tensor& count, const at::Tensor& prob, OptionalGenerator generator);
at::Tensor multinomial(const at::Tensor& self, int64_t num_samples, bool replacement,
                       OptionalGenerator generator);
at::Tensor& multinomial_out(const at::Tensor& self, int64_t num_samples, bool replacement,
                            OptionalGenerator generator, at::Tensor& out);
at::Tensor& randperm_out(int64_t n, OptionalGenerator generator, at::Tensor& out);
at::Tensor rrelu_with_noise(const at::Tensor& self, at::Tensor& noise, const at::Scalar& lower,
                            const at::Scalar& upper, bool training, OptionalGenerator generator);
at::Tensor& rrelu_with_noise_(at::Tensor& self, at::Tensor& noise, const at::Scalar& lower,
                              const at::Scalar& upper, bool training,
                              OptionalGenerator generator);
at::Tensor& rrelu_with_noise_out(const at::Tensor& self, at::Tensor& noise,
                                 const at::Scalar& lower, const at::Scalar& upper, bool training,
                                 OptionalGenerator generator, at::Tensor& out);

} // namespace xpu_lite::aten
