#pragma once

// The elementwise half of an LSTM or GRU step: all gates of a cell in one pass
// over memory, forward and backward.
//
// Gates are [batch, gates * hidden], rows of their own stride. LSTM: input, forget,
// cell, output; workspace [batch, 4 * hidden] holds them after their activations.
// GRU: reset, update, new; workspace [batch, 5 * hidden] holds reset, update, new,
// the previous state, and the hidden part of `new` with its bias.

#include <cstdint>

#include "backend/cpu/dispatch.h"

namespace xpu_lite::cpu {

enum class CellType : int { Float, Double, BFloat16, Half };

struct CellForward {
  int64_t batch = 0, hidden = 0;
  const void *input_gates = nullptr, *hidden_gates = nullptr;
  int64_t input_stride = 0, hidden_stride = 0; // elements between rows
  const void *input_bias = nullptr, *hidden_bias = nullptr; // both or none
  const void* state = nullptr; // LSTM: cx; GRU: hx
  int64_t state_stride = 0;
  void *out = nullptr, *cell = nullptr; // hy; cy (LSTM); contiguous
  void* workspace = nullptr;            // contiguous
};

struct LstmBackward {
  int64_t batch = 0, hidden = 0;
  const void *grad_out = nullptr, *grad_cell = nullptr; // either may be absent
  int64_t grad_out_stride = 0, grad_cell_stride = 0;
  const void *state = nullptr, *cell = nullptr, *workspace = nullptr;
  int64_t state_stride = 0, cell_stride = 0;
  void *grad_gates = nullptr, *grad_state = nullptr; // contiguous
};

struct GruBackward {
  int64_t batch = 0, hidden = 0;
  const void *grad_out = nullptr, *workspace = nullptr;
  int64_t grad_out_stride = 0;
  void *grad_input_gates = nullptr, *grad_hidden_gates = nullptr, *grad_state = nullptr;
};

} // namespace xpu_lite::cpu

XPU_LITE_DECLARE_KERNEL(lstm_cell_forward, void(const CellForward&, CellType));
XPU_LITE_DECLARE_KERNEL(lstm_cell_backward, void(const LstmBackward&, CellType));
XPU_LITE_DECLARE_KERNEL(gru_cell_forward, void(const CellForward&, CellType));
XPU_LITE_DECLARE_KERNEL(gru_cell_backward, void(const GruBackward&, CellType));
