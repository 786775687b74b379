#pragma once

// What the normalisations share: tensors as [outer, channels, inner] in their own
// memory format, and parameters as the kernels want them.

#include <optional>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include "backend/aten/sycl/run.h"
#include "backend/xpu/ops/norm.h"

namespace xpu_lite::aten::sycl {

inline bool given(const std::optional<at::Tensor>& t) { return t.has_value() && t->defined(); }

inline xpu::DType norm_type(const char* op, const at::Tensor& t) {
  TORCH_CHECK_NOT_IMPLEMENTED(at::isFloatingType(t.scalar_type()) && t.element_size() > 1, "\"",
                              op, "\" not implemented for '", t.scalar_type(), "'");
  return dtype_of(op, t.scalar_type());
}

inline at::ScalarType accumulation_type(const at::Tensor& t) {
  return t.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

// Dense, in the accumulation type of `like`; undefined stays undefined.
inline at::Tensor parameter(const std::optional<at::Tensor>& t, const at::Tensor& like) {
  return given(t) ? t->to(accumulation_type(like)).contiguous() : at::Tensor();
}

inline const void* in_or_null(const at::Tensor& t) { return t.defined() ? in(t) : nullptr; }
inline void* out_or_null(const at::Tensor& t) { return t.defined() ? out(t) : nullptr; }

struct Channels {
  explicit Channels(const at::Tensor& input) : format(input.suggest_memory_format()) {
    channels = input.size(1);
    inner = 1;
    if (format == at::MemoryFormat::Contiguous) {
      for (int64_t d = 2; d < input.dim(); ++d) inner *= input.size(d);
    }
    const int64_t rest = channels * inner;
    outer = rest == 0 ? 0 : input.numel() / rest;
  }
  at::MemoryFormat format;
  int64_t outer, channels, inner;
};

// sum_grad and sum_grad_x of each channel (undefined: not wanted) into dense tensors
// of the accumulation type.
inline void channel_sums(const char* op, xpu::DType type, const at::Tensor& any,
                         xpu::ChannelSumArgs a) {
  const size_t bytes = xpu::plan_channel_sums(stream_of(any).device(), type, a);
  const at::Tensor partial =
      at::empty({static_cast<int64_t>(bytes)}, any.options().dtype(at::kByte));
  a.partial = out(partial);
  run(op, any, [&](Stream& stream) { xpu::channel_sums(stream, type, a); });
}

} // namespace xpu_lite::aten::sycl
