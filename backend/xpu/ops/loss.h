#pragma once

// Losses on a SYCL device; pointers are the engine's, of dense memory.

#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"
#include "backend/xpu/kernels/bce_args.h"
#include "backend/xpu/kernels/nll_loss_args.h"

namespace xpu_lite::xpu {

// Bytes of device memory for `partial`.
size_t nll_loss_bytes(int device, DType type, int64_t targets);
// `each`: a value for each target. Sets `parts` and `error`.
void nll_loss(Stream& stream, DType type, bool each, NllLossArgs args);
// grad_in is zeroed.
void nll_loss_backward(Stream& stream, DType type, NllLossBackwardArgs args,
                       size_t grad_in_bytes);

void bce(Stream& stream, DType type, BceArgs args);
void bce_backward(Stream& stream, DType type, BceArgs args);

} // namespace xpu_lite::xpu
