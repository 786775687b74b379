#pragma once

// How a work-group finds its chunk. Device code.

#include "backend/xpu/kernels/acc.h"
#include "backend/xpu/kernels/multi_tensor_args.h"

namespace xk {

using xpu_lite::xpu::kChunkElements;
using xpu_lite::xpu::LateNumber;
using xpu_lite::xpu::TensorChunk;

// body(tensor, first element, lane, lanes, elements) for the chunk of this group.
template <class Tensor, class Body>
inline void for_chunk(const Tensor* tensors, const TensorChunk* chunks, const Body& body) {
  const auto it = item();
  const TensorChunk chunk = chunks[it.get_group(0)];
  // A copy: in memory, its pointers would be read again after every store.
  const Tensor tensor = tensors[chunk.tensor];
  const int64_t first = static_cast<int64_t>(chunk.part) * kChunkElements;
  const int64_t left = tensor.n - first;
  body(tensor, first, static_cast<int>(it.get_local_id(0)),
       static_cast<int>(it.get_local_range(0)),
       static_cast<int>(left < kChunkElements ? left : kChunkElements));
}

template <class Real>
inline Real read_late(const LateNumber<Real>& number) {
  using xpu_lite::xpu::DType;
  if (!number.data) return number.value;
  switch (static_cast<DType>(number.type)) {
    case DType::F32: return *static_cast<const float*>(number.data);
    case DType::BF16: return widen(*static_cast<const bf16*>(number.data));
    case DType::I32: return static_cast<Real>(*static_cast<const int32_t*>(number.data));
    case DType::I64: return static_cast<Real>(*static_cast<const int64_t*>(number.data));
    default: break;
  }
  // The bits of double and half are taken apart: an f32 kernel may run where
  // neither type is.
  if (static_cast<DType>(number.type) == DType::F64) {
    const uint64_t bits = *static_cast<const uint64_t*>(number.data);
    if constexpr (sizeof(Real) == 8) {
      return sycl::bit_cast<double>(bits);
    } else {
      const int32_t e = static_cast<int32_t>(bits >> 52 & 0x7ff) - 1023 + 127;
      if (e <= 0) return 0.0f;
      if (e >= 255) return sycl::bit_cast<float>(0x7f800000u);
      const uint64_t mantissa = bits & 0xfffffffffffffu;
      uint32_t narrow = static_cast<uint32_t>(e) << 23 | static_cast<uint32_t>(mantissa >> 29);
      narrow += (mantissa >> 28 & 1) && ((mantissa & 0xfffffffu) || (narrow & 1));
      return sycl::bit_cast<float>(narrow | static_cast<uint32_t>(bits >> 63) << 31);
    }
  }
  const uint32_t half = *static_cast<const uint16_t*>(number.data);
  const uint32_t e = half >> 10 & 0x1f, m = half & 0x3ff;
  const float sign = half >> 15 ? -1.0f : 1.0f;
  if (e == 0) return static_cast<Real>(sign * static_cast<float>(m) * 0x1p-24f);
  const uint32_t exponent = e == 31 ? 255 : e + 112;
  return static_cast<Real>(sign * sycl::bit_cast<float>(exponent << 23 | m << 13));
}

} // namespace xk
