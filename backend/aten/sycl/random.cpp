// The kernels behind the random operators (ops/random.cpp, ops/dropout.cpp).

#include "backend/aten/ops/engine_kernels.h"
#include "backend/aten/sycl/index_walk.h"
#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/random.h"

namespace xpu_lite::aten::sycl {

namespace {

using xpu::Distribution;

Distribution distribution_of(const Draw& draw) {
  switch (draw.kind) {
    case Draw::Normal: return Distribution::Normal;
    case Draw::LogNormal: return Distribution::LogNormal;
    case Draw::Exponential: return Distribution::Exponential;
    case Draw::Cauchy: return Distribution::Cauchy;
    case Draw::Geometric: return Distribution::Geometric;
    default: return Distribution::Uniform;
  }
}

void fill(const char* op, const at::Tensor& to, const Draw& draw,
          const cpu::PhiloxStream& philox) {
  const xpu::DType type = dtype_of(op, to.scalar_type());
  const int64_t n = to.numel();
  run(op, to, [&](Stream& stream) {
    switch (draw.kind) {
      case Draw::Integers:
        return xpu::random_integers(stream, out(to), type, n, philox, draw.range, draw.base);
      case Draw::Bernoulli:
        return xpu::random_bernoulli(stream, out(to), type, n, philox, draw.a);
      default:
        return xpu::random_fill(stream, distribution_of(draw), out(to), type, n, philox, draw.a,
                                draw.b);
    }
  });
}

void bernoulli_each(const char* op, const at::Tensor& to, const at::Tensor& p,
                    const cpu::PhiloxStream& philox) {
  const xpu::DType type = dtype_of(op, to.scalar_type());
  run(op, to, [&](Stream& stream) {
    xpu::random_bernoulli_each(stream, out(to), type, to.numel(), philox, in(p),
                               p.scalar_type() == at::kDouble, op);
  });
  check_indexed(to);
}

void fill_by_key(const char* op, const at::Tensor& to, const at::Tensor& keys,
                 const Draw& draw) {
  const xpu::DType type = dtype_of(op, to.scalar_type());
  const int64_t count = keys.size(0);
  run(op, to, [&](Stream& stream) {
    xpu::random_keys_fill(stream, distribution_of(draw), out(to), type,
                          static_cast<const uint64_t*>(in(keys)), count, to.numel() / count,
                          draw.a, draw.b);
  });
}

void derive_keys(const char* op, const at::Tensor& to, const at::Tensor& keys, int64_t splits,
                 uint64_t first) {
  if (keys.numel() == 0) return;
  run(op, to, [&](Stream& stream) {
    xpu::random_derive_keys(stream, static_cast<uint64_t*>(out(to)),
                            static_cast<const uint64_t*>(in(keys)), keys.numel() / 2, splits,
                            first);
  });
}

void dropout_numbers(const char* op, const at::Tensor& to, const cpu::PhiloxStream& philox) {
  const int64_t width = to.size(-1);
  run(op, to, [&](Stream& stream) {
    xpu::random_dropout_numbers(stream, static_cast<float*>(out(to)), to.numel() / width, width,
                                philox);
  });
}

void dropout(const char* op, const at::Tensor& to, const at::Tensor& mask,
             const at::Tensor& from, const cpu::PhiloxStream& philox, double keep,
             double scale) {
  const xpu::DType type = dtype_of(op, from.scalar_type());
  run(op, to, [&](Stream& stream) {
    xpu::dropout_forward(stream, out(to), static_cast<uint8_t*>(out(mask)), in(from), type,
                         from.numel(), philox, keep, scale);
  });
}

void masked_scale(const char* op, const at::Tensor& to, const at::Tensor& from,
                  const at::Tensor& mask, double scale) {
  const xpu::DType type = dtype_of(op, from.scalar_type());
  run(op, to, [&](Stream& stream) {
    xpu::masked_scale(stream, out(to), in(from), static_cast<const uint8_t*>(in(mask)), type,
                      from.numel(), scale);
  });
}

constexpr RandomKernels kKernels = {fill,    bernoulli_each, fill_by_key, derive_keys,
                                    dropout_numbers, dropout,  masked_scale};
const bool installed = (random_kernels = &kKernels, true);

} // namespace

} // namespace xpu_lite::aten::sycl
