#pragma once

// Recurrent cells: see kernels/rnn_args.h. `type` is a floating type.

#include "backend/runtime/stream.h"
#include "backend/xpu/dtype.h"
#include "backend/xpu/kernels/rnn_args.h"

namespace xpu_lite::xpu {

void lstm_forward(Stream& stream, DType type, const CellArgs& args);
void lstm_backward(Stream& stream, DType type, const LstmGradArgs& args);
void gru_forward(Stream& stream, DType type, const CellArgs& args);
void gru_backward(Stream& stream, DType type, const GruGradArgs& args);

} // namespace xpu_lite::xpu
