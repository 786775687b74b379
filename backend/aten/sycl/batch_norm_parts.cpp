#include "backend/aten/sycl/batch_norm_parts.h"

#include <bit>

#include <ATen/ops/empty_like.h>

#include "backend/xpu/ops/reduce.h"

namespace xpu_lite::aten::sycl {

using at::Tensor;

std::pair<Tensor, Tensor> channel_moments(const char* op, const Tensor& input) {
  const Channels c(input);
  const auto options = input.options().dtype(accumulation_type(input));
  Tensor mean = at::empty({c.channels}, options), var = at::empty({c.channels}, options);
  xpu::Reduction r;
  r.kernel = "variance", r.type = norm_type(op, input);
  r.partial_bytes = 3 * options.dtype().itemsize();
  r.wide_out = true;
  r.in = in(input), r.out = out(var), r.out2 = out(mean);
  r.dims = {{c.inner, 1, 0, 0, true},
            {c.channels, c.inner, 1, 1, false},
            {c.outer, c.inner * c.channels, 0, 0, true}};
  Tensor buffer;
  struct Context {
    const Tensor& like;
    Tensor& buffer;
  } context{input, buffer};
  const auto scratch = [](void* p, size_t bytes) -> void* {
    auto* context = static_cast<Context*>(p);
    context->buffer = at::empty({static_cast<int64_t>(bytes)},
                                context->like.options().dtype(at::kByte));
    return out(context->buffer);
  };
  run(op, input, [&](Stream& stream) { xpu::reduce(stream, r, scratch, &context); });
  return {mean, var};
}

ChannelFactors channel_factors(const char* op, const Tensor& any, xpu::ChannelStatArgs a,
                               double eps, double momentum, double unbias, bool wanted) {
  ChannelFactors f;
  if (wanted) {
    const auto options = any.options().dtype(accumulation_type(any));
    f.scale = at::empty({a.channels}, options), f.shift = at::empty({a.channels}, options);
    a.scale = out(f.scale), a.shift = out(f.shift);
  }
  a.eps_f = static_cast<float>(eps), a.eps_d = std::bit_cast<uint64_t>(eps);
  a.momentum_f = static_cast<float>(momentum), a.momentum_d = std::bit_cast<uint64_t>(momentum);
  a.unbias_f = static_cast<float>(unbias), a.unbias_d = std::bit_cast<uint64_t>(unbias);
  const auto type = any.scalar_type() == at::kDouble ? xpu::DType::F64 : xpu::DType::F32;
  run(op, any, [&](Stream& stream) { xpu::channel_statistics(stream, type, a); });
  return f;
}

Tensor scaled(const char* op, const Tensor& input, const ChannelFactors& factors) {
  const Channels c(input);
  Tensor result = at::empty_like(input, c.format);
  xpu::ChannelNormArgs a{};
  a.in = in(input), a.out = out(result);
  a.scale = in(factors.scale), a.shift = in(factors.shift);
  a.outer = c.outer, a.channels = c.channels, a.inner = c.inner;
  run(op, input, [&](Stream& stream) { xpu::channel_norm(stream, norm_type(op, input), a); });
  return result;
}

Tensor channel_backward(const char* op, const Tensor& grad, const Tensor& input,
                        const Tensor& weight, const Tensor& mean, const Tensor& rstd,
                        const Tensor& sum, const Tensor& along, bool train, double share) {
  const Channels c(input);
  Tensor result = at::empty_like(input, c.format);
  xpu::ChannelNormArgs a{};
  a.in = in(input), a.grad = in(grad), a.out = out(result);
  a.weight = in_or_null(weight), a.mean = in_or_null(mean), a.rstd = in(rstd);
  a.sum_grad = in_or_null(sum), a.sum_grad_x = in_or_null(along);
  a.outer = c.outer, a.channels = c.channels, a.inner = c.inner;
  a.train = train;
  a.share_f = static_cast<float>(share), a.share_d = std::bit_cast<uint64_t>(share);
  run(op, input,
      [&](Stream& stream) { xpu::channel_norm_backward(stream, norm_type(op, input), a); });
  return result;
}

Running::Running(const char* op, const char* name, const std::optional<Tensor>& t,
                 const Tensor& input) {
  if (!given(t)) return;
  TORCH_CHECK(t->numel() == input.size(1), op, ": ", name, " should contain ", input.size(1),
              " elements not ", t->numel());
  given_ = *t;
  dense = parameter(t, input);
}

} // namespace xpu_lite::aten::sycl
