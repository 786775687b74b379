#pragma once

// Normalisations, without torch: grids and parts for the kernels; what the fields
// mean is said with the arguments themselves. Pointers are device pointers.

#include <cstddef>

#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"
#include "backend/xpu/kernels/norm_args.h"

namespace xpu_lite::xpu {

// Layer, RMS and group norm.
void row_norm(Stream& stream, DType type, const RowNormArgs& a);
void row_norm_backward(Stream& stream, DType type, const RowNormArgs& a);

// How many parts channel_sums() makes of the outer dimension, and the bytes of its
// partial results; it fills a.splits and a.chunk.
size_t plan_channel_sums(int device, DType type, ChannelSumArgs& a);
void channel_sums(Stream& stream, DType type, const ChannelSumArgs& a);

// `type` of the accumulation: F32 or F64.
void channel_statistics(Stream& stream, DType type, const ChannelStatArgs& a);
void channel_norm(Stream& stream, DType type, ChannelNormArgs a);
void channel_norm_backward(Stream& stream, DType type, ChannelNormArgs a);

} // namespace xpu_lite::xpu
