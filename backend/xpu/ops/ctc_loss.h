#pragma once

// ctc_loss on a SYCL device; pointers are the engine's, layouts as in
// kernels/ctc_loss_args.h. Real: float or double.

#include "backend/runtime/stream.h"
#include "backend/xpu/kernels/ctc_loss_args.h"

namespace xpu_lite::xpu {

// Writes loss and alpha.
template <class Real>
void ctc_loss(Stream& stream, CtcArgs<Real> args);
// Writes beta and out.
template <class Real>
void ctc_loss_backward(Stream& stream, CtcArgs<Real> args);

} // namespace xpu_lite::xpu
